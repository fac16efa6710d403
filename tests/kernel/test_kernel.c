// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"

#define DRIVER 0xfffff80480000000ULL
// No kernel of this family is known: nothing to recover with.
#define UNKNOWN_BUILD 12345

static struct fake_kernel f;

static int setup(void **state)
{
	fk_init(&f);
	return 0;
}

static int teardown(void **state)
{
	fk_free(&f);
	return 0;
}

// A module list of the kernel and one driver.
static void two_modules(void)
{
	uint64_t nt = 0xffffa00000002000, drv = 0xffffa00000003f80;

	fk_list_head(&f, f.modules);
	fk_list_add(&f, f.modules, f.modules, nt);
	fk_list_add(&f, f.modules, nt, drv);
	fake_w64(&f.m, nt + 0x30, FK_BASE);
	fake_w32(&f.m, nt + 0x40, FK_SIZE);
	fk_unicode(&f, nt + 0x58, nt + 0x100, "ntoskrnl.exe");
	fake_w32(&f.m, nt + 0x9c, 0x5eed1234);
	// Its record lies on two pages.
	fake_w64(&f.m, drv + 0x30, DRIVER);
	fake_w32(&f.m, drv + 0x40, 0x8000);
	fk_unicode(&f, drv + 0x58, drv + 0x100, "LkDrv.sys");
	fake_w32(&f.m, drv + 0x9c, 0x60000000);
}

static void known_by_pdb(void **state)
{
	const struct psc_builtin_kernel *b = fk_known_image(&f);

	two_modules();
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
	assert_int_equal(psc_kernel_size(f.k), FK_SIZE);
	assert_string_equal(psc_kernel_version(f.k), FK_VERSION);
	assert_memory_equal(psc_kernel_pdb(f.k)->guid, b->id.guid, 16);
	assert_int_equal(psc_kernel_family(f.k), 19041);
	assert_int_equal(psc_kernel_pointer_size(f.k), 8);
	assert_int_equal(psc_kernel_pe(f.k)->timestamp, 0x5eed1234);
	assert_null(psc_kernel_wanted(f.k));
	assert_string_equal(psc_sym_source(psc_kernel_sym(f.k)), "builtin");
}

#define STAMP_AT (0x80 + 8)	// of fk_image(): e_lfanew, TimeDateStamp

// An image whose stamp and size are those of a real kernel, in a dump whose
// header speaks of another build.
static void stamp_of_another_build(void **state)
{
	uint32_t stamp, size;

	assert_true(psc_builtin_image_of(FK_VERSION, &stamp, &size));
	assert_int_equal(size, FK_SIZE);
	fk_image(&f, FK_BASE, NULL);
	fake_w32(&f.m, FK_BASE + STAMP_AT, stamp);
	f.build = 17763;
	f.pfn_database = 0;	// too few addresses to know it by these
	fk_open(&f, NULL);
	assert_null(psc_kernel_version(f.k));
	assert_int_equal(psc_kernel_family(f.k), 17763);
	assert_true(fk_has_note(&f, "time stamp and size of " FK_VERSION));
}

static void stamp_of_this_build(void **state)
{
	uint32_t stamp, size;

	assert_true(psc_builtin_image_of(FK_VERSION, &stamp, &size));
	fk_image(&f, FK_BASE, NULL);
	fake_w32(&f.m, FK_BASE + STAMP_AT, stamp);
	f.build = 19045;	// the same kernel under a later number
	fk_open(&f, NULL);
	assert_string_equal(psc_kernel_version(f.k), FK_VERSION);
}

// The debug directory is gone and the stamp is of no real kernel: addresses.
static void known_by_addresses(void **state)
{
	fk_image(&f, FK_BASE, NULL);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
	assert_string_equal(psc_kernel_version(f.k), FK_VERSION);
	assert_true(psc_kernel_pdb(f.k)->known);
	assert_null(psc_kernel_wanted(f.k));
}

