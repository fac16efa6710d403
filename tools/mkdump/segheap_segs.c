// SPDX-License-Identifier: MIT
/** @file
 * Segments and their range descriptors (pool 3.3 to 3.5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segheap.h"

#define UNITS 256u
#define TREE_SIGNATURE 0xccddccddu
#define SEGMENT_MAGIC 0xa2e64eada2e64eadull
#define PAGES_MAX 0x7f000u
#define FLAG_ALLOCATED 1u
#define FLAG_FIRST 2u

struct ctx_shape {
	uint64_t bytes;		/**< Of a segment. */
	unsigned int shift, first;
	uint32_t max;
};

static const struct ctx_shape shapes[2] = {
	{ 0x100000, 12, 2, 0x7f000 },
	{ 0x1000000, 16, 1, 0x7f0000 },
};

static struct sg_segment *segment_new(struct mk *m, struct sg_heap *h,
				      unsigned int c)
{
	const struct ctx_shape *s = &shapes[c];
	struct sg_segment seg = { .next = s->first };
	struct mk_map_opt opt = { .nx = h->kind != MK_POOL_NONPAGED };
	uint64_t header = (uint64_t)s->first << s->shift;

	seg.va = mk_pool_reserve(m, h->kind, s->bytes,
				 s->bytes);
	// The header is 0x2000 bytes whatever the unit.
	mk_map(m, seg.va, PSC_MIN(header, 0x2000ull), &opt);
	h->committed += 2;
	m->pool->pages[h->kind] += 2;
	if (!psc_vec_push(&h->ctx[c].segs, seg))
		mk_fail(m, "out of memory");
	return &h->ctx[c].segs.v[h->ctx[c].segs.n - 1];
}

uint64_t sg_range_new(struct mk *m, struct sg_heap *h, enum sg_kind kind,
		      uint64_t pages, uint32_t unused, bool guard)
{
	unsigned int c = pages * MK_PAGE > PAGES_MAX;
	const struct ctx_shape *s = &shapes[c];
	uint64_t unit = 1ull << s->shift;
	struct mk_map_opt opt = { .nx = h->kind != MK_POOL_NONPAGED };
	struct sg_range r = {
		.units = (uint32_t)((pages * MK_PAGE + unit - 1) / unit) + guard,
		.pages = (uint32_t)pages, .unused = unused, .kind = kind,
	};
	struct sg_segment *seg = h->ctx[c].segs.n
		? &h->ctx[c].segs.v[h->ctx[c].segs.n - 1] : NULL;

	if (!seg || seg->next + r.units > UNITS)
		seg = segment_new(m, h, c);
	r.first = seg->next;
	seg->next += r.units;
	if (!psc_vec_push(&seg->ranges, r))
		mk_fail(m, "out of memory");
	uint64_t va = seg->va + r.first * unit;
	mk_map(m, va, pages * MK_PAGE, &opt);
	h->committed += pages;
	m->pool->pages[h->kind] += pages;
	return va;
}

static void remove_range(struct sg_segment *seg, size_t i)
{
	memmove(&seg->ranges.v[i], &seg->ranges.v[i + 1],
		(seg->ranges.n - i - 1) * sizeof(*seg->ranges.v));
	seg->ranges.n--;
}

// Free neighbours are one range; at the end, the segment's rest.
static void join_ranges(struct sg_segment *seg, size_t i)
{
	struct sg_range *r = seg->ranges.v;

	if (i + 1 < seg->ranges.n && r[i + 1].kind == SG_GONE) {
		r[i].units += r[i + 1].units;
		remove_range(seg, i + 1);
	}
	if (i && r[i - 1].kind == SG_GONE) {
		r[i - 1].units += r[i].units;
		remove_range(seg, i--);
	}
	if (i + 1 == seg->ranges.n) {
		seg->next = r[i].first;
		remove_range(seg, i);
	}
}

static bool free_in(struct mk *m, struct sg_heap *h, struct sg_segment *seg,
		    unsigned int shift, uint64_t va)
{
	for (size_t i = 0; i < seg->ranges.n; i++) {
		struct sg_range *r = &seg->ranges.v[i];

		if (seg->va + ((uint64_t)r->first << shift) != va)
			continue;
		for (uint32_t p = 0; p < r->pages; p++)
			mk_set_state(m, va + p * MK_PAGE, MK_PTE_FREED);
		h->committed -= r->pages;
		m->pool->pages[h->kind] -= r->pages;
		r->kind = SG_GONE;
		join_ranges(seg, i);
		return true;
	}
	return false;
}

void sg_range_free(struct mk *m, struct sg_heap *h, uint64_t va)
{
	for (unsigned int c = 0; c < 2; c++) {
		for (size_t i = 0; i < h->ctx[c].segs.n; i++) {
			if (free_in(m, h, &h->ctx[c].segs.v[i],
				    shapes[c].shift, va))
				return;
		}
	}
	mk_fail(m, "internal: freed range is in no segment");
}

static uint64_t descriptor(struct mk *m, const struct sg_segment *seg,
			   uint32_t i)
{
	return seg->va + i * mk_sizeof(m, "_HEAP_PAGE_RANGE_DESCRIPTOR");
}

