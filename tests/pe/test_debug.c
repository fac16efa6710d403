// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

static void build(struct image *im, const char *path)
{
	img_init(im, 0x8664, true);
	img_dir(im, 6, 0x1100, 84);
	img_put32(im, 0x1100 + 12, 16);			// Repro first
	img_put32(im, 0x111c + 12, 2);			// CodeView, no RSDS
	img_put32(im, 0x111c + 16, 32);
	img_put32(im, 0x111c + 20, 0x1300);
	img_put32(im, 0x1138 + 12, 2);
	img_put32(im, 0x1138 + 16, 0x100);
	img_put32(im, 0x1138 + 20, 0x2200);
	img_put32(im, 0x1138 + 24, IMG_HEADERS + 0x1200);
	memcpy(img_at(im, 0x2200), "RSDS0123456789abcdef\3\0\0\0", 24);
	img_text(im, 0x2218, path);
}

static void file_and_memory(void **state)
{
	struct psc_pe_pdb pdb;
	struct psc_pe_file f;
	struct image im;
	struct mapped m;
	struct psc_pe pe;

	build(&im, "C:\\build\\drv.pdb");
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_pdb(&f.pe, &pdb));
	assert_string_equal(pdb.name, "drv.pdb");
	assert_int_equal(pdb.age, 3);
	assert_memory_equal(pdb.guid, "0123456789abcdef", 16);
	// In memory the RVA counts: a wrong file offset does not matter.
	img_put32(&im, 0x1138 + 24, 7);
	struct psc_image_source src = img_map(&im, &m, UINT64_MAX);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_OK(psc_pe_pdb(&pe, &pdb));
	src = img_map(&im, &m, 2);
	CHECK_OK(psc_pe_open(&src, "a", &pe));
	CHECK_ERR(psc_pe_pdb(&pe, &pdb), PSC_ERR_NOT_IN_DUMP);
}

static void bad_records(void **state)
{
	struct psc_pe_pdb pdb;
	struct psc_pe_file f;
	struct image im;

	build(&im, "drv.pdb");
	memset(img_at(&im, 0x2218), 'x', 0x200);	// no NUL in the record
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_ERR(psc_pe_pdb(&f.pe, &pdb), PSC_ERR_ABSENT);
	build(&im, "drv.pdb");
	img_put32(&im, 0x1138 + 16, 24);		// no name at all
	CHECK_ERR(psc_pe_pdb(&f.pe, &pdb), PSC_ERR_ABSENT);
	build(&im, "drv.pdb");
	img_put32(&im, 0x1138 + 24, 0xfffffff0);
	CHECK_ERR(psc_pe_pdb(&f.pe, &pdb), PSC_ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_and_memory),
		cmocka_unit_test(bad_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