// A slot of KDBG filled with a name's address in @p version.
static void slot_of(const char *version, unsigned int slot, const char *name)
{
	struct psc_sym *sym;
	uint64_t rva;
	size_t i;

	assert_true(psc_builtin_find_version(version, "x64", &i));
	CHECK_OK(psc_builtin_open(i, &sym));
	CHECK_OK(psc_sym_rva(sym, name, &rva));
	psc_sym_free(sym);
	fake_w64(&f.m, f.kdbg + slot, FK_BASE + rva);
}

// 9600.19913 to .20040 share all addresses that KDBG tells: their layout is
// used, the version stays open and the candidates are listed.
static void lookalikes(void **state)
{
	const char *version = "6.3.9600.19939";

	f.build = 9600;
	f.kdbg = f.modules = f.processes = 0xffffa00000001000;
	f.pfn_database = 0;
	fk_image(&f, FK_BASE, NULL);
	fk_kdbg(&f, f.kdbg, 0x360);
	slot_of(version, 0x48, "PsLoadedModuleList");
	slot_of(version, 0x50, "PsActiveProcessHead");
	slot_of(version, 0xc0, "MmPfnDatabase");
	slot_of(version, 0x1b8, "PoolTrackTable");
	slot_of(version, 0x218, "KiProcessorBlock");
	fk_open(&f, NULL);
	assert_string_equal(psc_sym_source(psc_kernel_sym(f.k)), "builtin");
	assert_null(psc_kernel_version(f.k));
	assert_false(psc_kernel_pdb(f.k)->known);
	assert_true(fk_has_note(&f, "alike"));
	assert_true(fk_has_note(&f, "6.3.9600.19913"));
	assert_int_equal(psc_kernel_family(f.k), 9600);
}

static void one_wrong_address_is_no_match(void **state)
{
	f.build = UNKNOWN_BUILD;
	fk_image(&f, FK_BASE, NULL);
	fk_kdbg(&f, f.kdbg, 0x380);
	fake_w64(&f.m, f.kdbg + 0x1b8, FK_BASE + 0xc168b0);
	fk_open(&f, NULL);
	assert_null(psc_kernel_version(f.k));
	assert_null(psc_kernel_sym(f.k));
	assert_non_null(strstr(psc_kernel_wanted(f.k), "5EED1234"));
}

static void unknown_pdb_is_asked_for(void **state)
{
	struct psc_pdb_id id = { .age = 2 };
	uint64_t v;

	for (int i = 0; i < 16; i++)
		id.guid[i] = (uint8_t)(i + 1);
	f.build = UNKNOWN_BUILD;
	fk_image(&f, FK_BASE, &id);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
	assert_null(psc_kernel_sym(f.k));
	assert_non_null(strstr(psc_kernel_wanted(f.k), "ntkrnlmp.pdb, GUID "
			       "0403020106050807090A0B0C0D0E0F10, age 2"));
	assert_non_null(strstr(psc_kernel_wanted(f.k), "DIR/ntkrnlmp.pdb/"
			       "0403020106050807090A0B0C0D0E0F102/"));
	CHECK_ERR(psc_kernel_symbol(f.k, "MiState", &v), PSC_ERR_ABSENT);
	CHECK_ERR(psc_kernel_get(f.k, FK_BASE, "_EPROCESS.Pcb", &v),
		  PSC_ERR_ABSENT);
}

// Names of a kernel outside the table come from recovery, and the PDB stays
// wanted.
static void recovery_is_the_last_source(void **state)
{
	struct psc_pdb_id id = { .age = 2 };

	fk_image(&f, FK_BASE, &id);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
	assert_string_equal(psc_sym_source(psc_kernel_sym(f.k)), "recovered");
	assert_non_null(psc_kernel_wanted(f.k));
}

static void base_without_kdbg(void **state)
{
	// First entry of the module list.
	f.kdbg = 0;
	two_modules();
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
	assert_int_equal(psc_kernel_size(f.k), FK_SIZE);
	assert_null(psc_kernel_pe(f.k));
}

static void base_by_scan(void **state)
{
	f.kdbg = 0;
	fk_known_image(&f);
	// An image on the way that does not reach the list head.
	fake_w16(&f.m, FK_BASE + 0xc00000, 'M' | 'Z' << 8);
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
	assert_string_equal(psc_kernel_version(f.k), FK_VERSION);
}

