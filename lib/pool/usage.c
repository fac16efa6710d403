// SPDX-License-Identifier: MIT
#include "pool/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"

// POOL_TYPE of descriptors (pool 1.2).
#define POOL_TYPE_NONPAGED 0x0
#define POOL_TYPE_NONPAGED_NX 0x200

// Places in PoolNode.Heaps (pool 3.1).
enum {
	HEAP_NONPAGED,
	HEAP_NONPAGED_NX,
	HEAP_PAGED,
	HEAP_PAGED_PROTOTYPES,
	N_HEAPS,
};

// Not fatal for the other descriptors: keep the first reason.
static void incomplete(struct psc_pool_usage *u, struct psc_error *err)
{
	if (u->complete)
		snprintf(u->why, sizeof(u->why), "%s", err->message);
	u->complete = false;
	psc_error_free(err);
}

// --- classic descriptors ----------------------------------------------------

// TotalPages up to 8.1; Allocated and Deallocated from 10 on.
static struct psc_error *descriptor_pages(const struct psc_kernel *k,
					  uint64_t va, uint64_t *ret)
{
	uint64_t in, out, big_in, big_out;
	struct psc_error *err;

	err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.TotalPages", &in);
	if (!err) {
		err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.TotalBigPages",
				     &big_in);
		if (!err)
			*ret = (uint32_t)in + (uint64_t)(uint32_t)big_in;
		return err;
	}
	if (!psc_error_catch(&err, PSC_ERR_ABSENT))
		return err;
	if ((err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.PagesAllocated",
				  &in)) ||
	    (err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.PagesDeallocated",
				  &out)) ||
	    (err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.BigPagesAllocated",
				  &big_in)) ||
	    (err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.BigPagesDeallocated",
				  &big_out)))
		return err;
	*ret = in - out + big_in - big_out;
	return NULL;
}

static void add_nonpaged(const struct psc_kernel *k, struct psc_pool_usage *u,
			 struct psc_node_usage *node, uint64_t va)
{
	uint64_t type, pages;
	struct psc_error *err;

	if ((err = psc_kernel_get(k, va, "_POOL_DESCRIPTOR.PoolType", &type)) ||
	    (err = descriptor_pages(k, va, &pages))) {
		incomplete(u, err);
		return;
	}
	if (type == POOL_TYPE_NONPAGED)
		node->nonpaged += pages;
	else if (type == POOL_TYPE_NONPAGED_NX)
		node->nonpaged_nx += pages;
	else
		incomplete(u, psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS,
					   va, "descriptor at 0x%" PRIx64
					   ": pool type 0x%" PRIx64
					   " is not nonpaged", va, type));
}

// From 8 on a node owns a pair of descriptors, one behind the other.
static void read_nonpaged_node(const struct psc_kernel *k,
			       struct psc_pool_usage *u, uint64_t va)
{
	struct psc_node_usage *node = &u->node[u->n_nodes++];
	uint64_t size;
	struct psc_error *err;

	add_nonpaged(k, u, node, va);
	if (!u->has_nx)
		return;
	err = psc_kernel_sizeof(k, "_POOL_DESCRIPTOR", &size);
	if (err)
		incomplete(u, err);
	else
		add_nonpaged(k, u, node, va + size);
}

static struct psc_error *read_classic_nonpaged(const struct psc_kernel *k,
					       struct psc_pool_usage *u)
{
	unsigned int step = psc_kernel_pointer_size(k);
	uint64_t n, base, va;
	struct psc_error *err;

	err = psc_kernel_global(k, "ExpNumberOfNonPagedPools", 4, &n);
	if (err)
		return err;
	if (n > PSC_POOL_MAX_NODES)
		return psc_error_new(PSC_ERR_DAMAGED, "ExpNumberOfNonPagedPools"
				     " says %" PRIu64 " pools", n);
	const char *name = n > 1 ? "ExpNonPagedPoolDescriptor" : "PoolVector";
	if ((err = psc_kernel_symbol(k, name, &base)))
		return err;
	for (uint64_t i = 0; i < (n > 1 ? n : 1); i++) {
		err = psc_kernel_pointer(k, base + i * step, name, &va);
		if (err)
			incomplete(u, err);
		else
			read_nonpaged_node(k, u, va);
	}
	return NULL;
}

// Slots 0 to ExpNumberOfPagedPools, the last included.
static struct psc_error *read_classic_paged(const struct psc_kernel *k,
					    struct psc_pool_usage *u)
{
	unsigned int step = psc_kernel_pointer_size(k);
	uint64_t n, base, va;
	struct psc_error *err;

	if ((err = psc_kernel_global(k, "ExpNumberOfPagedPools", 4, &n)) ||
	    (err = psc_kernel_symbol(k, "ExpPagedPoolDescriptor", &base)))
		return err;
	if (n >= PSC_POOL_MAX_PAGED)
		return psc_error_new(PSC_ERR_DAMAGED, "ExpNumberOfPagedPools "
				     "says %" PRIu64 " pools", n);
	for (uint64_t i = 0; i <= n; i++) {
		uint64_t pages = 0;

		err = psc_kernel_pointer(k, base + i * step,
					 "ExpPagedPoolDescriptor", &va);
		if (!err)
			err = descriptor_pages(k, va, &pages);
		if (err)
			incomplete(u, err);
		u->paged_line[u->n_paged++] = pages;
		u->total.paged += pages;
	}
	return NULL;
}

static struct psc_error *read_classic(const struct psc_kernel *k,
				      struct psc_pool_usage *u)
{
	struct psc_field f;
	struct psc_error *err;

