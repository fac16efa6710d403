// SPDX-License-Identifier: MIT
/** @file
 * The heaps of the segment era (pool 3.1, 3.2): state, nodes, heap objects
 * and their statistics. Their segments are content.
 */
#include <stdio.h>

#include "counters.h"

#define SIGNATURE 0xddeeddeeu

static uint64_t state_field(struct mk *m, unsigned int node, const char *rest)
{
	char path[128];

	snprintf(path, sizeof(path),
		 "_EX_POOL_HEAP_MANAGER_STATE.PoolNode[%u]%s", node, rest);
	return mk_symbol(m, "ExPoolState") + mk_offset(m, path);
}

static void make_heap(struct mk *m, unsigned int node, unsigned int type)
{
	uint64_t h = mk_alloc(m, MK_NONPAGED, mk_sizeof(m, "_SEGMENT_HEAP") +
						  MK_HEAP_TAIL);
	char rest[32];

	mk_field(m, h, "_SEGMENT_HEAP.Signature", SIGNATURE);
	// UserContext names the heap: its own dynamic lookaside (pool 3.2).
	if (type == 1 || type == 2)
		mk_field_opt(m, h, "_SEGMENT_HEAP.UserContext",
			     state_field(m, node, type == 1
					 ? ".Lookasides[1]"
					 : ".Lookasides[0]"));
	snprintf(rest, sizeof(rest), ".Heaps[%u]", type);
	mk_write64(m, state_field(m, node, rest), h);
	m->counters->heap[node][type] = h;
	mk_label(m, h, "heap:%u:%u", node, type);
}

static void make_heaps(struct mk *m)
{
	uint64_t state = mk_symbol(m, "ExPoolState"), seed = m->seed ^ 0x4ea9;

	m->counters->heaps_made = true;
	mk_field(m, state, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools",
		 m->n_nodes);
	if (mk_has_symbol(m, "RtlpHpHeapGlobals")) {
		uint64_t globals = mk_symbol(m, "RtlpHpHeapGlobals");

		mk_write64(m, globals, mk_random(&seed));	// HeapKey
		mk_write64(m, globals + 8, mk_random(&seed));	// LfhKey
		mk_write64(m, state, globals);		// HeapManager.Globals
	}
	for (unsigned int n = 0; n < m->n_nodes; n++) {
		for (unsigned int t = 0; t < 4; t++)
			make_heap(m, n, t);
	}
}

uint64_t mk_heap(struct mk *m, unsigned int node, unsigned int type)
{
	if (!m->counters->heaps_made)
		make_heaps(m);
	return m->counters->heap[node][type];
}

void mk_heap_usage(struct mk *m, unsigned int node, unsigned int type,
		   uint64_t pages, uint64_t large_pages)
{
	uint64_t h = mk_heap(m, node, type), committed = pages - large_pages;

	// Usage is what segments and large allocations hold (vm 2.6).
	mk_field(m, h, "_SEGMENT_HEAP.MemStats.TotalCommittedPages",
		 committed);
	mk_field_opt(m, h, "_SEGMENT_HEAP.MemStats.TotalReservedPages",
		     committed + 0x100);
	mk_field_opt(m, h, "_SEGMENT_HEAP.MemStats.FreeCommittedPages",
		     committed / 50);
	mk_field(m, h, "_SEGMENT_HEAP.LargeCommittedPages", large_pages);
	mk_field_opt(m, h, "_SEGMENT_HEAP.LargeReservedPages", large_pages);
}
