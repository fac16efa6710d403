// SPDX-License-Identifier: MIT
// Published `!poolused` outputs, rebuilt from their values and compared byte
// for byte (vm-and-windbg-output 5.4: P2, P3, P5, P6).
#include "render/rendered.h"

#include <string.h>

#include "base/str.h"

struct row {
	const char *tag;
	uint64_t diff[2], bytes[2];
	const char *description, *binary;
};

static void set_pool(struct psc_value *row, const char *pool, uint64_t allocs,
		     uint64_t frees, uint64_t bytes)
{
	struct psc_value *p = psc_set_object(row, pool);

	psc_set_uint(p, "allocs", allocs);
	psc_set_uint(p, "frees", frees);
	if (allocs >= frees)
		psc_set_uint(p, "diff", allocs - frees);
	else
		psc_set_int(p, "diff", (int64_t)(allocs - frees));
	psc_set_uint(p, "bytes", bytes);
}

static struct psc_value *add_tag(struct psc_value *tags, const struct row *w)
{
	struct psc_value *row = psc_add_object(tags);
	uint32_t tag;

	assert_true(psc_tag_parse(w->tag, &tag));
	psc_set_tag(row, "tag", tag);
	set_pool(row, "nonpaged", w->diff[0], 0, w->bytes[0]);
	set_pool(row, "paged", w->diff[1], 0, w->bytes[1]);
	psc_set_str(row, "binary", w->binary);
	psc_set_str(row, "description", w->description);
	return row;
}

static struct psc_report *report_of(uint64_t flags, const struct row *rows,
				    size_t n)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *p = psc_set_object(psc_report_root(r), "poolused");
	psc_set_hex(p, "flags", flags);
	psc_set_uint(p, "counter_bits", 64);
	for (size_t i = 0; i < n; i++)
		add_tag(psc_set_array(p, "tags"), &rows[i]);
	return r;
}

static void p2_by_nonpaged(void **state)
{
	static const struct row rows[] = {
		{ "ConT", { 535, 0 }, { 5935104, 0 }, NULL, NULL },
		{ "EtwB", { 148, 16 }, { 5206272, 442368 }, "Etw Buffer",
		  "nt!etw" },
		{ "File", { 9386, 0 }, { 3741536, 0 }, "File objects", NULL },
		{ "NtxF", { 7350, 0 }, { 2704800, 0 },
		  "FCB_NONPAGED                      "
		  "NtfsFcbNonpagedDataLookasideList", "ntfs.sys" },
		{ "Vad ", { 13703, 0 }, { 2192480, 0 },
		  "Mm virtual address descriptors", "nt!mm" },
	};
	struct psc_report *r = report_of(2, rows, 5);

	check_contains(r, "poolused",
		"\n Sorting by NonPaged Pool Consumed\n"
		"\n"
		"               NonPaged                  Paged\n"
		" Tag     Allocs         Used     Allocs         Used\n"
		"\n"
		" ConT       535      5935104          0            0\t"
		"UNKNOWN pooltag 'ConT', please update pooltag.txt\n"
		" EtwB       148      5206272         16       442368\t"
		"Etw Buffer , Binary: nt!etw\n"
		" File      9386      3741536          0            0\t"
		"File objects \n"
		" NtxF      7350      2704800          0            0\t"
		"FCB_NONPAGED                      "
		"NtfsFcbNonpagedDataLookasideList , Binary: ntfs.sys\n"
		" Vad      13703      2192480          0            0\t"
		"Mm virtual address descriptors , Binary: nt!mm\n");
	psc_report_free(r);
}

static void p3_by_paged(void **state)
{
	static const struct row rows[] = {
		{ "CM31", { 0, 19797 }, { 0, 91705344 },
		  "Internal Configuration manager allocations", "nt!cm" },
		{ "Ntff", { 5, 2109 }, { 1600, 2598288 }, "FCB_DATA",
		  "ntfs.sys" },
	};
	struct psc_report *r = report_of(4, rows, 2);

	check_contains(r, "poolused",
		"\n Sorting by Paged Pool Consumed\n\n");
	check_contains(r, "poolused",
		" CM31         0            0      19797     91705344\t"
		"Internal Configuration manager allocations , Binary: nt!cm\n"
		" Ntff         5         1600       2109      2598288\t"
		"FCB_DATA , Binary: ntfs.sys\n");
	psc_report_free(r);
}

static void p4_wide(void **state)
{
	static const struct row rows[] = {
		{ "amda", { 5768754, 32 }, { 1938325232, 9360 }, NULL, NULL },
	};
	struct psc_report *r = report_of(2, rows, 1);

	check_contains(r, "poolused",
		" amda   5768754   1938325232         32         9360\t"
		"UNKNOWN pooltag 'amda', please update pooltag.txt\n");
	psc_report_free(r);
}

