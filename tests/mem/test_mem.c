// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_machine.h"

#define VA 0xffffad0ec1945000ULL

static struct fake_machine f;
static struct psc_mem *m;

static int setup(void **state)
{
	fake_init(&f, false);
	m = NULL;
	return 0;
}

static int teardown(void **state)
{
	psc_mem_free(m);
	fake_free(&f);
	return 0;
}

static void read_across_pages(void **state)
{
	uint8_t want[0x2345], got[sizeof(want)];

	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7 + i / 256);
	// Neighbours in reverse order of frames.
	fake_map(&f, VA + 0x3000);
	fake_map(&f, VA + 0x1000);
	fake_write(&f, VA + 0xfff, want, sizeof(want));
	for (int copy = 0; copy < 2; copy++) {
		f.copy = copy;
		m = fake_mem(&f);
		enum psc_va_status why = PSC_VA_DAMAGED;
		memset(got, 0, sizeof(got));
		assert_int_equal(psc_mem_read(m, VA + 0xfff, got, sizeof(got),
					      &why), sizeof(got));
		assert_int_equal(why, PSC_VA_OK);
		assert_memory_equal(got, want, sizeof(got));
		psc_mem_free(m);
		m = NULL;
	}
}

static void partial_read_says_why(void **state)
{
	uint8_t buf[32] = { 0 };
	enum psc_va_status why;

	memset(fake_map(&f, VA), 0xaa, 0x1000);
	fake_set(&f, VA + 0x1000, 1, 0x0000123400002080);
	m = fake_mem(&f);
	assert_int_equal(psc_mem_read(m, VA + 0xff8, buf, 32, &why), 8);
	assert_int_equal(why, PSC_VA_PAGED_OUT);
	assert_int_equal(buf[7], 0xaa);
	assert_int_equal(buf[8], 0);
	struct psc_error *err = psc_mem_read_all(m, VA + 0xff8, buf, 32, "head");
	assert_non_null(err);
	assert_int_equal(err->code, PSC_ERR_PAGED_OUT);
	assert_int_equal(err->where, VA + 0x1000);
	assert_string_equal(err->message, "head at 0xffffad0ec1945ff8: "
			    "0xffffad0ec1946000 paged out");
	psc_error_free(err);
	// Nothing at all, and the end of the address space.
	assert_int_equal(psc_mem_read(m, VA + 0x5000, buf, 32, NULL), 0);
	assert_int_equal(psc_mem_read(m, UINT64_MAX - 3, buf, 32, &why), 0);
	assert_int_equal(why, PSC_VA_NOT_MAPPED);
	assert_int_equal(psc_mem_read(m, VA, buf, 0, &why), 0);
	assert_int_equal(why, PSC_VA_OK);
}

static void end_of_address_space(void **state)
{
	uint8_t buf[8];
	enum psc_va_status why;

	memset(fake_map(&f, 0xfffffffffffff000), 1, 0x1000);
	memset(fake_map(&f, 0), 2, 0x1000);
	m = fake_mem(&f);
	// No wrap to address 0.
	assert_int_equal(psc_mem_read(m, UINT64_MAX - 3, buf, 8, &why), 4);
	assert_int_equal(why, PSC_VA_NOT_MAPPED);
}

static void typed_reads(void **state)
{
	uint8_t v8 = 9;
	uint16_t v16 = 9;
	uint32_t v32 = 9;
	uint64_t v64 = 9;

	fake_w64(&f, VA + 0xffc, 0x1122334455667788);
	m = fake_mem(&f);
	CHECK_OK(psc_mem_u8(m, VA + 0xffc, "x", &v8));
	CHECK_OK(psc_mem_u16(m, VA + 0xffc, "x", &v16));
	CHECK_OK(psc_mem_u32(m, VA + 0xffc, "x", &v32));
	CHECK_OK(psc_mem_u64(m, VA + 0xffc, "x", &v64));
	assert_int_equal(v8, 0x88);
	assert_int_equal(v16, 0x7788);
	assert_int_equal(v32, 0x55667788);
	assert_true(v64 == 0x1122334455667788);
	// Unchanged on error.
	CHECK_ERR(psc_mem_u64(m, VA + 0x1ffc, "x", &v64), PSC_ERR_NOT_MAPPED);
	assert_true(v64 == 0x1122334455667788);
}

static void demand_zero_reads_as_zero(void **state)
{
	uint8_t scratch[PSC_PAGE_SIZE], buf[16];
	const uint8_t *p = NULL;

	memset(buf, 0xff, sizeof(buf));
	fake_set(&f, VA, 1, 0x80);
	m = fake_mem(&f);
	assert_int_equal(psc_mem_read(m, VA, buf, 16, NULL), 16);
	assert_int_equal(buf[0] | buf[15], 0);
	assert_int_equal(psc_mem_page(m, VA, scratch, &p), PSC_VA_DEMAND_ZERO);
	assert_int_equal(p[0xfff], 0);
}

