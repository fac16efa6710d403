// SPDX-License-Identifier: MIT
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "image.h"

static const uint64_t recipe[][2] = { { 1, 2 }, { 5, 1 }, { 0x10, 3 } };

static void check_walk(const struct psc_dump *d, const uint64_t *pfns, size_t n)
{
	uint64_t pfn = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(psc_dump_next_page(d, pfn, &pfn));
		assert_int_equal(pfn, pfns[i]);
		assert_true(page_is_right(d, pfn++));
	}
	assert_false(psc_dump_next_page(d, pfn, &pfn));
}

static void golden(void **state)
{
	static const uint64_t pfns[] = { 1, 2, 5, 0x10, 0x11, 0x12 };

	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_runs(is64, recipe, 3);
		struct psc_dump *d;
		assert_int_equal(image_offset_of(&m, 1), is64 ? 0x2000 : 0x1000);
		assert_int_equal(image_offset_of(&m, 5), is64 ? 0x4000 : 0x3000);
		assert_int_equal(image_offset_of(&m, 0x10),
				 is64 ? 0x5000 : 0x4000);
		CHECK_OK(image_open(&m, &d));
		assert_string_equal(psc_dump_format(d), "full");
		assert_null(psc_dump_why_no_pages(d));
		assert_null(psc_dump_compression(d));
		assert_null(psc_dump_triage(d));
		assert_int_equal(psc_dump_n_warnings(d), 0);
		assert_int_equal(psc_dump_pages_stored(d), 6);
		assert_int_equal(psc_dump_pages_readable(d), 6);
		assert_int_equal(psc_dump_pfn_limit(d), 0x13);
		check_walk(d, pfns, 6);
		static const uint64_t absent[] = { 0, 3, 4, 6, 0xf, 0x13,
						   UINT64_MAX };
		for (size_t i = 0; i < PSC_ARRAY_SIZE(absent); i++)
			assert_null(psc_dump_page(d, absent[i], NULL));
		psc_dump_close(d);
		image_free(&m);
	}
}

// Ten runs of a real machine: frame 0x946AA is at 0x73A3000.
static void arm64_vector(void **state)
{
	static const uint64_t runs[][2] = {
		{ 0x85b00, 0x500 }, { 0x8d109, 0x67f7 }, { 0x94000, 0x4ac0 },
		{ 0x99870, 0x2390 }, { 0x9f800, 0x200 }, { 0x9fc00, 0x390 },
		{ 0x9ffb0, 0x20 }, { 0xa0000, 0x1dc00 }, { 0xc0000, 0x3fa76 },
		{ 0xffffe, 0x80002 },
	};
	struct image m = image_new(true, 1);
	int fd = memfd_create("sparse", MFD_CLOEXEC);
	uint64_t pfn = 0x946aa, sum = 0;
	struct psc_dump *d;

	image_put32(&m, 0x88, 10);
	for (size_t i = 0; i < 10; i++) {
		image_put64(&m, 0x98 + 16 * i, runs[i][0]);
		image_put64(&m, 0xa0 + 16 * i, runs[i][1]);
		sum += runs[i][1];
	}
	assert_int_equal(sum, 0xeb76f);
	image_put64(&m, 0x90, sum);
	assert_int_equal(pwrite(fd, m.p, m.n, 0), m.n);
	assert_int_equal(pwrite(fd, &pfn, 8, 0x73a3000), 8);
	assert_int_equal(ftruncate(fd, 0x2000 + 0xeb76f000l), 0);
	CHECK_OK(fd_open(fd, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	assert_int_equal(psc_dump_pages_readable(d), 0xeb76f);
	assert_int_equal(psc_le64(psc_dump_page(d, pfn, NULL)), pfn);
	assert_non_null(psc_dump_page(d, 0x17ffff, NULL));
	psc_dump_close(d);
	close(fd);
	image_free(&m);
}

static void run_counts(void **state)
{
	static const struct {
		bool is64;
		uint32_t n;
		bool opens;
	} rows[] = {
		{ true, 0, false }, { true, 44, false },
		{ true, UINT32_MAX, false }, { true, 0x45474150, false },
		{ false, 0, false }, { false, 87, false },
		{ false, 0x45474150, false },
		{ true, 43, true }, { false, 86, true },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		uint64_t runs[86][2];
		for (uint64_t j = 0; j < 86; j++) {
			runs[j][0] = 3 * j;
			runs[j][1] = 1;
		}
		struct image m = image_runs(rows[i].is64, runs,
					    rows[i].is64 ? 43 : 86);
		struct psc_dump *d;
		image_put32(&m, rows[i].is64 ? 0x88 : 0x64, rows[i].n);
		if (!rows[i].opens) {
			CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
		} else {
			CHECK_OK(image_open(&m, &d));
			assert_int_equal(psc_dump_pages_readable(d), rows[i].n);
			assert_true(page_is_right(d, 3 * (rows[i].n - 1)));
			psc_dump_close(d);
		}
		image_free(&m);
	}
}

static void set_run(struct image *m, uint32_t i, uint64_t base, uint64_t count)
{
	image_put64(m, 0x98 + 16 * i, base);
	image_put64(m, 0xa0 + 16 * i, count);
}

static void damaged_runs(void **state)
{
	static const struct {
		uint64_t base, count;
	} rows[] = {
		{ UINT64_C(1) << 40, 1 }, { 0, (UINT64_C(1) << 40) + 1 },
		{ UINT64_MAX, 1 }, { UINT64_MAX, UINT64_MAX },
		{ (UINT64_C(1) << 40) - 1, 2 }, { 1, UINT64_MAX },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image m = image_runs(true, recipe, 3);
		struct psc_dump *d;
		set_run(&m, 1, rows[i].base, rows[i].count);
		struct psc_error *err = image_open(&m, &d);
		assert_non_null(err);
		assert_int_equal(err->code, PSC_ERR_DAMAGED);
		assert_non_null(strstr(err->message, "at 0x88: run 1"));
		psc_error_free(err);
		image_free(&m);
	}
}

static void survivable_runs(void **state)
{
	struct image m = image_runs(true, recipe, 3);
	struct psc_dump *d;

	image_put64(&m, 0x90, 7);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "NumberOfPages is 7, the runs hold 6"));
	psc_dump_close(d);
	image_put64(&m, 0x90, 5);
	set_run(&m, 1, 5, 0);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "run 1 has no pages"));
	assert_int_equal(psc_dump_pages_stored(d), 5);
	psc_dump_close(d);
	// Announces 2^40 - 16 pages; the file holds 3 of that run.
	image_put64(&m, 0x90, 6);
	set_run(&m, 1, 5, 1);
	set_run(&m, 2, 0x10, (UINT64_C(1) << 40) - 0x10);
	CHECK_OK(image_open(&m, &d));
	assert_true(psc_dump_truncated(d));
	assert_int_equal(psc_dump_pages_readable(d), 6);
	assert_int_equal(psc_dump_pfn_limit(d), UINT64_C(1) << 40);
	assert_null(psc_dump_page(d, 0x13, NULL));
	psc_dump_close(d);
	image_free(&m);
}

