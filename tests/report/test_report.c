// SPDX-License-Identifier: MIT
#include "test.h"

#include "psc/report.h"

static void tree(void **state)
{
	struct psc_report *r;
	uint64_t u;
	int64_t i;
	const char *key;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *root = psc_report_root(r);
	struct psc_value *sys = psc_set_object(root, "system");
	psc_set_uint(sys, "build", 19041);
	psc_set_hex(psc_set_object(sys, "bugcheck"), "code", 0x19);
	psc_set_uint(sys, "big", UINT64_MAX);
	psc_set_int(sys, "diff", -3);
	psc_set_str(sys, "name", "a\x01");
	psc_set_str(sys, "none", NULL);
	psc_add_strf(psc_set_array(sys, "list"), "%d", 7);

	assert_true(psc_get_uint(root, "system.build", &u));
	assert_int_equal(u, 19041);
	assert_true(psc_get_hex(root, "system.bugcheck.code", &u));
	assert_int_equal(u, 0x19);
	assert_true(psc_get_uint(root, "system.big", &u));
	assert_true(u == UINT64_MAX);
	assert_false(psc_get_int(root, "system.big", &i));
	assert_true(psc_get_int(root, "system.diff", &i));
	assert_int_equal(i, -3);
	assert_string_equal(psc_get_str(root, "system.name"), "a\\x01");
	assert_int_equal(psc_kind(psc_get(root, "system.none")), PSC_NULL);
	assert_null(psc_get(root, "system.nope.deeper"));
	assert_null(psc_get(root, "syste"));
	assert_false(psc_get_uint(root, "system.name", &u));

	const struct psc_value *v =
		psc_at(psc_get(root, "system.list"), 0, &key);
	assert_null(key);
	assert_string_equal(psc_value_str(v), "7");
	assert_null(psc_at(psc_get(root, "system.list"), 1, NULL));

	// Replacing keeps the place and the new kind.
	psc_set_str(sys, "build", "x");
	assert_false(psc_get_uint(root, "system.build", &u));
	assert_string_equal(psc_get_str(root, "system.build"), "x");
	CHECK_OK(psc_report_check(r));
	psc_report_free(r);
}

static void times(void **state)
{
	char text[PSC_TIME_TEXT];

	assert_true(psc_time_text(0x1D707F23DBB3399, text));
	assert_string_equal(text, "2021-02-21T01:38:22.987765Z");
	assert_false(psc_time_text(0, text));
	assert_false(psc_time_text(0x4547415045474150, text));
	assert_false(psc_time_text(UINT64_MAX, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree),
		cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
