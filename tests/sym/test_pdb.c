// SPDX-License-Identifier: MIT
// Traps of symbol files and the tests that stand for them, here unless a file
// is named: newer structure leaves (newer_structure_leaves), EC before the
// debug header (ec_stands_before_the_debug_header), 1-based modules of
// S_PROCREF (FxWork in check_driver), sections past the last
// (literals_do_not_hide_functions), OMAP (omap), the DBI's age
// (age_of_the_dbi_is_the_identity), decimal and hexadecimal ages
// (test_isf: plain; test_store: keys), 8-character names of lld (EightChr),
// literals in code (literals_do_not_hide_functions), storage units of bit
// fields and nameless types (check_types), image base in DWARF, members of
// unions without a location, ARM64 images, stripped images (test_dwarf),
// other builds by time stamp (test_store: dwarf_beside), HTML with status 200
// (test_fetch), names from dumps (test_store: hostile_names).
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "msf_make.h"
#include "sym/pdb.h"

// --- helpers ---------------------------------------------------------------

static struct psc_sym *open_bytes(uint8_t *p, size_t n)
{
	struct psc_sym *s = NULL;

	CHECK_OK(psc_pdb_open(psc_blob_of_heap(p, n), "made.pdb", &s));
	return s;
}

static struct psc_sym *open_fixture(const char *name)
{
	size_t n;
	uint8_t *p = fixture_read(name, &n);

	if (!p)
		skip();		// clang and lld are not installed
	return open_bytes(p, n);
}

static struct psc_sym *open_made(const struct msf_make *m)
{
	size_t n;
	uint8_t *p = msf_make_write(m, 4096, false, &n);

	return open_bytes(p, n);
}

// --- genuine files ---------------------------------------------------------

static void x64(void **state)
{
	struct psc_sym *s = open_fixture("x64.pdb");

	check_driver(s, 8);
	check_inline(s);
	assert_string_equal(psc_sym_source(s), "pdb");
	assert_true(psc_sym_id(s)->known);
	assert_int_equal(psc_sym_id(s)->age, 1);
	// lld ends its GUIDs with its own name.
	assert_memory_equal(psc_sym_id(s)->guid + 8, "LLD PDB.", 8);
	psc_sym_free(s);
}

static void x86(void **state)
{
	struct psc_sym *s = open_fixture("x86.pdb");
	struct psc_symname near;

	check_driver(s, 4);
	check_inline(s);
	// Decorated and plain names are one symbol.
	assert_int_equal(rva_of(s, "_DriverEntry@8"), rva_of(s, "DriverEntry"));
	CHECK_OK(psc_sym_nearest(s, rva_of(s, "EightChr"), &near));
	assert_string_equal(near.name, "EightChr");
	psc_sym_free(s);
}

static void arm64(void **state)
{
	struct psc_sym *s = open_fixture("arm64.pdb");

	check_driver(s, 8);
	check_inline(s);
	psc_sym_free(s);
}

static void large_blocks_of_the_linker(void **state)
{
	static const char *const names[] = { "x64-8192.pdb", "x64-32768.pdb" };

	for (size_t i = 0; i < 2; i++) {
		struct psc_sym *s = open_fixture(names[i]);
		check_driver(s, 8);
		psc_sym_free(s);
	}
}

// GNU ld writes publics, no types, blocks of 1024 bytes.
static void gnu_ld(void **state)
{
	struct psc_sym *s = open_fixture("gnuld.pdb");
	uint64_t size;

	assert_true(rva_of(s, "FxAllocate") >= 0x1000);
	CHECK_ERR(psc_sym_sizeof(s, "FX_ALL", &size), PSC_ERR_ABSENT);
	psc_sym_free(s);
}

static void gnu_ld_x86(void **state)
{
	struct psc_sym *s = open_fixture("gnuld86.pdb");

	assert_true(rva_of(s, "DriverEntry") >= 0x1000);
	psc_sym_free(s);
}

// --- rewritten files -------------------------------------------------------

