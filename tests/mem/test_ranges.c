// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_machine.h"

#define VA	0xffffad0ec1945000ULL
#define KERNEL	0xffff800000000000ULL

static struct fake_machine f;
static struct psc_mem *m;

static int setup(void **state)
{
	fake_init(&f, false);
	return 0;
}

static int teardown(void **state)
{
	psc_mem_free(m);
	fake_free(&f);
	return 0;
}

static void expect(uint64_t *pos, uint64_t va, uint64_t size,
		   enum psc_va_status status)
{
	struct psc_va_range r;

	assert_true(psc_mem_next_range(m, pos, UINT64_MAX, &r));
	assert_int_equal(r.va, va);
	assert_int_equal(r.size, size);
	assert_int_equal(r.status, status);
}

static void runs_by_status(void **state)
{
	struct psc_va_range r;
	uint64_t pos = KERNEL;

	for (unsigned int i = 0; i < 3; i++)
		fake_map(&f, VA + i * 0x1000);
	fake_set(&f, VA + 0x3000, 1, 0x0000123400002080);
	fake_set(&f, VA + 0x5000, 1, 0x80);
	// Absent page in the middle of mapped ones.
	fake_drop(&f, psc_le64(fake_entry(&f, VA + 0x1000, 1)) >> 12 & 0xfffff);
	m = fake_mem(&f);
	expect(&pos, VA, 0x1000, PSC_VA_OK);
	expect(&pos, VA + 0x1000, 0x1000, PSC_VA_NOT_IN_DUMP);
	expect(&pos, VA + 0x2000, 0x1000, PSC_VA_OK);
	expect(&pos, VA + 0x3000, 0x1000, PSC_VA_PAGED_OUT);
	expect(&pos, VA + 0x5000, 0x1000, PSC_VA_DEMAND_ZERO);
	assert_false(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
	assert_true(pos == UINT64_MAX);
	// Looking is not reading.
	assert_int_equal(psc_mem_coverage(m).pages_not_in_file, 0);
}

static void runs_split_by_rights_and_size(void **state)
{
	struct psc_va_range r;
	uint64_t pos = VA & ~0x1fffffULL, base = pos;

	for (unsigned int i = 0; i < 512; i++)
		fake_map(&f, base + i * 0x1000);
	fake_set(&f, base + 0x1ff000, 1,
		 psc_le64(fake_entry(&f, base, 1)) & ~(1ULL << 63));
	// A large page over frames of which only those of f are stored.
	fake_set(&f, base + 0x200000, 2, 0x80000000000000e3);
	m = fake_mem(&f);
	expect(&pos, base, 0x1ff000, PSC_VA_OK);
	assert_true(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
	assert_int_equal(r.size, 0x1000);
	assert_false(r.nx || r.large);
	assert_true(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
	assert_int_equal(r.status, PSC_VA_NOT_IN_DUMP);
	assert_true(r.large && r.nx);
	assert_int_equal(r.size, FAKE_FIRST_PFN * 0x1000);
	expect(&pos, base + 0x200000 + FAKE_FIRST_PFN * 0x1000,
	       (0x200 - FAKE_FIRST_PFN) * 0x1000, PSC_VA_OK);
}

static void bounds(void **state)
{
	struct psc_va_range r;
	uint64_t pos = VA + 0x10;

	fake_map(&f, VA);
	fake_map(&f, VA + 0x1000);
	fake_map(&f, 0x10000);
	fake_map(&f, 0xfffffffffffff000);
	m = fake_mem(&f);
	assert_true(psc_mem_next_range(m, &pos, VA + 0x1100, &r));
	assert_int_equal(r.va, VA + 0x10);
	assert_int_equal(r.size, 0x10f0);
	assert_false(psc_mem_next_range(m, &pos, VA + 0x1100, &r));
	// Over the non-canonical hole, up to the last byte but one.
	pos = 0;
	expect(&pos, 0x10000, 0x1000, PSC_VA_OK);
	expect(&pos, VA, 0x2000, PSC_VA_OK);
	expect(&pos, 0xfffffffffffff000, 0xfff, PSC_VA_OK);
	assert_false(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
	pos = 0x900000000000;
	assert_false(psc_mem_next_range(m, &pos, 0xa00000000000, &r));
	assert_true(pos == 0xa00000000000);
}

static void absent_tables_are_runs(void **state)
{
	uint64_t pos = KERNEL, base = VA & ~0x1fffffULL;

	fake_map(&f, VA);
	fake_drop(&f, psc_le64(fake_entry(&f, VA, 2)) >> 12);
	m = fake_mem(&f);
	expect(&pos, base, 0x200000, PSC_VA_TABLE_ABSENT);
	psc_mem_free(m);
	fake_drop(&f, f.root >> 12);
	pos = KERNEL;
	m = fake_mem(&f);
	expect(&pos, KERNEL, UINT64_MAX - KERNEL, PSC_VA_TABLE_ABSENT);
}

static void self_map_is_one_run(void **state)
{
	struct psc_va_range r;
	uint64_t pos = KERNEL;

	fake_map(&f, VA);
	fake_set(&f, 0xfffff68000000000, 4, f.root | 0x63);
	m = fake_mem(&f);
	expect(&pos, VA, 0x1000, PSC_VA_OK);
	expect(&pos, 0xfffff68000000000, 1ULL << 39, PSC_VA_DAMAGED);
	assert_false(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
}

// One page of each level, every entry to the next: 2^35 pages if believed.
static void few_tables_cannot_map_everything(void **state)
{
	uint64_t t[5], pos = KERNEL, total = 0;
	struct psc_va_range r;
	unsigned long runs = 0;

	t[0] = f.root >> 12;
	for (int l = 1; l < 5; l++)
		t[l] = fake_page(&f);
	for (int l = 0; l < 4; l++) {
		for (unsigned int i = 0; i < 512; i++)
			psc_put64(fake_bytes(&f, t[l]) + i * 8,
				  t[l + 1] << 12 | 0x63);
	}
	m = fake_mem(&f);
	while (psc_mem_next_range(m, &pos, UINT64_MAX, &r)) {
		assert_true(r.size);
		total += r.size;
		runs++;
	}
	assert_true(total == UINT64_MAX - KERNEL);
	assert_true(f.calls < 10000);
	assert_true(runs < 2000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(runs_by_status),
		T(runs_split_by_rights_and_size),
		T(bounds),
		T(absent_tables_are_runs),
		T(self_map_is_one_run),
		T(few_tables_cannot_map_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