static void nothing_at_all(void **state)
{
	f.kdbg = f.modules = f.processes = 0;
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_base(f.k), 0);
	assert_non_null(strstr(psc_kernel_wanted(f.k), "no kernel image"));
	assert_true(fk_has_note(&f, "nothing confirms the page tables"));
}

static void open_known(void)
{
	fk_known_image(&f);
	two_modules();
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
}

static void typed_reads(void **state)
{
	uint64_t at = 0xffffa00000004ffc, v, size;
	struct psc_field fld;

	fake_w64(&f.m, at + 8, 0x8877665544332211);
	fake_w64(&f.m, at, 0x00c0012a0345a007);
	fake_w64(&f.m, 0xffffa00000008000, 0x1234);
	open_known();
	// _POOL_HEADER: PreviousSize 0:8, PoolIndex 8:8, BlockSize 16:8.
	CHECK_OK(psc_kernel_get(f.k, at, "_POOL_HEADER.BlockSize", &v));
	assert_int_equal(v, 0x45);
	CHECK_OK(psc_kernel_get(f.k, at, "_POOL_HEADER.PoolType", &v));
	assert_int_equal(v, 0x03);
	CHECK_OK(psc_kernel_get(f.k, at, "_POOL_HEADER.ProcessBilled", &v));
	assert_true(v == 0x8877665544332211);
	// Cached, also what does not exist.
	for (int i = 0; i < 2; i++) {
		CHECK_OK(psc_kernel_field(f.k, "_EPROCESS.CommitCharge", &fld));
		assert_int_equal(fld.offset, 0x648);
		CHECK_ERR(psc_kernel_field(f.k, "_EPROCESS.None", &fld),
			  PSC_ERR_ABSENT);
	}
	CHECK_OK(psc_kernel_sizeof(f.k, "_POOL_HEADER", &size));
	assert_int_equal(size, 16);
	CHECK_ERR(psc_kernel_get(f.k, at, "_EPROCESS.Pcb", &v), PSC_ERR_USAGE);
	CHECK_ERR(psc_kernel_get(f.k, 0xffffb00000000000,
				 "_POOL_HEADER.PoolTag", &v),
		  PSC_ERR_NOT_MAPPED);
	CHECK_OK(psc_kernel_pointer(f.k, 0xffffa00000008000, "p", &v));
	assert_int_equal(v, 0x1234);
	CHECK_OK(psc_kernel_global(f.k, "PsLoadedModuleList", 8, &v));
	assert_int_equal(v, 0xffffa00000002000);
	CHECK_ERR(psc_kernel_global(f.k, "NoSuchName", 8, &v), PSC_ERR_ABSENT);
}

static void unicode_strings(void **state)
{
	uint64_t at = 0xffffa00000006000;
	char *text = NULL;

	fk_unicode(&f, at, at + 0xffa, "caf\xe9");
	fake_w16(&f.m, at + 0x20, 3);		// odd
	fake_w16(&f.m, at + 0x22, 8);
	fake_w16(&f.m, at + 0x40, 8);		// longer than its buffer
	fake_w16(&f.m, at + 0x42, 6);
	fake_w32(&f.m, at + 0x60, 0x00080008);	// buffer not mapped
	open_known();
	CHECK_OK(psc_kernel_unicode(f.k, at, "name", &text));
	assert_string_equal(text, "caf\xc3\xa9");
	free(text);
	CHECK_ERR(psc_kernel_unicode(f.k, at + 0x20, "name", &text),
		  PSC_ERR_DAMAGED);
	CHECK_ERR(psc_kernel_unicode(f.k, at + 0x40, "name", &text),
		  PSC_ERR_DAMAGED);
	CHECK_ERR(psc_kernel_unicode(f.k, at + 0x60, "name", &text),
		  PSC_ERR_NOT_MAPPED);
	CHECK_OK(psc_kernel_unicode(f.k, at + 0x80, "name", &text));
	assert_string_equal(text, "");
	free(text);
}

