// SPDX-License-Identifier: MIT
/** @file
 * Segment-heap pool: which allocator gets a request, large allocations, and
 * the heap objects themselves (pool 3.1, 3.2, 3.8, 3.11).
 */
#include "segheap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "big.h"
#include "counters.h"
#include "kernel.h"
#include "session.h"
#include "special.h"

#define LFH_ACTIVATES_AT 17u	// the n-th request of a class
#define PAGES_MAX 0x7f000u	// SegContexts[0].MaxAllocationSize
#define PAGES_MAX_1 0x7f0000u	// SegContexts[1].MaxAllocationSize
#define HEAP_AREA_PAGES 0x94u	// ReservedLimit - heap

// Index in Heaps[] (pool 3.1).
static const unsigned int heap_type[MK_POOLS] = {
	[MK_POOL_NONPAGED] = 0, [MK_POOL_NX] = 1,
	[MK_POOL_PAGED] = 2, [MK_POOL_MMST] = 3,
};

uint64_t sg_heap_member(struct mk *m, const struct sg_heap *h,
			const char *path)
{
	char full[160];

	snprintf(full, sizeof(full), "_SEGMENT_HEAP.%s", path);
	return h->va + mk_offset(m, full);
}

static void segheap_init(struct mk *m)
{
	struct segheap *s = mk_calloc(1, sizeof(*s));

	m->pool->allocator = s;
	for (int i = 0; i < MK_POOL_SESSION; i++) {
		s->heap[i].kind = (enum mk_pool)i;
		s->heap[i].va = mk_heap(m, 0, heap_type[i]);
	}
	s->heap[MK_POOL_SESSION].kind = MK_POOL_SESSION;
	uint64_t globals = mk_symbol(m, "RtlpHpHeapGlobals");
	s->key = mk_read64(m, globals);
	s->lfh_key = mk_read64(m, globals + 8);
	s->new_layout = mk_has(m, "_HEAP_LFH_SUBSEGMENT.BucketRef");
}

// Size of a block with its header: classes above 0x200 (pool 3.11).
static uint32_t round_total(uint64_t request)
{
	uint32_t total = (uint32_t)((request + 0x10 + 15) & ~15ull);

	if (total < 0x20)
		return 0x20;
	if (total > 0xf80)
		return total;
	if (total > 0x800)
		return (total + 0x7f) & ~0x7fu;
	if (total > 0x400)
		return (total + 0x3f) & ~0x3fu;
	return total;
}

// Own address space, its record in a VS chunk of the same heap (pool 3.8).
static void alloc_large(struct mk *m, struct sg_heap *h, struct mk_got *g)
{
	struct sg_large l = { .pages = MK_PAGES(g->request) };
	struct mk_map_opt opt = { .nx = h->kind != MK_POOL_NONPAGED };

	l.va = mk_pool_reserve(m, h->kind, l.pages * MK_PAGE, 0x10000);
	mk_map(m, l.va, l.pages * MK_PAGE, &opt);
	l.node = sg_vs_meta(m, h, (uint32_t)mk_sizeof(m, "_HEAP_LARGE_ALLOC_DATA"));
	h->large_pages += l.pages;
	m->pool->pages[h->kind] += l.pages;
	if (!psc_vec_push(&h->large, l))
		mk_fail(m, "out of memory");
	g->kind = "large";
	g->va = l.va;
}

static void alloc_big(struct mk *m, struct sg_heap *h, struct mk_got *g)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	uint64_t pages = MK_PAGES(g->request);

	g->bytes = pages * MK_PAGE;
	if (g->request > PAGES_MAX_1) {
		alloc_large(m, h, g);
	} else {
		uint32_t unused = (uint32_t)(g->bytes - g->request);
		g->kind = "big";
		g->va = sg_range_new(m, h, SG_PAGES, pages, unused & ~15u,
				     false);
	}
	mk_data_write(m, w, g->va, g->request);
	mk_pool_big(m, w, g->va, g->bytes);
}

