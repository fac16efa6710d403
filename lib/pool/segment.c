// SPDX-License-Identifier: MIT
#include "pool/segment.h"

#include "base/bytes.h"

// RangeFlags (pool 3.5).
#define ALLOCATED 0x1u
#define FIRST 0x2u
#define TYPE_MASK 0xcu
/** UnusedBytes of a range whose last unit is a guard. */
#define GUARD 0x1000u

static const uint8_t *descriptor(const struct psc_segment *s, unsigned int i)
{
	return psc_pages_at(&s->header, (uint64_t)i * s->layout->desc_bytes,
			    s->layout->desc_bytes);
}

/** @param bits 0: nothing tells what it should be. */
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
			.repaired = bits && rule != PSC_S2 });
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

/** Range of @p units from unit @p i on; units are cut at the segment's end. */
static struct psc_range make_range(const struct psc_segment *s, unsigned int i,
				   enum psc_range_type type,
				   unsigned int units)
{
	const uint8_t *d = descriptor(s, i);
	struct psc_range r = {
		.type = type, .first = i,
		.va = s->header.va + ((uint64_t)i << s->unit_shift),
		.units = PSC_MIN(units, PSC_SEGMENT_UNITS - i),
	};

	r.may_guard = type != PSC_RANGE_FREE && r.units > 1 &&
		      psc_le32(d + s->layout->desc_unused) == GUARD;
	r.guard = r.may_guard && (type == PSC_RANGE_LFH ||
				  type == PSC_RANGE_VS);
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

static uint8_t flags_of(const struct psc_segment *s, const uint8_t *d)
{
	return d[s->layout->desc_flags];
}

static unsigned int size_of(const struct psc_segment *s, const uint8_t *d)
{
	return d[s->layout->desc_size];
}

static bool has_tree_signature(const struct psc_segment *s, const uint8_t *d)
{
	return psc_le32(d + s->layout->desc_tree) == PSC_TREE_SIGNATURE;
}

static bool is_first(const struct psc_segment *s, unsigned int i)
{
	const uint8_t *d = i < PSC_SEGMENT_UNITS ? descriptor(s, i) : NULL;

	return i == PSC_SEGMENT_UNITS || (d && flags_of(s, d) & FIRST);
}

/**
 * Units from @p i to the next that begins a range.
 * @return 0 when a missing page hides it.
 */
static unsigned int to_next_first(const struct psc_segment *s, unsigned int i)
{
	unsigned int n = 1;

	while (i + n < PSC_SEGMENT_UNITS) {
		const uint8_t *d = descriptor(s, i + n);

		if (!d)
			return 0;
		if (flags_of(s, d) & FIRST)
			break;
		n++;
	}
	return n;
}

/** Does unit @p i count its distance to the first of its range, @p back? */
static bool counts_from(const struct psc_segment *s, unsigned int i,
			unsigned int back)
{
	const uint8_t *d = descriptor(s, i);

	return d && flags_of(s, d) & ALLOCATED &&
	       d[s->layout->desc_offset] == back;
}

/**
 * What the flags of unit @p i should be, given that a range of its size fits
 * there; 0 = nothing tells.
 */
static uint8_t true_flags(const struct psc_segment *s, unsigned int i,
			  const uint8_t *d)
{
	uint8_t flags = (uint8_t)((flags_of(s, d) &
				   (ALLOCATED | TYPE_MASK)) | FIRST);
	unsigned int size = size_of(s, d);

	if (!size || size > PSC_SEGMENT_UNITS - i || !is_first(s, i + size))
		return 0;
	if (has_tree_signature(s, d))
		return flags | ALLOCATED;
	// A free range holds a node of a tree there: no signature.
	return flags & ALLOCATED ? 0 : FIRST;
}

/** A first unit's flags: known ones, that agree with its signature. */
static bool flags_are_wrong(const struct psc_segment *s, unsigned int i,
			    const uint8_t *d)
{
	uint8_t flags = flags_of(s, d);

	if (!(flags & FIRST) || flags & ~(ALLOCATED | FIRST | TYPE_MASK))
		return true;
	if (!(flags & ALLOCATED))
		return flags != FIRST || (has_tree_signature(s, d) &&
					  true_flags(s, i, d));
	// Free units follow it, and its signature is none: it is free too.
	const uint8_t *next = size_of(s, d) > 1 && i + 1 < PSC_SEGMENT_UNITS
		? descriptor(s, i + 1) : NULL;
	return next && !flags_of(s, next) && !has_tree_signature(s, d);
}

/**
 * Units of the range that begins at @p i. What it says, and where the next
 * begins, must agree; the units between them tell who is wrong.
 * @param[out] wrong its size is.
 */
static unsigned int true_units(const struct psc_segment *s, unsigned int i,
			       const uint8_t *d, bool live, bool *wrong)
{
	unsigned int size = size_of(s, d), next = to_next_first(s, i);
	unsigned int left = PSC_SEGMENT_UNITS - i;

	*wrong = !size || size > left;
	if (!next || size == next)
		return size;
	if (size && size < next) {	// is it that one begins there?
		const uint8_t *e = descriptor(s, i + size);
		bool allocated = flags_of(s, e) & ALLOCATED;

		if (live ? !counts_from(s, i + size, size) &&
				   (has_tree_signature(s, e) || !allocated)
			 : allocated)
			return size;
	} else if (size && size <= left && is_first(s, i + size) &&
		   (!live || counts_from(s, i + next, next))) {
		return size;	// one that claims to begin a range does not
	}
	*wrong = true;
	return next;
}

/** The descriptor at @p i should begin a range; judge it. */
static struct psc_range judge(const struct psc_segment *s,
			      const struct psc_sink *sink, unsigned int i,
			      const uint8_t *d)
{
	const struct psc_heap_layout *l = s->layout;
	uint8_t flags = flags_of(s, d);
	bool wrong_size;

	if (flags_are_wrong(s, i, d)) {
		uint8_t want = true_flags(s, i, d);

		if (!want && flags & FIRST && !has_tree_signature(s, d))
			want = FIRST;
		fault(s, sink, PSC_S5, i, l->desc_flags, want ? 8 : 0, want,
		      flags);
		if (!want) {
			unsigned int n = to_next_first(s, i);
			return make_range(s, i, PSC_RANGE_UNKNOWN, n ? n : 1);
		}
		flags = want;
	}
	unsigned int units = true_units(s, i, d, flags & ALLOCATED,
					&wrong_size);
	if (wrong_size)
		fault(s, sink, PSC_S6, i, l->desc_size, units ? 8 : 0, units,
		      size_of(s, d));
	if (!units || units > PSC_SEGMENT_UNITS - i)
		return make_range(s, i, PSC_RANGE_UNKNOWN, 1);
	struct psc_range r = make_range(s, i, range_type(flags), units);
	if (flags & ALLOCATED && !has_tree_signature(s, d))
		fault(s, sink, PSC_S7, i, l->desc_tree, 32, PSC_TREE_SIGNATURE,
		      psc_le32(d + l->desc_tree));
	check_following(s, sink, &r);
	return r;
}

bool psc_segment_walk(const struct psc_segment *s, psc_range_fn fn, void *ctx,
		      const struct psc_sink *sink)
{
	unsigned int i = s->first_index;
	bool whole = true, lost = false;

	check_signature(s, sink);
	while (i < PSC_SEGMENT_UNITS) {
		const uint8_t *d = descriptor(s, i);

		whole &= d != NULL;
		// Behind a missing page the rest of a range is no damage.
		lost = !d || (lost && !(d[s->layout->desc_flags] & FIRST));
		if (lost) {
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
	uint8_t flags = flags_are_wrong(s, unit, d) ? true_flags(s, unit, d)
						    : flags_of(s, d);
	*ret = make_range(s, unit, range_type(flags), size_of(s, d));
	return ret->units;
}
