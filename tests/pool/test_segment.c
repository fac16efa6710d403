// SPDX-License-Identifier: MIT
// A segment of every kind of range, then one damage per rule.
#include "test.h"

#include <string.h>

#include "base/bytes.h"
#include "collect.h"
#include "encode.h"
#include "pool/segment.h"

#define VA UINT64_C(0xffff9a8013400000)
#define CONTEXT UINT64_C(0xffff9a8010000100)
#define FIRST_INDEX 2u

static uint8_t memory[PSC_SEGMENT_HEADER];
static const uint8_t *pages[2];
static struct collect faults;
static struct psc_range range[PSC_SEGMENT_UNITS];
static unsigned int n_ranges;

static uint8_t *desc(unsigned int i)
{
	return memory + i * 0x20;
}

/** A range of @p units from unit @p i; @p flags of its first descriptor. */
static void put_range(unsigned int i, unsigned int units, unsigned int flags)
{
	for (unsigned int n = 0; n < units; n++) {
		uint8_t *d = desc(i + n);

		memset(d, 0, 0x20);
		if (flags & 1)
			psc_put32(d, 0xccddccdd);
		d[0x18] = (uint8_t)(n ? flags & ~2u : flags);
		d[0x1f] = (uint8_t)(n ? n : units);
	}
}

/** Back end, internal, LFH with a guard unit, VS, and free to the end. */
static void healthy(void)
{
	memset(memory, 0, sizeof(memory));
	pages[0] = memory;
	pages[1] = memory + PSC_PAGE_SIZE;
	put_range(2, 3, 0x3);
	put_range(5, 1, 0x7);
	put_range(6, 17, 0xb);
	psc_put32(desc(6) + 4, 0x1000);
	put_range(23, 16, 0xf);
	put_range(39, 217, 0x2);
	uint64_t signature = CONTEXT ^ VA ^ HEAP_KEY ^
			     UINT64_C(0xa2e64eada2e64ead);
	memcpy(memory + 0x10, &signature, 8);
}

static void keep(void *ctx, const struct psc_range *r)
{
	assert_true(n_ranges < PSC_SEGMENT_UNITS);
	range[n_ranges++] = *r;
}

static struct psc_segment segment(void)
{
	return (struct psc_segment){
		.layout = &psc_heap_layout_common,
		.header = { .va = VA, .v = pages, .n = 2 },
		.context = CONTEXT, .heap_key = HEAP_KEY, .unit_shift = 12,
		.first_index = FIRST_INDEX, .pool = PSC_POOL_PAGED,
	};
}

static bool walk(void)
{
	struct psc_segment s = segment();
	struct psc_sink sink = collect_sink(&faults);

	n_ranges = 0;
	return psc_segment_walk(&s, keep, NULL, &sink);
}

/** Every unit is in one range, whatever was damaged. */
static void check_cover(void)
{
	unsigned int next = FIRST_INDEX;

	for (unsigned int i = 0; i < n_ranges; i++) {
		assert_int_equal(range[i].first, next);
		assert_int_equal(range[i].va, VA + next * 0x1000u);
		next += range[i].units;
	}
	assert_int_equal(next, PSC_SEGMENT_UNITS);
}

static void check_fault(enum psc_rule rule, unsigned int unit)
{
	assert_int_equal(faults.n_faults, 1);
	assert_string_equal(psc_rule_info(faults.f[0].rule)->name,
			    psc_rule_info(rule)->name);
	assert_int_equal(faults.f[0].va, VA + unit * 0x20u);
}

static void reads_a_segment(void **state)
{
	static const enum psc_range_type want[] = {
		PSC_RANGE_BACKEND, PSC_RANGE_INTERNAL, PSC_RANGE_LFH,
		PSC_RANGE_VS, PSC_RANGE_FREE,
	};

	healthy();
	assert_true(walk());
	assert_int_equal(faults.n_faults, 0);
	assert_int_equal(n_ranges, 5);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(range[i].type, want[i]);
		assert_int_equal(range[i].guard, i == 2);
	}
	assert_int_equal(range[2].bytes, 0x10000);	// the guard is not it
	assert_int_equal(range[3].bytes, 0x10000);
	check_cover();
}

/** Each byte that a rule judges, changed: the rule, the unit it names, and
 *  what it should have been; no range is lost. */
