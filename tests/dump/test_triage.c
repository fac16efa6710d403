// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "image.h"
#include "pack.h"

static const struct psc_triage_block *block(const struct psc_triage *t,
					    uint64_t va)
{
	for (size_t i = 0; i < t->n_blocks; i++) {
		if (t->blocks[i].va == va)
			return &t->blocks[i];
	}
	return NULL;
}

static void check_block(const struct psc_triage *t, uint64_t va, uint64_t size,
			const char *text)
{
	const struct psc_triage_block *b = block(t, va);

	assert_non_null(b);
	assert_int_equal(b->size, size);
	assert_memory_equal(b->data, text, strlen(text));
}

static void check_mm(const struct psc_triage *t)
{
	assert_true(t->has_mm);
	assert_int_equal(t->max_nonpaged, 1);
	assert_int_equal(t->nonpaged, 2);
	assert_int_equal(t->max_paged, 3);
	assert_int_equal(t->paged, 4);
	assert_int_equal(t->committed, 5);
	assert_int_equal(t->committed_peak, 6);
	assert_int_equal(t->commit_limit, 7);
}

static void check_drivers(const struct psc_triage *t, bool is64)
{
	assert_int_equal(t->n_drivers, 2);
	assert_string_equal(t->drivers[0].name, "\\Driver\\ntoskrnl.exe");
	assert_string_equal(t->drivers[1].name, "b.sys");
	assert_int_equal(t->drivers[1].base, triage_va(is64, 0x82000000));
	assert_int_equal(t->drivers[1].size, 0x6001);
	assert_int_equal(t->drivers[1].checksum, 0xc0df);
	assert_int_equal(t->drivers[1].timestamp, 0x5a5a0001);
	assert_int_equal(t->n_unloaded, 1);
	assert_string_equal(t->unloaded[0].name, "old.sys");
	assert_int_equal(t->unloaded[0].start, triage_va(is64, 0x87de0000));
	assert_int_equal(t->unloaded[0].end, triage_va(is64, 0x87dfc000));
}

static void check_all(const struct psc_dump *d, bool is64, size_t warnings)
{
	const struct psc_triage *t = psc_dump_triage(d);
	uint64_t pfn;

	assert_non_null(t);
	assert_string_equal(psc_dump_format(d), "triage");
	assert_non_null(strstr(psc_dump_why_no_pages(d), "MEMORY.DMP"));
	assert_false(psc_dump_truncated(d));
	assert_int_equal(psc_dump_n_warnings(d), warnings);
	assert_int_equal(psc_dump_pages_stored(d), 0);
	assert_int_equal(psc_dump_pfn_limit(d), 0);
	assert_false(psc_dump_next_page(d, 0, &pfn));
	assert_null(psc_dump_page(d, 1, NULL));
	check_mm(t);
	check_drivers(t, is64);
	assert_int_equal(t->n_blobs, 2);
	assert_int_equal(t->kdbg_size, 0x340);
	assert_int_equal(t->prcb_size, TRIAGE_OBJECT_SIZE);
	assert_int_equal(t->process_size, TRIAGE_OBJECT_SIZE);
	assert_int_equal(t->thread_size, TRIAGE_OBJECT_SIZE);
	assert_int_equal(t->n_blocks, 7);
	for (size_t i = 1; i < t->n_blocks; i++)	// in file order
		assert_true(t->blocks[i].data > t->blocks[i - 1].data);
	check_block(t, triage_va(is64, TRIAGE_VA_DATA), 0x20, "data");
	check_block(t, triage_va(is64, TRIAGE_VA_STACK), 0x100, "stack");
	check_block(t, triage_va(is64, TRIAGE_VA_PROCESS), TRIAGE_OBJECT_SIZE,
		    "proc");
	assert_ptr_equal(block(t, triage_va(is64, TRIAGE_VA_KDBG))->data,
			 t->kdbg);
	assert_ptr_equal(block(t, triage_va(is64, TRIAGE_VA_PRCB))->data,
			 t->prcb);
	assert_ptr_equal(block(t, triage_va(is64, TRIAGE_VA_THREAD))->data,
			 t->thread);
}

static void golden(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_triage(is64), z = gzip_of(&m);
		struct psc_dump *d;
		CHECK_OK(image_open(&m, &d));
		check_all(d, is64, 0);
		psc_dump_close(d);
		CHECK_OK(image_open(&z, &d));
		check_all(d, is64, 0);
		psc_dump_close(d);
		image_free(&m);
		image_free(&z);
	}
}