static void p5_verbose(void **state)
{
	static const struct row rows[] = {
		{ "Hack", { 1, 0 }, { 112, 0 }, NULL, NULL },
	};
	struct psc_report *r = report_of(1, rows, 1);
	struct psc_value *section =
		psc_set_object(psc_report_root(r), "poolused");
	struct psc_value *totals = psc_set_object(section, "totals");
	set_pool(totals, "nonpaged", 1, 0, 112);
	set_pool(totals, "paged", 0, 0, 0);

	check_rendered(r, "poolused",
		"\n Sorting by Tag\n"
		"\n"
		"                            NonPaged                        "
		"                 Paged\n"
		" Tag       Allocs       Frees      Diff         Used       "
		"Allocs       Frees      Diff         Used\n"
		"\n"
		" Hack           1           0         1          112        "
		"    0           0         0            0\t"
		"UNKNOWN pooltag 'Hack', please update pooltag.txt\n"
		"\n"
		"TOTAL           1           0         1          112        "
		"    0           0         0            0\n");
	psc_report_free(r);
}

static void p6_one_tag(void **state)
{
	static const struct row rows[] = {
		{ "Even", { 19248, 0 }, { 2470752, 0 }, "Event objects", NULL },
	};
	struct psc_report *r = report_of(2, rows, 1);
	struct psc_value *section =
		psc_set_object(psc_report_root(r), "poolused");
	struct psc_value *totals = psc_set_object(section, "totals");
	set_pool(totals, "nonpaged", 19248, 0, 2470752);
	set_pool(totals, "paged", 0, 0, 0);

	check_contains(r, "poolused",
		"               NonPaged                  Paged\n"
		" Tag     Allocs         Used     Allocs         Used\n"
		"\n"
		" Even     19248      2470752          0            0\t"
		"Event objects \n"
		"\n"
		"TOTAL     19248      2470752          0            0\n");
	psc_report_free(r);
}

// 32-bit counters wrap at 32 bits, as the original prints them.
static void negative_wraps(void **state)
{
	struct psc_report *r = report_of(0, NULL, 0);
	struct psc_value *section =
		psc_set_object(psc_report_root(r), "poolused");
	struct psc_value *row = psc_add_object(psc_set_array(section, "tags"));

	psc_set_uint(section, "counter_bits", 32);
	psc_set_tag(row, "tag", 0x6b61654c);
	set_pool(row, "nonpaged", 1, 3, 16);
	set_pool(row, "paged", 0, 0, 0);
	check_contains(r, "poolused",
		       " Leak 4294967294           16          0            0\t");
	psc_set_uint(section, "counter_bits", 64);
	check_contains(r, "poolused", " Leak 18446744073709551614      ");
	psc_report_free(r);
}

// Idle tags are left out; in verbose form those with a history stay.
static void zero_rows(void **state)
{
	struct psc_report *r = report_of(0, NULL, 0);
	struct psc_value *section =
		psc_set_object(psc_report_root(r), "poolused");
	struct psc_value *row = psc_add_object(psc_set_array(section, "tags"));

	psc_set_tag(row, "tag", 0x656c6469);
	set_pool(row, "nonpaged", 4, 4, 0);
	set_pool(row, "paged", 0, 0, 0);
	char *text = rendered(r, "poolused");
	assert_null(strstr(text, "idle"));
	free(text);
	psc_set_hex(section, "flags", 1);
	check_contains(r, "poolused", " idle           4           4 ");
	psc_report_free(r);
}

// Figures with holes never look like exact ones.
static void incomplete_is_told(void **state)
{
	struct psc_report *r = report_of(2, NULL, 0);
	struct psc_value *section =
		psc_set_object(psc_report_root(r), "poolused");

	psc_set_bool(section, "complete", true);
	char *text = rendered(r, "poolused");
	assert_null(strstr(text, "poolscope:"));
	free(text);
	psc_set_bool(section, "complete", false);
	psc_set_uint(section, "missing_pages", 3);
	check_contains(r, "poolused", "\n\npoolscope: not exact, 3 pages of "
		       "the tag tables could not be read\n");
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(p2_by_nonpaged),
		cmocka_unit_test(p3_by_paged),
		cmocka_unit_test(p4_wide),
		cmocka_unit_test(p5_verbose),
		cmocka_unit_test(p6_one_tag),
		cmocka_unit_test(negative_wraps),
		cmocka_unit_test(zero_rows),
		cmocka_unit_test(incomplete_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
