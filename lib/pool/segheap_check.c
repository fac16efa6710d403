// SPDX-License-Identifier: MIT
// What a segment heap says of itself against what lies in it: callbacks,
// types of ranges, the tree of free ranges, page allocations that no table
// lists (pool 7.5).
#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/lfh.h"
#include "pool/view_impl.h"
#include "pool/vs.h"

/** Colour and balance of a tree node, in the low bits of its parent. */
#define COLOUR UINT64_C(7)
/** Bytes of a tree's node, and of what a free descriptor must tell. */
#define NODE_BYTES 0x20u
/** Broken links of a tree whose true end is sought: each costs a search. */
#define MAX_REPAIRS 16u

// --- callbacks ---------------------------------------------------------------

#define N_CALLBACKS 10u

/** Path of a callback: those of the VS context, then those of the LFH. */
static void callback_path(char *path, size_t room, unsigned int i, bool whole)
{
	static const char *const names[] = {
		"Allocate", "Free", "Commit", "Decommit", "ExtendContext",
	};

	snprintf(path, room, "_SEGMENT_HEAP.%s%s%s",
		 i < 5 ? "VsContext" : "LfhContext",
		 whole ? ".Callbacks." : "", whole ? names[i % 5] : "");
}

/** What a callback is XORed with; @return false when it cannot be read. */
static bool read_callback(const struct psc_pool_view *v,
			  const struct psc_heap *h, unsigned int i,
			  uint64_t *at, uint64_t *mask, uint64_t *stored)
{
	struct psc_mem *m = v->spaces.v[h->space].mem;
	uint64_t context = 0, offset = 0;
	char path[80];

	callback_path(path, sizeof(path), i, false);
	PSC_ERROR_GUARD struct psc_error *a = psc_view_offset(v, path,
							      &context);
	callback_path(path, sizeof(path), i, true);
	PSC_ERROR_GUARD struct psc_error *b = psc_view_offset(v, path,
							      &offset);
	*at = h->va + offset;
	*mask = (h->va + context) ^ v->info.keys.heap_key;
	return !a && !b && psc_mem_read(m, *at, stored, 8, NULL) == 8;
}

static bool in_kernel(const struct psc_pool_view *v, uint64_t va)
{
	return va - psc_kernel_base(v->k) < psc_kernel_size(v->k);
}

/** The function that another heap has in this place; 0 = none is sound. */
static uint64_t usual_function(const struct psc_pool_view *v, unsigned int i)
{
	for (size_t n = 0; n < v->heaps.n; n++) {
		uint64_t at, mask, stored;

		if (read_callback(v, &v->heaps.v[n], i, &at, &mask, &stored) &&
		    stored && in_kernel(v, stored ^ mask))
			return stored ^ mask;
	}
	return 0;
}

void psc_view_callbacks(struct psc_pool_view *v)
{
	uint64_t usual[N_CALLBACKS], at, mask, stored;

	if (!v->info.keys.has_heap || v->info.keys.heap_mask != UINT64_MAX)
		return;
	for (unsigned int i = 0; i < N_CALLBACKS; i++)
		usual[i] = usual_function(v, i);
	for (size_t n = 0; n < v->heaps.n * N_CALLBACKS; n++) {
		const struct psc_heap *h = &v->heaps.v[n / N_CALLBACKS];
		unsigned int i = (unsigned int)(n % N_CALLBACKS);
		uint64_t want = usual[i];

		// When every heap fails, it is the key (pool 7.5).
		if (!want || !read_callback(v, h, i, &at, &mask, &stored) ||
		    !stored || in_kernel(v, stored ^ mask))
			continue;
		psc_view_fault(v, &(struct psc_fault){
			.rule = PSC_S1B, .va = h->va, .field_va = at,
			.bits = 64, .expected = want, .found = stored ^ mask,
			.pool = h->pool, .owner = PSC_OWNER_VS,
			.repaired = true });
	}
}

// --- types of ranges ---------------------------------------------------------

/** Does a range of @p bytes begin as a VS subsegment of that size? */
static bool is_vs(const struct psc_pool_view *v, const uint8_t *p, uint64_t va,
		  uint64_t bytes)
{
	struct psc_vs_header h = psc_vs_header_decode(&v->layout, p, va);

	return h.signature_ok &&
	       PSC_VS_FIRST + (uint64_t)h.size * 16 == bytes;
}

static bool is_lfh(const struct psc_pool_view *v, const uint8_t *p,
		   uint64_t va, uint64_t bytes)
{
	struct psc_lfh_header h = psc_lfh_decode(&v->layout, p, va,
						 v->info.keys.lfh_key);

	return v->info.keys.has_lfh && psc_lfh_is_sane(&v->layout, &h) &&
	       (uint64_t)h.units << h.unit_shift == bytes;
}

static bool is_big(const struct psc_pool_view *v, uint16_t space, uint64_t va)
{
	const struct psc_big *b = psc_pool_big_at(v, space, va);

	return b && b->va == va;
}

