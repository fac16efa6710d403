// SPDX-License-Identifier: MIT
#include "test.h"

#include <string.h>

#include "fake.h"
#include "pool/usage.h"

#define DATA UINT64_C(0xfffff80000100000)
#define DESCRIPTORS UINT64_C(0xfffffa8000000000)
#define HEAPS UINT64_C(0xffff880000000000)
#define DESCRIPTOR_BYTES 0x100
#define HEAP_MANAGER "_EX_POOL_HEAP_MANAGER_STATE."

static struct psc_kernel *kernel(void)
{
	fake_reset();
	fake_map(DATA, 0x4000);
	fake_map(DESCRIPTORS, 0x4000);
	fake_map(HEAPS, 0x4000);
	fake_type("_POOL_DESCRIPTOR", DESCRIPTOR_BYTES);
	fake_field("_POOL_DESCRIPTOR.PoolType", 0, 4);
	return fake_kernel();
}

// --- classic -----------------------------------------------------------------

static void old_fields(void)
{
	fake_field("_POOL_DESCRIPTOR.TotalPages", 8, 4);
	fake_field("_POOL_DESCRIPTOR.TotalBigPages", 12, 4);
}

static void new_fields(void)
{
	fake_field("_POOL_DESCRIPTOR.PagesAllocated", 8, 8);
	fake_field("_POOL_DESCRIPTOR.PagesDeallocated", 16, 8);
	fake_field("_POOL_DESCRIPTOR.BigPagesAllocated", 24, 8);
	fake_field("_POOL_DESCRIPTOR.BigPagesDeallocated", 32, 8);
}

static void put_old(uint64_t va, uint32_t type, uint32_t pages, uint32_t big)
{
	fake_put(va, type, 4);
	fake_put(va + 8, pages, 4);
	fake_put(va + 12, big, 4);
}

// One nonpaged descriptor, three paged ones: 0 to ExpNumberOfPagedPools.
static void windows_7(void **state)
{
	struct psc_kernel *k = kernel();
	struct psc_pool_usage u;

	old_fields();
	fake_global("ExpNumberOfNonPagedPools", DATA, 1);
	fake_global("PoolVector", DATA + 0x10, DESCRIPTORS);
	fake_global("ExpNumberOfPagedPools", DATA + 0x20, 2);
	fake_symbol("ExpPagedPoolDescriptor", DATA + 0x100);
	put_old(DESCRIPTORS, 0, 700, 60);
	// What would be the second of a pair is other memory here.
	put_old(DESCRIPTORS + DESCRIPTOR_BYTES, 0x200, 99999, 0);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t va = DESCRIPTORS + 0x1000 + i * DESCRIPTOR_BYTES;
		fake_put(DATA + 0x100 + 8 * i, va, 8);
		put_old(va, 1, 100 + i, 10);
	}
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_int_equal(u.design, PSC_POOL_CLASSIC);
	assert_true(u.complete);
	assert_false(u.has_nx);
	assert_int_equal(u.total.nonpaged, 760);
	assert_int_equal(u.n_paged, 3);
	assert_int_equal(u.paged_line[2], 112);
	assert_int_equal(u.total.paged, 333);
}