static void places(void **state)
{
	char out[PSC_PLACE_TEXT];
	uint64_t va;

	open_known();
	CHECK_OK(psc_kernel_symbol(f.k, "MiState", &va));
	psc_kernel_place(f.k, va, out);
	assert_string_equal(out, "nt!MiState");
	psc_kernel_place(f.k, va + 0x10, out);
	assert_string_equal(out, "nt!MiState+0x10");
	psc_kernel_place(f.k, DRIVER + 0x1234, out);
	assert_string_equal(out, "LkDrv+0x1234");
	psc_kernel_place(f.k, DRIVER + 0x8000, out);
	assert_string_equal(out, "0xfffff80480008000");
	psc_kernel_place(f.k, 0, out);
	assert_string_equal(out, "0x0");
}

static void self_map_is_checked(void **state)
{
	fake_set(&f.m, 0xfffff68000000000, 4, f.m.root | 0x63);
	open_known();
	assert_false(fk_has_note(&f, "does not map itself"));
	psc_kernel_free(f.k);
	psc_mem_free(f.mem);
	psc_dump_close(f.d);
	fake_set(&f.m, 0xfffff68000000000, 4, 0x63);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "does not map itself at entry 0x1ed"));
}

static void shared_data_is_checked(void **state)
{
	fake_w32(&f.m, 0xfffff78000000260, 19041);
	open_known();
	assert_false(fk_has_note(&f, "KUSER_SHARED_DATA"));
	psc_kernel_free(f.k);
	psc_mem_free(f.mem);
	psc_dump_close(f.d);
	fake_w32(&f.m, 0xfffff78000000260, 17763);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "says build 17763, the header 19041"));
}

// MiState + Hardware 15C0 + InvalidPteMask C0 (published for 19041.804).
static void pte_mask_from_symbols(void **state)
{
	uint64_t rva;
	struct psc_sym *sym;
	size_t i;

	assert_true(psc_builtin_find_version(FK_VERSION, "x64", &i));
	CHECK_OK(psc_builtin_open(i, &sym));
	CHECK_OK(psc_sym_rva(sym, "MiState", &rva));
	psc_sym_free(sym);
	fake_w64(&f.m, FK_BASE + rva + 0x1680, 1ULL << 45);
	open_known();
	assert_true(psc_mem_paging(f.mem)->invalid_pte_mask == 1ULL << 45);
	assert_true(psc_mem_paging(f.mem)->swizzled);
}

static void pte_mask_from_kdbg(void **state)
{
	f.build = UNKNOWN_BUILD;
	fk_image(&f, FK_BASE, NULL);
	fk_kdbg(&f, f.kdbg, 0x380);
	fake_w64(&f.m, f.kdbg + 0x1b8, 0);
	fake_w64(&f.m, f.kdbg + 0xc0, FK_BASE + 0x123456);
	fake_write(&f.m, f.kdbg + 0x2c2, "\x2d", 1);
	fk_open(&f, NULL);
	assert_null(psc_kernel_sym(f.k));
	assert_true(psc_mem_paging(f.mem)->invalid_pte_mask == 1ULL << 45);
}

static void families(void **state)
{
	static const uint32_t v[][2] = {
		{ 19045, 19041 }, { 18363, 18362 }, { 22631, 22621 },
		{ 26200, 26100 }, { 7601, 7601 }, { 15063, 15063 },
	};
	f.kdbg = f.modules = 0;
	for (size_t i = 0; i < 6; i++) {
		f.build = v[i][0];
		fk_open(&f, NULL);
		assert_int_equal(psc_kernel_family(f.k), v[i][1]);
		if (i == 5)
			break;
		psc_kernel_free(f.k);
		psc_mem_free(f.mem);
		psc_dump_close(f.d);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(known_by_pdb),
		T(stamp_of_another_build),
		T(stamp_of_this_build),
		T(known_by_addresses),
		T(lookalikes),
		T(one_wrong_address_is_no_match),
		T(unknown_pdb_is_asked_for),
		T(recovery_is_the_last_source),
		T(base_without_kdbg),
		T(base_by_scan),
		T(nothing_at_all),
		T(typed_reads),
		T(unicode_strings),
		T(places),
		T(self_map_is_checked),
		T(shared_data_is_checked),
		T(pte_mask_from_symbols),
		T(pte_mask_from_kdbg),
		T(families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
