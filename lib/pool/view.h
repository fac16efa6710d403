// SPDX-License-Identifier: MIT
/** @file
 * The whole pool of a dump, whatever design it has: where its pages lie, its
 * keys, its big allocations, what sits in caches. Opening reads the lists and
 * descriptors; psc_pool_walk() then touches every page once.
 */
#ifndef PSC_POOL_VIEW_H
#define PSC_POOL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "kernel/kernel.h"
#include "pool/bigpage.h"
#include "pool/design.h"
#include "pool/keys.h"
#include "pool/sink.h"

/** Places where blocks lie: one allocator's contiguous range. */
enum psc_unit_kind {
	PSC_UNIT_CHAIN,		/**< A window of classic pages. */
	PSC_UNIT_VS, PSC_UNIT_LFH, /**< A subsegment. */
	PSC_UNIT_SPECIAL,	/**< A window of special pool. */
};

/** Work for one thread; 24 bytes, since a big pool has a million. */
struct psc_unit {
	uint64_t va;
	uint32_t pages;
	uint16_t space;		/**< 0 = system, else a session. */
	uint8_t kind, pool;	/**< enum psc_unit_kind, enum psc_pool_kind. */
	uint8_t node;
	int8_t paged;		/**< PoolType bit 0 of its blocks, −1 = any. */
	/** The region is surely pool: a page that is no chain is counted. */
	bool certain;
};

/** What a walk covered of one pool of one node. */
struct psc_span {
	enum psc_pool_kind pool;
	unsigned int node;
	uint64_t pages_total;	/**< Present and missing. */
	uint64_t pages_read, pages_missing, pages_paged_out;
	uint64_t pages_big;	/**< Of pages_total, owned by big allocations. */
	uint64_t pages_stale;	/**< In the region, but hold no chain. */
	struct psc_span_stats st;
};

struct psc_pool_view;

/** Facts of an open view. */
struct psc_view_info {
	enum psc_pool_design design;
	bool partial;		/**< A triage dump: blocks found by chance. */
	bool newest;		/**< Layout of 26100: read as far as known. */
	struct psc_pool_keys keys;
	struct psc_big_table big; /**< Of the system; va 0 = not readable. */
	size_t n_units, n_big, n_cached, n_heaps, n_segments;
	uint64_t segments_unreadable;
	bool complete;		/**< Every list was read to its end. */
};

/**
 * Gather. What cannot be read makes the view incomplete and leaves a note.
 * @return &psc_absent when the kernel's layouts are not known;
 *         PSC_ERR_UNSUPPORTED for 32-bit kernels.
 */
PSC_NODISCARD struct psc_error *
psc_pool_view_open(const struct psc_kernel *k, struct psc_pool_view **ret);
void psc_pool_view_free(struct psc_pool_view *v);

const struct psc_view_info *psc_pool_view_info(const struct psc_pool_view *v);
size_t psc_pool_view_n_notes(const struct psc_pool_view *v);
const char *psc_pool_view_note(const struct psc_pool_view *v, size_t i);
/** Live big allocations, ascending; those of sessions behind the system's. */
const struct psc_big *psc_pool_view_big(const struct psc_pool_view *v,
					size_t *n);
/** The live big allocation of an address space (0 = system, else a session)
 *  that holds @p va, or NULL. */
const struct psc_big *psc_pool_big_at(const struct psc_pool_view *v,
				      uint16_t space, uint64_t va);

/** Big allocation as a block: its owner is "large" outside the segments. */
struct psc_block psc_pool_big_block(const struct psc_pool_view *v,
				    const struct psc_big *b);

/** Totals of a walk. */
struct psc_walk {
	struct psc_span *v;	/**< By pool and node. */
	size_t n;
	uint64_t blocks;
	bool complete;		/**< No page and no list was missing. */
};

/**
 * Visit every block: small ones page by page, then the big allocations.
 * With several sinks as many threads share the units (each its own sink, no
 * order); with one sink blocks come by ascending address within each space,
 * big ones last.
 * @param[out] ret caller frees with psc_walk_free().
 */
PSC_NODISCARD struct psc_error *
psc_pool_walk(struct psc_pool_view *v, const struct psc_sink *sinks,
	      unsigned int n_sinks, const struct psc_progress *progress,
	      struct psc_walk *ret);
void psc_walk_free(struct psc_walk *w);

/** Walk one unit or all blocks of the window around an address. */
struct psc_place {
	bool found;		/**< @c va lies in a unit or big allocation. */
	bool is_big;
	struct psc_big big;
	struct psc_unit unit;
	/** Segment design; 0 = not known. */
	uint64_t heap, segment, context;
	enum psc_va_status status; /**< Of the address's page. */
};
void psc_pool_locate(struct psc_pool_view *v, uint64_t va,
		     struct psc_place *ret);
/** Blocks of the place's unit (of its page, for chains) to @p sink. */
PSC_NODISCARD struct psc_error *
psc_pool_visit(struct psc_pool_view *v, const struct psc_place *p, uint64_t va,
	       const struct psc_sink *sink);

#endif
