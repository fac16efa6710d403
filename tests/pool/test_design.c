// SPDX-License-Identifier: MIT
// Which design a pool has: what the kernel says, else what stands where a
// heap would.
#include "test.h"

#include "fake.h"
#include "pool/design.h"
#include "pool/usage.h"

#define PAGE UINT64_C(0xfffff80000010000)
#define STATE (PAGE + 0x100)
#define HEAP UINT64_C(0xffff9a8012300000)

static void check(enum psc_pool_design want)
{
	enum psc_pool_design got = (enum psc_pool_design)99;

	CHECK_OK(psc_pool_design(fake_kernel(), &got));
	assert_int_equal(got, want);
}

static void what_the_kernel_says(void **state)
{
	for (uint64_t v = 0; v < 5; v++) {
		fake_reset();
		fake_map(PAGE, PSC_PAGE_SIZE);
		fake_global("ExpHeapBackedPoolEnabledState", PAGE, v);
		check(v == 3 ? PSC_POOL_SEGMENT : PSC_POOL_CLASSIC);
	}
}

/** Kernels before the switch have no heaps, those behind it nothing else. */
static void no_switch(void **state)
{
	fake_reset();
	check(PSC_POOL_CLASSIC);
	fake_field("_EX_POOL_HEAP_MANAGER_STATE.PoolNode", 0x10, 0x100);
	check(PSC_POOL_SEGMENT);
}

/** The switch is there, but its page is not: a heap tells. */
static void heap_world(uint64_t pools, uint64_t signature)
{
	fake_reset();
	fake_map(PAGE, PSC_PAGE_SIZE);
	fake_map(PAGE + 0x1000, PSC_PAGE_SIZE);
	fake_map(HEAP, PSC_PAGE_SIZE);
	fake_symbol("ExpHeapBackedPoolEnabledState", PAGE + 0x1000);
	fake_unmap(PAGE + 0x1000, PSC_VA_NOT_IN_DUMP);
	fake_symbol("ExPoolState", STATE);
	fake_field("_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools", 0, 4);
	fake_field("_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0].Heaps[1]", 8, 8);
	fake_field("_SEGMENT_HEAP.Signature", 0x10, 4);
	fake_put(STATE, pools, 4);
	fake_put(STATE + 8, HEAP, 8);
	fake_put(HEAP + 0x10, signature, 4);
}

static void the_switch_is_missing(void **state)
{
	heap_world(1, PSC_SEGMENT_HEAP_SIGNATURE);
	check(PSC_POOL_SEGMENT);
	heap_world(PSC_POOL_MAX_NODES, PSC_SEGMENT_HEAP_SIGNATURE);
	check(PSC_POOL_SEGMENT);
	heap_world(0, PSC_SEGMENT_HEAP_SIGNATURE);
	check(PSC_POOL_CLASSIC);
	heap_world(PSC_POOL_MAX_NODES + 1, PSC_SEGMENT_HEAP_SIGNATURE);
	check(PSC_POOL_CLASSIC);
	heap_world(1, PSC_SEGMENT_HEAP_SIGNATURE ^ 1);
	check(PSC_POOL_CLASSIC);
	heap_world(1, PSC_SEGMENT_HEAP_SIGNATURE);
	fake_unmap(HEAP, PSC_VA_PAGED_OUT);
	check(PSC_POOL_CLASSIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_says),
		cmocka_unit_test(no_switch),
		cmocka_unit_test(the_switch_is_missing),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
