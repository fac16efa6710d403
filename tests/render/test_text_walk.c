// SPDX-License-Identifier: MIT
// `walk`: what lies in the pages, what is not there, and whether the counters
// agree.
#include "render/rendered.h"

static struct psc_report *report_new(struct psc_value **walk)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	*walk = psc_set_object(psc_report_root(r), "walk");
	psc_set_str(*walk, "design", "segment-heap");
	psc_set_uint(*walk, "blocks", 1234567);
	return r;
}

static struct psc_value *add_pool(struct psc_value *walk, const char *name,
				  uint64_t in_use)
{
	struct psc_value *p = psc_add_object(psc_set_array(walk, "pools"));

	psc_set_str(p, "pool", name);
	psc_set_uint(p, "node", 1);
	psc_set_uint(p, "pages_read", 52);
	psc_set_uint(p, "blocks", 900);
	psc_set_uint(p, "bytes_in_use", in_use);
	psc_set_uint(p, "bytes_free", 4096);
	return p;
}

static void add_difference(struct psc_value *walk, int64_t counter,
			   uint64_t walked, const char *why, const char *too)
{
	struct psc_value *d =
		psc_add_object(psc_set_array(walk, "reconciliation"));

	psc_set_tag(d, "tag", 0x656c6946);	// File
	psc_set_str(d, "pool", "nonpaged");
	psc_set_int(d, "counter_bytes", counter);
	psc_set_uint(d, "walked_bytes", walked);
	struct psc_value *list = psc_set_array(d, "explained_by");
	psc_add_str(list, why);
	if (too)
		psc_add_str(list, too);
}

static void pools_and_what_they_miss(void **state)
{
	struct psc_value *walk;
	struct psc_report *r = report_new(&walk);
	struct psc_value *p = add_pool(walk, "nonpaged-nx", 3u << 20);

	add_pool(walk, "paged", 0);
	psc_set_uint(p, "pages_missing", 7);
	psc_set_uint(p, "pages_paged_out", 2);
	psc_set_str(walk, "keys_from", "votes of chunk headers");
	check_rendered(r, "walk",
		"segment-heap pool, 1,234,567 blocks, keys from votes of chunk "
		"headers\n\n"
		"pool         node      pages      blocks       in use        "
		" free     cached   overhead\n"
		"nonpaged-nx     1         52         900       3.0 MB       "
		"4.0 KB        0 B        0 B  7 pages not in the dump  2 "
		"paged out\n"
		"paged           1         52         900          0 B       "
		"4.0 KB        0 B        0 B\n");
	psc_report_free(r);
}

static void differences(void **state)
{
	struct psc_value *walk;
	struct psc_report *r = report_new(&walk);

	psc_set_str(walk, "design", "classic");
	psc_set_uint(walk, "tags_equal", 512);
	psc_set_uint(walk, "tags_explained", 2);
	psc_set_uint(walk, "tags_unexplained", 1);
	add_difference(walk, 8192, 4096, "missing-pages", "paged-out");
	add_difference(walk, -64, 0, "unexplained", NULL);
	check_contains(r, "walk",
		"\nCounters against pages: 512 agree, 2 differ for a known "
		"reason, 1 unexplained\n"
		"  File nonpaged           8192 counted           4096 found  "
		"missing-pages, paged-out\n"
		"  File nonpaged            -64 counted              0 found  "
		"unexplained\n");
	psc_report_free(r);
}

/** Forty rows; the rest is counted, not dropped without a word. */
static void many_differences(void **state)
{
	for (unsigned int n = 40; n < 43; n++) {
		struct psc_value *walk;
		struct psc_report *r = report_new(&walk);
		unsigned int shown = 0;

		for (unsigned int i = 0; i < n; i++)
			add_difference(walk, 1, 2, "in-flight", NULL);
		char *text = rendered(r, "walk");
		for (const char *p = text; (p = strstr(p, "in-flight")); p++)
			shown++;
		assert_int_equal(shown, 40);
		assert_int_equal(!strstr(text, "more"), n == 40);
		if (n == 42)
			assert_non_null(strstr(text, "  … and 2 more\n"));
		free(text);
		psc_report_free(r);
	}
}

static void notes_and_missing_pages(void **state)
{
	struct psc_value *walk;
	struct psc_report *r = report_new(&walk);

	struct psc_value *notes = psc_set_array(walk, "notes");
	psc_add_str(notes, "the first");
	psc_add_str(notes, "the second");
	psc_set_uint(psc_set_object(psc_report_root(r), "missing"),
		     "pages_paged_out", 1);
	check_contains(r, "walk", "overhead\n\nnote: the first\n"
		       "note: the second\n"
		       "\nWhat this dump lacks\n  1 page had been paged out\n");
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_and_what_they_miss),
		cmocka_unit_test(differences),
		cmocka_unit_test(many_differences),
		cmocka_unit_test(notes_and_missing_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
