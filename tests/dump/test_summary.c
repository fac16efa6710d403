// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image.h"

static const uint64_t frames[] = { 1, 2, 5, 0x10, 0x11, 66 };

static void check_pages(const struct psc_dump *d, size_t n)
{
	uint64_t pfn = 0;

	assert_int_equal(psc_dump_pages_readable(d), n);
	for (size_t i = 0; i < n; i++) {
		assert_true(psc_dump_next_page(d, pfn, &pfn));
		assert_int_equal(pfn, frames[i]);
		assert_true(page_is_right(d, pfn++));
	}
	assert_false(psc_dump_next_page(d, pfn, &pfn));
}

// Every place where the bits may begin, in both widths.
static void places(void **state)
{
	static const size_t starts[] = { 0x20, 0x24, 0x28 };

	for (int is64 = 0; is64 < 2; is64++) {
		for (size_t i = 0; i < 3; i++) {
			struct image m = image_summary(is64, starts[i], 67,
						       frames, 6);
			struct psc_dump *d;
			CHECK_OK(image_open(&m, &d));
			assert_string_equal(psc_dump_format(d),
					    "summary-kernel");
			bool usual = starts[i] == (is64 ? 0x28 : 0x20);
			assert_int_equal(psc_dump_n_warnings(d), !usual);
			assert_int_equal(has_warning(d, "instead of"), !usual);
			assert_int_equal(psc_dump_pages_stored(d), 6);
			assert_int_equal(psc_dump_pfn_limit(d), 67);
			check_pages(d, 6);
			psc_dump_close(d);
			image_free(&m);
		}
	}
}

// Type 2 with the header of types 5 and 6.
static void bitmap_form(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_bitmap(is64, 2, "SDMP", 67, frames, 6);
		struct psc_dump *d;
		CHECK_OK(image_open(&m, &d));
		assert_true(has_warning(d, "header of a bitmap dump"));
		check_pages(d, 6);
		psc_dump_close(d);
		image_free(&m);
	}
}

// No place fits: the documented one, and a warning.
static void wrong_count(void **state)
{
	struct image m = image_summary(true, 0x28, 67, frames, 6);
	struct psc_dump *d;

	image_put32(&m, 0x2014, 9);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "9 pages announced, 6 bits are set"));
	check_pages(d, 6);
	psc_dump_close(d);
	image_free(&m);
}

static void damaged(void **state)
{
	struct image m = image_summary(true, 0x28, 67, frames, 6);
	struct psc_dump *d;

	image_put32(&m, 0x2018, 68);	// the two bit counts differ
	CHECK_OK(image_open(&m, &d));	// but one fits
	assert_true(has_warning(d, "SizeOfBitMap 68 does not"));
	check_pages(d, 6);
	psc_dump_close(d);
	image_put32(&m, 0x2010, 60);	// and neither does
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
	image_put32(&m, 0x2010, 67);
	image_put32(&m, 0x2018, 67);
	image_put32(&m, 0x200c, 0x2029);	// first page in the bitmap
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
	image_put32(&m, 0x200c, 0x3000);
	image_put32(&m, 0x2010, UINT32_MAX);
	image_put32(&m, 0x2018, UINT32_MAX);
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
	image_put32(&m, 0x200c, UINT32_MAX);	// both past the end
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_pages_readable(d), 0);
	assert_true(has_warning(d, "the file ends inside it"));
	psc_dump_close(d);
	image_free(&m);
}

static void every_truncation(void **state)
{
	struct image m = image_summary(false, 0x20, 67, frames, 6);

	for (size_t n = 0x1000; n < m.n; n += n < 0x1040 ? 1 : 307) {
		struct psc_dump *d;
		struct psc_error *err = bytes_open(m.p, n, &d);
		if (n < 0x1038) {
			assert_non_null(err);
			assert_int_equal(err->code, PSC_ERR_TRUNCATED);
			psc_error_free(err);
			continue;
		}
		CHECK_OK(err);
		assert_true(psc_dump_truncated(d));
		check_pages(d, n < 0x2000 ? 0 : (n - 0x2000) / 0x1000);
		psc_dump_close(d);
	}
	image_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(bitmap_form),
		cmocka_unit_test(wrong_count),
		cmocka_unit_test(damaged),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
