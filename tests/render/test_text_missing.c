// SPDX-License-Identifier: MIT
// What a dump lacks: said once, counted, and never when nothing is missing.
#include "render/rendered.h"

static struct psc_report *report_new(struct psc_value **root)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	*root = psc_report_root(r);
	psc_set_object(*root, "walk");
	return r;
}

static void check_silent(struct psc_report *r)
{
	char *text = rendered(r, "walk");

	assert_null(strstr(text, "lacks"));
	free(text);
}

static void nothing_is_missing(void **state)
{
	struct psc_value *root;
	struct psc_report *r = report_new(&root);
	struct psc_value *m = psc_set_object(root, "missing");

	check_silent(r);
	psc_set_uint(m, "pages_not_in_file", 0);
	psc_set_uint(m, "pages_paged_out", 0);
	psc_set_uint(m, "structures_unreadable", 0);
	check_silent(r);
	psc_report_free(r);
}

static void counts(void **state)
{
	struct psc_value *root;
	struct psc_report *r = report_new(&root);
	struct psc_value *m = psc_set_object(root, "missing");

	psc_set_uint(m, "pages_not_in_file", 1);
	psc_set_uint(m, "pages_paged_out", 12345);
	psc_set_uint(m, "structures_unreadable", 1);
	check_contains(r, "walk", "\nWhat this dump lacks\n"
		       "  1 page that was asked for is not in the file\n"
		       "  12,345 pages had been paged out\n"
		       "  1 structure could not be read\n");
	psc_set_uint(m, "structures_unreadable", 2);
	psc_set_uint(m, "pages_paged_out", 0);
	check_contains(r, "walk", "not in the file\n"
		       "  2 structures could not be read\n");
	psc_report_free(r);
}

static void each_section_with_its_reason(void **state)
{
	struct psc_value *root;
	struct psc_report *r = report_new(&root);

	psc_set_str(psc_set_object(root, "vm"), "error", "no symbols");
	psc_set_str(psc_set_object(root, "poolused"), "error", "damaged");
	check_contains(r, "walk", "lacks\n  no vm: no symbols\n"
		       "  no poolused: damaged\n");
	// One reason for all: a dump without pages.
	psc_set_str(psc_set_object(root, "dump"), "why_no_pages",
		    "a triage dump");
	check_contains(r, "walk",
		       "lacks\n  no vm, poolused: a triage dump\n");
	psc_report_free(r);
}

static void symbols_that_would_help(void **state)
{
	struct psc_value *root;
	struct psc_report *r = report_new(&root);

	psc_set_str(psc_set_object(root, "symbols"), "wanted",
		    "get ntkrnlmp.pdb");
	psc_set_str(psc_set_object(root, "dump"), "why_no_pages", "small");
	check_contains(r, "walk", "lacks\n  get ntkrnlmp.pdb\n");
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_missing),
		cmocka_unit_test(counts),
		cmocka_unit_test(each_section_with_its_reason),
		cmocka_unit_test(symbols_that_would_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
