// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

// nt.exe: one name, one ordinal. Delay: hal.dll, one name.
static void build(struct image *im)
{
	img_init(im, 0x8664, true);
	img_dir(im, 1, 0x2000, 40);
	img_put32(im, 0x2000, 0x2100);
	img_put32(im, 0x200c, 0x2180);
	img_put32(im, 0x2010, 0x1100);
	psc_put64(img_at(im, 0x2100), 0x2190);
	psc_put64(img_at(im, 0x2108), 0x8000000000000007);
	psc_put64(img_at(im, 0x1100), 0x2190);
	psc_put64(img_at(im, 0x1108), 0x8000000000000007);
	img_text(im, 0x2180, "nt.exe");
	img_text(im, 0x2192, "Alloc");
	img_dir(im, 12, 0x1100, 24);
	img_dir(im, 13, 0x2200, 64);
	img_put32(im, 0x2200, 1);
	img_put32(im, 0x2204, 0x2280);
	img_put32(im, 0x220c, 0x1140);
	img_put32(im, 0x2210, 0x2240);
	psc_put64(img_at(im, 0x2240), 0x2290);
	psc_put64(img_at(im, 0x1140), 0x140001500);
	img_text(im, 0x2280, "hal.dll");
	img_text(im, 0x2292, "Late");
}

static void golden(void **state)
{
	struct psc_pe_imports i;
	struct psc_pe_file f;
	struct image im;

	build(&im);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_imports(&f.pe, &i));
	assert_int_equal(i.n, 3);
	assert_false(i.incomplete);
	assert_string_equal(i.v[0].module, "nt.exe");
	assert_string_equal(i.v[0].name, "Alloc");
	assert_int_equal(i.v[0].slot_rva, 0x1100);
	assert_null(i.v[1].name);
	assert_int_equal(i.v[1].ordinal, 7);
	assert_string_equal(i.v[2].module, "hal.dll");
	assert_string_equal(i.v[2].name, "Late");
	assert_int_equal(i.v[2].slot_rva, 0x1140);
	psc_pe_imports_free(&i);
}

static void delay_with_addresses(void **state)
{
	static const uint32_t fields[] = { 4, 12, 16 };
	struct psc_pe_imports i;
	struct psc_pe_file f;
	struct image im;

	build(&im);
	img_put32(&im, 0x2200, 0);
	for (size_t k = 0; k < PSC_ARRAY_SIZE(fields); k++) {
		uint8_t *p = img_at(&im, 0x2200 + fields[k]);
		psc_put32(p, psc_le32(p) + 0x40000000);
	}
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_imports(&f.pe, &i));
	assert_string_equal(i.v[2].name, "Late");
	psc_pe_imports_free(&i);
}

// In memory the slots hold addresses; names come from the name table.
static void memory_image(void **state)
{
	struct psc_pe_imports i;
	struct image im;
	struct mapped m;
	struct psc_pe pe;

	build(&im);
	psc_put64(img_at(&im, 0x1100), 0xfffff80012345678);
	psc_put64(img_at(&im, 0x1108), 0xfffff80012345688);
	struct psc_image_source src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_imports(&pe, &i));
	assert_int_equal(i.n, 3);
	assert_string_equal(i.v[0].name, "Alloc");
	psc_pe_imports_free(&i);
	// The page of descriptors and names is gone: bare slots remain.
	src = img_map(&im, &m, 2);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_imports(&pe, &i));
	assert_true(i.incomplete);
	assert_int_equal(i.n, 2);
	assert_null(i.v[0].module);
	assert_null(i.v[0].name);
	assert_int_equal(i.v[1].slot_rva, 0x1108);
	psc_pe_imports_free(&i);
}

static void hostile(void **state)
{
	static const uint32_t fields[] = { 0, 0xc, 0x10, 0x204, 0x20c, 0x210 };
	struct psc_pe_imports i;
	struct psc_pe_file f;
	struct image im;

	for (size_t k = 0; k < PSC_ARRAY_SIZE(fields); k++) {
		build(&im);
		img_put32(&im, 0x2000 + fields[k], 0xfffffff0);
		CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
		CHECK_OK(psc_pe_imports(&f.pe, &i));
		psc_pe_imports_free(&i);
	}
	// Descriptors without end: every one names the same slots.
	build(&im);
	for (uint32_t at = 0x2000; at + 20 <= IMG_SIZE; at += 20)
		img_put32(&im, at + 16, 0x1100);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_imports(&f.pe, &i));
	assert_true(i.incomplete);
	psc_pe_imports_free(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(delay_with_addresses),
		cmocka_unit_test(memory_image),
		cmocka_unit_test(hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