static void describe_range(struct mk *m, const struct sg_segment *seg,
			   const struct sg_range *r, unsigned int shift)
{
	uint64_t first = descriptor(m, seg, r->first);
	uint32_t per_unit = 1u << (shift - 12), left = r->pages;

	mk_field(m, first, "_HEAP_PAGE_RANGE_DESCRIPTOR.TreeSignature",
		 TREE_SIGNATURE);
	mk_field(m, first, "_HEAP_PAGE_RANGE_DESCRIPTOR.UnusedBytes",
		 r->kind == SG_PAGES ? r->unused : 0x1000);
	for (uint32_t i = 0; i < r->units; i++) {
		uint64_t d = descriptor(m, seg, r->first + i);
		uint32_t here = PSC_MIN(left, per_unit);
		left -= here;
		mk_field(m, d, "_HEAP_PAGE_RANGE_DESCRIPTOR.RangeFlags",
			 i ? FLAG_ALLOCATED
			   : FLAG_ALLOCATED | FLAG_FIRST | r->kind);
		mk_field(m, d, "_HEAP_PAGE_RANGE_DESCRIPTOR.CommittedPageCount",
			 here);
		if (i)
			mk_field(m, d, "_HEAP_PAGE_RANGE_DESCRIPTOR.UnitOffset",
				 i);
	}
	mk_write32(m, first + mk_offset(m, "_HEAP_PAGE_RANGE_DESCRIPTOR.Key"),
		   (~r->pages & 0xffff) | r->units << 24);
}

// A free range, as is the rest of a segment: a node of FreePageRanges.
static uint64_t describe_free(struct mk *m, const struct sg_segment *seg,
			      uint32_t first, uint32_t units)
{
	uint64_t d = descriptor(m, seg, first);

	mk_field(m, d, "_HEAP_PAGE_RANGE_DESCRIPTOR.RangeFlags", FLAG_FIRST);
	mk_write32(m, d + mk_offset(m, "_HEAP_PAGE_RANGE_DESCRIPTOR.Key"),
		   0xffff | units << 24);
	return d;
}

static uint64_t context(struct mk *m, const struct sg_heap *h, unsigned int c)
{
	char path[32];

	snprintf(path, sizeof(path), "SegContexts[%u]", c);
	return sg_heap_member(m, h, path);
}

static void write_segment(struct mk *m, const struct sg_segment *seg,
			  uint64_t ctx, uint64_t magic)
{
	mk_list_append(m, ctx + mk_offset(m, "_HEAP_SEG_CONTEXT.SegmentListHead"),
		       seg->va);
	mk_field(m, seg->va, "_HEAP_PAGE_SEGMENT.Signature",
		 ctx ^ seg->va ^ segheap(m)->key ^ magic);
}

static void write_context(struct mk *m, struct sg_heap *h, unsigned int c)
{
	const struct ctx_shape *s = &shapes[c];
	struct sg_context *x = &h->ctx[c];
	uint64_t ctx = context(m, h, c);
	uint64_t *rest = mk_calloc(x->segs.n * UNITS + 1, sizeof(*rest));
	size_t n_rest = 0;

	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.SegmentMask", ~(s->bytes - 1));
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.UnitShift", s->shift);
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.PagesPerUnitShift", s->shift - 12);
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.FirstDescriptorIndex", s->first);
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.MaxAllocationSize", s->max);
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.Heap", h->va);
	mk_field(m, ctx, "_HEAP_SEG_CONTEXT.SegmentCount", x->segs.n);
	if (!c) {
		mk_field(m, ctx, "_HEAP_SEG_CONTEXT.VsContext",
			 sg_heap_member(m, h, "VsContext"));
		mk_field(m, ctx, "_HEAP_SEG_CONTEXT.LfhContext",
			 sg_heap_member(m, h, "LfhContext"));
	}
	mk_list_init(m, ctx + mk_offset(m, "_HEAP_SEG_CONTEXT.SegmentListHead"));
	for (size_t i = 0; i < x->segs.n; i++) {
		const struct sg_segment *seg = &x->segs.v[i];
		write_segment(m, seg, ctx,
			      segheap(m)->new_layout ? 0 : SEGMENT_MAGIC);
		for (size_t j = 0; j < seg->ranges.n; j++) {
			const struct sg_range *r = &seg->ranges.v[j];

			if (r->kind == SG_GONE)
				rest[n_rest++] = describe_free(
					m, seg, r->first, r->units);
			else
				describe_range(m, seg, r, s->shift);
		}
		if (seg->next < UNITS)
			rest[n_rest++] = describe_free(m, seg, seg->next,
						       UNITS - seg->next);
	}
	sg_tree_write(m, ctx + mk_offset(m, "_HEAP_SEG_CONTEXT.FreePageRanges"),
		      rest, n_rest);
	free(rest);
}

void sg_segments_write(struct mk *m, struct sg_heap *h)
{
	write_context(m, h, 0);
	write_context(m, h, 1);
}
