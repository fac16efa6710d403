// SPDX-License-Identifier: MIT
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "image.h"
#include "pack.h"

static const uint64_t runs[][2] = { { 1, 2 }, { 5, 1 } };
static const uint64_t frames[] = { 1, 2, 5 };

static void set_type(struct image *m, uint32_t type)
{
	image_put32(m, m->hdr == 0x2000 ? 0xf98 : 0xf88, type);
}

// The signature of the body is trusted, the type in the header is not.
static void signature_wins(void **state)
{
	static const uint32_t types[] = { 1, 2, 3, 4, 5, 8, 0xb, UINT32_MAX };

	for (size_t i = 0; i < PSC_ARRAY_SIZE(types); i++) {
		struct image b = image_bitmap(true, 6, "FDMP", 64, frames, 3);
		struct image r = image_rdmp(8, runs, 2, 0);
		struct psc_dump *d;
		set_type(&b, types[i]);
		CHECK_OK(image_open(&b, &d));
		assert_string_equal(psc_dump_format(d), "bitmap-full");
		assert_int_equal(has_warning(d, "does not agree"),
				 types[i] != 5);
		assert_int_equal(psc_dump_header(d)->dump_type, types[i]);
		assert_true(page_is_right(d, 5));
		psc_dump_close(d);
		set_type(&r, types[i]);
		CHECK_OK(image_open(&r, &d));
		assert_string_equal(psc_dump_format(d), "range-kernel");
		assert_int_equal(has_warning(d, "does not agree"),
				 types[i] != 8);
		assert_true(page_is_right(d, 5));
		psc_dump_close(d);
		image_free(&b);
		image_free(&r);
	}
}

static void no_signature(void **state)
{
	static const struct {
		uint32_t type;
		enum psc_error_code code;
	} rows[] = {
		{ 2, PSC_ERR_DAMAGED }, { 5, PSC_ERR_DAMAGED },
		{ 6, PSC_ERR_DAMAGED }, { 7, PSC_ERR_DAMAGED },
		{ 8, PSC_ERR_DAMAGED }, { 9, PSC_ERR_DAMAGED },
		{ 0xa, PSC_ERR_DAMAGED }, { 0, PSC_ERR_UNSUPPORTED },
		{ 0xb, PSC_ERR_UNSUPPORTED },
		{ 0x45474150, PSC_ERR_UNSUPPORTED },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image m = image_new(true, rows[i].type);
		struct psc_dump *d;
		image_resize(&m, 0x4000);
		CHECK_ERR(image_open(&m, &d), rows[i].code);
		image_free(&m);
	}
}

static void header_only(void **state)
{
	struct image m = image_new(true, 3);
	struct psc_dump *d;
	uint8_t b[8];
	uint64_t pfn;

	CHECK_OK(image_open(&m, &d));
	assert_string_equal(psc_dump_format(d), "header");
	assert_non_null(strstr(psc_dump_why_no_pages(d), "no memory"));
	assert_int_equal(psc_dump_pages_stored(d), 0);
	assert_int_equal(psc_dump_pages_readable(d), 0);
	assert_false(psc_dump_truncated(d));
	assert_false(psc_dump_next_page(d, 0, &pfn));
	assert_null(psc_dump_page(d, 0, NULL));
	assert_true(psc_dump_read_file(d, 0x1ff8, b, 8));
	assert_false(psc_dump_read_file(d, 0x1ff9, b, 8));
	assert_false(psc_dump_read_file(d, UINT64_MAX, b, 8));
	assert_true(psc_dump_read_file(d, 0x2000, b, 0));
	assert_non_null(psc_dump_path(d));
	psc_dump_close(d);
	psc_dump_close(NULL);
	image_free(&m);
}

// Messages name the file, the structure and the place.
static void error_text(void **state)
{
	struct image m = image_new(true, 6);
	struct psc_dump *d;

	image_bytes(&m, 0x2000, "SDMPDUMP", 8);
	image_resize(&m, 0x2010);
	struct psc_error *err = image_open(&m, &d);
	assert_non_null(err);
	assert_non_null(strstr(err->message, "/proc/self/fd/"));
	assert_non_null(strstr(err->message, "bitmap header at 0x2000: need 56 "
			       "bytes, the file ends at 0x2010"));
	assert_int_equal(err->where, 0x2000);
	psc_error_free(err);
	image_free(&m);
}

struct reader {
	const struct psc_dump *d;
	uint64_t n, step;
	unsigned int wrong;
};

static void *read_pages(void *arg)
{
	struct reader *r = arg;

	// A full cycle over the frames in an order of its own.
	for (uint64_t i = 0, pfn = 0; i < r->n; i++) {
		pfn = (pfn + r->step) % r->n;
		r->wrong += !page_is_right(r->d, pfn);
	}
	return NULL;
}

// Threads over one compressed dump that is larger than the cache.
static void threads(void **state)
{
	enum { PAGES = 8009, THREADS = 4 };	// a prime: every step cycles
	static const uint64_t steps[THREADS] = { 1, 1, 997, 5003 };
	uint64_t all[][2] = { { 0, PAGES } };
	struct image m = image_runs(true, all, 1);
	struct image z = gzip_of(&m);
	pthread_t t[THREADS];
	struct reader r[THREADS];
	struct psc_dump *d;

	CHECK_OK(image_open(&z, &d));
	assert_int_equal(psc_dump_pages_readable(d), PAGES);
	for (int i = 0; i < THREADS; i++) {
		r[i] = (struct reader){ d, i < 2 ? PAGES : 400, steps[i], 0 };
		assert_int_equal(pthread_create(&t[i], NULL, read_pages, &r[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(r[i].wrong, 0);
	}
	psc_dump_close(d);
	image_free(&m);
	image_free(&z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signature_wins),
		cmocka_unit_test(no_signature),
		cmocka_unit_test(header_only),
		cmocka_unit_test(error_text),
		cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
