// SPDX-License-Identifier: MIT
// Blocks by tag: thousands of tags, parts of threads joined, which states and
// pools count where.
#include "test.h"

#include <stdlib.h>

#include "analysis/tagsum.h"
#include "base/bytes.h"
#include "pool/tagtable.h"

static void give(struct psc_tagsum *s, uint32_t tag, uint64_t bytes,
		 enum psc_pool_kind pool, enum psc_block_state state,
		 enum psc_block_owner owner)
{
	struct psc_sink sink = psc_tagsum_sink(s);

	sink.block(sink.ctx, &(struct psc_block){
		.tag = tag, .bytes = bytes, .pool = pool, .state = state,
		.owner = owner });
}

static void give_vs(struct psc_tagsum *s, uint32_t tag, uint64_t bytes,
		    enum psc_pool_kind pool)
{
	give(s, tag, bytes, pool, PSC_BLOCK_IN_USE, PSC_OWNER_VS);
}

static void each_pool_has_its_column(void **state)
{
	struct psc_tagsum s = { 0 };

	give_vs(&s, 7, 1, PSC_POOL_NONPAGED);
	give_vs(&s, 7, 2, PSC_POOL_NONPAGED_NX);
	give_vs(&s, 7, 4, PSC_POOL_UNKNOWN);
	give_vs(&s, 7, 8, PSC_POOL_PAGED);
	give_vs(&s, 7, 16, PSC_POOL_SESSION);
	give_vs(&s, 7, 32, PSC_POOL_SPECIAL);
	give(&s, 7, 64, PSC_POOL_PAGED, PSC_BLOCK_CACHED, PSC_OWNER_LFH);
	give(&s, 7, 128, PSC_POOL_PAGED, PSC_BLOCK_FREE, PSC_OWNER_LFH);
	give(&s, 7, 256, PSC_POOL_PAGED, PSC_BLOCK_UNATTRIBUTED,
	     PSC_OWNER_VS);
	psc_tagsum_sort(&s);
	const struct psc_tagsum_row *r = psc_tagsum_find(&s, 7);
	assert_non_null(r);
	assert_int_equal(s.n, 1);
	assert_int_equal(r->nonpaged.bytes, 7);
	assert_int_equal(r->nonpaged.blocks, 3);
	assert_int_equal(r->paged.bytes, 8);
	assert_int_equal(r->session.bytes, 16);
	assert_int_equal(r->special.bytes, 32);
	assert_int_equal(r->cached.bytes, 64);
	assert_int_equal(r->big.blocks, 0);
	psc_tagsum_free(&s);
}

static void big_allocations_are_counted_apart_too(void **state)
{
	struct psc_tagsum s = { 0 };

	give(&s, 7, 0x3000, PSC_POOL_NONPAGED_NX, PSC_BLOCK_IN_USE,
	     PSC_OWNER_BIG);
	give(&s, 7, 0x5000, PSC_POOL_PAGED, PSC_BLOCK_IN_USE,
	     PSC_OWNER_LARGE);
	give_vs(&s, 7, 0x40, PSC_POOL_PAGED);
	psc_tagsum_sort(&s);
	const struct psc_tagsum_row *r = psc_tagsum_find(&s, 7);
	assert_int_equal(r->big.bytes, 0x8000);
	assert_int_equal(r->big.blocks, 2);
	assert_int_equal(r->paged.bytes, 0x5040);
	assert_int_equal(s.big_bytes[PSC_POOL_NONPAGED_NX], 0x3000);
	assert_int_equal(s.big_bytes[PSC_POOL_PAGED], 0x5000);
	psc_tagsum_free(&s);
}

/** A table that grows several times loses no tag and doubles none. */
static void many_tags_of_several_threads(void **state)
{
	enum { TAGS = 5000, THREADS = 3 };
	struct psc_tagsum sum = { 0 };

	for (unsigned int t = 0; t < THREADS; t++) {
		struct psc_tagsum part = { 0 };

		for (uint32_t i = 0; i < TAGS; i++) {
			give_vs(&part, i * 0x01000193u, i + 1,
				PSC_POOL_PAGED);
			give_vs(&part, i * 0x01000193u, 1, PSC_POOL_NONPAGED);
		}
		psc_tagsum_join(&sum, &part);
		psc_tagsum_free(&part);
	}
	psc_tagsum_sort(&sum);
	assert_false(sum.nomem);
	assert_int_equal(sum.n, TAGS);
	for (uint32_t i = 0; i < TAGS; i++) {
		const struct psc_tagsum_row *r =
			psc_tagsum_find(&sum, i * 0x01000193u);

		assert_non_null(r);
		assert_int_equal(r->paged.bytes, THREADS * (i + 1));
		assert_int_equal(r->nonpaged.blocks, THREADS);
	}
	for (size_t i = 1; i < sum.n; i++)	// by characters, not numbers
		assert_true(__builtin_bswap32(sum.v[i - 1].tag) <
			    __builtin_bswap32(sum.v[i].tag));
	assert_null(psc_tagsum_find(&sum, 1));
	psc_tagsum_free(&sum);
}

