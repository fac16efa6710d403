// SPDX-License-Identifier: MIT
// A walk over units: every block once, by however many threads; what is
// missing is counted as what it is.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "encode.h"
#include "fake_view.h"

#define VS UINT64_C(0xffff9a8013400000)
#define N_UNITS 40u
#define UNIT_PAGES 4u
#define UNIT_BLOCKS 6u
#define UNIT_BYTES (UNIT_PAGES * PSC_PAGE_SIZE)

static struct collect got[4];
static struct psc_pool_view *v;

/** VS subsegments of four pages, six blocks of 0x300 bytes in each. */
static void begin(unsigned int units)
{
	psc_pool_view_free(v);
	fake_reset();
	v = fake_view(PSC_POOL_SEGMENT);
	v->info.keys.has_heap = v->info.keys.has_lfh = true;
	v->info.keys.heap_key = HEAP_KEY;
	v->info.keys.heap_mask = UINT64_MAX;
	for (unsigned int i = 0; i < units; i++) {
		uint64_t va = VS + i * 0x10000;
		struct enc_vs e;

		enc_vs_begin(&e, fake_map(va, UNIT_BYTES), va, UNIT_PAGES);
		for (unsigned int b = 0; b < UNIT_BLOCKS; b++)
			enc_vs_alloc(&e, 0x300, 0x02, TAG('U', 'n', 'i', 't'));
		enc_vs_end(&e);
		fake_view_unit(v, (struct psc_unit){
			.va = va, .pages = UNIT_PAGES, .kind = PSC_UNIT_VS,
			.pool = PSC_POOL_NONPAGED_NX, .node = !(i & 1) });
	}
}

static struct psc_walk walk(unsigned int threads)
{
	struct psc_sink sinks[4];
	struct psc_walk w = { 0 };

	for (unsigned int i = 0; i < threads; i++)
		sinks[i] = collect_sink(&got[i]);
	CHECK_OK(psc_pool_walk(v, sinks, threads, NULL, &w));
	return w;
}

static unsigned int in_use(unsigned int threads)
{
	unsigned int n = 0;

	for (unsigned int t = 0; t < threads; t++) {
		for (unsigned int i = 0; i < got[t].n_blocks; i++)
			n += got[t].b[i].state == PSC_BLOCK_IN_USE;
	}
	return n;
}

static void any_number_of_threads(void **state)
{
	for (unsigned int threads = 1; threads <= 4; threads++) {
		begin(N_UNITS);
		struct psc_walk w = walk(threads);
		assert_true(w.complete);
		assert_int_equal(in_use(threads), N_UNITS * UNIT_BLOCKS);
		assert_int_equal(w.n, 2);	// two nodes
		for (unsigned int i = 0; i < 2; i++) {
			assert_int_equal(w.v[i].node, i);
			assert_int_equal(w.v[i].pages_read,
					 N_UNITS * UNIT_PAGES / 2);
			assert_int_equal(w.v[i].st.in_use,
					 N_UNITS * UNIT_BLOCKS * 0x300 / 2);
		}
		psc_walk_free(&w);
	}
}

/** With one sink blocks come by address, and the table's behind them. */
static void order_of_one_sink(void **state)
{
	begin(3);
	fake_view_big(v, (struct psc_big){ .va = 0xffff800000001000,
					   .bytes = 0x3000, .tag = 7,
					   .pool = PSC_POOL_PAGED });
	struct psc_walk w = walk(1);
	for (unsigned int i = 1; i + 1 < got[0].n_blocks; i++)
		assert_true(got[0].b[i - 1].va < got[0].b[i].va);
	const struct psc_block *last = &got[0].b[got[0].n_blocks - 1];
	assert_int_equal(last->tag, 7);
	assert_int_equal(last->owner, PSC_OWNER_BIG);
	assert_int_equal(w.blocks, got[0].n_blocks);
	psc_walk_free(&w);
}

/** Paged out is not "not in the dump"; what nothing maps is neither, but the
 *  subsegment counts it as committed (V11). */
