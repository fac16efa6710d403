// SPDX-License-Identifier: MIT
// `pool`, `poolval` and `poolmap`: the debugger's words, and what they say of
// an address whose page cannot be read.
#include "render/rendered.h"

#define VA UINT64_C(0xffffe001deadb040)
#define PAGE "ffffe001deadb040"

static struct psc_report *report_of(const char *pool, const char *kind,
				    const char *status)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *p = psc_set_object(psc_report_root(r), "pool");
	psc_set_hex(p, "address", VA);
	psc_set_str(p, "pool", pool);
	psc_set_str(p, "kind", kind);
	psc_set_str(p, "page_status", status);
	psc_set_array(p, "blocks");
	psc_set_array(p, "faults");
	return r;
}

static struct psc_value *pool_of(struct psc_report *r)
{
	return psc_set_object(psc_report_root(r), "pool");
}

static void add_block(struct psc_report *r, uint64_t va, uint64_t bytes,
		      uint64_t previous, const char *state, bool here)
{
	struct psc_value *b =
		psc_add_object(psc_set_array(pool_of(r), "blocks"));

	psc_set_hex(b, "address", va);
	psc_set_uint(b, "bytes", bytes);
	psc_set_uint(b, "previous_bytes", previous);
	psc_set_tag(b, "tag", 0x656c6946);	// File
	psc_set_str(b, "state", state);
	psc_set_bool(b, "here", here);
}

static void check_lacks(struct psc_report *r, const char *view,
			const char *text)
{
	char *got = rendered(r, view);

	if (strstr(got, text))
		fail_msg("found:\n%s\nin:\n%s", text, got);
	free(got);
}

static void a_page_of_blocks(void **state)
{
	struct psc_report *r = report_of("nonpaged-nx", "vs", "readable");
	struct psc_value *p = pool_of(r);

	add_block(r, VA - 0x40, 0x40, 0, "free", false);
	add_block(r, VA, 0x150, 0x40, "in-use", true);
	add_block(r, VA + 0x150, 0xe0, 0x150, "cached", false);
	add_block(r, VA + 0x230, 0x20, 0xe0, "unattributed", false);
	psc_set_tag(p, "tag", 0x656c6946);
	psc_set_str(p, "description", "File objects");
	psc_set_str(p, "binary", "nt!io");
	psc_set_hex(p, "heap", 0x1000);
	psc_set_hex(p, "subsegment", 0x2000);
	check_rendered(r, "pool",
		"Pool page " PAGE " region is Nonpaged pool\n"
		" ffffe001deadb000 size:   40 previous size:    0  (Free)     "
		"  File\n"
		"*" PAGE " size:  150 previous size:   40  (Allocated) *File\n"
		"\t\tPooltag File : File objects, Binary : nt!io\n"
		" ffffe001deadb190 size:   e0 previous size:  150  (Free )    "
		"  File\n"
		" ffffe001deadb270 size:   20 previous size:   e0  (Unknown)  "
		"  File\n"
		"\nheap 0000000000001000, subsegment 0000000000002000 (vs)\n");
	psc_set_null(p, "binary");
	check_contains(r, "pool", "\t\tPooltag File : File objects\n");
	psc_set_null(p, "description");
	check_contains(r, "pool", "\t\tOwning component : Unknown "
		       "(update pooltag.txt)\n");
	psc_report_free(r);
}

static void a_big_allocation(void **state)
{
	struct psc_report *r = report_of("paged", "big", "readable");
	struct psc_value *b = psc_set_object(pool_of(r), "big");

	psc_set_hex(b, "address", VA - 0x40);
	psc_set_uint(b, "bytes", 0x12000);
	psc_set_tag(b, "tag", 0x31334d43);	// CM31
	check_rendered(r, "pool",
		"Pool page " PAGE " region is Paged pool\n"
		"*ffffe001deadb000 : large page allocation, tag is CM31, size "
		"is 0x12000 bytes\n"
		"\t\tOwning component : Unknown (update pooltag.txt)\n");
	check_contains(r, "poolval", "holds no block that can be checked "
		       "(large page allocation).\n");
	psc_report_free(r);
}