static void every_block_size(void **state)
{
	struct msf_make m;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	for (uint32_t bs = 512; bs <= 32768; bs *= 2) {
		for (int shuffle = 0; shuffle < 2; shuffle++) {
			size_t n;
			uint8_t *p = msf_make_write(&m, bs, shuffle, &n);
			struct psc_sym *s = open_bytes(p, n);
			check_driver(s, 8);
			psc_sym_free(s);
		}
	}
	msf_make_free(&m);
}

// Text moved by 0x7000 after linking: section numbers mean the original.
static void omap(void **state)
{
	struct msf_make m;
	uint8_t pairs[4][8];
	struct psc_sym *s = open_fixture("x64.pdb");
	uint64_t before = rva_of(s, "FxAllocate");
	uint64_t data = rva_of(s, "FxGlobal");
	struct psc_symname near;
	struct psc_lines l;

	psc_sym_free(s);
	assert_true(msf_make_load(&m, "x64.pdb"));
	static const uint32_t from[4][2] = {	// .text, .rdata, .data, end
		{ 0x1000, 0x8000 }, { 0x2000, 0x2000 }, { 0x3000, 0x3000 },
		{ 0x9000, 0 },
	};
	for (size_t i = 0; i < 4; i++) {
		psc_put32(pairs[i], from[i][0]);
		psc_put32(pairs[i] + 4, from[i][1]);
	}
	size_t to_final = msf_make_add(&m, pairs, sizeof(pairs));
	static const uint32_t back[4][2] = {
		{ 0x1000, 0 }, { 0x2000, 0x2000 }, { 0x3000, 0x3000 },
		{ 0x8000, 0x1000 },
	};
	for (size_t i = 0; i < 4; i++) {
		psc_put32(pairs[i], back[i][0]);
		psc_put32(pairs[i] + 4, back[i][1]);
	}
	size_t to_original = msf_make_add(&m, pairs, sizeof(pairs));
	uint8_t *dbg = m.v[3].data + m.v[3].size - psc_le32(m.v[3].data + 48);
	uint16_t sections = psc_le16(dbg + 10);
	size_t original = msf_make_add(&m, m.v[sections].data,
				       m.v[sections].size);
	// The final headers differ, so that taking them would show.
	psc_put32(m.v[sections].data + 12, 0x8000);
	msf_make_debug_stream(&m, 3, (uint16_t)to_original);
	msf_make_debug_stream(&m, 4, (uint16_t)to_final);
	msf_make_debug_stream(&m, 10, (uint16_t)original);
	s = open_made(&m);
	uint64_t rva = rva_of(s, "FxAllocate");
	assert_int_equal(rva, before + 0x7000);
	assert_int_equal(rva_of(s, "FxGlobal"), data);
	CHECK_OK(psc_sym_nearest(s, rva + 4, &near));
	assert_string_equal(near.name, "FxAllocate");
	assert_int_equal(near.rva, rva);
	CHECK_OK(psc_sym_lines(s, rva, &l));
	assert_string_equal(l.v[0].function, "FxAllocate");
	CHECK_ERR(psc_sym_nearest(s, before, &near), PSC_ERR_ABSENT);
	psc_sym_free(s);
	msf_make_free(&m);
}

// Rewrite one 0x1505 record as 0x1609 (or 0x1506 as 0x160a): u32 properties,
// numeric count moved before the size.
static size_t newer_form(uint8_t *out, const uint8_t *rec, bool is_union)
{
	size_t n = (size_t)psc_le16(rec) + 2;
	size_t fixed = is_union ? 12 : 20;	// before the size
	size_t at = 4;

	psc_put16(out + 2, is_union ? 0x160a : 0x1609);
	psc_put32(out + at, psc_le16(rec + 6));
	at += 4;
	memcpy(out + at, rec + 8, fixed - 8);
	at += fixed - 8;
	psc_put16(out + at, psc_le16(rec + 4));
	at += 2;
	size_t rest = n - fixed;
	memcpy(out + at, rec + fixed, rest);
	at += rest;
	while (at % 4)
		out[at++] = 0xf1;
	psc_put16(out, (uint16_t)(at - 2));
	return at;
}

