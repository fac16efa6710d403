// SPDX-License-Identifier: MIT
#include "pool/bigpage_check.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/segment.h"
#include "pool/view_impl.h"

/** Entries behind the hash's place that are looked at; more cannot tell. */
#define MAX_PROBE 4096u
/** Broken entries kept per rule; more say nothing new. */
#define MAX_BROKEN 1000u
/** Bits of an address that a page-aligned kernel address can differ in. */
#define FIRST_BIT 12u
#define LAST_BIT 47u
#define LOW_BITS (PSC_PAGE_SIZE - 1ull)

/** One table, that of the system or of a session. */
struct check {
	struct psc_pool_view *v;
	struct psc_mem *mem;
	const struct psc_sink *sink;
	uint16_t space;
	struct psc_big_table t;
	/** Bit per entry: it was used at some time. Used entries are freed, but
	 *  never become as new again. */
	uint8_t *used;
	const struct psc_big *v0; /**< Its live entries, ascending. */
	size_t n;
	bool nomem;
};

enum answer { CANNOT_TELL, HOLDS, BROKEN };

uint64_t psc_pool_big_entry(const struct psc_pool_view *v,
			    const struct psc_big *b)
{
	const struct psc_big_table *t = &v->spaces.v[b->space].big;

	return t->va + b->index * t->entry_bytes;
}

static struct psc_fault fault_of(const struct check *c,
				 const struct psc_big *b, enum psc_rule rule)
{
	uint64_t entry = psc_pool_big_entry(c->v, b);

	return (struct psc_fault){
		.rule = rule, .va = entry, .field_va = entry, .tag = b->tag,
		.pool = b->pool, .owner = PSC_OWNER_BIG, .about = b->va };
}

static void emit(const struct check *c, const struct psc_fault *f)
{
	if (c->sink->fault)
		c->sink->fault(c->sink->ctx, f);
}

/** Offset of NumberOfBytes, for the field that a fault names. */
static uint64_t bytes_at(const struct check *c)
{
	struct psc_field f = { 0 };
	PSC_ERROR_GUARD struct psc_error *err = psc_kernel_field(
		c->v->k, "_POOL_TRACKER_BIG_PAGES.NumberOfBytes", &f);

	return err ? 0 : f.offset;
}

// --- places in the table (5.2) --------------------------------------------------

static bool on_path(const struct check *c, uint32_t hash, uint64_t index)
{
	uint64_t mask = c->t.entries - 1, i = hash & mask;

	for (unsigned int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
		if (i == index)
			return true;
		if (!(c->used[i >> 3] & 1u << (i & 7)))
			return false;	// it would have been put here
	}
	return true;
}

/** Would an allocation at @p va be entered at @p index? Both published forms
 *  of the hash count. */
static bool is_reachable(const struct check *c, uint64_t va, uint64_t index)
{
	return !c->t.complete ||
	       on_path(c, psc_big_hash(va, true), index) ||
	       on_path(c, psc_big_hash(va, false), index);
}

static bool is_nonpaged(const struct psc_big *b)
{
	return b->pool == PSC_POOL_NONPAGED || b->pool == PSC_POOL_NONPAGED_NX;
}

/** The only address one bit away that belongs at this place; 0 = none. */
static uint64_t address_by_place(const struct check *c,
				 const struct psc_big *b)
{
	uint64_t found = 0;

	for (unsigned int bit = FIRST_BIT; bit <= LAST_BIT; bit++) {
		uint64_t x = b->va ^ UINT64_C(1) << bit;

		if (!psc_mem_is_kernel_va(c->mem, x) ||
		    !is_reachable(c, x, b->index) ||
		    psc_pool_big_at(c->v, c->space, x) ||
		    (is_nonpaged(b) && psc_mem_translate(c->mem, x).status ==
					       PSC_VA_NOT_MAPPED))
			continue;
		if (found)
			return 0;
		found = x;
	}
	return found;
}

/** B7: an entry that a search for its address would not find. */
static enum answer check_place(struct check *c, const struct psc_big *b,
			       struct psc_fault *f)
{
	if (!c->t.complete)
		return CANNOT_TELL;
	if (is_reachable(c, b->va, b->index))
		return HOLDS;
	*f = fault_of(c, b, PSC_B7);
	f->found = b->va;
	f->expected = address_by_place(c, b);
	if (f->expected) {
		f->bits = 64;
		f->repaired = true;
	}
	return BROKEN;
}

// --- entries that cannot be true --------------------------------------------------

/** B1: one bit away from an address that can be? */
static void repair_address(const struct check *c, const struct psc_big *b,
			   struct psc_fault *f)
{
	uint64_t want = b->va & ~LOW_BITS;

	if (want >> LAST_BIT & 1)
		want |= ~UINT64_C(0) << LAST_BIT;
	if (__builtin_popcountll(want ^ b->va) != 1)
		return;
	f->bits = 64;
	f->expected = want;
	f->repaired = is_reachable(c, want, b->index);
}

