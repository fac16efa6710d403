// SPDX-License-Identifier: MIT
// Two real triage dumps, where they are at hand (POOLSCOPE_SHARED, else
// ../shared beside the source tree).
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/bugcheck.h"
#include "kernel/memory.h"
#include "kernel/module.h"
#include "kernel/processor.h"

struct opened {
	struct psc_dump *d;
	struct psc_mem *m;
	struct psc_kernel *k;
};

static void open_real(const char *name, struct opened *o)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/data/%s", getenv("POOLSCOPE_SHARED"),
		 name);
	CHECK_OK(psc_dump_open(path, NULL, &o->d));
	CHECK_OK(psc_kernel_memory(o->d, &o->m));
	CHECK_OK(psc_kernel_open(o->d, o->m, NULL, &o->k));
}

static void close_real(struct opened *o)
{
	psc_kernel_free(o->k);
	psc_mem_free(o->m);
	psc_dump_close(o->d);
}

static void x64_is_found_by_its_addresses(void **state)
{
	struct opened o;
	uint64_t v;
	char place[PSC_PLACE_TEXT];

	open_real("triage_x64.dmp", &o);
	assert_int_equal(psc_kernel_base(o.k), 0xfffff8047ba00000);
	assert_int_equal(psc_kernel_size(o.k), 0x1046000);
	assert_string_equal(psc_kernel_version(o.k), "10.0.19041.804");
	assert_int_equal(psc_kernel_family(o.k), 19041);
	assert_null(psc_kernel_wanted(o.k));
	assert_non_null(psc_kernel_sym(o.k));
	assert_int_equal(psc_kernel_pdb(o.k)->age, 1);
	assert_true(psc_kernel_pdb(o.k)->known);
	assert_int_equal(psc_kernel_kdbg_va(o.k), 0xfffff8047c600b20);
	assert_true(psc_kernel_kdbg(o.k, 0x360, &v));
	assert_true(v == 0xfffffd8000000000);
	CHECK_OK(psc_kernel_symbol(o.k, "KiProcessorBlock", &v));
	assert_int_equal(v, 0xfffff8047ba00000 + 0xcfdc80);
	psc_kernel_place(o.k, 0xfffff8047c600b20, place);
	assert_string_equal(place, "nt!KdDebuggerDataBlock");
	psc_kernel_place(o.k, 0xfffff8048b58334c, place);
	assert_memory_equal(place, "amdppm+0x", 9);
	close_real(&o);
}

static void x64_modules(void **state)
{
	struct opened o;
	struct psc_modules *m;

	open_real("triage_x64.dmp", &o);
	CHECK_OK(psc_modules_read(o.k, true, &m));
	assert_int_equal(m->n, 151);
	assert_int_equal(m->n_unloaded, 4);
	assert_true(m->complete);
	const struct psc_module *nt = psc_module_at(m, 0xfffff8047ba00000);
	assert_string_equal(nt->name, "ntoskrnl.exe");
	assert_string_equal(nt->path, "\\SystemRoot\\system32\\ntoskrnl.exe");
	assert_int_equal(nt->timestamp, 0x0d8333e6);
	assert_string_equal(m->unloaded[0].name, "dam.sys");
	assert_null(psc_module_at(m, 0xfffff8047ba00000 - 1));
	for (size_t i = 1; i < m->n; i++)
		assert_true(m->v[i - 1].base < m->v[i].base);
	psc_modules_free(m);
	assert_string_equal(psc_bugcheck_name(
		psc_dump_header(o.d)->bugcheck_code),
		"SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M");
	close_real(&o);
}

static void x64_processors(void **state)
{
	struct opened o;
	struct psc_processors p;

	open_real("triage_x64.dmp", &o);
	CHECK_OK(psc_processors_read(o.k, &p));
	assert_int_equal(p.n, 16);
	psc_processors_free(&p);
	close_real(&o);
}

static void arm64_has_no_table_entry(void **state)
{
	struct opened o;
	struct psc_modules *m;
	uint64_t v, w;

	open_real("triage_arm64.dmp", &o);
	assert_int_equal(psc_kernel_base(o.k), 0xfffff803f2e00000);
	assert_int_equal(psc_kernel_family(o.k), 22000);
	assert_null(psc_kernel_sym(o.k));
	assert_non_null(psc_kernel_wanted(o.k));
	assert_true(psc_kernel_kdbg(o.k, 0xc0, &v));
	CHECK_OK(psc_kernel_pointer(o.k, v, "MmPfnDatabase", &w));
	assert_true(w == 0xffff850000000000);
	CHECK_ERR(psc_kernel_symbol(o.k, "MiState", &v), PSC_ERR_ABSENT);
	CHECK_OK(psc_modules_read(o.k, false, &m));
	assert_int_equal(m->n, 245);
	assert_int_equal(m->n_unloaded, 11);
	psc_modules_free(m);
	close_real(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x64_is_found_by_its_addresses),
		cmocka_unit_test(x64_modules),
		cmocka_unit_test(x64_processors),
		cmocka_unit_test(arm64_has_no_table_entry),
	};
	const char *shared = getenv("POOLSCOPE_SHARED");
	char path[4096];

	snprintf(path, sizeof(path), "%s/data", shared ? shared : "");
	if (!shared || access(path, R_OK)) {
		puts("1..0 # SKIP no real dumps here (POOLSCOPE_SHARED)");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
