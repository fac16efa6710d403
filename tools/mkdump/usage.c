// SPDX-License-Identifier: MIT
/** @file
 * Pool usage: pool descriptors up to 18362 (pool 2.1), heaps from 17763 on,
 * and the memory manager's own totals (vm 2.6).
 */
#include <string.h>

#include "counters.h"

#define TYPE_NONPAGED 0u
#define TYPE_PAGED 1u
#define TYPE_NX 0x200u

/** Divide @p pages among @p n parts, unequally. */
static void split(uint64_t pages, unsigned int n, uint64_t *part)
{
	uint64_t left = pages;

	for (unsigned int i = 0; i + 1 < n; i++) {
		part[i] = left / 2 + 1 <= left ? left / 2 + 1 : left;
		left -= part[i];
	}
	part[n - 1] = left;
}

static void descriptor(struct mk *m, uint64_t va, uint32_t type,
		       uint32_t index, uint64_t pages)
{
	uint64_t big = pages / 3, small = pages - big;

	mk_field(m, va, "_POOL_DESCRIPTOR.PoolType", type);
	mk_field(m, va, "_POOL_DESCRIPTOR.PoolIndex", index);
	if (mk_field_opt(m, va, "_POOL_DESCRIPTOR.TotalPages", small)) {
		mk_field(m, va, "_POOL_DESCRIPTOR.TotalBigPages", big);
		return;
	}
	// Two counters that only grow, from 10 on.
	mk_field(m, va, "_POOL_DESCRIPTOR.PagesAllocated", small + 70001);
	mk_field(m, va, "_POOL_DESCRIPTOR.PagesDeallocated", 70001);
	mk_field(m, va, "_POOL_DESCRIPTOR.BigPagesAllocated", big + 9001);
	mk_field(m, va, "_POOL_DESCRIPTOR.BigPagesDeallocated", 9001);
}

/** From 8 on a node owns a pair: NX first, executable behind it. */
static void nonpaged_pair(struct mk *m, uint64_t va, unsigned int node,
			  uint64_t nonpaged, uint64_t nx)
{
	if (m->family == 7601) {
		descriptor(m, va, TYPE_NONPAGED, node, nonpaged);
		return;
	}
	descriptor(m, va, TYPE_NX, node, nx);
	descriptor(m, va + mk_sizeof(m, "_POOL_DESCRIPTOR"), TYPE_NONPAGED,
		   node, nonpaged);
}

static void nonpaged_descriptors(struct mk *m)
{
	struct mk_counters *c = m->counters;
	uint64_t table = mk_symbol(m, "ExpNonPagedPoolDescriptor");
	uint64_t first = mk_symbol(m, "NonPagedPoolDescriptor");

	for (unsigned int i = 0; i < m->n_nodes; i++) {
		uint64_t va = i || m->n_nodes > 1
			? mk_alloc(m, MK_NONPAGED,
				   2 * mk_sizeof(m, "_POOL_DESCRIPTOR"))
			: first;

		nonpaged_pair(m, va, i, c->nonpaged.pages[i],
			      c->nonpaged_nx.pages[i]);
		if (m->n_nodes > 1)
			mk_write64(m, table + i * 8u, va);
		if (!i)
			mk_write64(m, mk_symbol(m, "PoolVector"), va);
	}
	mk_global(m, "ExpNumberOfNonPagedPools", m->n_nodes, 4);
}

static void paged_descriptors(struct mk *m)
{
	uint64_t table = mk_symbol(m, "ExpPagedPoolDescriptor");
	uint64_t part[MK_PAGED_POOLS + 1];

	split(mk_counter(m, "paged_pool_usage"), MK_PAGED_POOLS + 1, part);
	for (unsigned int i = 0; i <= MK_PAGED_POOLS; i++) {
		uint64_t va = mk_alloc(m, MK_NONPAGED,
				       mk_sizeof(m, "_POOL_DESCRIPTOR"));

		descriptor(m, va, TYPE_PAGED, i, part[i]);
		mk_write64(m, table + i * 8u, va);
		if (!i)
			mk_write64(m, mk_symbol(m, "PoolVector") + 8, va);
	}
	mk_global(m, "ExpNumberOfPagedPools", MK_PAGED_POOLS, 4);
}

static void heaps(struct mk *m)
{
	struct mk_counters *c = m->counters;

	for (unsigned int i = 0; i < m->n_nodes; i++) {
		uint64_t paged = c->paged.pages[i], st = paged / 10;

		mk_heap_usage(m, i, 0, c->nonpaged.pages[i],
			      c->nonpaged.pages[i] / 4);
		mk_heap_usage(m, i, 1, c->nonpaged_nx.pages[i],
			      c->nonpaged_nx.pages[i] / 3);
		mk_heap_usage(m, i, 2, paged - st, (paged - st) / 5);
		mk_heap_usage(m, i, 3, st, 0);
	}
}

static void node_truth(struct mk *m)
{
	struct json_object *list = json_object_new_array();
	const struct mk_counters *c = m->counters;

	for (unsigned int i = 0; i < m->n_nodes; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "node", json_object_new_int64(i));
		json_object_object_add(o, "nonpaged_pages",
			json_object_new_uint64(c->nonpaged.pages[i]));
		json_object_object_add(o, "nonpaged_nx_pages",
			json_object_new_uint64(c->nonpaged_nx.pages[i]));
		json_object_object_add(o, "paged_pages",
			json_object_new_uint64(c->paged.pages[i]));
		json_object_array_add(list, o);
	}
	json_object_object_add(mk_truth(m, "vm"), "nodes", list);
}

void mk_usage_finish(struct mk *m)
{
	struct mk_counters *c = m->counters;
	uint64_t nonpaged = mk_counter(m, "nonpaged_pool_usage");
	uint64_t nx = mk_counter(m, "nonpaged_pool_nx_usage");

	split(nonpaged, m->n_nodes, c->nonpaged.pages);
	split(nx, m->n_nodes, c->nonpaged_nx.pages);
	split(mk_counter(m, "paged_pool_usage"), m->n_nodes, c->paged.pages);
	if (mk_has_symbol(m, "PoolVector")) {
		nonpaged_descriptors(m);
		paged_descriptors(m);
	}
	if (mk_has_symbol(m, "ExpHeapBackedPoolEnabledState"))
		mk_global(m, "ExpHeapBackedPoolEnabledState", c->heap_state,
			  4);
	if (m->heap_pool) {
		heaps(m);
		node_truth(m);	// descriptors are not by node when paged
	}
	if (!mk_global_opt(m, "MmAllocatedNonPagedPool", nonpaged + nx, 8))
		mk_field(m, mk_symbol(m, "MiState"),
			 "_MI_SYSTEM_INFORMATION.Pools.AllocatedNonPagedPool",
			 nonpaged + nx);
}

void mk_do_heap_state(struct mk *m, struct mk_args *a)
{
	m->counters->heap_state = (uint32_t)mk_word_num(a, 0);
	if (m->family == 17763)
		m->heap_pool = m->counters->heap_state == 3;
}
