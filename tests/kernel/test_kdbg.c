// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"
#include "kernel/kernel_impl.h"

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

// Published words of an encoded block.
#define NEVER	0x6d7cffa404933fbbULL
#define ALWAYS	0x933dd660cfff8004ULL
#define ENCODED	0xfffff8047c650ba0ULL

static void decode_words(void **state)
{
	static const uint64_t v[][2] = {
		{ 0x6a144e379295f9cd, 0x000003804742444b },
		{ 0x028809a70dea0624, 0xfffff8047ba00000 },
		{ 0x029c06c792f5f9c4, 0 },
	};
	for (size_t i = 0; i < 3; i++)
		assert_true(psc_kdbg_decode_word(v[i][0], NEVER, ALWAYS,
						 ENCODED) == v[i][1]);
	// Rotation by 0 must not shift by 64.
	assert_true(psc_kdbg_decode_word(0x1122334455667788, 0, 0, 0) ==
		    0x8877665544332211);
}

static void found_through_the_header(void **state)
{
	uint64_t v;

	fk_known_image(&f);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_kdbg_va(f.k), f.kdbg);
	assert_true(psc_kernel_kdbg(f.k, 0x18, &v));
	assert_int_equal(v, FK_BASE);
	// Zero, unaligned, and beyond any block.
	assert_false(psc_kernel_kdbg(f.k, 0x148, &v));
	assert_false(psc_kernel_kdbg(f.k, 0x1c, &v));
	assert_false(psc_kernel_kdbg(f.k, 0x380, &v));
	assert_false(psc_kernel_kdbg(f.k, UINT32_MAX - 7, &v));
}

static void fields_beyond_size_are_absent(void **state)
{
	uint64_t v;

	fk_known_image(&f);
	fk_kdbg(&f, f.kdbg, 0x380);
	fake_w32(&f.m, f.kdbg + 0x14, 0x340);
	fk_open(&f, NULL);
	assert_true(psc_kernel_kdbg(f.k, 0x218, &v));
	assert_false(psc_kernel_kdbg(f.k, 0x360, &v));
}

static void cut_at_a_missing_page(void **state)
{
	uint64_t v, at = FK_BASE + FK_DATA_RVA + 0x2000 - 0x200;

	fk_known_image(&f);
	f.kdbg = at;
	fk_kdbg(&f, at, 0x380);
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, at + 0x200, 1)) >> 12 &
			0xfffff);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "is cut after 0x200 bytes"));
	assert_true(psc_kernel_kdbg(f.k, 0x1b8, &v));
	assert_false(psc_kernel_kdbg(f.k, 0x218, &v));
}

static void found_by_search(void **state)
{
	fk_known_image(&f);
	f.kdbg = 0;
	fk_list_head(&f, f.modules);
	// A decoy with the right tag and a foreign base comes first.
	fk_kdbg(&f, FK_BASE + FK_DATA_RVA + 0x40, 0x380);
	fake_w64(&f.m, FK_BASE + FK_DATA_RVA + 0x58, FK_BASE + 0x200000);
	fk_kdbg(&f, FK_BASE + FK_DATA_RVA + 0x1fd0, 0x380);
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
	assert_int_equal(psc_kernel_kdbg_va(f.k),
			 FK_BASE + FK_DATA_RVA + 0x1fd0);
	assert_true(fk_has_note(&f, "found by search"));
	assert_int_equal(psc_mem_coverage(f.mem).pages_not_in_file, 0);
}

static void deep_search_needs_no_header(void **state)
{
	struct psc_kernel_options opt = { 0 };

	fk_known_image(&f);
	f.kdbg = f.modules = f.processes = 0;
	fk_kdbg(&f, FK_BASE + FK_KDBG_RVA, 0x380);
	fk_open(&f, &opt);
	assert_int_equal(psc_kernel_base(f.k), 0);
	assert_int_equal(psc_kernel_kdbg_va(f.k), 0);
	assert_non_null(psc_kernel_wanted(f.k));
	psc_kernel_free(f.k);
	opt.deep = true;
	CHECK_OK(psc_kernel_open(f.d, f.mem, &opt, &f.k));
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
	assert_int_equal(psc_kernel_kdbg_va(f.k), FK_BASE + FK_KDBG_RVA);
	assert_string_equal(psc_kernel_version(f.k), FK_VERSION);
}

