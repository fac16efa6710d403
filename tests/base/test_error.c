// SPDX-License-Identifier: MIT
#include "test.h"

#include <errno.h>

static void context_is_put_in_front(void **state)
{
	struct psc_error *err = psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET,
					     0x88, "run %d", 3);

	err = psc_error_prefix(err, "x.dmp");
	assert_string_equal(err->message, "x.dmp: run 3");
	assert_int_equal(err->code, PSC_ERR_DAMAGED);
	assert_int_equal(err->where, 0x88);
	psc_error_free(err);
	assert_null(psc_error_prefix(NULL, "x"));
}

static void static_errors_survive(void **state)
{
	psc_error_free(&psc_nomem);
	psc_error_free(&psc_absent);
	assert_ptr_equal(psc_error_prefix(&psc_nomem, "x"), &psc_nomem);

	struct psc_error *err = psc_error_prefix(&psc_absent, "MiState");
	assert_string_equal(err->message, "MiState: not found");
	assert_string_equal(psc_absent.message, "not found");
	psc_error_free(err);
}

static void catch_takes_one_code(void **state)
{
	struct psc_error *err = &psc_absent;

	assert_false(psc_error_catch(&err, PSC_ERR_DAMAGED));
	assert_true(psc_error_catch(&err, PSC_ERR_ABSENT));
	assert_null(err);
	assert_false(psc_error_catch(&err, PSC_ERR_ABSENT));
	err = psc_error_os(ENOENT, "x.dmp");
	assert_string_equal(err->message, "x.dmp: No such file or directory");
	psc_error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(context_is_put_in_front),
		cmocka_unit_test(static_errors_survive),
		cmocka_unit_test(catch_takes_one_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
