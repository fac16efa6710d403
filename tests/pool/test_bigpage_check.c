// SPDX-License-Identifier: MIT
// Rules on the big-page table (pool 7.3): a table of four entries at their
// hashes' places, one of them damaged at a time.
#include "test.h"

#include <string.h>

#include "collect.h"
#include "fake.h"
#include "pool/bigpage_check.h"
#include "pool/view_impl.h"

#define GLOBALS UINT64_C(0xfffff80000100000)
#define TABLE UINT64_C(0xffffa00000000000)
#define ENTRIES 1024u
#define BYTES 0x18u
#define FIRST UINT64_C(0xffff900000010000)
#define N 4u

struct world {
	struct psc_pool_view v;
	struct collect got;
};

static uint64_t va_of(unsigned int i)
{
	return FIRST + i * UINT64_C(0x10000);
}

static void put(struct world *w, unsigned int i, uint64_t va, uint64_t bytes)
{
	struct psc_big b = {
		.va = va, .bytes = bytes, .tag = 0x67676942,
		.index = psc_big_hash(va_of(i), true) & (ENTRIES - 1),
	};
	uint64_t e = TABLE + b.index * BYTES;

	fake_put(e, va, 8);
	fake_put(e + 8, b.tag, 4);
	fake_put(e + 0x10, bytes, 8);
	assert_true(psc_vec_push(&w->v.big, b));
}

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	fake_reset();
	fake_type("_POOL_TRACKER_BIG_PAGES", BYTES);
	fake_field("_POOL_TRACKER_BIG_PAGES.Va", 0, 8);
	fake_field("_POOL_TRACKER_BIG_PAGES.Key", 8, 4);
	fake_field("_POOL_TRACKER_BIG_PAGES.PoolType", 0xc, 4);
	fake_field("_POOL_TRACKER_BIG_PAGES.NumberOfBytes", 0x10, 8);
	fake_map(GLOBALS, 0x1000);
	fake_map(TABLE, 0x8000);
	for (unsigned int i = 0; i < N; i++)
		fake_map(va_of(i), 0x3000);
	fake_global("PoolBigPageTable", GLOBALS, TABLE);
	fake_global("PoolBigPageTableSize", GLOBALS + 8, ENTRIES);
	fake_global("ExpPoolBigEntriesInUse", GLOBALS + 16, N);
	w->v.k = fake_kernel();
	assert_true(psc_vec_push(&w->v.spaces, (struct psc_space){
		.mem = fake_mem(),
		.big = { .va = TABLE, .entries = ENTRIES, .entry_bytes = BYTES,
			 .n_live = N, .in_use = N, .has_in_use = true,
			 .complete = true } }));
}

static void check(struct world *w)
{
	const struct psc_sink s = collect_sink(&w->got);

	CHECK_OK(psc_pool_check_big(&w->v, &s));
}

static void end(struct world *w)
{
	psc_vec_free(&w->v.big);
	psc_vec_free(&w->v.bad_big);
	psc_vec_free(&w->v.spaces);
}

static uint64_t entry_of(unsigned int i)
{
	return TABLE + (psc_big_hash(va_of(i), true) & (ENTRIES - 1)) * BYTES;
}

static void a_sound_table_is_silent(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++)
		put(&w, i, va_of(i), 0x3000);
	check(&w);
	assert_int_equal(w.got.n_faults, 0);
	end(&w);
}

static void an_address_one_bit_away(void **state)
{
	struct world w;
	uint64_t wrong = va_of(3) ^ UINT64_C(1) << 36;

	begin(&w);
	for (unsigned int i = 0; i < N - 1; i++)
		put(&w, i, va_of(i), 0x3000);
	put(&w, 3, wrong, 0x3000);
	check(&w);
	assert_int_equal(w.got.n_faults, 2);	// no pages there either
	assert_int_equal(w.got.f[0].rule, PSC_B7);
	assert_int_equal(w.got.f[0].va, entry_of(3));
	assert_int_equal(w.got.f[0].expected, va_of(3));
	assert_int_equal(w.got.f[0].found, wrong);
	assert_true(w.got.f[0].repaired);
	assert_int_equal(w.got.f[1].rule, PSC_B5);
	end(&w);
}

