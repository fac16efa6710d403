// SPDX-License-Identifier: MIT
// The segments of a segment context (pool 3.3): their list, from both ends
// when it breaks, and the memory around when it loses some (pool 2.10).
#include <inttypes.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/segment.h"
#include "pool/view_impl.h"

/** Segments of 1 MB: more than 4 TiB of pool is a ring or damage. */
#define MAX_SEGMENTS (1u << 22)
#define SLOT_SHIFT 39
// _LIST_ENTRY: Flink, Blink.
#define BLINK 8u

static void map_guard(struct psc_map *m)
{
	psc_map_free(m);
}

struct range_ctx {
	struct psc_pool_view *v;
	const struct psc_seg_context *c;
	uint64_t segment;
};

/** A page allocation: listed in the big-page table, or in special pool. */
static bool is_listed(struct range_ctx *x, const struct psc_range *r)
{
	const struct psc_heap *h = x->c->heap;
	const struct psc_big *b = psc_pool_big_at(x->v, h->space, r->va);
	struct psc_unlisted u = {
		.va = r->va, .pool = h->pool, .descriptor = x->segment +
			(uint64_t)r->first * x->v->layout.desc_bytes,
	};

	if (h->special)
		return false;
	if ((!b || b->va != r->va) && !psc_vec_push(&x->v->unlisted, u))
		x->v->nomem = true;
	return true;
}

static void add_range(void *ctx, const struct psc_range *given)
{
	struct range_ctx *x = ctx;
	const struct psc_heap *h = x->c->heap;
	struct psc_range range = *given, *r = &range;

	psc_view_range_type(x->v, x->c, x->segment, r);
	struct psc_unit u = {
		.va = r->va, .pages = (uint32_t)(r->bytes >> PSC_PAGE_SHIFT),
		.space = h->space, .pool = (uint8_t)h->pool,
		.node = (uint8_t)h->node, .paged = (int8_t)h->paged,
		.certain = true,
	};

	switch (r->type) {
	case PSC_RANGE_VS:
		u.kind = PSC_UNIT_VS;
		break;
	case PSC_RANGE_LFH:
		u.kind = PSC_UNIT_LFH;
		break;
	case PSC_RANGE_BACKEND:
		if (is_listed(x, r))
			return;
		u.kind = PSC_UNIT_SPECIAL;
		u.pool = PSC_POOL_SPECIAL;
		break;
	default:
		return;
	}
	if (!psc_vec_push(&x->v->units, u))
		x->v->nomem = true;
}

static void read_segment(struct psc_pool_view *v, const struct psc_seg_context *c,
			 uint64_t va)
{
	struct psc_mem *m = v->spaces.v[c->heap->space].mem;
	uint8_t scratch[2][PSC_PAGE_SIZE];
	const uint8_t *pages[2] = { NULL, NULL };
	struct range_ctx x = { v, c, va };
	struct psc_sink sink = psc_view_sink(v);
	struct psc_segment s = {
		.layout = &v->layout,
		.header = { .va = va, .v = pages, .n = 2 },
		.context = c->va, .heap_key = v->info.keys.heap_key,
		.unit_shift = c->unit_shift, .first_index = c->first,
		.pool = c->heap->pool,
	};
	struct psc_segment_ref ref = {
		.va = va, .bytes = ~c->mask + 1, .context = c->va,
		.heap = c->heap_index, .unit_shift = (uint8_t)c->unit_shift,
		.first_index = (uint8_t)c->first,
	};

	for (unsigned int i = 0; i < 2; i++) {
		if (psc_mem_page(m, va + i * PSC_PAGE_SIZE, scratch[i],
				 &pages[i]) != PSC_VA_OK)
			pages[i] = NULL;
	}
	if (!psc_vec_push(&v->segments, ref))
		v->nomem = true;
	if (!psc_segment_walk(&s, add_range, &x, &sink)) {
		v->info.segments_unreadable++;
		v->info.complete = false;
	}
}

/** Do the heap's page counts agree with @p n segments (real-pool 2)? */
static bool reserved_agrees(const struct psc_pool_view *v,
			    const struct psc_seg_context *c, uint64_t n)
{
	struct psc_mem *m = v->spaces.v[c->heap->space].mem;
	const uint64_t heap = c->heap->va;
	const unsigned int i = c->unit_shift > PSC_PAGE_SHIFT;
	uint64_t total = 0, limit = 0, other = 0;
	PSC_ERROR_GUARD struct psc_error *a = psc_view_get(
		v, m, heap, "_SEGMENT_HEAP.MemStats.TotalReservedPages",
		&total);
	PSC_ERROR_GUARD struct psc_error *b = psc_view_get(
		v, m, heap, "_SEGMENT_HEAP.ReservedLimit", &limit);
	PSC_ERROR_GUARD struct psc_error *d = psc_view_get(
		v, m, heap, i ? "_SEGMENT_HEAP.SegContexts[0].SegmentCount"
			      : "_SEGMENT_HEAP.SegContexts[1].SegmentCount",
		&other);

	return !a && !b && !d &&
	       total == 0x100 * (i ? other : n) + 0x1000 * (i ? n : other) +
				((limit - heap) >> PSC_PAGE_SHIFT);
}