// Two nodes, a pair of descriptors each, in either order; the difference of
// two running counts.
static void pairs_from_8_on(void **state)
{
	static const uint32_t types[2][2] = { { 0x200, 0 }, { 0, 0x200 } };
	struct psc_kernel *k = kernel();
	struct psc_pool_usage u;

	new_fields();
	fake_field("_KPRCB.PPNxPagedLookasideList", 0x80, 8);
	fake_global("ExpNumberOfNonPagedPools", DATA, 2);
	fake_symbol("ExpNonPagedPoolDescriptor", DATA + 0x100);
	fake_global("ExpNumberOfPagedPools", DATA + 0x20, 0);
	fake_symbol("ExpPagedPoolDescriptor", DATA + 0x200);
	fake_put(DATA + 0x200, DESCRIPTORS + 0x2000, 8);
	fake_put(DESCRIPTORS + 0x2000 + 8, 50, 8);
	for (unsigned int n = 0; n < 2; n++) {
		uint64_t va = DESCRIPTORS + n * 0x1000;
		fake_put(DATA + 0x100 + 8 * n, va, 8);
		for (unsigned int i = 0; i < 2; i++) {
			uint64_t d = va + i * DESCRIPTOR_BYTES;
			fake_put(d, types[n][i], 4);
			fake_put(d + 8, 1000 + n, 8);
			fake_put(d + 16, types[n][i] ? 100 : 900, 8);
			fake_put(d + 24, 7, 8);
			fake_put(d + 32, 3, 8);
		}
	}
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_true(u.complete && u.has_nx);
	assert_int_equal(u.n_nodes, 2);
	assert_int_equal(u.node[0].nonpaged, 104);
	assert_int_equal(u.node[1].nonpaged_nx, 905);
	assert_int_equal(u.total.nonpaged, 104 + 105);
	assert_int_equal(u.total.nonpaged_nx, 904 + 905);
	assert_int_equal(u.total.paged, 50);
}

static void damaged_descriptors(void **state)
{
	struct psc_kernel *k = kernel();
	struct psc_pool_usage u;

	old_fields();
	fake_global("ExpNumberOfNonPagedPools", DATA, 1);
	fake_global("PoolVector", DATA + 0x10, DESCRIPTORS);
	fake_global("ExpNumberOfPagedPools", DATA + 0x20, 0);
	fake_global("ExpPagedPoolDescriptor", DATA + 0x100,
		    DESCRIPTORS + 0x1000);
	put_old(DESCRIPTORS, 0x21, 5, 5);
	put_old(DESCRIPTORS + 0x1000, 1, 5, 5);
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_false(u.complete);
	assert_non_null(strstr(u.why, "pool type 0x21"));
	assert_int_equal(u.total.nonpaged, 0);
	assert_int_equal(u.total.paged, 10);	// the rest still counts

	fake_unmap(DESCRIPTORS + 0x1000, PSC_VA_NOT_IN_DUMP);
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_int_equal(u.total.paged, 0);

	fake_put(DATA + 0x20, 65, 4);
	CHECK_ERR(psc_pool_usage_read(k, &u), PSC_ERR_DAMAGED);
	fake_put(DATA + 0x20, 0, 4);
	fake_put(DATA, 0xffffffff, 4);
	CHECK_ERR(psc_pool_usage_read(k, &u), PSC_ERR_DAMAGED);
}

// --- segment heaps -----------------------------------------------------------

static void heap_fields(void)
{
	static const char *const heaps[2][4] = {
		{ HEAP_MANAGER "PoolNode[0].Heaps[0]",
		  HEAP_MANAGER "PoolNode[0].Heaps[1]",
		  HEAP_MANAGER "PoolNode[0].Heaps[2]",
		  HEAP_MANAGER "PoolNode[0].Heaps[3]" },
		{ HEAP_MANAGER "PoolNode[1].Heaps[0]",
		  HEAP_MANAGER "PoolNode[1].Heaps[1]",
		  HEAP_MANAGER "PoolNode[1].Heaps[2]",
		  HEAP_MANAGER "PoolNode[1].Heaps[3]" },
	};

	fake_symbol("ExPoolState", DATA + 0x1000);
	fake_field(HEAP_MANAGER "PoolNode", 0x10, 8);
	fake_field(HEAP_MANAGER "NumberOfPools", 8, 4);
	fake_field(HEAP_MANAGER "SpecialHeaps", 0x100, 8);
	fake_field("_SEGMENT_HEAP.Signature", 0x10, 4);
	fake_field("_SEGMENT_HEAP.MemStats.TotalCommittedPages", 0x18, 8);
	fake_field("_SEGMENT_HEAP.MemStats.FreeCommittedPages", 0x20, 8);
	fake_field("_SEGMENT_HEAP.LargeCommittedPages", 0x28, 8);
	for (unsigned int n = 0; n < 2; n++) {
		for (unsigned int i = 0; i < 4; i++)
			fake_field(heaps[n][i], 0x10 + n * 0x40 + i * 8, 8);
	}
}

