// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake.h"
#include "pool/tagtable.h"

#define GLOBALS UINT64_C(0xfffff80000100000)
#define TABLE UINT64_C(0xffffa00000000000)
#define ENTRIES 513u

// One layout per width of entry and counters (pool 4.1).
struct shape {
	unsigned int bytes, width;
	unsigned int at[6];	// allocs, frees, bytes; nonpaged, paged
};
static const struct shape shapes[] = {
	{ 0x28, 4, { 0x4, 0x8, 0x10, 0x18, 0x1c, 0x20 } },
	{ 0x38, 8, { 0x10, 0x18, 0x8, 0x28, 0x30, 0x20 } },
	{ 0x50, 8, { 0x10, 0x18, 0x8, 0x28, 0x30, 0x20 } },
};
static const char *const fields[6] = {
	"_POOL_TRACKER_TABLE.NonPagedAllocs",
	"_POOL_TRACKER_TABLE.NonPagedFrees",
	"_POOL_TRACKER_TABLE.NonPagedBytes",
	"_POOL_TRACKER_TABLE.PagedAllocs",
	"_POOL_TRACKER_TABLE.PagedFrees",
	"_POOL_TRACKER_TABLE.PagedBytes",
};

static uint64_t table_va(unsigned int cpu)
{
	return TABLE + cpu * UINT64_C(0x100000);
}

static void setup_sums(const struct shape *s, unsigned int cpus,
		       unsigned int sum)
{
	fake_reset();
	fake_processors(cpus);
	fake_type("_POOL_TRACKER_TABLE", s->bytes);
	fake_field("_POOL_TRACKER_TABLE.Key", 0, 4);
	for (unsigned int i = 0; i < 6; i++)
		fake_field(fields[i], s->at[i], i % 3 == 2 ? sum : s->width);
	fake_map(GLOBALS, 0x2000);
	fake_global("PoolTrackTable", GLOBALS, TABLE);
	fake_global("PoolTrackTableSize", GLOBALS + 8, ENTRIES);
	fake_global("PoolTrackTableMask", GLOBALS + 0x10, ENTRIES - 2);
	fake_symbol("ExPoolTagTables", GLOBALS + 0x100);
	for (unsigned int c = 0; c < cpus; c++) {
		fake_map(table_va(c), 0xb000);
		fake_put(GLOBALS + 0x100 + c * 8, table_va(c), 8);
	}
}

static void setup(const struct shape *s, unsigned int cpus)
{
	setup_sums(s, cpus, 8);
}

static void entry(const struct shape *s, unsigned int cpu, unsigned int i,
		  uint32_t tag, const uint64_t v[6])
{
	uint64_t va = table_va(cpu) + (uint64_t)i * s->bytes;

	fake_put(va, tag, 4);
	for (unsigned int j = 0; j < 6; j++) {
		unsigned int n = j % 3 == 2 ? 8 : s->width;
		uint64_t at = va + s->at[j];
		for (unsigned int b = 0; b < n; b++)	// may straddle a page
			fake_put(at + b, v[j] >> (8 * b), 1);
	}
}

static void sums_by_index(void **state)
{
	for (unsigned int k = 0; k < 3; k++) {
		const struct shape *s = &shapes[k];
		struct psc_tag_table *t;
		// Entry 102 of 0x28 bytes straddles the first page's end.
		const unsigned int straddle = 0x1000 / s->bytes;

		setup(s, 3);
		entry(s, 0, straddle, 0x4c616b4c,
		      (const uint64_t[6]){ 10, 3, 700, 1, 0, 16 });
		// The key is written by a processor's first use only.
		entry(s, 1, straddle, 0, (const uint64_t[6]){ 1, 7, -(uint64_t)300,
						       0, 0, 0 });
		entry(s, 2, straddle, 0x4c616b4c,
		      (const uint64_t[6]){ 5, 0, 400, 0, 1, -(uint64_t)16 });
		entry(s, 1, 7, 0xe5434241, (const uint64_t[6]){ 1, 0, 32 });
		entry(s, 0, ENTRIES - 1, 0, (const uint64_t[6]){ 9, 8, 64 });
		CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
		assert_int_equal(t->n, 3);
		assert_int_equal(t->processors, 3);
		assert_int_equal(t->counter_bits, s->width * 8);
		assert_true(t->complete);
		const struct psc_tag_row *r = psc_tag_find(t, 0x4c616b4c);
		assert_non_null(r);
		assert_int_equal(r->index, straddle);
		assert_int_equal(r->nonpaged.allocs, 16);
		assert_int_equal(r->nonpaged.frees, 10);
		assert_int_equal(r->nonpaged.bytes, 800);
		assert_int_equal(psc_tag_outstanding(t, &r->nonpaged), 6);
		assert_int_equal(r->paged.bytes, 0);
		assert_int_equal(psc_tag_outstanding(t, &r->paged), 0);
		r = psc_tag_find(t, 0x65434241);
		assert_non_null(r);
		assert_true(r->is_protected);
		assert_true(t->v[2].overflow);
		assert_int_equal(t->v[2].nonpaged.allocs, 9);
		psc_tag_table_free(t);
	}
}