// 32-bit files may hold the 16-byte records of 64-bit ones.
static void wide_records(void **state)
{
	struct image m = image_triage(false);
	struct psc_dump *d;

	image_put64(&m, TRIAGE_BLOCKS, TRIAGE_VA_DATA);
	image_put32(&m, TRIAGE_BLOCKS + 8, TRIAGE_DATA + 0x80);
	image_put32(&m, TRIAGE_BLOCKS + 12, 0x20);
	image_put64(&m, TRIAGE_BLOCKS + 16, TRIAGE_VA_ARRAY);
	image_put32(&m, TRIAGE_BLOCKS + 24, TRIAGE_DATA);
	image_put32(&m, TRIAGE_BLOCKS + 28, 16);
	CHECK_OK(image_open(&m, &d));
	check_all(d, false, 1);
	psc_dump_close(d);
	image_free(&m);
}

// One record, whose address may be extended either way: read as 12 bytes it
// would name the file header.
static void one_wide_record(void **state)
{
	for (int sign = 0; sign < 2; sign++) {
		struct image m = image_triage(false);
		struct psc_dump *d;

		image_put32(&m, 0x1064, 1);	// DataBlocksCount
		image_put64(&m, TRIAGE_BLOCKS, (sign ? UINT64_C(0xffffffff) << 32
					       : 0) | TRIAGE_VA_DATA);
		image_put32(&m, TRIAGE_BLOCKS + 8, TRIAGE_DATA + 0x80);
		image_put32(&m, TRIAGE_BLOCKS + 12, 0x20);
		CHECK_OK(image_open(&m, &d));
		check_block(psc_dump_triage(d), TRIAGE_VA_DATA, 0x20, "data");
		assert_true(has_warning(d, "records of 16 bytes"));
		psc_dump_close(d);
		image_free(&m);
	}
}

// MiniDumpFields says which parts to believe.
static void parts_not_valid(void **state)
{
	struct image m = image_triage(true);
	struct psc_dump *d;

	image_put32(&m, 0x1038, 0);
	CHECK_OK(image_open(&m, &d));
	const struct psc_triage *t = psc_dump_triage(d);
	assert_int_equal(t->n_blocks, 0);
	assert_int_equal(t->n_drivers, 0);
	assert_int_equal(t->n_unloaded, 0);
	assert_null(t->kdbg);
	assert_null(t->prcb);
	assert_false(t->has_mm);
	psc_dump_close(d);
	// The usual one: MMINFO clear, or set over zeros.
	image_put32(&m, 0x1038, 0xcff);
	CHECK_OK(image_open(&m, &d));
	assert_false(psc_dump_triage(d)->has_mm);
	psc_dump_close(d);
	image_put32(&m, 0x1038, 0xdff);
	memset(m.p + TRIAGE_MM, 0, 0x50);
	CHECK_OK(image_open(&m, &d));
	assert_false(psc_dump_triage(d)->has_mm);
	psc_dump_close(d);
	image_free(&m);
}

// Each offset and count in turn points out of the file.
static void parts_past_the_end(void **state)
{
	static const struct {
		uint32_t field;
		const char *text;
	} rows[] = {
		{ 0x14, "DUMP_MM_STORAGE" }, { 0x18, "unloaded drivers" },
		{ 0x1c, "KPRCB" }, { 0x20, "EPROCESS" }, { 0x24, "ETHREAD" },
		{ 0x28, "call stack" }, { 0x2c, "call stack" },
		{ 0x30, "2 drivers" }, { 0x34, "drivers" }, { 0x70, "KDBG" },
		{ 0x74, "KDBG" }, { 0x78, "data block records" },
		{ 0x7c, "data block records" }, { 0x08, "TRGD" },
		{ 0x04, "SizeOfDump" },
	};
	static const uint32_t values[] = { UINT32_MAX, 0x80000000, 0x3000 };
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		for (size_t j = 0; j < PSC_ARRAY_SIZE(values); j++) {
			struct image m = image_triage(true);
			struct psc_dump *d;
			image_put32(&m, 0x2000 + rows[i].field, values[j]);
			CHECK_OK(image_open(&m, &d));
			if (!has_warning(d, rows[i].text))
				fail_msg("no warning on %s", rows[i].text);
			assert_int_equal(psc_dump_truncated(d),
					 rows[i].field == 4);
			psc_dump_close(d);
			image_free(&m);
		}
	}
}