/** What lies in the range; its own type when nothing tells. */
static enum psc_range_type by_content(const struct psc_pool_view *v,
				      const struct psc_heap *h,
				      const struct psc_range *r,
				      unsigned int shift)
{
	uint64_t bytes = (uint64_t)(r->units - r->may_guard) << shift;
	uint8_t p[PSC_LFH_HEADER];
	bool subsegment = r->type == PSC_RANGE_VS || r->type == PSC_RANGE_LFH;

	if (r->type == PSC_RANGE_BACKEND && is_big(v, h->space, r->va))
		return r->type;
	if ((subsegment || r->may_guard) &&
	    psc_mem_read(v->spaces.v[h->space].mem, r->va, p, sizeof(p),
			 NULL) == sizeof(p)) {
		bool vs = is_vs(v, p, r->va, bytes);
		bool lfh = is_lfh(v, p, r->va, bytes);

		if (vs || lfh)
			return vs && lfh ? r->type
			       : vs ? PSC_RANGE_VS : PSC_RANGE_LFH;
	}
	return is_big(v, h->space, r->va) ? PSC_RANGE_BACKEND : r->type;
}

void psc_view_range_type(struct psc_pool_view *v,
			 const struct psc_seg_context *c, uint64_t segment,
			 struct psc_range *r)
{
	// RangeFlags of a first unit (pool 3.5).
	static const uint8_t flags[] = {
		[PSC_RANGE_BACKEND] = 0x3, [PSC_RANGE_INTERNAL] = 0x7,
		[PSC_RANGE_LFH] = 0xb, [PSC_RANGE_VS] = 0xf,
	};
	uint64_t descriptor = segment +
			      (uint64_t)r->first * v->layout.desc_bytes;

	if (r->type == PSC_RANGE_FREE || r->type == PSC_RANGE_UNKNOWN ||
	    c->heap->special || v->layout.newest)
		return;
	enum psc_range_type type = by_content(v, c->heap, r, c->unit_shift);
	if (type == r->type)
		return;
	psc_view_fault(v, &(struct psc_fault){
		.rule = PSC_S5, .va = descriptor,
		.field_va = descriptor + v->layout.desc_flags, .bits = 8,
		.expected = flags[type], .found = flags[r->type],
		.pool = c->heap->pool, .owner = PSC_OWNER_VS,
		.repaired = true });
	r->type = type;
	r->guard = r->may_guard && type != PSC_RANGE_BACKEND;
	r->bytes = (uint64_t)(r->units - r->guard) << c->unit_shift;
}

// --- the tree of free ranges -------------------------------------------------

struct node {
	uint64_t va;
	uint64_t link[2];	/**< Left, right. */
	uint64_t parent;
};

struct tree {
	struct psc_pool_view *v;
	const struct psc_seg_context *c;
	struct psc_mem *m;
	struct psc_map segments; /**< Of the context. */
	struct psc_map seen;
	PSC_VEC(struct node) todo;
	unsigned int repairs;	/**< Broken links whose end was sought. */
};

/** A segment of the context that has a descriptor at @p va. */
static bool is_descriptor(const struct tree *t, uint64_t va)
{
	uint64_t segment = va & t->c->mask;
	uint64_t i = (va - segment) / t->v->layout.desc_bytes;

	return !(va & (t->v->layout.desc_bytes - 1)) && i >= t->c->first &&
	       i < PSC_SEGMENT_UNITS && psc_map_get(&t->segments, segment);
}

enum found {
	NODE_FREE, NODE_WRONG,
	NODE_ABSENT,		/**< Its page is not there: cannot tell. */
};

/** Read the node at @p va: is it the first descriptor of a free range? */
static enum found read_node(const struct tree *t, uint64_t va, struct node *n)
{
	uint8_t p[NODE_BYTES];

	if (!is_descriptor(t, va))
		return NODE_WRONG;
	if (psc_mem_read(t->m, va, p, sizeof(p), NULL) != sizeof(p))
		return NODE_ABSENT;
	*n = (struct node){ va, { psc_le64(p), psc_le64(p + 8) },
			    psc_le64(p + 16) };
	// RangeFlags: the first of a free range, nothing else.
	return p[t->v->layout.desc_flags] == 2 ? NODE_FREE : NODE_WRONG;
}

static void fault(const struct tree *t, uint64_t va, uint64_t field,
		  uint64_t expected, uint64_t found)
{
	psc_view_fault(t->v, &(struct psc_fault){
		.rule = PSC_S10, .va = va, .field_va = field,
		.bits = expected ? 64 : 0, .expected = expected,
		.found = found, .pool = t->c->heap->pool,
		.owner = PSC_OWNER_VS, .repaired = expected });
}

/**
 * The free range whose parent is @p holder and that is not its other child:
 * where a broken link should lead. @return 0 when there is not exactly one.
 */
