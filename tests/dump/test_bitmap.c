// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "image.h"

static const uint64_t frames[] = { 1, 2, 5, 0x10, 0x11, 0x12 };

static uint64_t offset_of(const struct psc_dump *d, uint64_t pfn)
{
	uint8_t scratch[0x1000];
	const uint8_t *page = psc_dump_page(d, pfn, scratch);
	uint8_t first[0x1000];

	for (uint64_t off = 0; page && off < psc_dump_size(d); off += 0x1000) {
		if (psc_dump_read_file(d, off, first, sizeof(first)) &&
		    !memcmp(first, page, sizeof(first)))
			return off;
	}
	return 0;
}

// The example of the format's description, in every width and type.
static void golden(void **state)
{
	static const struct {
		bool is64;
		uint32_t type;
		const char *sig, *format;
		uint64_t first;
	} rows[] = {
		{ true, 5, "FDMP", "bitmap-full", 0x3000 },
		{ true, 5, "SDMP", "bitmap-full", 0x3000 },
		{ true, 6, "SDMP", "bitmap-kernel", 0x3000 },
		{ true, 6, "FDMP", "bitmap-kernel", 0x3000 },
		{ true, 7, "SDMP", "bitmap-kernel", 0x3000 },
		{ false, 5, "FDMP", "bitmap-full", 0x2000 },
		{ false, 6, "SDMP", "bitmap-kernel", 0x2000 },
	};
	for (size_t r = 0; r < PSC_ARRAY_SIZE(rows); r++) {
		struct image m = image_bitmap(rows[r].is64, rows[r].type,
					      rows[r].sig, 64, frames, 6);
		struct psc_dump *d;
		assert_int_equal(m.p[m.hdr + 0x38], 0x26);
		CHECK_OK(image_open(&m, &d));
		assert_string_equal(psc_dump_format(d), rows[r].format);
		assert_int_equal(psc_dump_n_warnings(d), 0);
		assert_int_equal(psc_dump_pages_stored(d), 6);
		assert_int_equal(psc_dump_pages_readable(d), 6);
		assert_int_equal(psc_dump_pfn_limit(d), 0x13);
		for (size_t i = 0; i < 6; i++) {
			assert_true(page_is_right(d, frames[i]));
			assert_int_equal(offset_of(d, frames[i]),
					 rows[r].first + i * 0x1000);
		}
		assert_null(psc_dump_page(d, 0, NULL));
		assert_null(psc_dump_page(d, 0x13, NULL));
		assert_null(psc_dump_page(d, 64, NULL));
		assert_null(psc_dump_page(d, UINT64_MAX, NULL));
		psc_dump_close(d);
		image_free(&m);
	}
}

static void walk_all(const struct psc_dump *d, const uint64_t *want, size_t n)
{
	uint64_t pfn = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(psc_dump_next_page(d, pfn, &pfn));
		assert_int_equal(pfn, want[i]);
		assert_true(page_is_right(d, pfn));
		pfn++;
	}
	assert_false(psc_dump_next_page(d, pfn, &pfn));
}

// The last bit of maps whose length is no multiple of 8, 32 or 64.
static void tails(void **state)
{
	static const uint64_t n_bits[] = { 1, 7, 9, 33, 63, 64, 65, 67, 4095,
					   4096, 4097, 8191, 20001 };
	for (size_t i = 0; i < PSC_ARRAY_SIZE(n_bits); i++) {
		uint64_t pfns[] = { 0, n_bits[i] - 1 };
		size_t n = n_bits[i] > 1 ? 2 : 1;
		struct image m = image_bitmap(true, 6, "SDMP", n_bits[i], pfns,
					      n);
		struct psc_dump *d;
		// Bits behind the count are not pages.
		if (n_bits[i] % 8)
			m.p[0x2038 + n_bits[i] / 8] |=
				(uint8_t)(0xff << n_bits[i] % 8);
		CHECK_OK(image_open(&m, &d));
		assert_int_equal(psc_dump_n_warnings(d), 0);
		assert_int_equal(psc_dump_pages_stored(d), n);
		assert_int_equal(psc_dump_pfn_limit(d), n_bits[i]);
		walk_all(d, pfns, n);
		psc_dump_close(d);
		image_free(&m);
	}
}

// Every frame of a random map against a count by hand.
static void random_map(void **state)
{
	uint64_t pfns[600], at = 0;
	uint32_t seed = 12345;

	for (size_t i = 0; i < 600; i++) {
		seed = seed * 1103515245 + 12345;
		at += 1 + (seed >> 16 & 7) * (seed >> 24 & 15);
		pfns[i] = at;
	}
	struct image m = image_bitmap(true, 5, "FDMP", at + 1, pfns, 600);
	struct psc_dump *d;
	CHECK_OK(image_open(&m, &d));
	walk_all(d, pfns, 600);
	for (uint64_t pfn = 0, i = 0; pfn <= at; pfn++) {
		if (pfn == pfns[i])
			i++;
		else
			assert_null(psc_dump_page(d, pfn, NULL));
	}
	psc_dump_close(d);
	image_free(&m);
}

static void empty_map(void **state)
{
	struct image m = image_bitmap(true, 6, "SDMP", 0, NULL, 0);
	struct psc_dump *d;
	uint64_t pfn;

	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_pages_stored(d), 0);
	assert_int_equal(psc_dump_pfn_limit(d), 0);
	assert_false(psc_dump_next_page(d, 0, &pfn));
	assert_null(psc_dump_page(d, 0, NULL));
	psc_dump_close(d);
	image_free(&m);
}

