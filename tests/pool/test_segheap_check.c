// SPDX-License-Identifier: MIT
// A heap against what lies in it: the tree of free ranges, types of ranges,
// page allocations that no table lists.
#include "test.h"

#include "base/bytes.h"
#include "encode.h"
#include "fake_view.h"
#include "pool/lfh.h"

#define HEAP UINT64_C(0xffff9a8010000000)
#define CONTEXT (HEAP + 0x100)
#define TREE (CONTEXT + 0x60)
#define SEGMENT UINT64_C(0xffff9a8013400000)
#define DESC(i) (SEGMENT + 0x20u * (i))
#define UNIT(i) (SEGMENT + 0x1000u * (i))

static struct psc_pool_view *v;
static struct psc_seg_context context;

static void put_node(unsigned int i, uint64_t left, uint64_t right,
		     uint64_t parent)
{
	fake_put(DESC(i), left, 8);
	fake_put(DESC(i) + 8, right, 8);
	fake_put(DESC(i) + 16, parent, 8);
	fake_put(DESC(i) + 0x18, 2, 1);
}

/** Free ranges at units 10, 20 and 30; 20 is the root. */
static void begin(void)
{
	psc_pool_view_free(v);
	fake_reset();
	fake_map(HEAP, 0x2000);
	fake_map(SEGMENT, 0x40000);
	fake_field("_HEAP_SEG_CONTEXT.FreePageRanges", 0x60, 16);
	v = fake_view(PSC_POOL_SEGMENT);
	assert_true(psc_vec_push(&v->heaps, (struct psc_heap){
		.va = HEAP, .pool = PSC_POOL_NONPAGED }));
	assert_true(psc_vec_push(&v->segments, (struct psc_segment_ref){
		.va = SEGMENT, .bytes = 0x100000, .context = CONTEXT,
		.unit_shift = 12, .first_index = 2 }));
	context = (struct psc_seg_context){
		.va = CONTEXT, .mask = ~UINT64_C(0xfffff), .unit_shift = 12,
		.first = 2, .heap = v->heaps.v };
	fake_put(TREE, DESC(20), 8);
	fake_put(TREE + 8, DESC(10), 8);
	put_node(20, DESC(10), DESC(30), 0);
	put_node(10, 0, 0, DESC(20) | 1);
	put_node(30, 0, 0, DESC(20) | 1);
}

static void check(enum psc_rule rule, uint64_t va, uint64_t field,
		  uint64_t expected)
{
	assert_int_equal(v->faults.n, 1);
	assert_int_equal(v->faults.v[0].rule, rule);
	assert_int_equal(v->faults.v[0].va, va);
	assert_int_equal(v->faults.v[0].field_va, field);
	assert_int_equal(v->faults.v[0].bits ? v->faults.v[0].expected : 0,
			 expected);
	assert_int_equal(v->faults.v[0].repaired, expected != 0);
}

static void a_sound_tree(void **state)
{
	begin();
	psc_view_free_ranges(v, &context);
	assert_int_equal(v->faults.n, 0);
	fake_put(TREE, 0, 8);			// nothing is free
	psc_view_free_ranges(v, &context);
	assert_int_equal(v->faults.n, 0);
}

static void links_of_the_tree(void **state)
{
	begin();
	fake_put(DESC(20) + 8, DESC(30) ^ 0x40, 8);
	psc_view_free_ranges(v, &context);
	check(PSC_S10, DESC(20), DESC(20) + 8, DESC(30));
	begin();				// a ring
	fake_put(DESC(20) + 8, DESC(10), 8);
	psc_view_free_ranges(v, &context);
	check(PSC_S10, DESC(20), DESC(20) + 8, DESC(30));
	begin();
	fake_put(DESC(30) + 16, DESC(20) ^ 0x800, 8);
	psc_view_free_ranges(v, &context);
	check(PSC_S10, DESC(30), DESC(30) + 16, DESC(20));
	begin();				// nothing hangs there
	fake_put(DESC(10), 0x4142434445464748, 8);
	psc_view_free_ranges(v, &context);
	check(PSC_S10, DESC(10), DESC(10), 0);
	begin();
	fake_put(TREE, DESC(20) ^ 0x4000, 8);
	psc_view_free_ranges(v, &context);
	check(PSC_S10, CONTEXT, TREE, DESC(20));
}

/** Encoded trees cannot be followed; absent pages cannot tell. */
static void trees_that_say_nothing(void **state)
{
	begin();
	fake_put(TREE, 0x1234567890, 8);
	fake_put(TREE + 8, 1, 8);
	psc_view_free_ranges(v, &context);
	assert_int_equal(v->faults.n, 0);
	begin();
	fake_put(DESC(20) + 8, DESC(200), 8);
	fake_unmap(SEGMENT + 0x1000, PSC_VA_NOT_IN_DUMP);
	psc_view_free_ranges(v, &context);
	assert_int_equal(v->faults.n, 0);
}

static struct psc_range range(enum psc_range_type type)
{
	return (struct psc_range){ .type = type, .va = UNIT(4), .first = 4,
				   .units = 2, .may_guard = true,
				   .bytes = 0x1000 };
}

static void the_type_by_what_lies_there(void **state)
{
	struct psc_range r = range(PSC_RANGE_BACKEND);

	begin();
	v->info.keys.has_lfh = true;
	v->info.keys.lfh_key = LFH_KEY;
	uint8_t page[PSC_PAGE_SIZE] = { 0 };
	enc_lfh(page, UNIT(4), 1, 0x60);
	for (unsigned int i = 0; i < sizeof(page); i += 8)
		fake_put(UNIT(4) + i, psc_le64(page + i), 8);
	psc_view_range_type(v, &context, SEGMENT, &r);
	assert_int_equal(r.type, PSC_RANGE_LFH);
	assert_int_equal(r.bytes, 0x1000);
	check(PSC_S5, DESC(4), DESC(4) + 0x18, 0xb);
	// What the big-page table lists is what it says.
	begin();
	fake_view_big(v, (struct psc_big){ .va = UNIT(4), .bytes = 0x2000 });
	r = range(PSC_RANGE_BACKEND);
	psc_view_range_type(v, &context, SEGMENT, &r);
	assert_int_equal(v->faults.n, 0);
	r = range(PSC_RANGE_INTERNAL);
	psc_view_range_type(v, &context, SEGMENT, &r);
	assert_int_equal(r.type, PSC_RANGE_BACKEND);
	check(PSC_S5, DESC(4), DESC(4) + 0x18, 3);
}

static void allocations_that_no_table_lists(void **state)
{
	begin();
	v->info.big.has_in_use = true;
	v->info.big.in_use = v->info.big.n_live = 5;
	assert_true(psc_vec_push(&v->unlisted, (struct psc_unlisted){
		UNIT(4), DESC(4), PSC_POOL_NONPAGED }));
	psc_view_unlisted(v);			// in flight
	assert_int_equal(v->faults.n, 0);
	v->info.big.in_use = 6;
	psc_view_unlisted(v);
	assert_int_equal(v->faults.n, 1);
	assert_int_equal(v->faults.v[0].rule, PSC_S11);
	assert_int_equal(v->faults.v[0].va, UNIT(4));
	v->info.big.complete = false;
	psc_view_unlisted(v);
	assert_int_equal(v->faults.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_tree),
		cmocka_unit_test(links_of_the_tree),
		cmocka_unit_test(trees_that_say_nothing),
		cmocka_unit_test(the_type_by_what_lies_there),
		cmocka_unit_test(allocations_that_no_table_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
