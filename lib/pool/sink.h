// SPDX-License-Identifier: MIT
/** @file
 * What a decoder of pool pages hands out: blocks, and faults where the bytes
 * break a rule of the catalogue. Decoders are pure: bytes in, calls out.
 */
#ifndef PSC_POOL_SINK_H
#define PSC_POOL_SINK_H

#include <stddef.h>

#include "pool/block.h"
#include "pool/rules.h"

/** One broken rule at one place. */
struct psc_fault {
	enum psc_rule rule;
	uint64_t va;		/**< Of the header that breaks it. */
	uint64_t field_va;	/**< First byte of the field compared. */
	unsigned int bits;	/**< Width of the field; 0 = no pair. */
	uint64_t expected, found; /**< Decoded, valid when bits > 0. */
	uint64_t previous_va;	/**< Header of the block before, 0 = none. */
	uint64_t previous_bytes;
	uint32_t previous_tag;
	bool previous_in_use;
	uint32_t tag;		/**< Of the block itself; 0 = unknown. */
	enum psc_pool_kind pool;
	enum psc_block_owner owner;
	uint64_t about;		/**< Allocation that a table's entry is about. */
	bool twice;		/**< A list holds the block a second time. */
	/** A repair of this one field makes every neighbour agree. */
	bool repaired;
};

/** Receives what a decoder finds; either call may be NULL. */
struct psc_sink {
	void *ctx;
	void (*block)(void *ctx, const struct psc_block *b);
	void (*fault)(void *ctx, const struct psc_fault *f);
	/** Set by a call to end the walk early; NULL: never. */
	const bool *stop;
};

static inline bool psc_sink_stopped(const struct psc_sink *s)
{
	return s->stop && *s->stop;
}

/** What a decoder covered, in bytes of the pages it was given. */
struct psc_span_stats {
	uint64_t blocks, in_use, free, cached, unattributed; /**< Bytes but for
							      *  the first. */
	uint64_t overhead;	/**< Headers of subsegments, guard units. */
	uint64_t skipped;	/**< Bytes that made no sense. */
	uint64_t missing;	/**< Bytes on pages that are not there. */
	uint64_t faults;
};

#endif