static void wrong_count(void **state)
{
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);
	struct psc_dump *d;

	image_put64(&m, 0x2028, 7);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "7 pages announced, 6 bits are set"));
	assert_int_equal(psc_dump_pages_stored(d), 6);
	assert_true(page_is_right(d, 0x12));
	psc_dump_close(d);
	image_free(&m);
}

static void first_page_rules(void **state)
{
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);
	struct psc_dump *d;

	image_put64(&m, 0x2020, 0x203f);	// the bitmap ends at 0x2040
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
	image_put64(&m, 0x2020, 0);
	CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
	image_put64(&m, 0x2020, 0x3010);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "not page-aligned"));
	assert_int_equal(psc_dump_pages_readable(d), 5);
	psc_dump_close(d);
	for (int i = 0; i < 2; i++) {
		image_put64(&m, 0x2020, i ? UINT64_MAX & ~0xfffull : 0x100000);
		CHECK_OK(image_open(&m, &d));
		assert_true(psc_dump_truncated(d));
		assert_int_equal(psc_dump_pages_stored(d), 6);
		assert_int_equal(psc_dump_pages_readable(d), 0);
		assert_null(psc_dump_page(d, 1, NULL));
		psc_dump_close(d);
	}
	image_free(&m);
}

// The first page may lie far behind the bitmap: the field counts.
static void first_page_gap(void **state)
{
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);
	struct psc_dump *d;
	uint8_t *old = malloc(m.n - 0x3000);
	size_t n = m.n - 0x3000;

	memcpy(old, m.p + 0x3000, n);
	memset(m.p + 0x3000, 0, n);
	image_bytes(&m, 0x5000, old, n);
	image_put64(&m, 0x2020, 0x5000);
	CHECK_OK(image_open(&m, &d));
	walk_all(d, frames, 6);
	psc_dump_close(d);
	image_free(&m);
	free(old);
}

static void hostile_bit_counts(void **state)
{
	static const struct {
		uint64_t n_bits;
		bool opens;
	} rows[] = {
		{ UINT64_MAX, false }, { UINT64_C(1) << 63, false },
		{ (UINT64_C(1) << 40) + 1, false },
		{ UINT64_C(1) << 40, true }, { UINT64_C(1) << 32, true },
		{ 0x8000001, true },
	};
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);
	struct psc_dump *d;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		image_put64(&m, 0x2030, rows[i].n_bits);
		image_put64(&m, 0x2020, UINT64_C(1) << 50);
		if (!rows[i].opens) {
			CHECK_ERR(image_open(&m, &d), PSC_ERR_DAMAGED);
			continue;
		}
		CHECK_OK(image_open(&m, &d));
		assert_true(has_warning(d, "the file ends inside it"));
		assert_int_equal(psc_dump_pages_readable(d), 0);
		assert_true(psc_dump_truncated(d));
		psc_dump_close(d);
	}
	image_free(&m);
}

// 2^31 + 1 bits in a sparse file: counts do not fit 31 or 32 bits.
static void sparse_large(void **state)
{
	uint64_t n_bits = (UINT64_C(1) << 31) + 1, last = n_bits - 1;
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 1);
	uint64_t first = (0x2038 + n_bits / 8 + 0x1000) & ~UINT64_C(0xfff);
	int fd = memfd_create("sparse", MFD_CLOEXEC);
	struct psc_dump *d;
	uint8_t bit = 1;

	image_put64(&m, 0x2020, first);
	image_put64(&m, 0x2028, 2);
	image_put64(&m, 0x2030, n_bits);
	assert_int_equal(pwrite(fd, m.p, 0x3000, 0), 0x3000);
	assert_int_equal(pwrite(fd, &bit, 1, (off_t)(0x2038 + last / 8)), 1);
	assert_int_equal(pwrite(fd, &last, 8, (off_t)first + 0x1000), 8);
	assert_int_equal(ftruncate(fd, (off_t)first + 0x2000), 0);
	CHECK_OK(fd_open(fd, &d));
	assert_int_equal(psc_dump_pfn_limit(d), n_bits);
	assert_int_equal(psc_dump_pages_readable(d), 2);
	const uint8_t *page = psc_dump_page(d, last, NULL);
	assert_non_null(page);
	assert_int_equal(psc_le64(page), last);
	uint64_t pfn;
	assert_true(psc_dump_next_page(d, 2, &pfn));
	assert_int_equal(pfn, last);
	psc_dump_close(d);
	close(fd);
	image_free(&m);
}

// Whatever the length of the file: an error or exactly the whole pages.
static void every_truncation(void **state)
{
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);

	for (size_t n = 0x2000; n < m.n; n += n < 0x2050 ? 1 : 509) {
		struct psc_dump *d;
		struct psc_error *err = bytes_open(m.p, n, &d);
		if (n < 0x2038) {
			assert_non_null(err);
			assert_int_equal(err->code, PSC_ERR_TRUNCATED);
			psc_error_free(err);
			continue;
		}
		CHECK_OK(err);
		uint64_t pages = n < 0x3000 ? 0 : (n - 0x3000) / 0x1000;
		assert_true(psc_dump_truncated(d));
		assert_true(has_warning(d, "truncated"));
		assert_int_equal(psc_dump_pages_stored(d), 6);
		assert_int_equal(psc_dump_pages_readable(d), pages);
		walk_all(d, frames, pages);
		assert_null(psc_dump_page(d, 0x12, NULL));
		psc_dump_close(d);
	}
	image_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(tails),
		cmocka_unit_test(random_map),
		cmocka_unit_test(empty_map),
		cmocka_unit_test(wrong_count),
		cmocka_unit_test(first_page_rules),
		cmocka_unit_test(first_page_gap),
		cmocka_unit_test(hostile_bit_counts),
		cmocka_unit_test(sparse_large),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