static void segheap_alloc(struct mk *m, struct mk_got *g)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	struct sg_heap *h = &segheap(m)->heap[w->pool];

	g->slot = (uint32_t)w->pool;
	if (!h->va)
		h->va = mk_session_heap(m);
	if (g->request > MK_POOL_SMALL_MAX) {
		alloc_big(m, h, g);
		return;
	}
	uint32_t total = round_total(g->request + (w->aligned ? 0x30 : 0));
	if (total >= 0x1000)
		mk_fail(m, "an aligned block of 0x%llx bytes does not fit",
			(unsigned long long)g->request);
	g->bytes = total;
	if (total <= SG_LFH_MAX &&
	    ++h->asked[total / SG_UNIT] >= LFH_ACTIVATES_AT)
		sg_lfh_alloc(m, h, g, total);
	else
		sg_vs_alloc(m, h, g, total);
}

static void segheap_free(struct mk *m, struct mk_got *g)
{
	struct sg_heap *h = &segheap(m)->heap[g->slot];

	if (!strcmp(g->kind, "lfh"))
		sg_lfh_free(m, h, g);
	else if (!strcmp(g->kind, "vs"))
		sg_vs_free(m, h, g);
	else if (g->state == MK_GOT_CACHED || strcmp(g->kind, "big"))
		mk_fail(m, "big allocations are on no list (cached=), and "
			"large ones stay");
	else {
		mk_big_free(m, (enum mk_pool)g->slot, g->va);
		sg_range_free(m, h, g->va);
	}
}

void sg_block_write(struct mk *m, const struct mk_got *g, uint64_t va,
		    uint32_t total)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	unsigned int distance = w->aligned ? mk_align_units(va) : 0;
	struct mk_header h = {
		// The allocator does not write PoolIndex: whatever was there.
		.index = (uint8_t)(va >> 9), .units = (uint8_t)(total / SG_UNIT),
		.type = mk_live_type(w), .tag = w->tag,
	};

	if (!distance) {
		mk_header_write(m, va, &h);
		mk_quota_write(m, w, va);
		mk_data_write(m, w, va + SG_UNIT, g->request);
		return;
	}
	struct mk_header first = h, second = h;
	uint64_t at = va + distance * SG_UNIT;
	first.type &= (uint8_t)~0x08u;
	second.previous = (uint8_t)distance;
	second.units = (uint8_t)(h.units - distance);
	second.type |= 0x04u;
	mk_header_write(m, va, &first);
	mk_header_write(m, at, &second);
	mk_quota_write(m, w, at);
	mk_data_write(m, w, at + SG_UNIT, (second.units - 1u) * SG_UNIT);
	if (distance > 1)
		mk_write64(m, va + SG_UNIT, at ^ m->pool->cookie);
}

// --- special pool ------------------------------------------------------------

/*
 * A heap of its own for each type (pool 3.10): a page for the allocation and
 * one unit behind it that stays without memory. Its pages are no pool usage.
 */
uint64_t sg_special_page(struct mk *m, enum mk_pool pool)
{
	struct sg_heap *h = &segheap(m)->special[pool];
	uint64_t pages[MK_POOLS], va;
	char path[80];

	if (!h->va) {
		snprintf(path, sizeof(path),
			 "_EX_POOL_HEAP_MANAGER_STATE.SpecialHeaps[%u]",
			 heap_type[pool]);
		h->kind = pool;
		h->va = mk_alloc(m, MK_NONPAGED,
				 mk_sizeof(m, "_SEGMENT_HEAP"));
		mk_field(m, h->va, "_SEGMENT_HEAP.Signature", SG_SIGNATURE);
		mk_write64(m, mk_symbol(m, "ExPoolState") + mk_offset(m, path),
			   h->va);
	}
	memcpy(pages, m->pool->pages, sizeof(pages));
	va = sg_range_new(m, h, SG_PAGES, 1, 0, true);
	memcpy(m->pool->pages, pages, sizeof(pages));
	return va;
}

// --- trees -------------------------------------------------------------------