static void every_column_is_joined(void **state)
{
	struct psc_tagsum sum = { 0 }, part = { 0 };

	give_vs(&sum, 7, 1, PSC_POOL_PAGED);
	give_vs(&part, 7, 16, PSC_POOL_SESSION);
	give_vs(&part, 7, 32, PSC_POOL_SPECIAL);
	give(&part, 7, 64, PSC_POOL_PAGED, PSC_BLOCK_CACHED, PSC_OWNER_LFH);
	give(&part, 7, 0x1000, PSC_POOL_NONPAGED, PSC_BLOCK_IN_USE,
	     PSC_OWNER_BIG);
	give(&sum, 7, 0x2000, PSC_POOL_NONPAGED, PSC_BLOCK_IN_USE,
	     PSC_OWNER_BIG);
	part.nomem = true;
	psc_tagsum_join(&sum, &part);
	psc_tagsum_free(&part);
	psc_tagsum_sort(&sum);
	const struct psc_tagsum_row *r = psc_tagsum_find(&sum, 7);
	assert_int_equal(r->paged.bytes, 1);
	assert_int_equal(r->session.bytes, 16);
	assert_int_equal(r->special.bytes, 32);
	assert_int_equal(r->cached.bytes, 64);
	assert_int_equal(r->big.bytes, 0x3000);
	assert_int_equal(r->nonpaged.bytes, 0x3000);
	assert_int_equal(sum.big_bytes[PSC_POOL_NONPAGED], 0x3000);
	assert_true(sum.nomem);
	psc_tagsum_free(&sum);
}

static void an_empty_table(void **state)
{
	struct psc_tagsum s = { 0 }, part = { 0 };

	psc_tagsum_join(&s, &part);
	psc_tagsum_sort(&s);
	assert_null(psc_tagsum_find(&s, 0));
	psc_tagsum_free(&s);
}

// What a repair of a tag relies on: the counters know of a block more.
static void counters_that_lack_blocks(void **state)
{
	struct psc_tag_row rows[] = {
		{ .tag = 3, .nonpaged = { .allocs = 2, .frees = 5 } },
		{ .tag = 7, .nonpaged = { .allocs = 3, .frees = 1 } },
		{ .tag = 9, .paged = { .allocs = 1 } },
	};
	const struct psc_tag_table t = {
		.v = rows, .n = PSC_ARRAY_SIZE(rows), .counter_bits = 64 };
	struct psc_tagsum s = { 0 };

	give_vs(&s, 7, 16, PSC_POOL_NONPAGED);
	psc_tagsum_sort(&s);
	assert_int_equal(psc_tagsum_counted(psc_tagsum_find(&s, 7)), 1);
	assert_true(psc_tagsum_lacks(&s, &t, 7));
	assert_true(psc_tagsum_lacks(&s, &t, 9));
	// More frees than allocations lack nothing; nor does an unknown tag.
	assert_false(psc_tagsum_lacks(&s, &t, 3));
	assert_false(psc_tagsum_lacks(&s, &t, 11));
	psc_tagsum_free(&s);

	give_vs(&s, 7, 16, PSC_POOL_NONPAGED);
	give_vs(&s, 7, 16, PSC_POOL_PAGED);
	psc_tagsum_sort(&s);
	assert_false(psc_tagsum_lacks(&s, &t, 7));
	psc_tagsum_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pool_has_its_column),
		cmocka_unit_test(big_allocations_are_counted_apart_too),
		cmocka_unit_test(many_tags_of_several_threads),
		cmocka_unit_test(every_column_is_joined),
		cmocka_unit_test(an_empty_table),
		cmocka_unit_test(counters_that_lack_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
