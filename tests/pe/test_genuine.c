// SPDX-License-Identifier: MIT
// Images made by lld and by GNU ld, against the labels of their maps:
// test_pe_genuine LLD.sys LLD.map GNU.sys
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "code/truth.h"
#include "pe/pe.h"

static const char *lld_path, *lld_map, *gnu_path, *truth_path;

struct opened {
	struct psc_file *file;
	struct psc_pe_file pe;
};

static void open_image(struct opened *o, const char *path)
{
	CHECK_OK(psc_file_open(path, &o->file));
	CHECK_OK(psc_pe_open_file(o->file->data, o->file->size, path, &o->pe));
}

static bool imports(const struct psc_pe_imports *im, const char *module,
		    const char *name)
{
	for (size_t i = 0; i < im->n; i++) {
		if (im->v[i].name && im->v[i].module &&
		    !strcmp(im->v[i].name, name) &&
		    !strcmp(im->v[i].module, module))
			return true;
	}
	return false;
}

static void lld(void **state)
{
	static struct truths t;
	struct opened o;
	struct psc_pe_pdb pdb;
	struct psc_pe_exports ex;
	struct psc_pe_imports im;
	struct psc_pe_functions fn;
	bool chained = false;

	open_image(&o, lld_path);
	truth_read(&t, lld_map, truth_path, o.pe.pe.image_base);
	CHECK_OK(psc_pe_pdb(&o.pe.pe, &pdb));
	assert_string_equal(pdb.name, "callsite-x64.pdb");
	CHECK_OK(psc_pe_exports(&o.pe.pe, &ex));
	assert_int_equal(psc_pe_export_find(&ex, "SharedAlloc")->rva,
			 truth_rva(&t, "SharedAlloc"));
	psc_pe_exports_free(&ex);
	CHECK_OK(psc_pe_imports(&o.pe.pe, &im));
	assert_true(imports(&im, "ntoskrnl.exe", "ExAllocatePool2"));
	assert_true(imports(&im, "late.sys", "FsRtlAllocatePoolWithTag"));
	assert_false(im.incomplete);
	psc_pe_imports_free(&im);
	CHECK_OK(psc_pe_functions(&o.pe.pe, &fn));
	for (size_t i = 0; i < fn.n; i++) {
		uint32_t cold = truth_rva(&t, "s_cold");
		if (cold >= fn.v[i].begin && cold < fn.v[i].end)
			chained = fn.v[i].parent == truth_rva(&t, "f_cold") &&
				  fn.v[i].begin != fn.v[i].parent;
	}
	assert_true(chained);
	psc_pe_functions_free(&fn);
	psc_file_close(o.file);
}

static void gnu(void **state)
{
	struct opened o;
	struct psc_pe_imports im;
	char name[64];
	bool debug = false;

	open_image(&o, gnu_path);
	for (unsigned int i = 0; i < o.pe.pe.n_sections; i++) {
		psc_pe_file_section_name(&o.pe, &o.pe.pe.section[i], name,
					 sizeof(name));
		debug |= !strcmp(name, ".debug_info");
	}
	assert_true(debug);
	CHECK_OK(psc_pe_imports(&o.pe.pe, &im));
	assert_true(imports(&im, "ntoskrnl.exe", "ExAllocatePoolWithTag"));
	psc_pe_imports_free(&im);
	psc_file_close(o.file);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lld),
		cmocka_unit_test(gnu),
	};

	if (argc != 5)
		return 99;
	lld_path = argv[1];
	lld_map = argv[2];
	truth_path = argv[3];
	gnu_path = argv[4];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