/** Readable but no pool is one thing, not readable another. */
static void no_pool_there(void **state)
{
	struct psc_report *r = report_of(NULL, NULL, "readable");

	check_rendered(r, "pool",
		"Pool page " PAGE " region is Unknown\n"
		PAGE " is not valid pool. Checking for freed (or corrupt) "
		"pool\n");
	check_contains(r, "poolval", "Pool page [ ffffe001deadb000 ] holds no "
		       "block that can be checked (not pool).\n");
	psc_report_free(r);
	r = report_of(NULL, NULL, "paged out");
	check_contains(r, "pool", "Address " PAGE " could not be read (paged "
		       "out). It may be a freed, invalid or paged out page\n");
	check_contains(r, "poolval", "can be checked (paged out).\n");
	psc_report_free(r);
}

static void every_region_has_its_name(void **state)
{
	static const char *const names[][2] = {
		{ "nonpaged", "Nonpaged pool" }, { "paged", "Paged pool" },
		{ "session", "Paged session pool" },
		{ "special", "Special pool" }, { "unknown", "Unknown" },
	};

	for (size_t i = 0; i < 5; i++) {
		struct psc_report *r = report_of(names[i][0], NULL,
						 "not mapped");
		char want[80];

		snprintf(want, sizeof(want), "region is %s\n", names[i][1]);
		check_contains(r, "pool", want);
		psc_report_free(r);
	}
}

// --- poolval -----------------------------------------------------------------

static struct psc_value *add_fault(struct psc_report *r, const char *rule,
				   uint64_t found)
{
	struct psc_value *f =
		psc_add_object(psc_set_array(pool_of(r), "faults"));

	psc_set_hex(f, "address", VA);
	psc_set_str(f, "rule", rule);
	psc_set_str(f, "test", "what is compared");
	psc_set_hex(f, "found", found);
	psc_set_null(f, "expected");
	return f;
}

static void poolval_of_damage(void **state)
{
	struct psc_report *r = report_of("paged", "chain", "readable");

	add_block(r, VA, 0x40, 0, "in-use", true);
	check_contains(r, "poolval", "Pool page [ ffffe001deadb000 ] is VALID."
		       "\n");
	struct psc_value *f = add_fault(r, "L4", 0x14);
	psc_set_hex(f, "expected", 0x4);
	psc_set_bool(f, "bit_flip", true);
	add_fault(r, "S8", 7);
	check_contains(r, "poolval",
		"Pool page [ ffffe001deadb000 ] is INVALID.\n\n"
		"Analyzing linked list...\n"
		"[ " PAGE " ]: invalid previous size [ 0x14 ] should be [ 0x4 "
		"]\n"
		"[ " PAGE " ]: S8 broken (what is compared) [ 0x7 ]\n"
		"\n\nScanning for single bit errors...\n\n"
		"[ " PAGE " ]: one bit of previous size\n");
	check_lacks(r, "poolval", "None found");
	psc_set_bool(f, "bit_flip", false);
	check_contains(r, "poolval", "single bit errors...\n\nNone found\n");
	check_lacks(r, "poolval", "segment heap");
	psc_set_str(pool_of(r), "kind", "lfh");
	check_contains(r, "poolval", "The page belongs to a segment heap: its "
		       "lfh subsegment is checked");
	psc_report_free(r);
}

// --- poolmap -----------------------------------------------------------------

static void add_row(struct psc_report *r, uint64_t va, const char *cells)
{
	struct psc_value *m = psc_set_object(psc_report_root(r), "poolmap");
	struct psc_value *o = psc_add_object(psc_set_array(m, "rows"));

	psc_set_uint(m, "row_bytes", 0x200000);
	psc_set_hex(o, "address", va);
	psc_set_str(o, "cells", cells);
	psc_set_str(o, "pool", "paged");
}

static void poolmap_shows_gaps_and_losses(void **state)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	add_row(r, 0x400000, "#9.");
	add_row(r, 0x600000, "1 .");
	add_row(r, 0xa00000, "...");
	check_contains(r, "poolmap", "free\n0000000000400000 |#9.| paged\n"
		       "0000000000600000 |1 .| paged\n"
		       "\n"
		       "0000000000a00000 |...| paged\n");
	check_lacks(r, "poolmap", "lacks");
	psc_set_uint(psc_set_object(psc_report_root(r), "missing"),
		     "pages_not_in_file", 3);
	check_contains(r, "poolmap", "What this dump lacks\n  3 pages that "
		       "were asked for are not in the file\n");
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_of_blocks),
		cmocka_unit_test(a_big_allocation),
		cmocka_unit_test(no_pool_there),
		cmocka_unit_test(every_region_has_its_name),
		cmocka_unit_test(poolval_of_damage),
		cmocka_unit_test(poolmap_shows_gaps_and_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