static void a_size_that_covers_the_next(void **state)
{
	struct world w;

	begin(&w);
	put(&w, 0, va_of(0), 0x3000 | 0x10000);
	for (unsigned int i = 1; i < N; i++)
		put(&w, i, va_of(i), 0x3000);
	check(&w);
	assert_int_equal(w.got.f[0].rule, PSC_B2);
	assert_int_equal(w.got.f[0].va, entry_of(0));
	assert_int_equal(w.got.f[0].field_va, entry_of(0) + 0x10);
	assert_int_equal(w.got.f[0].expected, 0x3000);
	end(&w);
}

static void a_page_that_is_gone(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++)
		put(&w, i, va_of(i), i == 2 ? 0x4000 : 0x3000);
	check(&w);
	assert_int_equal(w.got.n_faults, 1);
	assert_int_equal(w.got.f[0].rule, PSC_B5);
	assert_int_equal(w.got.f[0].va, entry_of(2));
	assert_int_equal(w.got.f[0].found, va_of(2) + 0x3000);
	end(&w);
}

static void a_count_that_disagrees(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++)
		put(&w, i, va_of(i), 0x3000);
	w.v.spaces.v[0].big.in_use = N + 1;	// one update in flight
	check(&w);
	assert_int_equal(w.got.n_faults, 0);
	w.v.spaces.v[0].big.in_use = N + 16;
	check(&w);
	assert_int_equal(w.got.n_faults, 1);
	assert_int_equal(w.got.f[0].rule, PSC_B6);
	end(&w);
}

static void a_fill_that_was_changed(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++) {
		put(&w, i, va_of(i), 0x2e00);
		w.v.big.v[i].slush = 0x200;
		w.v.big.v[i].pattern = 0x5b;
		for (unsigned int k = 0; k < 0x200; k++)
			fake_put(va_of(i) + 0x2e00 + k, 0x5b, 1);
	}
	fake_put(va_of(1) + 0x2e04, 0x41, 1);
	check(&w);
	assert_int_equal(w.got.n_faults, 1);
	assert_int_equal(w.got.f[0].rule, PSC_B8);
	assert_int_equal(w.got.f[0].va, va_of(1) + 0x2e04);
	assert_int_equal(w.got.f[0].expected, 0x5b);
	assert_int_equal(w.got.f[0].previous_va, va_of(1));
	end(&w);
}

// Most entries elsewhere: another hash, not damage.
static void a_rule_that_most_break_is_silent(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++)
		put(&w, i, va_of(i) ^ UINT64_C(1) << 36, 0x3000);
	check(&w);
	assert_int_equal(w.got.n_faults, 0);
	end(&w);
}

static void entries_that_cannot_be_true(void **state)
{
	struct world w;

	begin(&w);
	for (unsigned int i = 0; i < N; i++)
		put(&w, i, va_of(i), 0x3000);
	struct psc_big b = w.v.big.v[--w.v.big.n];
	b.va |= 0x40;
	assert_true(psc_vec_push(&w.v.bad_big, b));
	check(&w);
	assert_int_equal(w.got.n_faults, 1);
	assert_int_equal(w.got.f[0].rule, PSC_B1);
	assert_int_equal(w.got.f[0].expected, va_of(3));
	assert_true(w.got.f[0].repaired);
	w.v.bad_big.v[0].va = va_of(3);
	w.v.bad_big.v[0].bytes = 0;
	check(&w);
	assert_int_equal(w.got.f[0].rule, PSC_B3);
	assert_int_equal(w.got.f[0].va, entry_of(3));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_table_is_silent),
		cmocka_unit_test(an_address_one_bit_away),
		cmocka_unit_test(a_size_that_covers_the_next),
		cmocka_unit_test(a_page_that_is_gone),
		cmocka_unit_test(a_count_that_disagrees),
		cmocka_unit_test(a_fill_that_was_changed),
		cmocka_unit_test(a_rule_that_most_break_is_silent),
		cmocka_unit_test(entries_that_cannot_be_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
