// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

static void headers(void **state)
{
	struct image im;
	struct psc_pe_file f;

	img_init(&im, 0x8664, true);
	CHECK_OK(psc_pe_open_file(im.file, sizeof(im.file), "a.sys", &f));
	assert_int_equal(f.pe.machine, 0x8664);
	assert_true(f.pe.is64);
	assert_int_equal(f.pe.timestamp, 0x5f123456);
	assert_int_equal(f.pe.image_size, IMG_SIZE);
	assert_int_equal(f.pe.checksum, 0xabcd);
	assert_int_equal(f.pe.entry_rva, 0x1010);
	assert_true(f.pe.image_base == 0x140000000);
	assert_int_equal(f.pe.n_dirs, 16);
	assert_int_equal(f.pe.n_sections, 1);
	assert_string_equal(f.pe.section[0].name, ".text");
	assert_ptr_equal(psc_pe_section_of(&f.pe, 0x1fff), &f.pe.section[0]);
	assert_null(psc_pe_section_of(&f.pe, 0xfff));
	assert_null(psc_pe_section_of(&f.pe, IMG_SIZE));
}

static void headers32(void **state)
{
	struct image im;
	struct psc_pe_file f;

	img_init(&im, 0x14c, false);
	img_dir(&im, 6, 0x1234, 28);
	CHECK_OK(psc_pe_open_file(im.file, sizeof(im.file), "a.sys", &f));
	assert_false(f.pe.is64);
	assert_int_equal(f.pe.image_base, 0x10000);
	assert_int_equal(f.pe.dir[6].rva, 0x1234);
}

static void reads(void **state)
{
	struct image im;
	struct psc_pe_file f;
	uint8_t buf[0x3000];

	img_init(&im, 0x8664, true);
	img_put32(&im, 0x1000, 0x11223344);
	psc_put32(im.file + IMG_LFANEW + 24 + 240 + 16, 0x200); // raw size
	CHECK_OK(psc_pe_open_file(im.file, sizeof(im.file), "a.sys", &f));
	// Headers stop at 0x400, the next RVA is not backed.
	assert_int_equal(psc_pe_read(&f.pe, 0, buf, 0x1000), IMG_HEADERS);
	// Raw data, then zeros up to the virtual size, not past the image.
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(psc_pe_read(&f.pe, 0x1000, buf, 0x3000), 0x2000);
	assert_int_equal(psc_le32(buf), 0x11223344);
	assert_int_equal(buf[0x200], 0);
	assert_int_equal(buf[0x1fff], 0);
	assert_int_equal(psc_pe_read(&f.pe, UINT64_MAX, buf, 16), 0);
}

static void every_truncation_is_reported(void **state)
{
	struct image im;

	img_init(&im, 0x8664, true);
	for (size_t n = 0; n < IMG_OPT + 240 + 40; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct psc_pe_file f;

		memcpy(copy, im.file, n);
		CHECK_ERR(psc_pe_open_file(copy, n, "a.sys", &f),
			  PSC_ERR_TRUNCATED);
		free(copy);
	}
}

static void damage(void **state)
{
	struct image im;
	struct psc_pe_file f;

	img_init(&im, 0x8664, true);
	im.file[0] = 'X';
	CHECK_ERR(psc_pe_open_file(im.file, IMG_FILE, "a", &f),
		  PSC_ERR_DAMAGED);
	img_init(&im, 0x8664, true);
	im.file[IMG_LFANEW] = 'X';
	CHECK_ERR(psc_pe_open_file(im.file, IMG_FILE, "a", &f),
		  PSC_ERR_DAMAGED);
	img_init(&im, 0x8664, true);
	im.file[IMG_OPT] = 0;
	CHECK_ERR(psc_pe_open_file(im.file, IMG_FILE, "a", &f),
		  PSC_ERR_DAMAGED);
	img_init(&im, 0x8664, true);
	psc_put16(im.file + IMG_LFANEW + 6, 97);
	CHECK_ERR(psc_pe_open_file(im.file, IMG_FILE, "a", &f),
		  PSC_ERR_DAMAGED);
}

static void missing_header_page_in_memory(void **state)
{
	struct image im;
	struct mapped m;
	struct psc_pe pe;

	img_init(&im, 0x8664, true);
	struct psc_image_source src = img_map(&im, &m, 0);
	CHECK_ERR(psc_pe_open(&src, "a.sys", &pe), PSC_ERR_NOT_IN_DUMP);
	src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a.sys", &pe));
	assert_int_equal(pe.n_sections, 1);
}

static void long_section_names(void **state)
{
	struct image im;
	struct psc_pe_file f;
	char name[32];
	// The string table lies at 0x1800: one symbol before it.
	uint32_t table = IMG_HEADERS + 0x800;

	img_init(&im, 0x8664, true);
	psc_put32(im.file + IMG_LFANEW + 12, table - 18);
	psc_put32(im.file + IMG_LFANEW + 16, 1);
	memcpy(im.file + IMG_OPT + 240, "/4\0\0\0\0\0", 8);
	memcpy(im.file + table + 4, ".debug_info", 12);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	psc_pe_file_section_name(&f, &f.pe.section[0], name, sizeof(name));
	assert_string_equal(name, ".debug_info");
	psc_pe_file_section_name(&f, &f.pe.section[0], name, 6);
	assert_string_equal(name, ".debu");
	// A table past the end leaves the raw name.
	f.pe.n_symbols = UINT32_MAX;
	psc_pe_file_section_name(&f, &f.pe.section[0], name, sizeof(name));
	assert_string_equal(name, "/4");
}

static void signature(void **state)
{
	struct image im;
	struct psc_pe_file f;
	const uint8_t *p;
	size_t n;
	uint32_t at = IMG_HEADERS + 0x1000;

	img_init(&im, 0x8664, true);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	assert_false(psc_pe_file_signature(&f, &p, &n));
	img_dir(&im, 4, at, 0x30);
	psc_put32(im.file + at, 12);		// an X.509 entry first
	psc_put16(im.file + at + 6, 1);
	psc_put32(im.file + at + 16, 0x20);
	psc_put16(im.file + at + 22, 2);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	assert_true(psc_pe_file_signature(&f, &p, &n));
	assert_ptr_equal(p, im.file + at + 24);
	assert_int_equal(n, 0x18);
	psc_put32(im.file + at, 0);		// would never advance
	assert_false(psc_pe_file_signature(&f, &p, &n));
	psc_put32(im.file + at, UINT32_MAX);
	assert_false(psc_pe_file_signature(&f, &p, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(headers32),
		cmocka_unit_test(reads),
		cmocka_unit_test(every_truncation_is_reported),
		cmocka_unit_test(damage),
		cmocka_unit_test(missing_header_page_in_memory),
		cmocka_unit_test(long_section_names),
		cmocka_unit_test(signature),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