static void check_bad(struct check *c, const struct psc_big *b)
{
	bool va = b->va & LOW_BITS || !psc_mem_is_kernel_va(c->mem, b->va);
	struct psc_fault f = fault_of(c, b, va ? PSC_B1 : PSC_B3);

	f.found = va ? b->va : b->bytes;
	if (va)
		repair_address(c, b, &f);
	else
		f.field_va += bytes_at(c);
	emit(c, &f);
}

// --- neighbours -----------------------------------------------------------------

/** The only size one bit smaller that ends before @p limit; 0 = none. */
static uint64_t shorter(uint64_t bytes, uint64_t limit)
{
	uint64_t found = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t x = bytes & ~(UINT64_C(1) << bit);

		if (x == bytes || !x || x > limit)
			continue;
		if (found)
			return 0;
		found = x;
	}
	return found;
}

/**
 * B2: @p a runs into @p b. Whose place in the table does not fit its address
 * is wrong; when both fit, the size of the first is.
 */
static void overlap(struct check *c, const struct psc_big *a,
		    const struct psc_big *b)
{
	bool a_fits = is_reachable(c, a->va, a->index);
	bool b_fits = is_reachable(c, b->va, b->index);
	struct psc_fault f = fault_of(c, a_fits && !b_fits ? b : a, PSC_B2);

	if (a_fits != b_fits) {
		f.found = f.about;
	} else {
		f.field_va += bytes_at(c);
		f.found = a->bytes;
		f.expected = shorter(a->bytes, b->va - a->va);
		if (f.expected) {
			f.bits = 64;
			f.repaired = c->t.complete;
		}
	}
	emit(c, &f);
}

static void check_overlaps(struct check *c)
{
	const struct psc_big *far = c->n ? &c->v0[0] : NULL;

	for (size_t i = 1; i < c->n; i++) {
		const struct psc_big *b = &c->v0[i];
		// The fill of a contiguous allocation may or may not count.
		uint64_t end = far->va + far->bytes -
			       PSC_MIN((uint64_t)far->slush, far->bytes);

		if (end > b->va)
			overlap(c, far, b);
		if (b->va + b->bytes > far->va + far->bytes || end <= b->va)
			far = b;
	}
}

// --- page tables, fill, descriptors ------------------------------------------------

/** B5: nonpaged pool is never without a page. */
static enum answer check_pages(struct check *c, const struct psc_big *b,
			       struct psc_fault *f)
{
	uint64_t end = (b->va + b->bytes + LOW_BITS) & ~LOW_BITS;
	uint64_t pos = b->va, next = b->va;
	struct psc_va_range r;

	if (!is_nonpaged(b))
		return CANNOT_TELL;
	while (next < end && psc_mem_next_range(c->mem, &pos, end, &r) &&
	       r.va == next) {
		if (r.status == PSC_VA_TABLE_ABSENT ||
		    r.status == PSC_VA_DAMAGED)
			return CANNOT_TELL;
		if (r.status == PSC_VA_DEMAND_ZERO ||
		    r.status == PSC_VA_PAGED_OUT)
			break;
		next = r.va + r.size;
	}
	if (next >= end)
		return HOLDS;
	*f = fault_of(c, b, PSC_B5);
	f->found = next;
	return BROKEN;
}

/**
 * B8: the fill from a contiguous allocation's end to its page's end (pool
 * 2.6). Where the stored size ends is not sure; where the page ends is.
 */
static enum answer check_slush(struct check *c, const struct psc_big *b,
			       struct psc_fault *f)
{
	uint8_t fill[PSC_PAGE_SIZE];
	uint64_t end = (b->va + b->bytes + LOW_BITS) & ~LOW_BITS;
	uint64_t va = end - b->slush;
	size_t bad = 0, first = 0;

	// The pattern is odd: (tick count) | 1.
	if (!b->slush || !(b->pattern & 1) || b->slush >= PSC_PAGE_SIZE ||
	    c->t.assumed_bits ||
	    psc_mem_read(c->mem, va, fill, b->slush, NULL) != b->slush)
		return CANNOT_TELL;
	for (size_t i = b->slush; i-- > 0;) {
		if (fill[i] != b->pattern) {
			bad++;
			first = i;
		}
	}
	if (!bad)
		return HOLDS;
	*f = fault_of(c, b, PSC_B8);
	f->va = f->field_va = va + first;
	f->bits = 8;
	f->expected = b->pattern;
	f->found = fill[first];
	f->previous_va = b->va;
	f->previous_bytes = b->bytes;
	f->previous_tag = b->tag;
	f->previous_in_use = true;
	return BROKEN;
}

static bool range_at(const struct check *c, uint64_t va,
		     struct psc_range *range)
{
	const struct psc_segment_ref *ref = psc_view_segment_at(c->v, va);
	uint8_t scratch[2][PSC_PAGE_SIZE];
	const uint8_t *pages[2];

