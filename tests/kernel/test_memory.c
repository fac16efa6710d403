// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"

static struct fake_kernel f;

static void five_levels_are_recognised(void **state)
{
	uint64_t links = 0xff11800000001000;

	fk_init(&f);
	fake_free(&f.m);
	fake_init(&f.m, true);
	f.kdbg = 0;
	fk_list_head(&f, f.modules);
	fk_list_add(&f, f.modules, f.modules, links);
	fk_open(&f, NULL);
	assert_int_equal(psc_mem_paging(f.mem)->mode, PSC_PAGING_X64_LA57);
	assert_true(psc_mem_is_kernel_va(f.mem, links));
	fk_free(&f);
}

// A header that leaves one list out: the other tells.
static void five_levels_by_processes(void **state)
{
	uint64_t links = 0xff11800000001000;

	fk_init(&f);
	fake_free(&f.m);
	fake_init(&f.m, true);
	f.kdbg = 0;
	fk_list_head(&f, f.processes);
	fk_list_add(&f, f.processes, f.processes, links);
	f.modules = 0;
	fk_open(&f, NULL);
	assert_int_equal(psc_mem_paging(f.mem)->mode, PSC_PAGING_X64_LA57);
	fk_free(&f);
}

static void four_levels_otherwise(void **state)
{
	fk_init(&f);
	fk_list_head(&f, f.modules);
	fk_open(&f, NULL);
	assert_int_equal(psc_mem_paging(f.mem)->mode, PSC_PAGING_X64);
	assert_int_equal(psc_mem_paging(f.mem)->root, f.m.root);
	fk_free(&f);
	// Nothing readable either way.
	fk_init(&f);
	fk_open(&f, NULL);
	assert_int_equal(psc_mem_paging(f.mem)->mode, PSC_PAGING_X64);
	fk_free(&f);
}

// The kernel itself says five, but only four fit.
static void contradiction_is_told(void **state)
{
	fk_init(&f);
	fk_known_image(&f);
	fk_list_head(&f, f.modules);
	fk_kdbg(&f, f.kdbg, 0x380);
	fake_w16(&f.m, f.kdbg + 0x36, 5 << 2);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "says 5 levels of page tables, but 4 fit"));
	fk_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_levels_are_recognised),
		cmocka_unit_test(five_levels_by_processes),
		cmocka_unit_test(four_levels_otherwise),
		cmocka_unit_test(contradiction_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