static void put_heap(unsigned int node, unsigned int i, unsigned int which,
		     uint64_t committed, uint64_t large)
{
	uint64_t va = HEAPS + which * 0x100;

	fake_put(DATA + 0x1000 + 0x10 + node * 0x40 + i * 8, va, 8);
	fake_put(va + 0x10, PSC_SEGMENT_HEAP_SIGNATURE, 4);
	fake_put(va + 0x18, committed, 8);
	fake_put(va + 0x20, 1, 8);
	fake_put(va + 0x28, large, 8);
}

static struct psc_kernel *heap_kernel(void)
{
	struct psc_kernel *k = kernel();

	heap_fields();
	fake_put(DATA + 0x1008, 2, 4);
	put_heap(0, 0, 0, 10, 1);
	put_heap(0, 1, 1, 200, 20);
	put_heap(0, 2, 2, 300, 0);
	put_heap(0, 3, 3, 40, 4);
	put_heap(1, 1, 4, 50, 0);
	put_heap(1, 2, 2, 300, 0);	// node 1 shares node 0's paged heap
	return k;
}

static void heaps(void **state)
{
	struct psc_kernel *k = heap_kernel();
	struct psc_pool_usage u;

	put_heap(0, 30, 5, 6, 0);	// slot 0 of SpecialHeaps
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_int_equal(u.design, PSC_POOL_SEGMENT);
	assert_true(u.complete && u.has_nx && u.has_special);
	assert_int_equal(u.total.nonpaged, 11);
	assert_int_equal(u.total.nonpaged_nx, 270);
	assert_int_equal(u.node[0].paged, 344);
	assert_int_equal(u.node[1].paged, 0);
	assert_int_equal(u.total.paged, 344);
	assert_int_equal(u.special, 6);
	assert_int_equal(u.free_pages, 6);
}

static void damaged_heaps(void **state)
{
	struct psc_kernel *k = heap_kernel();
	struct psc_pool_usage u;

	fake_put(HEAPS + 0x10, 0xdeadbeef, 4);
	CHECK_OK(psc_pool_usage_read(k, &u));
	assert_false(u.complete);
	assert_non_null(strstr(u.why, "signature 0xdeadbeef"));
	assert_int_equal(u.total.nonpaged, 0);
	assert_int_equal(u.total.nonpaged_nx, 270);
	fake_put(DATA + 0x1008, 0, 4);
	CHECK_ERR(psc_pool_usage_read(k, &u), PSC_ERR_DAMAGED);
	fake_put(DATA + 0x1008, 65, 4);
	CHECK_ERR(psc_pool_usage_read(k, &u), PSC_ERR_DAMAGED);
}

// 17763 is either: its switch decides, never the version.
static void switch_of_17763(void **state)
{
	struct psc_kernel *k = heap_kernel();
	enum psc_pool_design d;

	fake_global("ExpHeapBackedPoolEnabledState", DATA, 2);
	CHECK_OK(psc_pool_design(k, &d));
	assert_int_equal(d, PSC_POOL_CLASSIC);
	fake_put(DATA, 3, 4);
	CHECK_OK(psc_pool_design(k, &d));
	assert_int_equal(d, PSC_POOL_SEGMENT);

	// Unreadable: does a heap stand where one would?
	k = heap_kernel();
	fake_symbol("ExpHeapBackedPoolEnabledState", DATA + 0x100000);
	CHECK_OK(psc_pool_design(k, &d));
	assert_int_equal(d, PSC_POOL_SEGMENT);
	fake_put(HEAPS + 0x110, 0, 4);
	CHECK_OK(psc_pool_design(k, &d));
	assert_int_equal(d, PSC_POOL_CLASSIC);
}

static void nothing_known(void **state)
{
	struct psc_kernel *k = kernel();
	struct psc_pool_usage u;

	CHECK_ERR(psc_pool_usage_read(k, &u), PSC_ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_7),
		cmocka_unit_test(pairs_from_8_on),
		cmocka_unit_test(damaged_descriptors),
		cmocka_unit_test(heaps),
		cmocka_unit_test(damaged_heaps),
		cmocka_unit_test(switch_of_17763),
		cmocka_unit_test(nothing_known),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
