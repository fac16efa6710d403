// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake.h"
#include "pool/bigpage.h"

#define GLOBALS UINT64_C(0xfffff80000100000)
#define TABLE UINT64_C(0xffffa00000000000)
#define COOKIE UINT64_C(0x0123456789abcdef)

static void setup(unsigned int bytes, bool bits)
{
	fake_reset();
	fake_type("_POOL_TRACKER_BIG_PAGES", bytes);
	fake_field("_POOL_TRACKER_BIG_PAGES.Va", 0, 8);
	fake_field("_POOL_TRACKER_BIG_PAGES.Key", 8, 4);
	fake_field("_POOL_TRACKER_BIG_PAGES.NumberOfBytes", 0x10, 8);
	if (bits) {
		fake_bits("_POOL_TRACKER_BIG_PAGES.Pattern", 0xc, 0, 8);
		fake_bits("_POOL_TRACKER_BIG_PAGES.PoolType", 0xc, 8, 12);
		fake_bits("_POOL_TRACKER_BIG_PAGES.SlushSize", 0xc, 20, 12);
	}
	if (bytes == 0x20)
		fake_field("_POOL_TRACKER_BIG_PAGES.ProcessBilled", 0x18, 8);
	fake_map(GLOBALS, 0x1000);
	fake_map(TABLE, 0x8000);
	fake_global("PoolBigPageTable", GLOBALS, TABLE);
	fake_global("PoolBigPageTableSize", GLOBALS + 8, 1024);
	fake_global("ExpPoolBigEntriesInUse", GLOBALS + 16, 2);
	fake_global("ExpPoolQuotaCookie", GLOBALS + 24, COOKIE);
}

static void put(unsigned int bytes, unsigned int i, uint64_t va, uint32_t tag,
		uint32_t word, uint64_t size)
{
	uint64_t e = TABLE + (uint64_t)i * bytes;

	fake_put(e, va, 8);
	fake_put(e + 8, tag, 4);
	fake_put(e + 0xc, word, 4);
	fake_put(e + 0x10, size, 8);
}

struct got {
	struct psc_big v[8];
	unsigned int n;
};

static bool collect(void *ctx, const struct psc_big *b)
{
	struct got *g = ctx;

	g->v[g->n++] = *b;
	return g->n < 8;
}

static void decodes_entries(void **state)
{
	struct got g = { .n = 0 };
	struct psc_big_table t;
	const uint64_t va = UINT64_C(0xffff9a8012345000);

	setup(0x20, true);
	put(0x20, 0, 1, 0, 0, 0);
	put(0x20, 5, va, 0x636f7250, 0x123 << 20 | 0x208 << 8 | 0xa5, 0x3010);
	fake_put(TABLE + 5 * 0x20 + 0x18,
		 UINT64_C(0xffff9a8014567080) ^ COOKIE ^ va, 8);
	put(0x20, 6, 0xffff9a8012346001, 0x41414141, 1 << 8, 0x1000);
	put(0x20, 1023, 0xffffb00000001000, 0xe1414141, 0x21 << 8, 0x2000);
	CHECK_OK(psc_big_scan(fake_kernel(), collect, &g, &t));
	assert_int_equal(g.n, 3);
	assert_int_equal(g.v[0].va, va);
	assert_int_equal(g.v[0].bytes, 0x3010);
	assert_int_equal(g.v[0].pattern, 0xa5);
	assert_int_equal(g.v[0].slush, 0x123);
	assert_int_equal(g.v[0].type, 0x208);
	assert_int_equal(g.v[0].pool, PSC_POOL_NONPAGED_NX);
	assert_int_equal(g.v[0].process, UINT64_C(0xffff9a8014567080));
	assert_true(g.v[1].free);
	assert_int_equal(g.v[2].index, 1023);
	assert_true(g.v[2].is_protected);
	assert_int_equal(g.v[2].tag, 0x61414141);
	assert_int_equal(g.v[2].pool, PSC_POOL_SESSION);
	assert_int_equal(t.n_live, 2);
	assert_int_equal(t.live_bytes, 0x5010);
	assert_int_equal(t.in_use, 2);
	assert_true(t.complete);
	assert_false(t.assumed_bits);
}

