// SPDX-License-Identifier: MIT
/** @file What `!vm` shows: counters, page files, pool usage, regions. */
#ifndef MK_COUNTERS_H
#define MK_COUNTERS_H

#include "recipe.h"

/** Usage of one kind of pool, by NUMA node. */
struct mk_usage {
	uint64_t pages[64];
	uint64_t large[64];	/**< Of these, large allocations (heap era). */
};

struct mk_counters {
	/** Value of each counter of counter_table, and whether it was set. */
	uint64_t value[64];
	bool set[64];
	uint64_t pagefile_pages;	/**< Σ Current of ordinary page files. */
	uint64_t pagefile_hash_pages;
	uint32_t n_pagefiles;
	struct mk_usage nonpaged, nonpaged_nx, paged;
	uint32_t heap_state;		/**< 17763: 0 to 3. */
	bool heaps_made;
	uint64_t heap[64][4];		/**< _SEGMENT_HEAP by node and type. */
	struct json_object *page_files;	/**< Owned by the truth. */
};

/** `vm NAME=VALUE …`: pages, by the names of the report. */
void mk_do_vm(struct mk *m, struct mk_args *a);
/** `pagefile NAME …`. */
void mk_do_pagefile(struct mk *m, struct mk_args *a);
/** `heap-state N` (17763). */
void mk_do_heap_state(struct mk *m, struct mk_args *a);
/** `failures NAME=COUNT …`. */
void mk_do_failures(struct mk *m, struct mk_args *a);
/** Value of a counter: what the recipe set, else the default. */
uint64_t mk_counter(const struct mk *m, const char *name);
/** Give a counter the value @p value unless the recipe set it. */
void mk_counter_default(struct mk *m, const char *name, uint64_t value);
void mk_counters_finish(struct mk *m);

/** Paged pool descriptors besides the one of prototype PTEs. */
#define MK_PAGED_POOLS 4u

/** Pool usage into descriptors, heaps and Mm counters (usage.c, heap.c). */
void mk_usage_finish(struct mk *m);
/** Room behind a heap for what it reaches by 16-bit references. */
#define MK_HEAP_TAIL 0x200u
/** Address of a pool heap of the segment era (heap.c).
 *  @param type 0 nonpaged, 1 nonpaged NX, 2 paged, 3 prototype PTEs. */
uint64_t mk_heap(struct mk *m, unsigned int node, unsigned int type);
void mk_heap_usage(struct mk *m, unsigned int node, unsigned int type,
		   uint64_t pages, uint64_t large_pages);

/** Where the areas lie, as each family records it (regions.c). */
void mk_regions_finish(struct mk *m);

#endif
