// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

// Three functions: by name, by ordinal only, forwarded.
static void build(struct image *im)
{
	img_init(im, 0x8664, true);
	img_dir(im, 0, 0x1100, 0x200);
	img_put32(im, 0x1100 + 12, 0x1200);
	img_put32(im, 0x1100 + 16, 5);		// base
	img_put32(im, 0x1100 + 20, 3);
	img_put32(im, 0x1100 + 24, 2);
	img_put32(im, 0x1100 + 28, 0x1140);
	img_put32(im, 0x1100 + 32, 0x1150);
	img_put32(im, 0x1100 + 36, 0x1160);
	img_put32(im, 0x1140, 0x1500);
	img_put32(im, 0x1144, 0x1400);
	img_put32(im, 0x1148, 0x1240);		// inside the directory
	img_put32(im, 0x1150, 0x1210);
	img_put32(im, 0x1154, 0x1220);
	psc_put16(img_at(im, 0x1160), 0);
	psc_put16(img_at(im, 0x1162), 2);
	img_text(im, 0x1200, "nt.exe");
	img_text(im, 0x1210, "Alloc");
	img_text(im, 0x1220, "Fwd");
	img_text(im, 0x1240, "hal.Real");
}

static void golden(void **state)
{
	struct image im;
	struct psc_pe_file f;
	struct psc_pe_exports e;

	build(&im);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_exports(&f.pe, &e));
	assert_int_equal(e.n, 3);
	assert_false(e.incomplete);
	assert_string_equal(e.module, "nt.exe");
	assert_string_equal(e.v[0].forward, "hal.Real");
	assert_null(e.v[1].name);
	assert_int_equal(e.v[1].ordinal, 6);
	assert_int_equal(e.v[1].rva, 0x1400);
	assert_ptr_equal(psc_pe_export_find(&e, "Alloc"), &e.v[2]);
	assert_int_equal(e.v[2].rva, 0x1500);
	assert_null(psc_pe_export_find(&e, "None"));
	psc_pe_exports_free(&e);
}

static void hostile_counts_and_places(void **state)
{
	static const uint32_t fields[] = { 12, 20, 24, 28, 32, 36 };
	struct psc_pe_exports e;
	struct psc_pe_file f;
	struct image im;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(fields); i++) {
		build(&im);
		img_put32(&im, 0x1100 + fields[i], 0xfffffff0);
		CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
		CHECK_OK(psc_pe_exports(&f.pe, &e));
		assert_true(e.incomplete);
		psc_pe_exports_free(&e);
	}
}

static void name_index_out_of_range(void **state)
{
	struct psc_pe_exports e;
	struct psc_pe_file f;
	struct image im;

	build(&im);
	psc_put16(img_at(&im, 0x1160), 3);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_exports(&f.pe, &e));
	assert_true(e.incomplete);
	assert_null(psc_pe_export_find(&e, "Alloc"));
	psc_pe_exports_free(&e);
}

static void missing_pages(void **state)
{
	struct psc_pe_exports e;
	struct image im;
	struct mapped m;
	struct psc_pe pe;

	build(&im);
	// Names on the second page: the first knows addresses and ordinals.
	img_put32(&im, 0x1150, 0x2100);
	img_text(&im, 0x2100, "Gone");
	struct psc_image_source src = img_map(&im, &m, 2);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_exports(&pe, &e));
	assert_true(e.incomplete);
	assert_int_equal(e.n, 3);
	psc_pe_exports_free(&e);
	src = img_map(&im, &m, 1);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_ERR(psc_pe_exports(&pe, &e), PSC_ERR_NOT_IN_DUMP);
	img_dir(&im, 0, 0, 0);
	src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_ERR(psc_pe_exports(&pe, &e), PSC_ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(hostile_counts_and_places),
		cmocka_unit_test(name_index_out_of_range),
		cmocka_unit_test(missing_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