static void newer_structure_leaves(void **state)
{
	struct msf_make m;
	unsigned int changed = 0;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	const uint8_t *tpi = m.v[2].data;
	size_t head = psc_le32(tpi + 4), n = m.v[2].size, at = head;
	uint8_t *out = calloc(1, n * 2);
	memcpy(out, tpi, head);
	for (size_t in = head; in < n; in += (size_t)psc_le16(tpi + in) + 2) {
		uint16_t leaf = psc_le16(tpi + in + 2);
		if (leaf == 0x1505 || leaf == 0x1506) {
			at += newer_form(out + at, tpi + in, leaf == 0x1506);
			changed++;
		} else {
			size_t len = (size_t)psc_le16(tpi + in) + 2;
			memcpy(out + at, tpi + in, len);
			at += len;
		}
	}
	assert_in_range(changed, 4, 100);
	psc_put32(out + 16, (uint32_t)(at - head));
	psc_put16(out + 20, 0xffff);
	msf_make_set(&m, 2, out, at);
	free(out);
	struct psc_sym *s = open_made(&m);
	check_types(s, 8);
	psc_sym_free(s);
	msf_make_free(&m);
}

static void age_of_the_dbi_is_the_identity(void **state)
{
	struct msf_make m;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	psc_put32(m.v[1].data + 8, 7);	// info age
	psc_put32(m.v[3].data + 8, 3);	// DBI age
	struct psc_sym *s = open_made(&m);
	assert_int_equal(psc_sym_id(s)->age, 3);
	psc_sym_free(s);
	msf_make_set(&m, 3, "", 0);	// a compiler's PDB: types alone
	s = open_made(&m);
	assert_int_equal(psc_sym_id(s)->age, 7);
	check_types(s, 8);
	uint64_t rva;
	CHECK_ERR(psc_sym_rva(s, "FxGlobal", &rva), PSC_ERR_ABSENT);
	psc_sym_free(s);
	msf_make_free(&m);
}

// Their sizes stand in the header in the other order.
static void ec_stands_before_the_debug_header(void **state)
{
	struct msf_make m;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	struct msf_make_stream *dbi = &m.v[3];
	size_t dbg = psc_le32(dbi->data + 48);
	dbi->data = realloc(dbi->data, dbi->size + 8);
	uint8_t *at = dbi->data + dbi->size - dbg;
	memmove(at + 8, at, dbg);
	memset(at, 0x11, 8);
	dbi->size += 8;
	psc_put32(dbi->data + 52, psc_le32(dbi->data + 52) + 8);
	struct psc_sym *s = open_made(&m);
	check_driver(s, 8);
	psc_sym_free(s);
	msf_make_free(&m);
}

static void stripped_of_modules(void **state)
{
	struct msf_make m;
	struct psc_symname near;
	struct psc_lines l;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	uint8_t *dbi = m.v[3].data;
	for (size_t at = 64; at < 64 + psc_le32(dbi + 24); ) {
		psc_put16(dbi + at + 34, 0xffff);
		at += 64;
		for (int i = 0; i < 2; i++)
			at += strlen((char *)dbi + at) + 1;
		at = (at + 3) & ~(size_t)3;
	}
	struct psc_sym *s = open_made(&m);
	uint64_t rva = rva_of(s, "FxAllocate");
	CHECK_OK(psc_sym_nearest(s, rva + 4, &near));
	assert_string_equal(near.name, "FxAllocate");
	assert_int_equal(near.size, 0);
	CHECK_ERR(psc_sym_lines(s, rva, &l), PSC_ERR_ABSENT);
	psc_sym_free(s);
	msf_make_free(&m);
}

// --- publics written by hand -----------------------------------------------

struct recs {
	uint8_t p[2048];
	size_t n;
};

static void add_public(struct recs *r, uint32_t flags, uint16_t seg,
		       uint32_t off, const char *name)
{
	size_t len = (14 + strlen(name) + 1 + 3) & ~(size_t)3;
	uint8_t *p = r->p + r->n;

	memset(p, 0, len);
	psc_put16(p, (uint16_t)(len - 2));
	psc_put16(p + 2, 0x110e);
	psc_put32(p + 4, flags);
	psc_put32(p + 8, off);
	psc_put16(p + 12, seg);
	strcpy((char *)p + 14, name);
	r->n += len;
}

