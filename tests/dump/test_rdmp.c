// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "image.h"

static const uint64_t recipe[][2] = { { 1, 2 }, { 5, 1 }, { 0x10, 3 } };
static const uint64_t pfns[] = { 1, 2, 5, 0x10, 0x11, 0x12 };

static void check_pages(const struct psc_dump *d, size_t n)
{
	uint64_t pfn = 0;

	assert_int_equal(psc_dump_pages_readable(d), n);
	for (size_t i = 0; i < n; i++) {
		assert_true(psc_dump_next_page(d, pfn, &pfn));
		assert_int_equal(pfn, pfns[i]);
		assert_true(page_is_right(d, pfn++));
	}
	assert_false(psc_dump_next_page(d, pfn, &pfn));
}

// Page data need not be aligned; metadata may be longer than the list.
static void golden(void **state)
{
	static const char *const names[] = { "range-kernel", "range-kernel-user",
					     "range-complete" };
	for (uint32_t type = 8; type <= 0xa; type++) {
		for (size_t pad = 0; pad <= 0xf80; pad += 0x7c0) {
			struct image m = image_rdmp(type, recipe, 3, pad);
			struct psc_dump *d;
			CHECK_OK(image_open(&m, &d));
			assert_string_equal(psc_dump_format(d), names[type - 8]);
			assert_int_equal(psc_dump_n_warnings(d), 0);
			assert_int_equal(psc_dump_pages_stored(d), 6);
			assert_int_equal(psc_dump_pfn_limit(d), 0x13);
			check_pages(d, 6);
			psc_dump_close(d);
			image_free(&m);
		}
	}
}

// No room for an end entry: the first page ends the list.
static void no_end_entry(void **state)
{
	struct image m = image_rdmp(8, recipe, 3, 0);
	struct psc_dump *d;

	memmove(m.p + 0x2060, m.p + 0x2070, m.n - 0x2070);
	image_resize(&m, m.n - 0x10);
	image_put64(&m, 0x2010, 0x40);
	image_put64(&m, 0x2018, 0x2060);
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	check_pages(d, 6);
	psc_dump_close(d);
	image_free(&m);
}

static void counts(void **state)
{
	struct image m = image_rdmp(0xa, recipe, 3, 0x20);
	struct psc_dump *d;

	image_put64(&m, 0x2080, 0x999);	// behind the end entry: not read
	image_put64(&m, 0x2088, 1);
	CHECK_OK(image_open(&m, &d));
	check_pages(d, 6);
	psc_dump_close(d);
	image_put64(&m, 0x2060, 0x999);	// no end entry: the total ends it
	image_put64(&m, 0x2068, 1);
	CHECK_OK(image_open(&m, &d));
	check_pages(d, 6);
	psc_dump_close(d);
	image_put64(&m, 0x2068, 0);
	image_put64(&m, 0x2028, 9);
	image_put32(&m, 0x2020, 4);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "9 pages announced, the ranges hold 6"));
	assert_true(has_warning(d, "4 ranges announced, 3 found"));
	check_pages(d, 6);
	psc_dump_close(d);
	image_put64(&m, 0x2010, 1);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "MetadataSize 0x1 does not reach"));
	check_pages(d, 6);
	psc_dump_close(d);
	image_free(&m);
}

static void damaged(void **state)
{
	static const struct {
		size_t at;
		uint64_t v;
	} rows[] = {
		{ 0x2018, 0 }, { 0x2018, 0x202f },
		{ 0x2038, 0 },				// no range at all
		{ 0x2030, UINT64_C(1) << 40 }, { 0x2040, UINT64_MAX },
		{ 0x2038, UINT64_MAX }, { 0x2038, UINT64_C(1) << 40 },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image m = image_rdmp(8, recipe, 3, 0);
		struct psc_dump *d;
		image_put64(&m, rows[i].at, rows[i].v);
		CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
		image_free(&m);
	}
}

static void past_the_end(void **state)
{
	struct image m = image_rdmp(9, recipe, 3, 0);
	struct psc_dump *d;

	image_put64(&m, 0x2058, 0x10000000);	// last range: 2^28 pages
	CHECK_OK(image_open(&m, &d));
	assert_true(psc_dump_truncated(d));
	assert_int_equal(psc_dump_pages_stored(d), 0x10000003);
	check_pages(d, 6);
	psc_dump_close(d);
	// Metadata to the end of the world: the pages are past the end.
	image_put64(&m, 0x2010, UINT64_MAX - 0x201f - 0xfff);
	image_put64(&m, 0x2018, UINT64_MAX - 0xfff);
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);	// offsets overflow
	image_put64(&m, 0x2058, 3);
	image_put64(&m, 0x2018, UINT64_C(1) << 60);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "the file ends inside it"));
	assert_int_equal(psc_dump_pages_readable(d), 0);
	psc_dump_close(d);
	image_free(&m);
}

// 200,000 ranges that all overlap, in the worst order: sorted out quickly.
static void many_overlaps(void **state)
{
	size_t n = 200000;
	struct image m = image_rdmp(8, NULL, 0, 16 * n);
	struct psc_dump *d;
	clock_t start = clock();

	for (size_t i = 0; i < n; i++) {
		image_put64(&m, 0x2030 + 16 * i, n - i);
		image_put64(&m, 0x2038 + 16 * i, 2 * i + 1);
	}
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_pages_stored(d), 2 * n - 1);
	assert_int_equal(psc_dump_pages_readable(d), 0);
	assert_true(psc_dump_n_warnings(d) <= 40);
	assert_true(has_warning(d, "more warnings"));
	psc_dump_close(d);
	assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
	image_free(&m);
}

static void every_truncation(void **state)
{
	struct image m = image_rdmp(8, recipe, 3, 0);

	for (size_t n = 0x2000; n < m.n; n += n < 0x2090 ? 1 : 307) {
		struct psc_dump *d;
		struct psc_error *err = bytes_open(m.p, n, &d);
		if (n < 0x2040) {	// not one range is there
			assert_non_null(err);
			assert_true(err->code == PSC_ERR_TRUNCATED ||
				    err->code == PSC_ERR_DAMAGED);
			psc_error_free(err);
			continue;
		}
		CHECK_OK(err);
		assert_true(psc_dump_truncated(d));
		check_pages(d, n < 0x2070 ? 0 : (n - 0x2070) / 0x1000);
		psc_dump_close(d);
	}
	image_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(no_end_entry),
		cmocka_unit_test(counts),
		cmocka_unit_test(damaged),
		cmocka_unit_test(past_the_end),
		cmocka_unit_test(many_overlaps),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