static void encoded_block(void **state)
{
	uint64_t v, encoded;
	struct psc_sym *sym;
	uint8_t *p;

	fk_known_image(&f);
	fk_list_head(&f, f.modules);
	fk_kdbg(&f, f.kdbg, 0x380);
	size_t i;
	assert_true(psc_builtin_find_version(FK_VERSION, "x64", &i));
	CHECK_OK(psc_builtin_open(i, &sym));
	CHECK_OK(psc_sym_rva(sym, "KiWaitNever", &v));
	fake_w64(&f.m, FK_BASE + v, NEVER);
	CHECK_OK(psc_sym_rva(sym, "KiWaitAlways", &v));
	fake_w64(&f.m, FK_BASE + v, ALWAYS);
	CHECK_OK(psc_sym_rva(sym, "KdpDataBlockEncoded", &encoded));
	psc_sym_free(sym);
	p = fake_map(&f.m, f.kdbg) + (f.kdbg & 0xfff);
	for (size_t off = 0; off < 0x380; off += 8) {
		uint64_t t = __builtin_bswap64(psc_le64(p + off) ^ ALWAYS) ^
			     (FK_BASE + encoded);
		psc_put64(p + off, psc_rotl64(t, 64 - (NEVER & 63)) ^ NEVER);
	}
	fk_open(&f, NULL);
	assert_int_equal(psc_kernel_kdbg_va(f.k), f.kdbg);
	assert_true(psc_kernel_kdbg(f.k, 0x48, &v));
	assert_int_equal(v, f.modules);
	assert_true(fk_has_note(&f, "decoded"));
}

static void damaged_and_absent_differ(void **state)
{
	f.build = 12345;
	fk_list_head(&f, f.modules);
	fk_kdbg(&f, f.kdbg, 0x380);
	fake_w32(&f.m, f.kdbg + 0x10, 0);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "is encoded or damaged"));
	psc_kernel_free(f.k);
	psc_mem_free(f.mem);
	psc_dump_close(f.d);
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, f.kdbg, 1)) >> 12 & 0xfffff);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "is not in the dump"));
}

static void copy_in_parameter_1(void **state)
{
	fk_known_image(&f);
	fk_list_head(&f, f.modules);
	f.parameter1 = 0xffffa00000001000;
	fk_kdbg(&f, f.parameter1, 0x380);
	fk_open(&f, NULL);
	assert_true(fk_has_note(&f, "parameter 1"));
	assert_int_equal(psc_kernel_base(f.k), FK_BASE);
}

static void rules_of_a_valid_block(void **state)
{
	uint8_t b[0x380];

	fk_kdbg(&f, f.kdbg, 0x380);
	memcpy(b, fake_map(&f.m, f.kdbg) + 0xb20, 0x380);
	fk_open(&f, NULL);
#define OK(base) psc_kdbg_check(f.k, b, sizeof(b), base)
	assert_int_equal(OK(0), 0x380);
	assert_int_equal(OK(FK_BASE), 0x380);
	assert_int_equal(OK(FK_BASE + 0x1000), 0);
	for (size_t n = 0; n < 0x20; n++)
		assert_int_equal(psc_kdbg_check(f.k, b, n, 0), 0);
	psc_put32(b + 0x14, 0x200);
	assert_int_equal(OK(0), 0);
	psc_put32(b + 0x14, 0x384);
	assert_int_equal(OK(0), 0);
	psc_put32(b + 0x14, 0x1008);
	assert_int_equal(OK(0), 0);
	psc_put32(b + 0x14, 0x1000);
	assert_int_equal(OK(0), 0x1000);
	psc_put64(b + 0x18, FK_BASE + 8);
	assert_int_equal(OK(0), 0);
	psc_put64(b + 0x18, 0x7ff000000000);
	assert_int_equal(OK(0), 0);
	psc_put64(b + 0x18, FK_BASE);
	psc_put64(b + 8, 0x1234567812345678);
	assert_int_equal(OK(0), 0);
	psc_put64(b + 8, 0);
	b[0x10] = 'k';
	assert_int_equal(OK(0), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode_words),
		T(found_through_the_header),
		T(fields_beyond_size_are_absent),
		T(cut_at_a_missing_page),
		T(found_by_search),
		T(deep_search_needs_no_header),
		T(encoded_block),
		T(damaged_and_absent_differ),
		T(copy_in_parameter_1),
		T(rules_of_a_valid_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