static void one_damage_each(void **state)
{
	static const struct {
		unsigned int unit, byte, value;
		enum psc_rule rule;
		unsigned int expected;
	} t[] = {
		{ 5, 0x18, 0x87, PSC_S5, 0x7 },		// an unknown flag
		{ 23, 0x18, 0xd, PSC_S5, 0xf },		// not a first unit
		{ 2, 0x18, 0x2, PSC_S5, 0x3 },		// free, but signed
		{ 5, 0x1f, 0, PSC_S6, 1 },
		{ 23, 0x1f, 234, PSC_S6, 16 },		// one too many
		{ 23, 0x1f, 15, PSC_S6, 16 },		// one short
		{ 2, 0x1f, 4, PSC_S6, 3 },		// ends in the next
		{ 5, 0x00, 0xde, PSC_S7, 0xccddccdd },
		{ 7, 0x1f, 9, PSC_S8, 1 },
		{ 25, 0x18, 0xf, PSC_S5, 1 },	// first, inside another
		{ 25, 0x18, 0xc, PSC_S5, 1 },	// free, inside a live one
		{ 39, 0x18, 0x3, PSC_S5, 2 },	// live, but a node
		{ 39, 0x1f, 9, PSC_S6, 217 },	// short, and free
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		healthy();
		desc(t[i].unit)[t[i].byte] = (uint8_t)t[i].value;
		assert_true(walk());
		check_fault(t[i].rule, t[i].unit);
		assert_int_equal(faults.f[0].field_va,
				 faults.f[0].va + t[i].byte);
		assert_int_equal(faults.f[0].expected, t[i].expected);
		assert_true(faults.f[0].repaired);
		check_cover();
		assert_int_equal(n_ranges, 5);
		for (unsigned int r = 0; r < n_ranges; r++)
			assert_true(range[r].type != PSC_RANGE_UNKNOWN);
	}
}

/** The first flag of a range behind a free one. */
static void a_range_behind_a_free_one(void **state)
{
	healthy();
	put_range(2, 3, 0x2);
	desc(5)[0x18] = 0x5;
	walk();
	check_fault(PSC_S5, 5);
	assert_int_equal(faults.f[0].expected, 0x7);
	assert_int_equal(n_ranges, 5);
}

static void the_signature_has_two_witnesses(void **state)
{
	healthy();
	memory[0x12] ^= 4;
	walk();
	check_fault(PSC_S2, 0);
	assert_int_equal(faults.f[0].expected ^ faults.f[0].found, 4 << 16);
	assert_int_equal(n_ranges, 5);
}

/** The units of a lost range are kept together, so that the next is found. */
static void a_lost_range_ends_at_the_next_first_unit(void **state)
{
	healthy();
	desc(6)[0x18] = 0xfb;
	desc(6)[0x1f] = 0;
	assert_true(walk());
	assert_int_equal(range[2].type, PSC_RANGE_UNKNOWN);
	assert_int_equal(range[2].units, 17);
	assert_int_equal(range[2].bytes, 0x11000);
	assert_false(range[2].guard);
	assert_int_equal(range[3].type, PSC_RANGE_VS);
}

static void missing_header_pages(void **state)
{
	healthy();
	pages[1] = NULL;	// descriptors 128 to 255
	// The free range began before and says where it ends: nothing is lost.
	assert_true(walk());
	assert_int_equal(faults.n_faults, 0);
	assert_int_equal(n_ranges, 5);
	put_range(39, 89, 0x2);
	assert_false(walk());
	assert_int_equal(faults.n_faults, 0);
	assert_int_equal(n_ranges, 5);
	pages[0] = NULL;
	assert_false(walk());
	assert_int_equal(n_ranges, 0);
	pages[1] = memory + PSC_PAGE_SIZE;
	put_range(128, 128, 0x2);
	assert_false(walk());
	assert_int_equal(n_ranges, 1);
	assert_int_equal(range[0].first, 128);
	// The rest of a range whose first descriptor is missing is no damage.
	put_range(120, 30, 0xf);
	put_range(150, 106, 0x2);
	assert_false(walk());
	assert_int_equal(faults.n_faults, 0);
	assert_int_equal(n_ranges, 1);
	assert_int_equal(range[0].first, 150);
}

/** A walk must end whatever the bytes are, and never leave the segment. */
static void any_byte_everywhere(void **state)
{
	for (unsigned int v = 0; v < 256; v++) {
		memset(memory, (int)v, sizeof(memory));
		pages[0] = memory;
		pages[1] = memory + PSC_PAGE_SIZE;
		assert_true(walk());
		check_cover();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_segment),
		cmocka_unit_test(one_damage_each),
		cmocka_unit_test(a_range_behind_a_free_one),
		cmocka_unit_test(the_signature_has_two_witnesses),
		cmocka_unit_test(a_lost_range_ends_at_the_next_first_unit),
		cmocka_unit_test(missing_header_pages),
		cmocka_unit_test(any_byte_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