/** A walk of one context. */
struct list {
	struct psc_pool_view *v;
	const struct psc_seg_context *c;
	struct psc_mem *m;
	struct psc_map seen;
	uint64_t n;		/**< Segments read. */
};

static void list_guard(struct list *l)
{
	map_guard(&l->seen);
}

/** Read the segment at @p va, unless it cannot be one or was read. */
static bool take(struct list *l, uint64_t va)
{
	bool added;

	if (va & ~l->c->mask || !psc_mem_is_kernel_va(l->m, va) ||
	    l->n >= MAX_SEGMENTS || !psc_map_put(&l->seen, va, &added) ||
	    !added)
		return false;
	read_segment(l->v, l->c, va);
	l->n++;
	return true;
}

/** S3: a link is not what the other end of it says. */
static void bad_link(const struct list *l, uint64_t segment, uint64_t field,
		     uint64_t expected, uint64_t found)
{
	psc_view_fault(l->v, &(struct psc_fault){
		.rule = PSC_S3, .va = segment, .field_va = field, .bits = 64,
		.expected = expected, .found = found,
		.pool = l->c->heap->pool, .owner = PSC_OWNER_VS,
		.repaired = true });
}

static void lost_segments(const struct list *l, uint64_t found)
{
	uint64_t at = 0;

	psc_error_free(psc_view_offset(
		l->v, "_HEAP_SEG_CONTEXT.SegmentCount", &at));
	psc_view_fault(l->v, &(struct psc_fault){
		.rule = PSC_S4, .va = l->c->va, .field_va = l->c->va + at,
		.bits = 64, .expected = found, .found = l->c->count,
		.pool = l->c->heap->pool, .owner = PSC_OWNER_VS,
		.repaired = reserved_agrees(l->v, l->c, found) });
}

enum end {
	CLOSED,			/**< The list came back to its head. */
	BROKEN,			/**< A link leads nowhere. */
	ABSENT,			/**< A link is not in the dump. */
};

/**
 * Follow Flink from the head.
 * @param[out] before  the last that was good; @param[out] link what it said.
 */
static enum end forward(struct list *l, uint64_t *before, uint64_t *link)
{
	*before = l->c->list;
	for (;;) {
		uint64_t back;
		struct psc_error *err = psc_mem_u64(l->m, *before,
						    "segment list", link);

		if (err) {
			psc_view_note(l->v, "%s", err->message);
			psc_error_free(err);
			return ABSENT;
		}
		if (*link == l->c->list)
			return CLOSED;
		if (!take(l, *link))
			return BROKEN;
		if (psc_mem_read(l->m, *link + BLINK, &back, 8, NULL) == 8 &&
		    back != *before)
			bad_link(l, *link, *link + BLINK, *before, back);
		*before = *link;
	}
}

/**
 * Follow Blink from the head, as far as nothing is known.
 * @param[out] last  the last that was good.
 * @return where its link leads: a segment that was read, or nowhere; 0: the
 *         link is not in the dump.
 */
static uint64_t backward(struct list *l, uint64_t *last)
{
	uint64_t link;

	*last = l->c->list;
	while (psc_mem_read(l->m, *last + BLINK, &link, 8, NULL) == 8) {
		if (!take(l, link))
			return link;
		*last = link;
	}
	return 0;
}

/** Segments that are on no list: their signature tells them (pool 2.10). */
static uint64_t search(struct list *l)
{
	const struct psc_seg_context *c = l->c;
	const struct psc_pool_view *v = l->v;
	const uint64_t slot = (UINT64_C(1) << SLOT_SHIFT) - 1, step = ~c->mask;
	uint64_t pos = c->heap->va & ~slot, end = pos | slot, n = l->n;
	struct psc_va_range r;

	while (v->info.keys.has_heap && l->n < c->count &&
	       psc_mem_next_range(l->m, &pos, end, &r)) {
		uint64_t va = (r.va + step) & c->mask, sig;

		for (; r.status == PSC_VA_OK && va - r.va < r.size;
		     va += step + 1) {
			if (psc_mem_read(l->m, va + v->layout.seg_signature,
					 &sig, 8, NULL) == 8 &&
			    sig == psc_segment_signature(
					   &v->layout, c->va, va,
					   v->info.keys.heap_key))
				take(l, va);
		}
	}
	return l->n - n;
}

void psc_view_segments(struct psc_pool_view *v,
		       const struct psc_seg_context *c)
{
	PSC_CLEANUP(list_guard) struct list l = {
		.v = v, .c = c, .m = v->spaces.v[c->heap->space].mem,
	};
	uint64_t before, link, last = 0;
	enum end e = forward(&l, &before, &link);
	uint64_t meets = e == CLOSED ? 0 : backward(&l, &last);

	if (e == BROKEN) {
		psc_view_note(v, "segment list at 0x%" PRIx64
			      " breaks at 0x%" PRIx64, c->list, link);
		if (meets == before)	// both halves are there
			bad_link(&l, before, before, last, link);
	}
	if (l.n == c->count)
		return;
	if (e != ABSENT || l.n > c->count)
		lost_segments(&l, l.n);
	uint64_t found = search(&l);
	if (found)
		psc_view_note(v, "%" PRIu64 " segments of the context at 0x%"
			      PRIx64 " are on no list: their signatures told "
			      "them", found, c->va);
	if (l.n < c->count)
		v->info.complete = false;
}