static uint64_t orphan_of(struct tree *t, uint64_t holder, uint64_t other)
{
	uint64_t found = 0;

	if (t->repairs++ >= MAX_REPAIRS)
		return 0;
	for (size_t s = 0; s < t->v->segments.n; s++) {
		const struct psc_segment_ref *seg = &t->v->segments.v[s];

		for (unsigned int i = t->c->first;
		     seg->context == t->c->va && i < PSC_SEGMENT_UNITS; i++) {
			uint64_t va = seg->va +
				      (uint64_t)i * t->v->layout.desc_bytes;
			struct node n;

			if (va == other || read_node(t, va, &n) != NODE_FREE ||
			    (n.parent & ~COLOUR) != holder)
				continue;
			if (found)
				return 0;
			found = va;
		}
	}
	return found;
}

/** Does its parent have @p n as a child? */
static bool parent_agrees(const struct tree *t, const struct node *n)
{
	struct node p;

	return read_node(t, n->parent & ~COLOUR, &p) == NODE_FREE &&
	       (p.link[0] == n->va || p.link[1] == n->va);
}

/** Follow link @p i of a node that is sound itself. */
static void follow(struct tree *t, const struct node *from, unsigned int i)
{
	uint64_t field = from->va + i * 8, to = from->link[i];
	struct node n;
	bool added = false;
	enum found is;

	if (!to)
		return;
	is = read_node(t, to, &n);
	if (is == NODE_ABSENT)
		return;
	if (is == NODE_FREE && !psc_map_put(&t->seen, to, &added)) {
		t->v->nomem = true;
		return;
	}
	if (is == NODE_WRONG || !added ||
	    ((n.parent & ~COLOUR) != from->va && parent_agrees(t, &n))) {
		fault(t, from->va, field,
		      orphan_of(t, from->va, from->link[!i]), to);
		return;
	}
	if ((n.parent & ~COLOUR) != from->va)
		fault(t, to, to + 16, from->va | (n.parent & COLOUR),
		      n.parent);
	if (!psc_vec_push(&t->todo, n))
		t->v->nomem = true;
}

/** The root of the tree; @return false when there is nothing to follow. */
static bool read_root(struct tree *t)
{
	uint64_t at, head[2];
	struct node n;
	PSC_ERROR_GUARD struct psc_error *err = psc_view_offset(
		t->v, "_HEAP_SEG_CONTEXT.FreePageRanges", &at);

	// _RTL_RB_TREE: Root, then Min, whose bit 0 says "encoded": under
	// what is not known, so that such a tree cannot be followed.
	if (err || psc_mem_read(t->m, t->c->va + at, head, sizeof(head),
				NULL) != sizeof(head) ||
	    !head[0] || head[1] & 1)
		return false;
	switch (read_node(t, head[0], &n)) {
	case NODE_FREE:
		break;
	case NODE_WRONG:
		fault(t, t->c->va, t->c->va + at, orphan_of(t, 0, 0),
		      head[0]);
		return false;
	case NODE_ABSENT:
		return false;
	}
	if (!psc_map_put(&t->seen, n.va, NULL) || !psc_vec_push(&t->todo, n))
		t->v->nomem = true;
	return !t->v->nomem;
}

void psc_view_free_ranges(struct psc_pool_view *v,
			  const struct psc_seg_context *c)
{
	struct tree t = { .v = v, .c = c,
			  .m = v->spaces.v[c->heap->space].mem };

	for (size_t i = v->segments.n;
	     i-- > 0 && v->segments.v[i].context == c->va;) {
		if (!psc_map_put(&t.segments, v->segments.v[i].va, NULL))
			v->nomem = true;
	}
	if (!v->layout.newest && read_root(&t)) {
		// Each node is met once: no more than there are descriptors.
		for (size_t i = 0; i < t.todo.n && !v->nomem; i++) {
			struct node n = t.todo.v[i];

			follow(&t, &n, 0);
			follow(&t, &n, 1);
		}
	}
	psc_vec_free(&t.todo);
	psc_map_free(&t.segments);
	psc_map_free(&t.seen);
}

// --- page allocations --------------------------------------------------------

/**
 * A range that was just handed out, or is about to be taken back, is in no
 * table yet or any more. Then the count of live entries agrees with the
 * entries; where it is too high, the table lost some.
 */
void psc_view_unlisted(struct psc_pool_view *v)
{
	const struct psc_big_table *t = &v->info.big;
	int64_t lost = (int32_t)t->in_use - (int64_t)t->n_live;

	if (!t->complete || !t->has_in_use || lost <= 0 ||
	    (uint64_t)lost < v->unlisted.n)
		return;
	for (size_t i = 0; i < v->unlisted.n; i++) {
		const struct psc_unlisted *u = &v->unlisted.v[i];

		psc_view_fault(v, &(struct psc_fault){
			.rule = PSC_S11, .va = u->va, .field_va = u->descriptor,
			.found = u->va, .pool = u->pool,
			.owner = PSC_OWNER_BIG, .repaired = true });
	}
}