static void counters_wrap_at_their_width(void **state)
{
	struct psc_tag_table *t;

	setup(&shapes[0], 2);
	entry(&shapes[0], 0, 1, 0x41414141,
	      (const uint64_t[6]){ 0xfffffff0, 5, 16, 0, 1, 0 });
	entry(&shapes[0], 1, 1, 0x41414141, (const uint64_t[6]){ 0x20, 6, 0, 0, 0 });
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->v[0].nonpaged.allocs, 0x10);
	assert_int_equal(psc_tag_outstanding(t, &t->v[0].nonpaged), 5);
	assert_int_equal(psc_tag_outstanding(t, &t->v[0].paged), -1);
	psc_tag_table_free(t);
}

/** x86: the byte sums are as wide as the counters (pool 4.1). */
static void narrow_byte_sums_wrap_too(void **state)
{
	static const struct shape x86 = {
		0x1c, 4, { 0x4, 0x8, 0xc, 0x10, 0x14, 0x18 }
	};
	struct psc_tag_table *t;

	setup_sums(&x86, 2, 4);
	// Freed by one processor, allocated by the other.
	fake_put(table_va(0) + 0x1c, 0x41414141, 4);
	fake_put(table_va(0) + 0x1c + 0xc, (uint32_t)-0x300, 4);
	fake_put(table_va(1) + 0x1c + 0xc, 0x500, 4);
	fake_put(table_va(0) + 0x1c + 0x18, (uint32_t)-0x20, 4);
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->v[0].nonpaged.bytes, 0x200);
	assert_int_equal((int64_t)t->v[0].paged.bytes, -0x20);
	psc_tag_table_free(t);
}

/** Without a number of processors the first empty slot is the end. */
static void unknown_number_of_processors(void **state)
{
	struct psc_tag_table *t;

	setup(&shapes[1], 3);
	fake_processors(0);
	// Behind the array lies something else.
	fake_put(GLOBALS + 0x100 + 5 * 8, GLOBALS, 8);
	entry(&shapes[1], 2, 1, 0x41414141, (const uint64_t[6]){ 4, 1, 48 });
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->processors, 3);
	assert_int_equal(t->v[0].nonpaged.bytes, 48);
	psc_tag_table_free(t);
}

static void missing_page_is_counted(void **state)
{
	struct psc_tag_table *t;

	setup(&shapes[2], 2);
	entry(&shapes[2], 0, 1, 0x41414141, (const uint64_t[6]){ 4, 1, 48 });
	entry(&shapes[2], 1, 1, 0x41414141, (const uint64_t[6]){ 4, 0, 64 });
	entry(&shapes[2], 1, 500, 0x42424242, (const uint64_t[6]){ 1, 0, 32 });
	fake_unmap(table_va(1), PSC_VA_NOT_IN_DUMP);
	fake_unmap(table_va(0) + 0x3000, PSC_VA_PAGED_OUT);
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_false(t->complete);
	assert_int_equal(t->pages_missing, 1);
	assert_int_equal(t->pages_paged_out, 1);
	assert_int_equal(psc_tag_find(t, 0x41414141)->nonpaged.allocs, 4);
	assert_int_equal(psc_tag_find(t, 0x42424242)->nonpaged.allocs, 1);
	psc_tag_table_free(t);
}

