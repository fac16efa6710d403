// SPDX-License-Identifier: MIT
// What holds an address: units, big allocations, segments; of the system, then
// of each session.
#include "test.h"

#include "base/bytes.h"
#include "fake_view.h"

#define VA UINT64_C(0xffff9a8013400000)
#define UNIT_BYTES 0x4000u

static struct psc_pool_view *v;

/** Units of four pages, one every 64 KB. */
static void begin(unsigned int units)
{
	psc_pool_view_free(v);
	fake_reset();
	v = fake_view(PSC_POOL_SEGMENT);
	for (unsigned int i = 0; i < units; i++)
		fake_view_unit(v, (struct psc_unit){
			.va = VA + i * 0x10000, .pages = 4,
			.kind = PSC_UNIT_VS, .pool = PSC_POOL_NONPAGED_NX });
}

static struct psc_place at(uint64_t va)
{
	struct psc_place p;

	psc_pool_locate(v, va, &p);
	return p;
}

static void an_address_in_a_unit(void **state)
{
	static const uint64_t none[] = {
		VA + UNIT_BYTES, VA - 1, VA + 0x20000 + UNIT_BYTES, 0,
		UINT64_MAX };

	begin(3);
	for (uint64_t i = 0; i < 3; i++) {
		struct psc_place first = at(VA + i * 0x10000);
		struct psc_place last = at(VA + i * 0x10000 + UNIT_BYTES - 1);

		assert_true(first.found && last.found);
		assert_false(first.is_big);
		assert_int_equal(first.unit.va, VA + i * 0x10000);
		assert_int_equal(last.unit.va, VA + i * 0x10000);
	}
	for (size_t i = 0; i < PSC_ARRAY_SIZE(none); i++)
		assert_false(at(none[i]).found);
	begin(0);
	assert_false(at(VA).found);
}

static void the_page_can_be_missing(void **state)
{
	begin(1);
	fake_map(VA, PSC_PAGE_SIZE);
	assert_int_equal(at(VA).status, PSC_VA_OK);
	fake_unmap(VA, PSC_VA_PAGED_OUT);
	assert_int_equal(at(VA).status, PSC_VA_PAGED_OUT);
	assert_true(at(VA).found);
}

/** A session's pool lies at addresses that mean nothing in the system's. */
static void an_address_of_a_session(void **state)
{
	begin(2);
	assert_true(psc_vec_push(&v->spaces,
				 (struct psc_space){ .mem = fake_mem() }));
	v->units.v[1].space = 1;
	fake_view_big(v, (struct psc_big){ .va = VA + 0x40000,
					   .bytes = 0x3000, .space = 1,
					   .pool = PSC_POOL_SESSION });
	assert_int_equal(at(VA + 0x10000).unit.space, 1);
	assert_true(at(VA + 0x42fff).is_big);
	assert_int_equal(at(VA + 0x42fff).big.space, 1);
	assert_false(at(VA + 0x43000).found);
	assert_null(psc_pool_big_at(v, 0, VA + 0x42fff));
}

/** Outside of every segment a big allocation is the heap's large one. */
static void big_or_large(void **state)
{
	const struct psc_big inside = { .va = VA + 0x3000, .bytes = 0x1000 };
	const struct psc_big outside = { .va = VA + 0x100000, .bytes = 1 };

	begin(1);
	assert_int_equal(psc_pool_big_block(v, &outside).owner, PSC_OWNER_BIG);
	assert_true(psc_vec_push(&v->heaps, (struct psc_heap){ .va = 0x77 }));
	assert_true(psc_vec_push(&v->segments, (struct psc_segment_ref){
		.va = VA, .bytes = 0x100000 }));
	assert_int_equal(psc_pool_big_block(v, &inside).owner, PSC_OWNER_BIG);
	assert_int_equal(psc_pool_big_block(v, &outside).owner,
			 PSC_OWNER_LARGE);
	v->info.design = PSC_POOL_CLASSIC;
	assert_int_equal(psc_pool_big_block(v, &outside).owner, PSC_OWNER_BIG);
	assert_int_equal(at(VA + 0xfffff).heap, 0x77);
	assert_int_equal(at(VA + 0xfffff).segment, VA);
	assert_int_equal(at(VA + 0x100000).segment, 0);
	assert_int_equal(at(VA - 1).segment, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_in_a_unit),
		cmocka_unit_test(the_page_can_be_missing),
		cmocka_unit_test(an_address_of_a_session),
		cmocka_unit_test(big_or_large),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	psc_pool_view_free(v);
	fake_reset();
	return failed;
}