// x64.pdb without modules and contributions, its records replaced.
static struct psc_sym *with_publics(const struct recs *r, const void *pdata,
				    size_t n_pdata)
{
	struct msf_make m;

	if (!msf_make_load(&m, "x64.pdb"))
		skip();
	uint8_t *dbi = m.v[3].data;
	size_t cut = psc_le32(dbi + 24) + psc_le32(dbi + 28);
	memmove(dbi + 64, dbi + 64 + cut, m.v[3].size - 64 - cut);
	m.v[3].size -= cut;
	psc_put32(dbi + 24, 0);
	psc_put32(dbi + 28, 0);
	msf_make_set(&m, psc_le16(dbi + 20), r->p, r->n);
	if (n_pdata)
		msf_make_debug_stream(&m, 8, (uint16_t)msf_make_add(
			&m, pdata, n_pdata));
	struct psc_sym *s = open_made(&m);
	msf_make_free(&m);
	return s;
}

static void check_near(const struct psc_sym *s, uint64_t rva, const char *want)
{
	struct psc_symname near;

	if (!want) {
		CHECK_ERR(psc_sym_nearest(s, rva, &near), PSC_ERR_ABSENT);
		return;
	}
	CHECK_OK(psc_sym_nearest(s, rva, &near));
	assert_string_equal(near.name, want);
}

static void literals_do_not_hide_functions(void **state)
{
	struct recs r = { .n = 0 };

	add_public(&r, 2, 1, 0x10, "Real");
	add_public(&r, 0, 1, 0x18, "??_C@_0BA@literal@");
	add_public(&r, 0, 1, 0x20, "alias");
	add_public(&r, 2, 1, 0x20, "Function");
	add_public(&r, 0, 9, 0x30, "__absolute");
	add_public(&r, 0, 0, 0x30, "nowhere");
	struct psc_sym *s = with_publics(&r, NULL, 0);
	uint64_t rva;
	check_near(s, 0x101c, "Real");
	check_near(s, 0x1025, "Function");
	check_near(s, 0x1008, NULL);
	CHECK_ERR(psc_sym_rva(s, "__absolute", &rva), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_rva(s, "nowhere", &rva), PSC_ERR_ABSENT);
	assert_int_equal(rva_of(s, "??_C@_0BA@literal@"), 0x1018);
	psc_sym_free(s);
}

// A nameless static function between two publics has no name; pieces that
// touch are one function.
static void function_tables_bound_names(void **state)
{
	static const uint32_t functions[][3] = {
		{ 0x1010, 0x1020, 0 }, { 0x1020, 0x1028, 0 },
		{ 0x1030, 0x1040, 0 },
	};
	uint8_t pdata[32 + sizeof(functions)] = { 1, 0, 0, 0, 32 };
	struct recs r = { .n = 0 };

	memcpy(pdata + 32, functions, sizeof(functions));
	add_public(&r, 2, 1, 0x10, "First");
	add_public(&r, 2, 1, 0x48, "Leaf");
	struct psc_sym *s = with_publics(&r, pdata, sizeof(pdata));
	check_near(s, 0x1015, "First");
	check_near(s, 0x1024, "First");		// touching piece
	check_near(s, 0x102c, NULL);		// between two functions
	check_near(s, 0x1034, NULL);		// nameless
	check_near(s, 0x1050, "Leaf");
	psc_sym_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(x64),
		cmocka_unit_test(x86),
		cmocka_unit_test(arm64),
		cmocka_unit_test(large_blocks_of_the_linker),
		cmocka_unit_test(gnu_ld),
		cmocka_unit_test(gnu_ld_x86),
		cmocka_unit_test(every_block_size),
		cmocka_unit_test(omap),
		cmocka_unit_test(newer_structure_leaves),
		cmocka_unit_test(age_of_the_dbi_is_the_identity),
		cmocka_unit_test(ec_stands_before_the_debug_header),
		cmocka_unit_test(stripped_of_modules),
		cmocka_unit_test(literals_do_not_hide_functions),
		cmocka_unit_test(function_tables_bound_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
