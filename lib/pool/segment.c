// SPDX-License-Identifier: MIT
#include "pool/segment.h"

#include "base/bytes.h"

// RangeFlags (pool 3.5).
#define ALLOCATED 0x1u
#define FIRST 0x2u
#define TYPE_MASK 0xcu

static const uint8_t *descriptor(const struct psc_segment *s, unsigned int i)
{
	return psc_pages_at(&s->header, (uint64_t)i * s->layout->desc_bytes,
			    s->layout->desc_bytes);
}

static void fault(const struct psc_segment *s, const struct psc_sink *sink,
		  enum psc_rule rule, unsigned int unit, unsigned int field,
		  unsigned int bits, uint64_t expected, uint64_t found)
{
	uint64_t va = s->header.va + (uint64_t)unit * s->layout->desc_bytes;

	if (sink && sink->fault)
		sink->fault(sink->ctx, &(struct psc_fault){
			.rule = rule, .va = va, .field_va = va + field,
			.bits = bits, .expected = expected, .found = found,
			.pool = s->pool, .owner = PSC_OWNER_VS,
			.repaired = rule == PSC_S8 || rule == PSC_S7 });
}

static enum psc_range_type range_type(unsigned int flags)
{
	static const enum psc_range_type types[] = {
		PSC_RANGE_BACKEND, PSC_RANGE_INTERNAL, PSC_RANGE_LFH,
		PSC_RANGE_VS,
	};

	return flags & ALLOCATED ? types[(flags & TYPE_MASK) >> 2]
				 : PSC_RANGE_FREE;
}

/** Range of the first unit @p i; units are cut at the segment's end. */
static struct psc_range make_range(const struct psc_segment *s, unsigned int i,
				   const uint8_t *d)
{
	unsigned int units = d[s->layout->desc_size];
	struct psc_range r = {
		.type = range_type(d[s->layout->desc_flags]), .first = i,
		.va = s->header.va + ((uint64_t)i << s->unit_shift),
		.units = PSC_MIN(units, PSC_SEGMENT_UNITS - i),
	};

	r.guard = (r.type == PSC_RANGE_LFH || r.type == PSC_RANGE_VS) &&
		  psc_le32(d + s->layout->desc_unused) == 0x1000 &&
		  r.units > 1;
	r.bytes = (uint64_t)(r.units - r.guard) << s->unit_shift;
	return r;
}

static void check_following(const struct psc_segment *s,
			    const struct psc_sink *sink,
			    const struct psc_range *r)
{
	const struct psc_heap_layout *l = s->layout;

	if (r->type == PSC_RANGE_FREE)
		return;		// following units of free ranges are stale
	for (unsigned int i = 1; i < r->units; i++) {
		const uint8_t *d = descriptor(s, r->first + i);

		if (!d)
			return;
		uint8_t flags = d[l->desc_flags];
		if (flags & FIRST || !(flags & ALLOCATED))
			fault(s, sink, PSC_S5, r->first + i, l->desc_flags, 8,
			      ALLOCATED, flags);
		else if (d[l->desc_offset] != i)
			fault(s, sink, PSC_S8, r->first + i, l->desc_offset, 8,
			      i, d[l->desc_offset]);
	}
}

static void check_signature(const struct psc_segment *s,
			    const struct psc_sink *sink)
{
	const struct psc_heap_layout *l = s->layout;
	const uint8_t *p = psc_pages_at(&s->header, l->seg_signature, 8);
	uint64_t want = psc_segment_signature(l, s->context, s->header.va,
					      s->heap_key);

	if (p && psc_le64(p) != want)
		fault(s, sink, PSC_S2, 0, l->seg_signature, 64, want,
		      psc_le64(p));
}

/** Units from @p i that do not begin a range. */
static unsigned int unknown_units(const struct psc_segment *s, unsigned int i)
{
	unsigned int n = 1;

	while (i + n < PSC_SEGMENT_UNITS) {
		const uint8_t *d = descriptor(s, i + n);

		if (!d || (d[s->layout->desc_flags] & FIRST))
			break;
		n++;
	}
	return n;
}

/** The descriptor at @p i should begin a range; judge it. */
static struct psc_range judge(const struct psc_segment *s,
			      const struct psc_sink *sink, unsigned int i,
			      const uint8_t *d)
{
	const struct psc_heap_layout *l = s->layout;
	uint8_t flags = d[l->desc_flags];
	struct psc_range r = make_range(s, i, d);

	if (!(flags & FIRST) || flags & ~(ALLOCATED | FIRST | TYPE_MASK)) {
		fault(s, sink, PSC_S5, i, l->desc_flags, 0, 0, flags);
	} else if (!r.units || d[l->desc_size] > PSC_SEGMENT_UNITS - i) {
		fault(s, sink, PSC_S6, i, l->desc_size, 0, 0,
		      d[l->desc_size]);
	} else {
		if (flags & ALLOCATED &&
		    psc_le32(d + l->desc_tree) != PSC_TREE_SIGNATURE)
			fault(s, sink, PSC_S7, i, l->desc_tree, 32,
			      PSC_TREE_SIGNATURE, psc_le32(d + l->desc_tree));
		check_following(s, sink, &r);
		return r;
	}
	r.type = PSC_RANGE_UNKNOWN;
	r.units = unknown_units(s, i);
	r.guard = false;
	r.bytes = (uint64_t)r.units << s->unit_shift;
	return r;
}

bool psc_segment_walk(const struct psc_segment *s, psc_range_fn fn, void *ctx,
		      const struct psc_sink *sink)
{
	unsigned int i = s->first_index;
	bool whole = true;

	check_signature(s, sink);
	while (i < PSC_SEGMENT_UNITS) {
		const uint8_t *d = descriptor(s, i);

		if (!d) {
			whole = false;
			i++;
			continue;
		}
		struct psc_range r = judge(s, sink, i, d);
		fn(ctx, &r);
		i += r.units;
	}
	return whole;
}

bool psc_segment_range_of(const struct psc_segment *s, unsigned int unit,
			  struct psc_range *ret)
{
	const uint8_t *d = descriptor(s, unit);

	if (unit < s->first_index || !d)
		return false;
	if (!(d[s->layout->desc_flags] & FIRST)) {
		unsigned int back = d[s->layout->desc_offset];

		// What else the unit of a free range holds is stale.
		if (!(d[s->layout->desc_flags] & ALLOCATED)) {
			*ret = (struct psc_range){
				.type = PSC_RANGE_FREE, .first = unit,
				.units = 1, .bytes = 1ull << s->unit_shift,
				.va = s->header.va +
				      ((uint64_t)unit << s->unit_shift) };
			return true;
		}
		if (back > unit)
			return false;
		unit -= back;
		d = descriptor(s, unit);
		if (!d || !(d[s->layout->desc_flags] & FIRST))
			return false;
	}
	*ret = make_range(s, unit, d);
	return ret->units;
}
