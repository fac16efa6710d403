// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dump/inflate.h"
#include "pack.h"

static const uint64_t frames[] = { 1, 2, 5, 0x10, 0x11, 0x12 };

static struct image dump6(void)
{
	return image_bitmap(true, 6, "SDMP", 64, frames, 6);
}

static void check_pages(struct psc_dump *d, const char *compression)
{
	assert_string_equal(psc_dump_compression(d), compression);
	assert_int_equal(psc_dump_pages_readable(d), 6);
	for (int i = 6; i-- > 0;)
		assert_true(page_is_right(d, frames[i]));
	psc_dump_close(d);
}

static void gzip_dump(void **state)
{
	struct image m = dump6(), z = gzip_of(&m);
	struct psc_dump *d;

	CHECK_OK(image_open(&z, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	assert_int_equal(psc_dump_size(d), m.n);
	assert_int_equal(psc_dump_file_size(d), z.n);
	uint8_t tail[16];
	assert_true(psc_dump_read_file(d, m.n - 16, tail, 16));
	assert_false(psc_dump_read_file(d, m.n - 15, tail, 16));
	check_pages(d, "gzip");
	image_free(&m);
	image_free(&z);
}

// Members of every size, an empty one and optional header fields.
static void gzip_members(void **state)
{
	static const size_t cuts[] = { 0, 1, 0x2000, 0x2001, 0x3456, 0x8000 };
	struct image m = dump6(), z = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(cuts); i++) {
		pack_gzip(&z, m.p + at, cuts[i] - at, i % 2);
		at = cuts[i];
	}
	pack_gzip(&z, m.p + at, m.n - at, true);
	image_resize(&z, z.n + 512);	// padding is no garbage
	struct psc_dump *d;
	CHECK_OK(image_open(&z, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	assert_int_equal(psc_dump_size(d), m.n);
	check_pages(d, "gzip");
	image_bytes(&z, z.n - 512, "rubbish", 7);
	CHECK_OK(image_open(&z, &d));
	assert_true(has_warning(d, "is followed by other data"));
	check_pages(d, "gzip");
	image_free(&m);
	image_free(&z);
}

// What unpacks before the cut or the damage is used.
static void gzip_cut(void **state)
{
	struct image m = dump6(), z = gzip_of(&m);
	size_t opened = 0;

	for (size_t n = 3; n < z.n; n++) {
		struct psc_dump *d;
		struct psc_error *err = bytes_open(z.p, n, &d);
		if (err) {
			assert_true(err->code == PSC_ERR_TRUNCATED ||
				    err->code == PSC_ERR_DAMAGED);
			psc_error_free(err);
			continue;
		}
		opened++;
		assert_true(has_warning(d, "ends too early"));
		for (size_t i = 0; i < psc_dump_pages_readable(d); i++)
			assert_true(page_is_right(d, frames[i]));
		psc_dump_close(d);
	}
	assert_true(opened > 4);
	image_free(&m);
	image_free(&z);
}

static void check_same(const struct psc_dump *d, const struct image *m)
{
	uint8_t *all = malloc(m->n);

	assert_int_equal(psc_dump_size(d), m->n);
	assert_true(psc_dump_read_file(d, 0, all, m->n));
	assert_memory_equal(all, m->p, m->n);
	free(all);
}

static void gzip_corrupt(void **state)
{
	struct image m = dump6(), z = gzip_of(&m);
	struct psc_dump *d;

	for (size_t at = 10; at < z.n; at += 3) {
		z.p[at] ^= 0x55;
		struct psc_error *err = image_open(&z, &d);
		z.p[at] ^= 0x55;
		if (err) {
			psc_error_free(err);
			continue;
		}
		// The padding of the last block may change: then nothing else.
		if (!psc_dump_n_warnings(d))
			check_same(d, &m);
		psc_dump_close(d);
	}
	z.p[z.n - 8] ^= 1;	// the check sum itself
	CHECK_OK(image_open(&z, &d));
	assert_true(has_warning(d, "check sum is wrong"));
	check_pages(d, "gzip");
	image_put32(&z, 10, 0xffffffff);	// no such block type
	CHECK_ERR(image_open(&z, &d), PSC_ERR_DAMAGED);
	image_free(&m);
	image_free(&z);
}

static void zips(void **state)
{
	static const struct zip_options options[] = {
		{ .method = 8 }, { .method = 0 },
		{ .method = 8, .descriptor = true },
		{ .method = 8, .zip64 = true },
		{ .method = 0, .zip64 = true, .descriptor = true },
	};
	struct image m = dump6();

	for (size_t i = 0; i < PSC_ARRAY_SIZE(options); i++) {
		// A folder entry does not count as a file.
		struct zip_file files[] = {
			{ "dumps/", "", 0 },
			{ "dumps/MEMORY.DMP", m.p, m.n },
		};
		struct image z = zip_of(files + i % 2, 2 - i % 2, &options[i]);
		struct psc_dump *d;
		CHECK_OK(image_open(&z, &d));
		assert_int_equal(psc_dump_n_warnings(d), 0);
		assert_int_equal(psc_dump_size(d), m.n);
		check_pages(d, "zip");
		image_free(&z);
	}
	image_free(&m);
}

static void expect_message(const struct image *z, enum psc_error_code code,
			   const char *text)
{
	struct psc_dump *d;
	struct psc_error *err = image_open(z, &d);

	assert_non_null(err);
	assert_int_equal(err->code, code);
	if (!strstr(err->message, text))
		fail_msg("'%s' lacks '%s'", err->message, text);
	psc_error_free(err);
}

static void zips_refused(void **state)
{
	struct image m = dump6();
	struct zip_file files[] = {
		{ "a.dmp", m.p, m.n }, { "b.dmp", m.p, m.n },
		{ "c\x01.dmp", "x", 1 }, { "d", "x", 1 }, { "e", "x", 1 },
	};
	static const struct {
		size_t n;
		struct zip_options options;
		enum psc_error_code code;
		const char *text;
	} rows[] = {
		{ 2, { .method = 8 }, PSC_ERR_UNSUPPORTED,
		  "2 files ('a.dmp', 'b.dmp')" },
		{ 5, { .method = 8 }, PSC_ERR_UNSUPPORTED,
		  "5 files ('a.dmp', 'b.dmp', 'c\\x01.dmp', 'd' and more)" },
		{ 0, { .method = 8 }, PSC_ERR_UNSUPPORTED, "is empty" },
		{ 1, { .method = 8, .flags = 1 }, PSC_ERR_UNSUPPORTED,
		  "encrypted" },
		{ 1, { .method = 9 }, PSC_ERR_UNSUPPORTED, "deflate64" },
		{ 1, { .method = 77 }, PSC_ERR_UNSUPPORTED, "unknown" },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image z = zip_of(files, rows[i].n, &rows[i].options);
		expect_message(&z, rows[i].code, rows[i].text);
		image_free(&z);
	}
	image_free(&m);
}

static void zips_damaged(void **state)
{
	struct image m = dump6();
	struct zip_file file = { "a.dmp", m.p, m.n };
	struct zip_options deflate = { .method = 8, .descriptor = true };
	struct image z = zip_of(&file, 1, &deflate);
	struct psc_dump *d;
	uint8_t saved = z.p[0];

	z.p[3]++;	// then it is no zip at all
	expect_message(&z, PSC_ERR_UNSUPPORTED, "not a Windows crash dump");
	z.p[3]--;
	assert_int_equal(saved, 'P');
	// The directory says the member is elsewhere.
	size_t central = z.n - 22 - 7 - 46 - 5;
	assert_int_equal(psc_le32(z.p + central), 0x02014b50);
	image_put32(&z, central + 42, 0x7fffffff);
	expect_message(&z, PSC_ERR_DAMAGED, "no local header at 0x7fffffff");
	image_put32(&z, central + 42, 0);
	image_put32(&z, central + 16, 1);
	CHECK_OK(image_open(&z, &d));
	assert_true(has_warning(d, "check sum is wrong"));
	check_pages(d, "zip");
	image_put32(&z, central, 0);
	expect_message(&z, PSC_ERR_DAMAGED, "zip directory: entry 0");
	// Without its end the archive is read from the front.
	size_t opened = 0;
	for (size_t n = 4; n < central; n++) {
		struct psc_error *err = bytes_open(z.p, n, &d);
		if (err) {
			psc_error_free(err);
			continue;
		}
		opened++;
		assert_true(has_warning(d, "the file is truncated"));
		psc_dump_close(d);
	}
	assert_true(opened > 4);
	image_free(&z);
	image_free(&m);
}

static void look_alike_inside(void **state)
{
	struct image m = { 0 };

	image_bytes(&m, 0, "MDMP\x93\xa7\0\0", 8);
	struct image z = gzip_of(&m), zz = gzip_of(&z);
	expect_message(&z, PSC_ERR_UNSUPPORTED, "user-mode minidump");
	expect_message(&zz, PSC_ERR_UNSUPPORTED, "gzip file inside");
	image_free(&m);
	image_free(&z);
	image_free(&zz);
}

// Many checkpoints: every byte at random places and in one sweep.
static void random_access(void **state)
{
	size_t n = 9000000;
	struct image m = { 0 }, z = { 0 };
	struct psc_warnings w = { 0 };
	struct psc_inflate_index x;
	struct psc_inflate *s;
	uint32_t seed = 1;

	image_resize(&m, n);
	for (size_t i = 0; i < n; i += 4) {
		seed = seed * 1664525 + 1013904223;
		uint32_t v = i / 300000 % 3 ? seed >> 20 : 7;
		memcpy(m.p + i, &v, 4);
	}
	pack_gzip(&z, m.p, n / 2, false);
	pack_gzip(&z, m.p + n / 2, n - n / 2, false);
	struct psc_deflate_input in = { .data = z.p, .size = z.n, .gzip = true };
	CHECK_OK(psc_inflate_index_build(&in, NULL, &w, &x));
	assert_true(x.clean);
	assert_int_equal(x.size, n);
	assert_true(x.points.n >= 6);
	CHECK_OK(psc_inflate_new(&in, &x, &s));
	uint8_t *buf = malloc(700000);
	for (int i = 0; i < 300; i++) {
		seed = seed * 1664525 + 1013904223;
		size_t off = seed % n, len = i % 10 ? 5000 : 700000;
		len = PSC_MIN(len, n - off);
		assert_true(psc_inflate_read(s, off, buf, len));
		assert_memory_equal(buf, m.p + off, len);
	}
	for (size_t off = 0; off < n; off += 4096) {
		size_t len = PSC_MIN(4096, n - off);
		assert_true(psc_inflate_read(s, off, buf, len));
		assert_memory_equal(buf, m.p + off, len);
	}
	assert_false(psc_inflate_read(s, n - 1, buf, 2));
	assert_false(psc_inflate_read(s, UINT64_MAX, buf, 2));
	free(buf);
	psc_inflate_free(s);
	psc_warnings_free(&w);
	image_free(&m);
	image_free(&z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_dump),
		cmocka_unit_test(gzip_members),
		cmocka_unit_test(gzip_cut),
		cmocka_unit_test(gzip_corrupt),
		cmocka_unit_test(zips),
		cmocka_unit_test(zips_refused),
		cmocka_unit_test(zips_damaged),
		cmocka_unit_test(look_alike_inside),
		cmocka_unit_test(random_access),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
