// SPDX-License-Identifier: MIT
#include "driver_checks.h"

#include <string.h>

#include "msf_make.h"
#include "test.h"

uint64_t rva_of(const struct psc_sym *s, const char *name)
{
	uint64_t rva = 0;

	CHECK_OK(psc_sym_rva(s, name, &rva));
	return rva;
}

struct psc_field field_of(const struct psc_sym *s, const char *path)
{
	struct psc_field f = { 0 };

	CHECK_OK(psc_sym_field(s, path, &f));
	return f;
}

void check_field(const struct psc_sym *s, const char *path,
			uint64_t offset, uint32_t size, uint32_t count)
{
	struct psc_field f = field_of(s, path);

	if (f.offset != offset || f.size != size || f.count != count)
		fail_msg("%s: offset %lu size %u count %u", path,
			 (unsigned long)f.offset, f.size, f.count);
}

void check_bits(const struct psc_sym *s, const char *path,
		       uint64_t first, uint8_t bits)
{
	struct psc_field f = field_of(s, path);

	if (f.offset * 8 + f.bit != first || f.bits != bits)
		fail_msg("%s: bit %lu, %u bits", path,
			 (unsigned long)(f.offset * 8 + f.bit), f.bits);
}

// Layout of fixtures/driver.c, pointer size apart.
void check_types(const struct psc_sym *s, uint64_t p)
{
	uint64_t size;
	int64_t v;

	check_field(s, "FX_ALL.Byte", 0, 1, 1);
	check_field(s, "FX_ALL.Signed", 4, 4, 1);
	assert_true(field_of(s, "FX_ALL.Signed").is_signed);
	check_field(s, "FX_ALL.Whole", 8, 4, 1);
	check_field(s, "FX_ALL.Part2", 10, 2, 1);
	check_field(s, "FX_ALL.u.All", 16, 8, 1);
	check_field(s, "FX_ALL.u.Half.High", 18, 2, 1);
	check_field(s, "FX_ALL.Inner.High", 26, 2, 1);
	check_field(s, "FX_ALL.Array", 28, 4, 3);
	check_field(s, "FX_ALL.Array[2].High", 38, 2, 1);
	check_field(s, "FX_ALL.Matrix", 40, 2, 8);
	check_field(s, "FX_ALL.State", 56, 4, 1);
	uint64_t at = p == 8 ? 64 : 60;
	check_field(s, "FX_ALL.Next", at, (uint32_t)p, 1);
	check_field(s, "FX_ALL.Later", at + p, (uint32_t)p, 1);
	assert_int_equal(field_of(s, "FX_ALL.Next").cls, PSC_TYPE_POINTER);
	check_field(s, "FX_ALL.Guarded", at + 2 * p, 4, 1);
	uint64_t bits = (at + 2 * p + 4 + 7) / 8 * 8;
	check_bits(s, "FX_ALL.Bits.First", bits * 8, 3);
	check_bits(s, "FX_ALL.Bits.Second", bits * 8 + 3, 12);
	check_bits(s, "FX_ALL.Bits.Across", bits * 8 + 15, 17);
	check_bits(s, "FX_ALL.Bits.Wide", bits * 8 + 64, 40);
	check_bits(s, "FX_ALL.Bits.Rest", bits * 8 + 104, 24);
	check_field(s, "FX_ALL.Real", bits + 16, 8, 1);
	check_field(s, "FX_ALL.Open", bits + 24, 4, 0);
	CHECK_OK(psc_sym_sizeof(s, "FX_INNER", &size));
	assert_int_equal(size, 4);
	CHECK_OK(psc_sym_constant(s, "FX_STATE", "FxDead", &v));
	assert_int_equal(v, -3);
	CHECK_ERR(psc_sym_constant(s, "FX_STATE", "FxNone", &v),
		  PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_sizeof(s, "FX_STATE", &size), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_sizeof(s, "_NO_SUCH", &size), PSC_ERR_ABSENT);
}

void check_driver(const struct psc_sym *s, uint64_t pointer)
{
	struct psc_symname near;
	struct psc_lines l;
	uint64_t rva = rva_of(s, "FxAllocate");

	check_types(s, pointer);
	rva_of(s, "FxGlobal");
	rva_of(s, "FxCounter");
	rva_of(s, "FxWork");	// static: only a record in its module
	rva_of(s, "EightChr");	// LLD files these under a wrong hash
	CHECK_OK(psc_sym_nearest(s, rva + 4, &near));
	assert_string_equal(near.name, "FxAllocate");
	assert_int_equal(near.rva, rva);
	assert_true(near.is_function);
	assert_in_range(near.size, 8, 4096);
	CHECK_OK(psc_sym_nearest(s, rva_of(s, "FxGlobal") + 9, &near));
	assert_string_equal(near.name, "FxGlobal");
	CHECK_OK(psc_sym_lines(s, rva, &l));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].function, "FxAllocate");
	assert_non_null(strstr(l.v[0].file, "driver.c"));
	CHECK_ERR(psc_sym_nearest(s, 1ULL << 40, &near), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_rva(s, "NoSuchName", &rva), PSC_ERR_ABSENT);
}

// Some address inside FxAllocate is the inlined FxZero, and its outer line is
// the call.
void check_inline(const struct psc_sym *s)
{
	uint64_t rva = rva_of(s, "FxAllocate"), inlined = 0, called = 0;
	struct psc_symname near;

	CHECK_OK(psc_sym_nearest(s, rva, &near));
	for (uint64_t i = 0; i < near.size; i++) {
		struct psc_lines l;
		CHECK_OK(psc_sym_lines(s, rva + i, &l));
		assert_string_equal(l.v[l.n - 1].function, "FxAllocate");
		if (l.n != 2)
			continue;
		inlined++;
		assert_string_equal(l.v[0].function, "FxZero");
		assert_int_equal(l.v[1].line, fixture_line("allocate"));
		called += l.v[0].line == fixture_line("zero");
	}
	assert_in_range(inlined, 5, near.size - 4);
	assert_in_range(called, 1, inlined);
}