static void old_and_new_type_words(void **state)
{
	struct got g = { .n = 0 };
	struct psc_big_table t;

	setup(0x18, false);	// a whole word, as in 7601
	fake_field("_POOL_TRACKER_BIG_PAGES.PoolType", 0xc, 4);
	put(0x18, 170, 0xfffffa8001234000, 0x41414141, 1, 0x1000);
	CHECK_OK(psc_big_scan(fake_kernel(), collect, &g, &t));
	assert_int_equal(g.n, 1);	// it straddles a page
	assert_int_equal(g.v[0].pool, PSC_POOL_PAGED);
	setup(0x20, false);	// bit fields unknown: POOL_FLAGS, assumed widths
	put(0x20, 0, 0xffff9a8012345000, 0x41414141, 0x100 << 8, 0x1000);
	put(0x20, 1, 0xffff9a8012346000, 0x41414141, 0x80 << 8, 0x1000);
	put(0x20, 2, 0xffff9a8012347000, 0x41414141, 0x40 << 8, 0x1000);
	g.n = 0;
	CHECK_OK(psc_big_scan(fake_kernel(), collect, &g, &t));
	assert_true(t.assumed_bits);
	assert_true(g.v[0].flags_form);
	assert_int_equal(g.v[0].pool, PSC_POOL_PAGED);
	assert_int_equal(g.v[1].pool, PSC_POOL_NONPAGED);
	assert_int_equal(g.v[2].pool, PSC_POOL_NONPAGED_NX);
}

/** Only paged session pool is a pool of its own, and only to 22000. */
static void session_flags(void **state)
{
	static const struct {
		uint32_t family, type;
		enum psc_pool_kind pool;
	} t[] = {
		{ 19041, 0x21, PSC_POOL_SESSION },
		{ 19041, 0x220, PSC_POOL_NONPAGED_NX },
		{ 19041, 0x20, PSC_POOL_NONPAGED },
		{ 22621, 0x21, PSC_POOL_PAGED },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct got g = { .n = 0 };
		struct psc_big_table table;

		setup(0x20, true);
		fake_family(t[i].family);
		put(0x20, 3, 0xffff9a8012345000, 0x41414141, t[i].type << 8,
		    0x1000);
		CHECK_OK(psc_big_scan(fake_kernel(), collect, &g, &table));
		assert_int_equal(g.v[0].pool, t[i].pool);
	}
	assert_int_equal(psc_big_kind(0x104, true), PSC_POOL_PAGED);
	assert_int_equal(psc_big_kind(0x044, true), PSC_POOL_NONPAGED_NX);
}

static void damage(void **state)
{
	struct got g = { .n = 0 };
	struct psc_big_table t;

	setup(0x18, true);
	put(0x18, 0, 0xffff9a8012345000, 0x41414141, 0, 0x1000);
	fake_unmap(TABLE + 0x1000, PSC_VA_NOT_IN_DUMP);
	CHECK_OK(psc_big_scan(fake_kernel(), collect, &g, &t));
	assert_false(t.complete);
	assert_int_equal(t.pages_missing, 1);
	fake_put(GLOBALS + 8, 1000, 8);
	CHECK_ERR(psc_big_scan(fake_kernel(), collect, &g, &t),
		  PSC_ERR_DAMAGED);
	fake_put(GLOBALS + 8, UINT64_C(1) << 60, 8);
	CHECK_ERR(psc_big_scan(fake_kernel(), collect, &g, &t),
		  PSC_ERR_DAMAGED);
	fake_put(GLOBALS, 0, 8);
	CHECK_ERR(psc_big_scan(fake_kernel(), collect, &g, &t),
		  PSC_ERR_DAMAGED);
}

// Facts pool 5.2.
static void hash_vectors(void **state)
{
	assert_int_equal(psc_big_hash(0xfffffa8001234000, true), 0x6342bea2);
	assert_int_equal(psc_big_hash(0xfffffa8001234000, false), 0x86ad10c3);
	assert_int_equal(psc_big_hash(0xffffc00012345000, true), 0xb430ac9b);
	assert_int_equal(psc_big_hash(0xffffc00012345000, false), 0x51dd2a1f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_entries),
		cmocka_unit_test(old_and_new_type_words),
		cmocka_unit_test(session_flags),
		cmocka_unit_test(damage),
		cmocka_unit_test(hash_vectors),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return rc;
}