static void expansion_table(void **state)
{
	const struct shape *s = &shapes[1];
	struct psc_tag_table *t;
	const uint64_t va = UINT64_C(0xffffa00010000000);

	setup(s, 1);
	fake_map(va, 0x4000);
	fake_global("PoolTrackTableExpansion", GLOBALS + 0x18, va);
	fake_global("PoolTrackTableExpansionSize", GLOBALS + 0x20, 200);
	fake_put(va, 0x31313131, 4);
	fake_put(va + s->bytes, 0x32323232, 4);
	fake_put(va + s->bytes + s->at[2], 96, 8);
	fake_put(va + s->bytes * 3, 0x33333333, 4);	// behind the end
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->n, 2);
	assert_true(t->v[1].expansion);
	assert_int_equal(t->v[1].nonpaged.bytes, 96);
	psc_tag_table_free(t);

	// A size that lies: the table is left out, and that is told.
	struct psc_mem *m = psc_kernel_mem(fake_kernel());
	uint64_t before = psc_mem_coverage(m).structures_unreadable;
	fake_put(GLOBALS + 0x20, UINT64_MAX, 8);
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_false(t->complete);
	assert_int_equal(t->pages_missing, 0);
	assert_int_equal(psc_mem_coverage(m).structures_unreadable,
			 before + 1);
	psc_tag_table_free(t);
}

static void lying_sizes(void **state)
{
	struct psc_tag_table *t = NULL;

	setup(&shapes[1], 1);
	fake_put(GLOBALS + 8, 0x7fffffffffffffff, 8);
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->entries, ENTRIES);	// the mask stands in
	assert_non_null(t->note);
	psc_tag_table_free(t);
	t = NULL;
	fake_put(GLOBALS + 0x10, 12345, 8);
	CHECK_ERR(psc_tag_table_read(fake_kernel(), &t), PSC_ERR_DAMAGED);
	fake_put(GLOBALS + 8, 0, 8);
	CHECK_ERR(psc_tag_table_read(fake_kernel(), &t), PSC_ERR_DAMAGED);
	fake_put(GLOBALS, 0, 8);
	CHECK_ERR(psc_tag_table_read(fake_kernel(), &t), PSC_ERR_DAMAGED);
	fake_reset();
	CHECK_ERR(psc_tag_table_read(fake_kernel(), &t), PSC_ERR_ABSENT);
	assert_null(t);
}

static void duplicate_and_absent_processors(void **state)
{
	struct psc_tag_table *t;

	setup(&shapes[1], 4);
	entry(&shapes[1], 0, 3, 0x41414141, (const uint64_t[6]){ 2 });
	entry(&shapes[1], 3, 3, 0x41414141, (const uint64_t[6]){ 2 });
	fake_put(GLOBALS + 0x100 + 8, TABLE, 8);
	fake_put(GLOBALS + 0x100 + 16, 0, 8);
	CHECK_OK(psc_tag_table_read(fake_kernel(), &t));
	assert_int_equal(t->processors, 2);
	assert_int_equal(t->v[0].nonpaged.allocs, 4);
	assert_non_null(t->note);
	psc_tag_table_free(t);
}

static void session_table(void **state)
{
	const uint64_t session = UINT64_C(0xffffb00000000000);
	struct psc_tag_table *t = NULL;

	setup(&shapes[1], 1);
	CHECK_ERR(psc_tag_session_read(fake_kernel(), fake_mem(), session, &t),
		  PSC_ERR_ABSENT);
	fake_map(session, 0x6000);
	fake_pointer_field("_MM_SESSION_SPACE.PoolTags", 0x380);
	fake_put(session + 0x380, session + 0x1000, 8);
	fake_global("ExpSessionPoolTrackTableSize", GLOBALS + 0x30, 257);
	fake_put(session + 0x1000, 0x41414141, 4);
	fake_put(session + 0x1000 + 0x20, 160, 8);
	CHECK_OK(psc_tag_session_read(fake_kernel(), fake_mem(), session, &t));
	assert_int_equal(t->entries, 257);
	assert_int_equal(t->n, 1);
	assert_int_equal(t->v[0].paged.bytes, 160);
	assert_int_equal(t->session, session);
	psc_tag_table_free(t);
}

// The four values of facts pool 4.4.
static void hash_vectors(void **state)
{
	assert_int_equal(psc_tag_hash(0x6c6f6f50), 0x040deda5);
	assert_int_equal(psc_tag_hash(0x67617246), 0x81b0a40e);
	assert_int_equal(psc_tag_hash(0x636f7250), 0xaee8f633);
	assert_int_equal(psc_tag_hash(0x656c6946), 0x8c347a44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_by_index),
		cmocka_unit_test(counters_wrap_at_their_width),
		cmocka_unit_test(narrow_byte_sums_wrap_too),
		cmocka_unit_test(unknown_number_of_processors),
		cmocka_unit_test(missing_page_is_counted),
		cmocka_unit_test(expansion_table),
		cmocka_unit_test(lying_sizes),
		cmocka_unit_test(duplicate_and_absent_processors),
		cmocka_unit_test(session_table),
		cmocka_unit_test(hash_vectors),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return rc;
}
