// SPDX-License-Identifier: MIT
// Lists of cached blocks: read to their end, cut where they break, and told.
#include "test.h"

#include <string.h>

#include "fake_view.h"

#define LIST UINT64_C(0xffff9a8012300000)
#define ENTRY UINT64_C(0xffff9a8013400000)

static struct psc_pool_view *v;

/** An SLIST_HEADER at LIST, and @p n entries that point to the next. */
static void list_of(unsigned int n)
{
	psc_pool_view_free(v);
	fake_reset();
	v = fake_view(PSC_POOL_SEGMENT);
	fake_map(LIST, PSC_PAGE_SIZE);
	fake_map(ENTRY, 0x10000);
	fake_put(LIST, n | 0x12340000, 8);	// depth and sequence
	// The low bits of the header's second word are not the address's.
	fake_put(LIST + 8, n ? ENTRY | 9 : 0, 8);
	for (unsigned int i = 0; i < n; i++)
		fake_put(ENTRY + i * 0x100,
			 i + 1 < n ? ENTRY + (i + 1) * 0x100 : 0, 8);
}

static void read_list(void)
{
	psc_view_slist(v, 0, LIST, "a list");
}

/** One note that says what, and a view that knows it is incomplete. */
static void check_told(size_t cached, const char *what)
{
	assert_int_equal(v->spaces.v[0].cached.n, cached);
	assert_false(v->info.complete);
	assert_int_equal(psc_pool_view_n_notes(v), 1);
	if (!strstr(psc_pool_view_note(v, 0), what))
		fail_msg("%s: not in: %s", what, psc_pool_view_note(v, 0));
}

static void reads_a_list(void **state)
{
	list_of(200);
	read_list();
	assert_int_equal(v->spaces.v[0].cached.n, 200);
	assert_int_equal(v->spaces.v[0].cached.v[199], ENTRY + 199 * 0x100);
	assert_true(v->info.complete);
	assert_int_equal(psc_pool_view_n_notes(v), 0);
	list_of(0);
	read_list();
	assert_int_equal(v->spaces.v[0].cached.n, 0);
	assert_true(v->info.complete);
}

/** Sessions use the same addresses: what one freed, another may use. */
static void spaces_keep_their_own(void **state)
{
	list_of(3);
	assert_true(psc_vec_push(&v->spaces,
				 (struct psc_space){ .mem = fake_mem() }));
	psc_view_slist(v, 1, LIST, "a list");
	assert_int_equal(v->spaces.v[0].cached.n, 0);
	assert_int_equal(v->spaces.v[1].cached.n, 3);
}

static void a_missing_head(void **state)
{
	list_of(3);
	fake_unmap(LIST, PSC_VA_PAGED_OUT);
	read_list();
	check_told(0, "a list");
}

static void a_link_out_of_the_kernel(void **state)
{
	list_of(20);
	fake_put(ENTRY + 0x700, 0x1234, 8);
	read_list();
	check_told(8, "breaks at 0x1234");
	assert_int_equal(v->faults.n, 0);
}

static void a_missing_entry(void **state)
{
	list_of(20);
	fake_unmap(ENTRY + 0x1000, PSC_VA_NOT_IN_DUMP);
	read_list();
	// The entry is on the list all the same: it was named.
	check_told(17, "a list");
}

static void a_ring_is_a_double_free(void **state)
{
	list_of(20);
	fake_put(ENTRY + 0x700, ENTRY + 0x300, 8);
	read_list();
	check_told(8, "is a ring");
	assert_int_equal(v->faults.n, 1);
	assert_int_equal(v->faults.v[0].rule, PSC_L13);
	assert_int_equal(v->faults.v[0].va, ENTRY + 0x300);
	list_of(1);
	fake_put(ENTRY, ENTRY, 8);
	read_list();
	check_told(1, "is a ring");
}

static void all_lists_of_all_nodes(void **state)
{
	const uint64_t state_va = LIST + 0x100;

	list_of(4);
	fake_field("_RTL_DYNAMIC_LOOKASIDE.Buckets[0].ListHead", 0x40, 16);
	fake_field("_RTL_DYNAMIC_LOOKASIDE.Buckets[1].ListHead", 0xa0, 16);
	CHECK_ERR(psc_view_lookasides(v, state_va, 2), PSC_ERR_ABSENT);
	fake_field_array("_RTL_DYNAMIC_LOOKASIDE.Buckets", 0x40, 0xc0, 2);
	static const char *const paths[] = {
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0].Lookasides[0]",
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0].Lookasides[1]",
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[1].Lookasides[0]",
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[1].Lookasides[1]",
	};
	// Each of eight lists has one entry of its own.
	for (uint64_t i = 0; i < 4; i++) {
		fake_field(paths[i], i * 0x200, 0x200);
		for (uint64_t b = 0; b < 2; b++) {
			uint64_t entry = ENTRY + 0x8000 + (i * 2 + b) * 0x100;

			fake_put(state_va + i * 0x200 + 0x40 + b * 0x60 + 8,
				 entry, 8);
		}
	}
	CHECK_OK(psc_view_lookasides(v, state_va, 2));
	assert_int_equal(v->spaces.v[0].cached.n, 8);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(v->spaces.v[0].cached.v[i],
				 ENTRY + 0x8000 + i * 0x100);
	// A node more than the kernel's types know.
	CHECK_ERR(psc_view_lookasides(v, state_va, 3), PSC_ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_list),
		cmocka_unit_test(spaces_keep_their_own),
		cmocka_unit_test(a_missing_head),
		cmocka_unit_test(a_link_out_of_the_kernel),
		cmocka_unit_test(a_missing_entry),
		cmocka_unit_test(a_ring_is_a_double_free),
		cmocka_unit_test(all_lists_of_all_nodes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	psc_pool_view_free(v);
	fake_reset();
	return failed;
}
