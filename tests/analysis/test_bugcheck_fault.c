// SPDX-License-Identifier: MIT
// Names of routines that work on pools.
#include "test.h"

#include "analysis/bugcheck_fault.h"

static void pool_routines(void **state)
{
	static const char *const yes[] = {
		"ExFreePoolWithTag", "ExAllocatePool2", "ExDeferredFreePool", "RtlpHpVsContextFree",
		"RtlpHpLfhSubsegmentFreeBlock", "RtlpHeapHandleError",
		"MiFreePoolPages", "MiAllocatePoolPages", "MmFreeSpecialPool",
	};
	static const char *const no[] = {
		"KeBugCheckEx", "IofCallDriver", "MiResolvePageFault",
		"ExAcquireFastMutex", "RtlCopyMemory", "",
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(psc_is_pool_routine(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(psc_is_pool_routine(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_routines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
