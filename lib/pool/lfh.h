// SPDX-License-Identifier: MIT
/** @file
 * LFH subsegments of a segment heap: blocks of one size with a bitmap
 * (pool 3.7, real-pool 2). Pure: pages in, blocks out.
 */
#ifndef PSC_POOL_LFH_H
#define PSC_POOL_LFH_H

#include <stddef.h>
#include <stdint.h>

#include "pool/layout.h"
#include "pool/pages.h"
#include "pool/sink.h"

/** Bytes of the header that psc_lfh_decode() reads. */
#define PSC_LFH_HEADER 0x48u

/** A subsegment's header, decoded. */
struct psc_lfh_header {
	uint32_t block_bytes, first; /**< Block size; offset of block 0. */
	uint32_t count, free, withheld;
	uint32_t delayed;	/**< Freed, but busy in the bitmap (26100). */
	uint32_t blocks;	/**< count + withheld. */
	uint32_t units, unit_shift;
	uint32_t commit;	/**< Offset of the commit words, 0 = none. */
	uint64_t owner;		/**< As stored; 0 on the newest kernels. */
	uint8_t location;
};

/** Mask that BlockOffsets of a subsegment at @p va is stored under. */
static inline uint32_t psc_lfh_mask(const struct psc_heap_layout *l,
				    uint64_t va, uint64_t lfh_key)
{
	uint32_t k = l->lfh_wide_key ? (uint32_t)(va >> 12)
				     : (uint32_t)va >> 12;

	return (uint32_t)lfh_key ^ k;
}

/** Decode; @p p has PSC_LFH_HEADER bytes. Judges nothing. */
struct psc_lfh_header psc_lfh_decode(const struct psc_heap_layout *l,
				     const uint8_t *p, uint64_t va,
				     uint64_t lfh_key);
/** Offset of block 0 that the geometry demands (real-pool 2). */
uint32_t psc_lfh_first(const struct psc_heap_layout *l, uint32_t blocks,
		       uint32_t units, uint32_t block_bytes);
/** The rules F1, F2, F8 in one: can this header be true? */
bool psc_lfh_is_sane(const struct psc_heap_layout *l,
		     const struct psc_lfh_header *h);
/**
 * Block size without the key: the only size class whose geometry gives the
 * stored number of blocks (real-pool 3.3). @return 0 when it is not unique.
 */
uint32_t psc_lfh_guess(const struct psc_heap_layout *l,
		       const struct psc_lfh_header *h);

/** Slot or bucket of a subsegment, as far as it could be read. */
struct psc_lfh_owner {
	bool known;		/**< It was read: refs hold. */
	uint32_t refs;		/**< Blocks handed to the slot, still free. */
	uint32_t class_bytes;	/**< Block size of its class; 0 = none. */
	/** The owner by the heap's buckets, looked for when the stored one
	 *  fails; 0 = not found. */
	uint64_t owner;
};

struct psc_lfh {
	const struct psc_heap_layout *layout;
	struct psc_pages pages;
	uint64_t lfh_key;
	uint64_t cookie;	/**< 0 = unknown. */
	enum psc_pool_kind pool;
	int paged;		/**< Paged bit of its heap, -1 = unknown. */
	/** Paged session blocks lie in heaps of their own (pool 2.9). */
	bool no_session;
	unsigned int node;
	const uint64_t *cached;	/**< Ascending VAs of cached pool headers. */
	size_t n_cached;
	/** Looks the owner up. NULL: unknown. */
	void (*find_owner)(void *ctx, const struct psc_lfh_header *h,
			   uint64_t va, struct psc_lfh_owner *ret);
	void *owner_ctx;
};

void psc_lfh_walk(const struct psc_lfh *v, const struct psc_sink *s,
		  struct psc_span_stats *st);

#endif