// Middle of [lo, hi) is the node; an explicit stack, no recursion. Levels that
// are full are black, the last one is red.
void sg_tree_write(struct mk *m, uint64_t tree, const uint64_t *nodes, size_t n)
{
	struct item {
		size_t lo, hi;
		uint64_t parent, slot;
		unsigned int depth;
	} stack[128];
	unsigned int top = 0, full = 0;

	while (((size_t)2 << full) - 1 <= n)
		full++;
	mk_write64(m, tree, 0);
	mk_write64(m, tree + 8, n ? nodes[0] : 0);
	if (n)
		stack[top++] = (struct item){ 0, n, 0, tree, 0 };
	while (top) {
		struct item i = stack[--top];
		size_t mid = i.lo + (i.hi - i.lo) / 2;
		uint64_t node = nodes[mid];
		mk_write64(m, i.slot, node);
		mk_write64(m, node, 0);
		mk_write64(m, node + 8, 0);
		mk_write64(m, node + 16, i.parent | (i.depth >= full));
		if (i.lo < mid)
			stack[top++] = (struct item){ i.lo, mid, node, node,
						      i.depth + 1 };
		if (mid + 1 < i.hi)
			stack[top++] = (struct item){ mid + 1, i.hi, node,
						      node + 8, i.depth + 1 };
	}
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void write_large(struct mk *m, struct sg_heap *h)
{
	uint64_t *nodes = mk_calloc(h->large.n + 1, sizeof(*nodes));
	uint64_t reserved = 0;

	for (size_t i = 0; i < h->large.n; i++) {
		const struct sg_large *l = &h->large.v[i];
		mk_field(m, l->node, "_HEAP_LARGE_ALLOC_DATA.VirtualAddress",
			 l->va);
		mk_field(m, l->node, "_HEAP_LARGE_ALLOC_DATA.AllocatedPages",
			 l->pages);
		reserved += (l->pages + 0x1ff) & ~0x1ffull;
		nodes[i] = l->node;
	}
	// The tree is by VA; nodes come in falling order of neither, so sort by
	// node, which rises with the VA here.
	qsort(nodes, h->large.n, sizeof(*nodes), by_address);
	sg_tree_write(m, sg_heap_member(m, h, "LargeAllocMetadata"), nodes,
		      h->large.n);
	free(nodes);
	if (!m->pool->exact)
		return;
	mk_field(m, h->va, "_SEGMENT_HEAP.LargeReservedPages", reserved);
	mk_field(m, h->va, "_SEGMENT_HEAP.LargeCommittedPages", h->large_pages);
}

// --- heap objects ------------------------------------------------------------

// Suballocator callbacks: function ^ context ^ HeapKey (pool 3.2).
static void write_callbacks(struct mk *m, uint64_t at, uint64_t context,
			    bool lfh)
{
	static const char *const vs_names[] = {
		"RtlpHpSegVsAllocate", "RtlpHpSegLfhVsFree",
		"RtlpHpSegLfhVsCommit", "RtlpHpSegLfhVsDecommit", NULL,
	};
	static const char *const lfh_names[] = {
		"RtlpHpSegLfhAllocate", "RtlpHpSegLfhVsFree",
		"RtlpHpSegLfhVsCommit", "RtlpHpSegLfhVsDecommit",
		"RtlpHpSegLfhExtendContext",
	};

	for (unsigned int i = 0; i < 5; i++) {
		const char *name = lfh ? lfh_names[i] : vs_names[i];
		if (!name) {
			mk_write64(m, at + 8 * i, 0);
			continue;
		}
		// Any code of the kernel serves where the name is not known.
		uint64_t f = mk_has_symbol(m, name) ? mk_symbol(m, name)
			: m->kern->base + 0x1000 + 0x40 * i;
		mk_write64(m, at + 8 * i, f ^ context ^ segheap(m)->key);
	}
}

static void write_heap(struct mk *m, struct sg_heap *h)
{
	static const uint64_t env[MK_POOLS] = {
		[MK_POOL_NONPAGED] = 0x02000100, [MK_POOL_NX] = 0x02000103,
		[MK_POOL_PAGED] = 0x01000002, [MK_POOL_MMST] = 0x0500000a,
		[MK_POOL_SESSION] = 0x01000002,
	};
	uint64_t vs = sg_heap_member(m, h, "VsContext");
	uint64_t lfh = sg_heap_member(m, h, "LfhContext");
	uint64_t ctx0 = sg_heap_member(m, h, "SegContexts[0]");

	mk_write64(m, h->va, env[h->kind]);
	mk_field(m, h->va, "_SEGMENT_HEAP.ReservedLimit",
		 h->va + HEAP_AREA_PAGES * MK_PAGE);
	mk_field(m, h->va, "_SEGMENT_HEAP.MemStats.TotalReservedPages",
		 HEAP_AREA_PAGES + 0x100 * h->ctx[0].segs.n +
		 0x1000 * h->ctx[1].segs.n);
	if (m->pool->exact) {
		mk_field(m, h->va, "_SEGMENT_HEAP.MemStats.TotalCommittedPages",
			 h->committed);
		mk_field(m, h->va, "_SEGMENT_HEAP.MemStats.FreeCommittedPages",
			 0);
	}
	// VS keeps its back end encoded, LFH plain (pool 3.6).
	mk_field(m, h->va, "_SEGMENT_HEAP.VsContext.BackendCtx", ctx0 ^ vs);
	mk_field(m, h->va, "_SEGMENT_HEAP.LfhContext.BackendCtx", ctx0);
	mk_field(m, h->va, "_SEGMENT_HEAP.VsContext.LockType",
		 !mk_pool_is_paged(h->kind));
	mk_write32(m, sg_heap_member(m, h, "VsContext.Config"), 5);
	mk_write32(m, sg_heap_member(m, h, "LfhContext.Config"), 0x00010200);
	write_callbacks(m, sg_heap_member(m, h, "VsContext.Callbacks"), vs,
			false);
	write_callbacks(m, sg_heap_member(m, h, "LfhContext.Callbacks"), lfh,
			true);
}

static void free_heap(struct sg_heap *h)
{
	for (unsigned int c = 0; c < 2; c++) {
		for (size_t i = 0; i < h->ctx[c].segs.n; i++)
			psc_vec_free(&h->ctx[c].segs.v[i].ranges);
		psc_vec_free(&h->ctx[c].segs);
	}
	for (size_t i = 0; i < h->vs.n; i++)
		psc_vec_free(&h->vs.v[i].chunks);
	for (size_t i = 0; i < h->lfh.n; i++) {
		free(h->lfh.v[i].got);
		free(h->lfh.v[i].busy);
		free(h->lfh.v[i].withheld);
	}
	psc_vec_free(&h->vs);
	psc_vec_free(&h->lfh);
	psc_vec_free(&h->large);
}

static void heap_finish(struct mk *m, struct sg_heap *h)
{
	write_heap(m, h);
	sg_vs_write(m, h);
	sg_lfh_write(m, h);
	write_large(m, h);
	sg_segments_write(m, h);
	free_heap(h);
}

// Contents are node 0's; the heaps of other nodes are empty.
static void segheap_finish(struct mk *m)
{
	struct segheap *s = segheap(m);

	for (int i = 0; i < MK_POOLS; i++) {
		if (s->special[i].va)
			heap_finish(m, &s->special[i]);
		if (s->heap[i].va)
			heap_finish(m, &s->heap[i]);
		if (i == MK_POOL_SESSION)
			break;
		for (unsigned int n = 1; n < m->n_nodes; n++) {
			struct sg_heap empty = {
				.kind = (enum mk_pool)i,
				.va = mk_heap(m, n, heap_type[i]),
			};
			heap_finish(m, &empty);
		}
	}
	free(s);
}

const struct mk_allocator mk_heaps = {
	.init = segheap_init, .alloc = segheap_alloc,
	.free = segheap_free, .finish = segheap_finish,
};