	// NX pool came with its own per-processor lists.
	err = psc_kernel_field(k, "_KPRCB.PPNxPagedLookasideList", &f);
	u->has_nx = !err;
	if (err && !psc_error_catch(&err, PSC_ERR_ABSENT))
		return err;
	if ((err = read_classic_nonpaged(k, u)))
		return err;
	return read_classic_paged(k, u);
}

// --- segment heaps ----------------------------------------------------------

// TotalReservedPages does not hold large allocations, so neither does the
// committed count beside it (vm-and-windbg-output 2.6).
static struct psc_error *heap_pages(const struct psc_kernel *k, uint64_t heap,
				    struct psc_pool_usage *u, uint64_t *ret)
{
	uint64_t signature, committed, large, unused;
	struct psc_error *err;

	if ((err = psc_kernel_get(k, heap, "_SEGMENT_HEAP.Signature",
				  &signature)))
		return err;
	if (signature != PSC_SEGMENT_HEAP_SIGNATURE)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, heap,
				    "heap at 0x%" PRIx64 ": signature 0x%"
				    PRIx64, heap, signature);
	if ((err = psc_kernel_get(k, heap, "_SEGMENT_HEAP.MemStats."
				  "TotalCommittedPages", &committed)) ||
	    (err = psc_kernel_get(k, heap, "_SEGMENT_HEAP.LargeCommittedPages",
				  &large)))
		return err;
	err = psc_kernel_get(k, heap,
			     "_SEGMENT_HEAP.MemStats.FreeCommittedPages",
			     &unused);
	if (err)
		psc_error_free(err);	// only tells of fragmentation
	else
		u->free_pages += unused;
	*ret = committed + large;
	return NULL;
}

// Nodes may share a heap: count each once, for the first node that has it.
static uint64_t count_heap(const struct psc_kernel *k, struct psc_map *seen,
			   uint64_t heap, struct psc_pool_usage *u)
{
	uint64_t pages = 0;
	bool added;

	if (!heap || !psc_map_put(seen, heap, &added) || !added)
		return 0;
	struct psc_error *err = heap_pages(k, heap, u, &pages);
	if (err)
		incomplete(u, err);
	return pages;
}

static void read_node(const struct psc_kernel *k, struct psc_map *seen,
		      uint64_t state, unsigned int n, struct psc_pool_usage *u)
{
	struct psc_node_usage *node = &u->node[n];
	uint64_t pages[N_HEAPS] = { 0 };

	for (unsigned int i = 0; i < N_HEAPS; i++) {
		char path[80];
		uint64_t heap;

		snprintf(path, sizeof(path), "_EX_POOL_HEAP_MANAGER_STATE."
			 "PoolNode[%u].Heaps[%u]", n, i);
		struct psc_error *err = psc_kernel_get(k, state, path, &heap);
		if (err)
			incomplete(u, err);
		else
			pages[i] = count_heap(k, seen, heap, u);
	}
	node->nonpaged = pages[HEAP_NONPAGED];
	node->nonpaged_nx = pages[HEAP_NONPAGED_NX];
	node->paged = pages[HEAP_PAGED] + pages[HEAP_PAGED_PROTOTYPES];
	u->total.paged += node->paged;
}

static void read_special(const struct psc_kernel *k, struct psc_map *seen,
			 uint64_t state, struct psc_pool_usage *u)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_field(
		k, "_EX_POOL_HEAP_MANAGER_STATE.SpecialHeaps", &f);

	if (err) {
		psc_error_free(err);
		return;
	}
	u->has_special = true;
	for (uint32_t i = 0; i < f.count && i < 2 * N_HEAPS; i++) {
		uint64_t heap;

		err = psc_kernel_pointer(k, state + f.offset +
					 i * psc_kernel_pointer_size(k),
					 "SpecialHeaps", &heap);
		if (err)
			incomplete(u, err);
		else
			u->special += count_heap(k, seen, heap, u);
	}
}

static struct psc_error *read_heaps(const struct psc_kernel *k,
				    struct psc_pool_usage *u)
{
	struct psc_map seen = { 0 };
	uint64_t state, n;
	struct psc_error *err;

	if ((err = psc_kernel_symbol(k, "ExPoolState", &state)) ||
	    (err = psc_kernel_get(k, state,
				  "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools",
				  &n)))
		return err;
	if (n < 1 || n > PSC_POOL_MAX_NODES)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, state,
				    "ExPoolState at 0x%" PRIx64 ": %" PRIu64
				    " pool nodes", state, n);
	u->has_nx = true;
	u->n_nodes = (unsigned int)n;
	for (unsigned int i = 0; i < u->n_nodes; i++)
		read_node(k, &seen, state, i, u);
	read_special(k, &seen, state, u);
	psc_map_free(&seen);
	return NULL;
}

struct psc_error *psc_pool_usage_read(const struct psc_kernel *k,
				      struct psc_pool_usage *ret)
{
	struct psc_pool_usage u = { .complete = true };
	struct psc_error *err = psc_pool_design(k, &u.design);

	if (!err)
		err = u.design == PSC_POOL_SEGMENT ? read_heaps(k, &u)
						   : read_classic(k, &u);
	if (err)
		return psc_error_prefix(err, "pool usage");
	for (unsigned int i = 0; i < u.n_nodes; i++) {
		u.total.nonpaged += u.node[i].nonpaged;
		u.total.nonpaged_nx += u.node[i].nonpaged_nx;
	}
	*ret = u;
	return NULL;
}