static void damaged_records(void **state)
{
	struct image m = image_triage(true);
	struct psc_dump *d;

	// A block past the end, one that reaches past it, one that wraps.
	image_put32(&m, 0x207c, 4);
	for (size_t i = 2; i < 4; i++) {
		image_put64(&m, TRIAGE_BLOCKS + 16 * i, UINT64_MAX - 2 + i);
		image_put32(&m, TRIAGE_BLOCKS + 16 * i + 8, TRIAGE_DATA);
		image_put32(&m, TRIAGE_BLOCKS + 16 * i + 12, 8);
	}
	image_put32(&m, TRIAGE_BLOCKS + 12, 0x10000);
	image_put32(&m, TRIAGE_BLOCKS + 24, 0xfffffff0);
	// Names: past the end, and too long to be one.
	image_put32(&m, TRIAGE_DRIVERS, 0xfffffff0);
	image_put32(&m, TRIAGE_STRINGS + 0x40, 0x7fffffff);
	CHECK_OK(image_open(&m, &d));
	const struct psc_triage *t = psc_dump_triage(d);
	assert_true(has_warning(d, "2 of 4 data blocks reach past the end"));
	assert_true(has_warning(d, "name of driver 0"));
	assert_true(has_warning(d, "name of driver 1"));
	assert_string_equal(t->drivers[0].name, "(name not readable)");
	assert_string_equal(t->drivers[1].name, "(name not readable)");
	assert_int_equal(block(t, triage_va(true, TRIAGE_VA_DATA))->size,
			 m.n - TRIAGE_DATA - 0x80);
	assert_null(block(t, triage_va(true, TRIAGE_VA_ARRAY)));
	assert_null(block(t, triage_va(true, TRIAGE_VA_PRCB)));
	psc_dump_close(d);
	image_free(&m);
}

// 2^32 drivers that all have one long name: bounded.
static void many_drivers(void **state)
{
	struct image m = image_triage(true);
	struct psc_dump *d;

	image_resize(&m, 0x1000000);
	image_put32(&m, 0x2034, UINT32_MAX);
	for (size_t at = TRIAGE_DRIVERS; at + 0x90 < m.n; at += 0x90)
		image_put32(&m, at, 0x2f0);
	image_put32(&m, 0x2f0, 0x3ff);
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_triage(d)->n_drivers, 10000);
	assert_true(has_warning(d, "drivers"));
	psc_dump_close(d);
	image_free(&m);
}

static void blobs(void **state)
{
	struct image m = image_triage(true);
	struct psc_dump *d;

	image_resize(&m, m.n + 33);	// zeros behind the last blob
	CHECK_OK(image_open(&m, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	assert_int_equal(psc_dump_triage(d)->n_blobs, 2);
	psc_dump_close(d);
	image_put32(&m, TRIAGE_END + 0x10 + 0x14, UINT32_MAX);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "blob at 0x2e10 does not fit"));
	assert_int_equal(psc_dump_triage(d)->n_blobs, 0);
	psc_dump_close(d);
	image_put32(&m, TRIAGE_END + 8, 0xf);
	CHECK_OK(image_open(&m, &d));
	assert_true(has_warning(d, "header size 0xf"));
	psc_dump_close(d);
	image_free(&m);
}

static void every_truncation(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_triage(is64);
		size_t head = m.hdr + (is64 ? 0x80 : 0x68);
		for (size_t n = m.hdr; n < m.n; n += n < head ? 1 : 3) {
			struct psc_dump *d;
			struct psc_error *err = bytes_open(m.p, n, &d);
			if (n < head) {
				assert_non_null(err);
				assert_int_equal(err->code, PSC_ERR_TRUNCATED);
				psc_error_free(err);
				continue;
			}
			CHECK_OK(err);
			assert_int_equal(psc_dump_truncated(d), n < TRIAGE_END);
			psc_dump_close(d);
		}
		image_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(wide_records),
		cmocka_unit_test(one_wide_record),
		cmocka_unit_test(parts_not_valid),
		cmocka_unit_test(parts_past_the_end),
		cmocka_unit_test(damaged_records),
		cmocka_unit_test(many_drivers),
		cmocka_unit_test(blobs),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