static void pages_that_are_not_there(void **state)
{
	static const struct {
		enum psc_va_status why;
		unsigned int total, missing, paged_out;
	} t[] = {
		{ PSC_VA_PAGED_OUT, 4, 0, 1 }, { PSC_VA_NOT_IN_DUMP, 4, 1, 0 },
		{ PSC_VA_TABLE_ABSENT, 4, 1, 0 },
		{ PSC_VA_TRANSITION_ABSENT, 4, 1, 0 },
		{ PSC_VA_DAMAGED, 4, 1, 0 }, { PSC_VA_NOT_MAPPED, 3, 0, 0 },
		{ PSC_VA_DEMAND_ZERO, 3, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		begin(1);
		fake_unmap(VS + 0x3000, t[i].why);
		struct psc_walk w = walk(1);
		assert_int_equal(w.v[0].pages_total, t[i].total);
		assert_int_equal(w.v[0].pages_read, 3);
		assert_int_equal(w.v[0].pages_missing, t[i].missing);
		assert_int_equal(w.v[0].pages_paged_out, t[i].paged_out);
		assert_int_equal(w.complete, t[i].total == 3);
		assert_int_equal(w.v[0].st.faults, t[i].total == 3);
		assert_int_equal(got[0].n_faults, t[i].total == 3);
		psc_walk_free(&w);
	}
}

/** Without the key a subsegment is bytes: nothing is said to be in use. */
static void without_its_key(void **state)
{
	begin(1);
	v->info.keys.has_heap = false;
	struct psc_walk w = walk(1);
	assert_int_equal(w.v[0].st.skipped, UNIT_BYTES);
	assert_int_equal(got[0].n_blocks, 0);
	assert_false(w.complete);
	psc_walk_free(&w);
}

/** What waits in a cache is freed, whatever the heap thinks. */
static void cached_blocks(void **state)
{
	begin(2);
	assert_true(psc_vec_push(&v->spaces.v[0].cached, VS + 0x40));
	assert_true(psc_vec_push(&v->spaces.v[0].cached, VS + 0x10000 + 0x40));
	assert_true(psc_vec_push(&v->spaces.v[0].cached, VS + 0x90000));
	struct psc_walk w = walk(1);
	assert_int_equal(in_use(1), 2 * UNIT_BLOCKS - 2);
	assert_int_equal(w.v[0].st.cached, 0x300);
	psc_walk_free(&w);
}

static void stop_after_first(void *ctx, const struct psc_block *b)
{
	*(bool *)ctx = true;
}

static void the_receiver_stops(void **state)
{
	bool stop = false;
	const struct psc_sink sink = { .ctx = &stop, .stop = &stop,
				       .block = stop_after_first };
	struct psc_walk w = { 0 };

	begin(N_UNITS);
	CHECK_OK(psc_pool_walk(v, &sink, 1, NULL, &w));
	// One unit and no more of the others.
	assert_true(w.blocks <= UNIT_BLOCKS + 2);
	psc_walk_free(&w);
}

/** Bigger than any subsegment can be: not believed, not allocated for. */
static void a_unit_of_absurd_size(void **state)
{
	struct psc_sink sink = collect_sink(&got[0]);
	struct psc_walk w = { 0 };

	begin(1);
	v->units.v[0].pages = 0x7fffffff;
	struct psc_error *err = psc_pool_walk(v, &sink, 1, NULL, &w);
	assert_non_null(err);
	psc_error_free(err);
	assert_null(w.v);
}

static void faults_of_opening_come_with_the_blocks(void **state)
{
	begin(1);
	for (unsigned int i = 0; i < 3; i++)
		psc_view_fault(v, &(struct psc_fault){ .rule = PSC_B1,
						       .va = i });
	struct psc_walk w = walk(2);
	assert_int_equal(got[0].n_faults + got[1].n_faults, 3);
	psc_walk_free(&w);
}

// --- special pool ------------------------------------------------------------

/** A block at the end of its page, the rest filled with the pattern. */
static void put_special(uint64_t va, unsigned int bytes)
{
	uint8_t *p = fake_map(va, PSC_PAGE_SIZE);
	uint32_t word = bytes | 0x5a << 16, tag = TAG('S', 'p', 'c', 'l');

	memset(p, 0x5a, PSC_PAGE_SIZE);
	memcpy(p, &word, 4);
	memcpy(p + 4, &tag, 4);
}

static void special_pages_and_their_guards(void **state)
{
	begin(0);
	put_special(VS, 0x40);
	fake_map(VS + 0x1000, PSC_PAGE_SIZE);		// guard
	fake_unmap(VS + 0x1000, PSC_VA_NOT_MAPPED);
	put_special(VS + 0x2000, 0x80);
	fake_map(VS + 0x3000, PSC_PAGE_SIZE);
	fake_unmap(VS + 0x3000, PSC_VA_PAGED_OUT);
	fake_view_unit(v, (struct psc_unit){
		.va = VS, .pages = 4, .kind = PSC_UNIT_SPECIAL,
		.pool = PSC_POOL_SPECIAL });
	struct psc_walk w = walk(1);
	assert_int_equal(in_use(1), 2);
	assert_int_equal(w.v[0].pool, PSC_POOL_SPECIAL);
	assert_int_equal(w.v[0].pages_total, 3);
	assert_int_equal(w.v[0].pages_read, 2);
	assert_int_equal(w.v[0].pages_paged_out, 1);
	assert_false(w.complete);
	psc_walk_free(&w);
}

// --- one unit ----------------------------------------------------------------

static void a_visit_walks_one_unit(void **state)
{
	struct psc_sink sink = collect_sink(&got[0]);
	struct psc_place p = { 0 };

	begin(3);
	p.unit = v->units.v[1];
	CHECK_OK(psc_pool_visit(v, &p, VS + 0x10000, &sink));
	assert_int_equal(got[0].n_blocks, 0);	// it was not found
	p.found = true;
	CHECK_OK(psc_pool_visit(v, &p, VS + 0x10000, &sink));
	assert_int_equal(in_use(1), UNIT_BLOCKS);
	assert_int_equal(got[0].b[0].va & ~UINT64_C(0xffff), VS + 0x10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_threads),
		cmocka_unit_test(order_of_one_sink),
		cmocka_unit_test(pages_that_are_not_there),
		cmocka_unit_test(without_its_key),
		cmocka_unit_test(cached_blocks),
		cmocka_unit_test(the_receiver_stops),
		cmocka_unit_test(a_unit_of_absurd_size),
		cmocka_unit_test(faults_of_opening_come_with_the_blocks),
		cmocka_unit_test(special_pages_and_their_guards),
		cmocka_unit_test(a_visit_walks_one_unit),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	psc_pool_view_free(v);
	fake_reset();
	return failed;
}
