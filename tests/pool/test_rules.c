// SPDX-License-Identifier: MIT
// The catalogue has a row for every rule, and a name of its own for each.
#include "test.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pool/rules.h"

static void every_rule_has_its_row(void **state)
{
	for (unsigned int i = 0; i < PSC_N_RULES; i++) {
		const struct psc_rule_info *r = psc_rule_info(i);

		if (!r->name || !r->test || !r->meaning)
			fail_msg("rule %u has no complete row", i);
		assert_true(isupper((unsigned char)r->name[0]));
		assert_true(strlen(r->test) > 10);
		assert_true(strlen(r->meaning) > 10);
		for (unsigned int k = 0; k < i; k++)
			assert_string_not_equal(psc_rule_info(k)->name,
						r->name);
	}
}

/** L2 before L10, S1 before S1b: reports and SARIF sort as the enum does. */
static void rows_stand_in_the_order_of_their_names(void **state)
{
	for (unsigned int i = 1; i < PSC_N_RULES; i++) {
		const char *a = psc_rule_info(i - 1)->name;
		const char *b = psc_rule_info(i)->name;
		char *rest_a, *rest_b;
		unsigned long x = strtoul(a + 1, &rest_a, 10);
		unsigned long y = strtoul(b + 1, &rest_b, 10);

		if (a[0] != b[0])
			continue;
		if (x > y || (x == y && strcmp(rest_a, rest_b) >= 0))
			fail_msg("%s stands before %s", a, b);
	}
}

/** A group of rules is one run of the enum. */
static void groups_are_not_torn_apart(void **state)
{
	bool seen[128] = { false };

	for (unsigned int i = 0; i < PSC_N_RULES; i++) {
		unsigned char c = (unsigned char)psc_rule_info(i)->name[0];
		bool goes_on = i && psc_rule_info(i - 1)->name[0] == c;

		assert_true(c < 128 && goes_on == seen[c]);
		seen[c] = true;
	}
}

static void enum_and_names_agree(void **state)
{
#define IS(rule) assert_string_equal(psc_rule_info(PSC_##rule)->name, #rule)
	IS(L1);
	IS(L9);
	IS(L10);
	IS(L18);
	IS(B6);
	IS(K4);
	IS(K6);
	IS(S9);
	IS(S11);
	IS(V11);
	IS(V12);
	IS(F8);
	IS(Q3);
#undef IS
	// A number that is no rule must not read behind the table.
	assert_non_null(psc_rule_info(PSC_N_RULES)->name);
	assert_non_null(psc_rule_info((enum psc_rule)-1)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_has_its_row),
		cmocka_unit_test(rows_stand_in_the_order_of_their_names),
		cmocka_unit_test(groups_are_not_torn_apart),
		cmocka_unit_test(enum_and_names_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