// The first run in the file wins, the other runs keep the rest of theirs.
static void overlap(void **state)
{
	static const uint64_t runs[][2] = {
		{ 0x20, 2 }, { 0x10, 3 }, { 0xf, 5 }, { 0x12, 1 }, { 0, 0x30 },
	};
	struct image m = image_runs(true, runs, 5);
	struct psc_dump *d;
	uint64_t next = 0;

	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "overlaps"));
	assert_int_equal(psc_dump_pages_stored(d), 0x30);
	assert_int_equal(psc_dump_pages_readable(d), 0x30);
	uint64_t starts[] = { 0x2000, 0x4000, 0x7000, 0xc000, 0xd000 };
	for (uint64_t pfn = 0; pfn < 0x30; pfn++) {
		size_t i = 0;
		while (pfn < runs[i][0] || pfn >= runs[i][0] + runs[i][1])
			i++;
		const uint8_t *page = psc_dump_page(d, pfn, NULL);
		assert_non_null(page);
		uint64_t at = starts[i] + (pfn - runs[i][0]) * 0x1000;
		uint8_t *want = m.p + at;
		assert_memory_equal(page, want, 0x1000);
		// Make the copies in other runs differ: they are not used.
		assert_true(psc_dump_next_page(d, next, &next));
		assert_int_equal(next++, pfn);
		assert_true(page_is_right(d, pfn));
	}
	psc_dump_close(d);
	// Which copy it is: mark one and look.
	m.p[0x7000 + 0x1000 + 0x100] = 0xee;	// run 2, frame 0x10
	m.p[0x4000 + 0x100] = 0xaa;		// run 1, frame 0x10
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_page(d, 0x10, NULL)[0x100], 0xaa);
	psc_dump_close(d);
	image_free(&m);
}

// Out of order without overlap is only another order.
static void unsorted(void **state)
{
	static const uint64_t runs[][2] = { { 9, 1 }, { 3, 2 }, { 0, 1 } };
	static const uint64_t pfns[] = { 0, 3, 4, 9 };
	struct image m = image_runs(true, runs, 3);
	struct psc_dump *d;

	CHECK_OK(image_open(&m, &d));
	assert_false(has_warning(d, "overlaps"));
	check_walk(d, pfns, 4);
	psc_dump_close(d);
	image_free(&m);
}

static void every_truncation(void **state)
{
	static const uint64_t pfns[] = { 1, 2, 5, 0x10, 0x11, 0x12 };
	struct image m = image_runs(true, recipe, 3);

	for (size_t n = 0x2000; n < m.n; n += 331) {
		struct psc_dump *d;
		size_t pages = (n - 0x2000) / 0x1000;
		CHECK_OK(bytes_open(m.p, n, &d));
		assert_true(psc_dump_truncated(d));
		assert_int_equal(psc_dump_pages_stored(d), 6);
		assert_int_equal(psc_dump_pages_readable(d), pages);
		check_walk(d, pfns, pages);
		assert_null(psc_dump_page(d, 0x12, NULL));
		psc_dump_close(d);
	}
	image_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(arm64_vector),
		cmocka_unit_test(run_counts),
		cmocka_unit_test(damaged_runs),
		cmocka_unit_test(survivable_runs),
		cmocka_unit_test(overlap),
		cmocka_unit_test(unsorted),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