static void page_without_copy(void **state)
{
	uint8_t scratch[PSC_PAGE_SIZE];
	const uint8_t *p = NULL;
	uint8_t *bytes = fake_map(&f, VA);

	m = fake_mem(&f);
	assert_int_equal(psc_mem_page(m, VA + 0x123, scratch, &p), PSC_VA_OK);
	assert_ptr_equal(p, bytes);
	psc_mem_free(m);
	f.copy = true;
	bytes[5] = 0x77;
	m = fake_mem(&f);
	assert_int_equal(psc_mem_page(m, VA + 0x123, scratch, &p), PSC_VA_OK);
	assert_ptr_equal(p, scratch);
	assert_int_equal(p[5], 0x77);
}

static void neighbours_cost_one_page_call(void **state)
{
	uint8_t b;

	for (int i = 0; i < 16; i++)
		fake_map(&f, VA + (uint64_t)i * 0x1000);
	m = fake_mem(&f);
	CHECK_OK(psc_mem_u8(m, VA, "x", &b));
	assert_int_equal(f.calls, 5);	// four tables and the page
	for (int i = 0; i < 16; i++)
		CHECK_OK(psc_mem_u8(m, VA + (uint64_t)i * 0x1000, "x", &b));
	assert_int_equal(f.calls, 5 + 15);
	// A second look at the same pages asks nobody.
	for (int i = 0; i < 16; i++)
		CHECK_OK(psc_mem_u8(m, VA + (uint64_t)i * 0x1000, "x", &b));
	assert_int_equal(f.calls, 5 + 15);
}

static void coverage_counts_distinct_pages(void **state)
{
	uint8_t b;
	struct psc_mem *clone;

	fake_map(&f, VA);
	fake_drop(&f, psc_le64(fake_entry(&f, VA, 1)) >> 12 & 0xfffff);
	fake_set(&f, VA + 0x1000, 1, 0x0000123400002080);
	fake_set(&f, VA + 0x2000, 1, 0x7000880);
	m = fake_mem(&f);
	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 4; i++)
			psc_error_free(psc_mem_u8(m, VA + i * 0x1000 + i, "x",
						  &b));
	}
	struct psc_coverage c = psc_mem_coverage(m);
	assert_int_equal(c.pages_not_in_file, 2);
	assert_int_equal(c.pages_paged_out, 1);
	assert_int_equal(c.structures_unreadable, 0);
	psc_mem_translate(m, VA + 0x1000);
	assert_int_equal(psc_mem_coverage(m).pages_paged_out, 1);

	// A clone starts at nothing; what it saw twice counts once.
	CHECK_OK(psc_mem_clone(m, &clone));
	assert_int_equal(psc_mem_coverage(clone).pages_not_in_file, 0);
	psc_error_free(psc_mem_u8(clone, VA, "x", &b));
	fake_set(&f, VA + 0x7000, 1, 0x9000880);
	psc_error_free(psc_mem_u8(clone, VA + 0x7000, "x", &b));
	psc_mem_count_unreadable(clone);
	psc_mem_absorb(m, clone);
	psc_mem_free(clone);
	c = psc_mem_coverage(m);
	assert_int_equal(c.pages_not_in_file, 3);
	assert_int_equal(c.structures_unreadable, 1);
}

static void another_root(void **state)
{
	struct fake_machine g;
	struct psc_mem *other;
	uint8_t b;

	fake_map(&f, VA)[0] = 1;
	m = fake_mem(&f);
	// A second root in the same physical memory.
	g = f;
	uint64_t root = fake_page(&g) << 12;
	g.root = root;
	fake_map(&g, VA)[0] = 2;
	f.n = g.n;
	memcpy(f.page, g.page, sizeof(f.page));
	CHECK_OK(psc_mem_with_root(m, root, &other));
	CHECK_OK(psc_mem_u8(m, VA, "x", &b));
	assert_int_equal(b, 1);
	CHECK_OK(psc_mem_u8(other, VA, "x", &b));
	assert_int_equal(b, 2);
	assert_true(psc_mem_paging(other)->root == root);
	psc_mem_free(other);
}

static void words(void **state)
{
	assert_string_equal(psc_va_status_text(PSC_VA_PAGED_OUT), "paged out");
	assert_int_equal(psc_va_status_code(PSC_VA_DAMAGED), PSC_ERR_DAMAGED);
	assert_int_equal(psc_va_status_code(PSC_VA_TABLE_ABSENT),
			 PSC_ERR_NOT_IN_DUMP);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(read_across_pages),
		T(partial_read_says_why),
		T(end_of_address_space),
		T(typed_reads),
		T(demand_zero_reads_as_zero),
		T(page_without_copy),
		T(neighbours_cost_one_page_call),
		T(coverage_counts_distinct_pages),
		T(another_root),
		T(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
