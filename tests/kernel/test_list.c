// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"
#include "kernel/list.h"

#define HEAD 0xffffa00000001000ULL
#define AT(i) (0xffffa00000010000ULL + (uint64_t)(i) * 0x1000)

static struct fake_kernel f;
static struct psc_list list;

// Five entries, each on its own page.
static int setup(void **state)
{
	fk_init(&f);
	f.kdbg = f.modules = 0;
	fk_list_head(&f, HEAD);
	for (int i = 0; i < 5; i++)
		fk_list_add(&f, HEAD, i ? AT(i - 1) : HEAD, AT(i));
	return 0;
}

static int teardown(void **state)
{
	psc_list_free(&list);
	fk_free(&f);
	return 0;
}

static void walk(size_t limit)
{
	fk_open(&f, NULL);
	CHECK_OK(psc_list_read(f.k, HEAD, "list", limit, &list));
}

static void whole_list(void **state)
{
	walk(5);
	assert_true(list.complete);
	assert_null(list.why);
	assert_int_equal(list.n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(list.v[i], AT(i));
}

static void empty_list(void **state)
{
	fk_list_head(&f, HEAD);
	walk(5);
	assert_true(list.complete);
	assert_int_equal(list.n, 0);
}

static void missing_entry_is_bridged_from_behind(void **state)
{
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, AT(2), 1)) >> 12 & 0xfffff);
	walk(100);
	assert_false(list.complete);
	assert_string_equal(list.why,
			    "list: not-in-dump at 0xffffa00000012000");
	// Entry 2 itself is known by address from both sides, once.
	assert_int_equal(list.n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(list.v[i], AT(i));
}

static void cycle_that_misses_the_head(void **state)
{
	fake_w64(&f.m, AT(3), AT(1));
	walk(100);
	assert_false(list.complete);
	assert_non_null(strstr(list.why, "a cycle"));
	assert_int_equal(list.n, 5);
	assert_int_equal(list.v[4], AT(4));
}

static void self_link(void **state)
{
	fake_w64(&f.m, AT(0), AT(0));
	fake_w64(&f.m, HEAD + 8, AT(0));
	walk(100);
	assert_false(list.complete);
	assert_int_equal(list.n, 1);
}

static void foreign_pointers(void **state)
{
	fake_w64(&f.m, AT(1), 0x12345678);
	fake_w64(&f.m, HEAD + 8, AT(4) + 4);
	walk(100);
	assert_false(list.complete);
	assert_non_null(strstr(list.why, "not an address"));
	assert_int_equal(list.n, 2);
}

static void limit(void **state)
{
	walk(3);
	assert_false(list.complete);
	assert_int_equal(list.n, 3);
	assert_non_null(strstr(list.why, "limit"));
}

static void head_missing(void **state)
{
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, HEAD, 1)) >> 12 & 0xfffff);
	walk(100);
	assert_false(list.complete);
	assert_int_equal(list.n, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(whole_list),
		T(empty_list),
		T(missing_entry_is_bridged_from_behind),
		T(cycle_that_misses_the_head),
		T(self_link),
		T(foreign_pointers),
		T(limit),
		T(head_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
