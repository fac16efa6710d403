// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

static void entry(struct image *im, uint32_t at, uint32_t begin, uint32_t end,
		  uint32_t unwind)
{
	img_put32(im, at, begin);
	img_put32(im, at + 4, end);
	img_put32(im, at + 8, unwind);
}

static void chains_are_joined(void **state)
{
	struct psc_pe_functions fn;
	struct psc_pe_file f;
	struct image im;

	img_init(&im, 0x8664, true);
	img_dir(&im, 3, 0x1100, 48);
	entry(&im, 0x1100, 0x1500, 0x1540, 0x1200);
	entry(&im, 0x110c, 0x2000, 0x2010, 0x1210);	// chained to the first
	entry(&im, 0x1118, 0x2010, 0x2020, 0x110d);	// to the second
	entry(&im, 0x1124, 0x2040, 0x2030, 0x1200);	// ends before it begins
	img_put32(&im, 0x1200, 0x00000001);
	img_put32(&im, 0x1210, 0x00010021);		// CHAININFO, one code
	entry(&im, 0x1218, 0x1500, 0x1540, 0x1200);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_functions(&f.pe, &fn));
	assert_int_equal(fn.n, 3);
	assert_int_equal(fn.v[0].parent, 0x1500);
	assert_int_equal(fn.v[1].begin, 0x2000);
	assert_int_equal(fn.v[1].parent, 0x1500);
	assert_int_equal(fn.v[2].parent, 0x1500);
	psc_pe_functions_free(&fn);
}

static void chain_to_itself(void **state)
{
	struct psc_pe_functions fn;
	struct psc_pe_file f;
	struct image im;

	img_init(&im, 0x8664, true);
	img_dir(&im, 3, 0x1100, 12);
	entry(&im, 0x1100, 0x1500, 0x1540, 0x1101);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_functions(&f.pe, &fn));
	assert_int_equal(fn.n, 1);
	assert_int_equal(fn.v[0].parent, 0x1500);
	psc_pe_functions_free(&fn);
}

static void arm64(void **state)
{
	struct psc_pe_functions fn;
	struct psc_pe_file f;
	struct image im;

	img_init(&im, 0xaa64, true);
	img_dir(&im, 3, 0x1100, 24);
	img_put32(&im, 0x1100, 0x1500);
	img_put32(&im, 0x1104, 1 | 16 << 2);		// packed, 16 words
	img_put32(&im, 0x1108, 0x1600);
	img_put32(&im, 0x110c, 0x1200);			// .xdata, 8 words
	img_put32(&im, 0x1110, 0x1700);
	img_put32(&im, 0x1114, 0xfffffffc);		// not readable
	img_put32(&im, 0x1200, 0x10000008);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_functions(&f.pe, &fn));
	assert_int_equal(fn.n, 2);
	assert_int_equal(fn.v[0].end, 0x1540);
	assert_int_equal(fn.v[1].end, 0x1620);
	assert_true(fn.incomplete);
	psc_pe_functions_free(&fn);
}

static void missing_and_absent(void **state)
{
	struct psc_pe_functions fn;
	struct image im;
	struct mapped m;
	struct psc_pe pe;

	img_init(&im, 0x8664, true);
	img_dir(&im, 3, 0x1ff4, 24);			// one entry per page
	entry(&im, 0x1ff4, 0x1500, 0x1540, 0x1200);
	entry(&im, 0x2000, 0x1600, 0x1640, 0x1200);
	struct psc_image_source src = img_map(&im, &m, 2);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_functions(&pe, &fn));
	assert_int_equal(fn.n, 1);
	assert_true(fn.incomplete);
	psc_pe_functions_free(&fn);
	img_dir(&im, 3, 0x1ff4, UINT32_MAX);
	src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_functions(&pe, &fn));
	assert_true(fn.incomplete);
	psc_pe_functions_free(&fn);
	img_dir(&im, 3, 0, 0);
	src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_ERR(psc_pe_functions(&pe, &fn), PSC_ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_are_joined),
		cmocka_unit_test(chain_to_itself),
		cmocka_unit_test(arm64),
		cmocka_unit_test(missing_and_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
