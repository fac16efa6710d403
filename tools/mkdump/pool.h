// SPDX-License-Identifier: MIT
/** @file
 * What lies in the pool's pages: a simulated history of allocations and frees
 * that ends in chains (classic.c) or segment heaps (heap.c), charged to the
 * tag tables as it goes, so that tables and pages agree by construction.
 *
 * Encodings are written from the facts (pool 1-3, 5), on purpose without the
 * reader's code.
 */
#ifndef MK_POOL_H
#define MK_POOL_H

#include "big.h"
#include "recipe.h"
#include "special.h"

static inline bool mk_pool_is_paged(enum mk_pool p)
{
	return p >= MK_POOL_PAGED;
}

/** Largest request that gets a pool header (pool 2.6, 3.11). */
#define MK_POOL_SMALL_MAX 0xfe0u

/** One `alloc` directive. */
struct mk_want {
	uint32_t tag;
	enum mk_pool pool;
	uint64_t low, high;	/**< Requested bytes, both inclusive. */
	uint64_t count, freed, cached;
	uint64_t process;	/**< EPROCESS that pays, 0 = none. */
	bool aligned;		/**< Cache-aligned. */
	bool global;		/**< Session pool in the system's counters. */
	const char *fill;	/**< Text that fills the data, or NULL. */
	char *label;
	size_t first;		/**< Its blocks in mk_pool_state.got. */
};

enum mk_got_state {
	MK_GOT_USED,
	MK_GOT_FREED,
	MK_GOT_CACHED,		/**< Freed, but kept on a list. */
};

/** One allocation. */
struct mk_got {
	uint32_t want;		/**< Index of its directive. */
	enum mk_got_state state;
	uint64_t request;	/**< Bytes asked for. */
	uint64_t va;		/**< Pool header; data of one without header. */
	uint64_t bytes;		/**< Charged to the tag. */
	const char *kind;	/**< "chain", "big", "vs", "lfh", "large". */
	uint32_t page, slot;	/**< The allocator's own. */
};

/** The allocator of an era. */
struct mk_allocator {
	void (*init)(struct mk *m);
	/** Fill va, bytes, kind, page, slot of @p g. */
	void (*alloc)(struct mk *m, struct mk_got *g);
	/** Take it back; @p g->state says whether it is kept on a list. */
	void (*free)(struct mk *m, struct mk_got *g);
	/** Write everything into memory. */
	void (*finish)(struct mk *m);
};
extern const struct mk_allocator mk_classic;
extern const struct mk_allocator mk_heaps;

struct mk_pool_state {
	PSC_VEC(struct mk_want) wants;
	PSC_VEC(struct mk_got) got;
	bool in_order;		/**< Neighbours in the recipe, too. */
	uint64_t rng;
	uint64_t cookie;	/**< ExpPoolQuotaCookie; 0 before Windows 8. */
	void *allocator;	/**< Its private state. */
	uint64_t next[MK_AREAS];	/**< Address space handed out. */
	PSC_VEC(struct mk_special) special;
	bool exact;		/**< Pages decide the usage counters. */
	uint64_t pages[MK_POOLS];	/**< Committed, big ones included. */
};

/** `alloc TAG POOL size=N[..M] [count=N] …` */
void mk_do_alloc(struct mk *m, struct mk_args *a);
/** `pool-order recipe|shuffled` */
void mk_do_pool_order(struct mk *m, struct mk_args *a);
/** `chunk ADDRESS size= previous= [free]`: rewrite a VS chunk's header. */
void mk_do_chunk(struct mk *m, struct mk_args *a);
/** Run the history: tag counts, big entries and page counts are known then. */
void mk_pool_run(struct mk *m);
/** Write pages and lists, once the descriptors and heaps exist. */
void mk_pool_finish(struct mk *m);
/** Address space for pool pages. */
uint64_t mk_pool_reserve(struct mk *m, enum mk_pool pool, uint64_t bytes,
			 uint64_t align);
/** State of the pool, made when missing. */
struct mk_pool_state *mk_pool_get(struct mk *m);
/** Count what the pool's own code would: a session has its own tags. */
void mk_pool_charge(struct mk *m, enum mk_pool pool, uint32_t tag,
		    uint64_t allocs, uint64_t frees, uint64_t bytes);
/** Add to the truth what a walk finds in use: "nonpaged", "paged", …. */
void mk_pool_truth_extra(struct mk *m, uint32_t tag, const char *side,
			 uint64_t bytes);
/** Where the report counts a pool's blocks: its three sides. */
const char *mk_pool_side(enum mk_pool pool);
/** A row of the truth's blocks. */
void mk_pool_truth_block(struct json_object *blocks, uint64_t va,
			 uint64_t bytes, uint32_t tag, const char *pool,
			 const char *kind, const char *state);
/** @p count allocations of the entry's tag, size and pool. */
void mk_pool_big_want(struct mk *m, const struct mk_big_entry *e,
		      uint64_t count);
/** The fixed objects did not outgrow the span that was made for them. */
void mk_pool_check_fixed(struct mk *m);
/** Enter a big allocation of directive @p w into the table. */
void mk_pool_big(struct mk *m, const struct mk_want *w, uint64_t va,
		 uint64_t bytes);
void mk_pool_free(struct mk *m);

/** A header as it is stored (pool 1.1). */
struct mk_header {
	uint8_t previous, index, units, type;
	uint32_t tag;
};
void mk_header_write(struct mk *m, uint64_t va, const struct mk_header *h);
/** PoolType byte of a live block of @p w (pool 1.2). */
uint8_t mk_live_type(const struct mk_want *w);
/** Tag, quota pointer (pool 1.5) and data of a live block. The payer is
 *  stored in the header at @p header. */
void mk_quota_write(struct mk *m, const struct mk_want *w, uint64_t header);
/** Fill @p bytes of data at @p va as the directive says. */
void mk_data_write(struct mk *m, const struct mk_want *w, uint64_t va,
		   uint64_t bytes);
/** Units before the second header of a cache-aligned block at @p va, 0 when
 *  its data are aligned already (pool 1.7). */
unsigned int mk_align_units(uint64_t va);

#endif