	if (!ref)
		return false;
	for (unsigned int i = 0; i < 2; i++) {
		if (psc_mem_page(c->mem, ref->va + i * PSC_PAGE_SIZE,
				 scratch[i], &pages[i]) != PSC_VA_OK)
			return false;
	}
	const struct psc_segment s = {
		.layout = &c->v->layout,
		.header = { .va = ref->va, .v = pages, .n = 2 },
		.context = ref->context, .heap_key = c->v->info.keys.heap_key,
		.unit_shift = ref->unit_shift,
		.first_index = ref->first_index,
	};
	return psc_segment_range_of(&s, (unsigned int)((va - ref->va) >>
						       ref->unit_shift),
				    range);
}

/**
 * B9: inside a segment an allocation is the first unit of a range of pages,
 * or a page-aligned block of a VS subsegment. Outside of the segments lie
 * large and contiguous allocations.
 */
static enum answer check_range(struct check *c, const struct psc_big *b,
			       struct psc_fault *f)
{
	struct psc_range r;

	if (c->v->info.design != PSC_POOL_SEGMENT || !range_at(c, b->va, &r) ||
	    r.type == PSC_RANGE_UNKNOWN)	// told at its descriptor
		return CANNOT_TELL;
	if (r.type == PSC_RANGE_VS || r.type == PSC_RANGE_INTERNAL ||
	    (r.type == PSC_RANGE_BACKEND && r.va == b->va))
		return HOLDS;
	*f = fault_of(c, b, PSC_B9);
	f->found = b->va;
	return BROKEN;
}

// --- all of a table ----------------------------------------------------------------

typedef enum answer (*check_fn)(struct check *, const struct psc_big *,
				struct psc_fault *);

/** One rule over all entries; silent when most of them break it. */
static void run(struct check *c, check_fn fn)
{
	PSC_VEC(struct psc_fault) broken = { 0 };
	size_t n = 0, bad = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct psc_fault f;
		enum answer a = fn(c, &c->v0[i], &f);

		n += a != CANNOT_TELL;
		bad += a == BROKEN;
		if (a == BROKEN && broken.n < MAX_BROKEN &&
		    !psc_vec_push(&broken, f))
			c->nomem = true;
	}
	for (size_t i = 0; bad * 2 <= n && i < broken.n; i++)
		emit(c, &broken.v[i]);
	psc_vec_free(&broken);
}

/** B6. One update can be in flight on another processor. */
static void check_count(struct check *c)
{
	const struct psc_big_table *t = &c->t;
	int64_t diff = (int64_t)t->n_live - (int32_t)t->in_use;
	struct psc_fault f = {
		.rule = PSC_B6, .va = t->va, .field_va = t->in_use_va ? t->in_use_va : t->va,
		.bits = 32, .expected = t->n_live, .found = t->in_use,
		.pool = PSC_POOL_UNKNOWN, .owner = PSC_OWNER_BIG,
	};

	if (t->complete && t->has_in_use && (diff > 1 || diff < -1))
		emit(c, &f);
}

static bool mark_used(void *ctx, const struct psc_big *b)
{
	struct check *c = ctx;

	c->used[b->index >> 3] |= (uint8_t)(1u << (b->index & 7));
	return true;
}

/** @return &psc_absent when the space has no table. */
static struct psc_error *read_places(struct check *c)
{
	struct psc_pool_view *v = c->v;
	const struct psc_space *s = &v->spaces.v[c->space];
	struct psc_big_table again;

	c->t = s->big;
	if (!c->t.va || !c->t.entries)
		return &psc_absent;
	c->used = calloc(c->t.entries / 8 + 1, 1);
	if (!c->used)
		return &psc_nomem;
	return c->space ? psc_big_session_scan(v->k, s->mem, s->session,
					       mark_used, c, &again)
			: psc_big_scan(v->k, mark_used, c, &again);
}

static void check_table(struct check *c)
{
	static const check_fn rules[] = {
		check_place, check_pages, check_slush, check_range,
	};
	const struct psc_pool_view *v = c->v;

	for (size_t i = 0; i < v->bad_big.n; i++) {
		if (v->bad_big.v[i].space == c->space)
			check_bad(c, &v->bad_big.v[i]);
	}
	check_overlaps(c);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rules); i++)
		run(c, rules[i]);
	check_count(c);
}

struct psc_error *psc_pool_check_big(struct psc_pool_view *v,
				     const struct psc_sink *sink)
{
	size_t first = 0;

	for (size_t i = 0; i < v->spaces.n && !v->info.partial; i++) {
		struct check c = {
			.v = v, .mem = v->spaces.v[i].mem, .sink = sink,
			.space = (uint16_t)i, .v0 = v->big.v + first,
		};

		while (first + c.n < v->big.n &&
		       v->big.v[first + c.n].space == i)
			c.n++;
		first += c.n;
		struct psc_error *err = read_places(&c);
		if (!err)
			check_table(&c);
		free(c.used);
		if (c.nomem)
			return &psc_nomem;
		if (err && err != &psc_absent)
			return err;
	}
	return NULL;
}
