// SPDX-License-Identifier: MIT
#include "test.h"

#include "kernel/bugcheck.h"

static void names(void **state)
{
	assert_string_equal(psc_bugcheck_name(0x19), "BAD_POOL_HEADER");
	assert_string_equal(psc_bugcheck_name(0xc2), "BAD_POOL_CALLER");
	assert_string_equal(psc_bugcheck_name(0x13a),
			    "KERNEL_MODE_HEAP_CORRUPTION");
	assert_string_equal(psc_bugcheck_name(0x1), "APC_INDEX_MISMATCH");
	assert_string_equal(psc_bugcheck_name(0xdeaddead),
			    "MANUALLY_INITIATED_CRASH1");
	assert_null(psc_bugcheck_name(0));
	assert_null(psc_bugcheck_name(0x12345));
}

static void bit_of_small_dumps(void **state)
{
	// Its own name first, else the plain code's.
	assert_string_equal(psc_bugcheck_name(0x1000007e),
			    "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M");
	assert_string_equal(psc_bugcheck_name(0x10000019), "BAD_POOL_HEADER");
	assert_null(psc_bugcheck_name(0x20000019));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(bit_of_small_dumps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
