// SPDX-License-Identifier: MIT
// Links inside free blocks: both ends must agree, and the end that is wrong is
// the one that is told.
#include "test.h"

#include <string.h>

#include "base/bytes.h"
#include "collect.h"
#include "fake.h"
#include "pool/links.h"

#define VA UINT64_C(0xffffe00012340000)
#define HEAD UINT64_C(0xfffff80000001000)

static struct collect got;
static struct psc_span_stats st;

static void give(const struct psc_block *b)
{
	struct psc_sink to = collect_sink(&got);
	struct psc_links l = { fake_mem(), &to, &st };
	struct psc_sink s = psc_links_sink(&l);

	st = (struct psc_span_stats){ 0 };
	s.block(s.ctx, b);
	assert_int_equal(got.n_blocks, 1);	// passed on
	assert_int_equal(st.faults, got.n_faults);
}

static struct psc_block free_block(uint64_t va, enum psc_block_owner owner)
{
	return (struct psc_block){ .va = va, .bytes = 0x60, .owner = owner,
				   .state = PSC_BLOCK_FREE };
}

static void check_fault(enum psc_rule rule, uint64_t va, uint64_t field)
{
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, rule);
	assert_int_equal(got.f[0].va, va);
	assert_int_equal(got.f[0].field_va, field);
}

// --- lists of classic pools --------------------------------------------------

#define A VA
#define B (VA + 0x200)

/** HEAD ⇄ A ⇄ B ⇄ HEAD; entries lie behind the headers. */
static void list(void)
{
	fake_reset();
	fake_map(VA, PSC_PAGE_SIZE);
	fake_map(HEAD, PSC_PAGE_SIZE);
	fake_put(A + 2, 6, 1);
	fake_put(B + 2, 6, 1);
	fake_put(HEAD, A + 0x10, 8);
	fake_put(A + 0x10, B + 0x10, 8);
	fake_put(B + 0x10, HEAD, 8);
	fake_put(HEAD + 8, B + 0x10, 8);
	fake_put(B + 0x18, A + 0x10, 8);
	fake_put(A + 0x18, HEAD, 8);
}

static void give_chain(uint64_t va)
{
	struct psc_block b = free_block(va, PSC_OWNER_CHAIN);

	give(&b);
}

static void a_sound_list(void **state)
{
	list();
	give_chain(A);
	assert_int_equal(got.n_faults, 0);
	give_chain(B);
	assert_int_equal(got.n_faults, 0);
}

static void a_link_that_is_no_address(void **state)
{
	list();
	fake_put(A + 0x18, 0x4141414141414141, 8);
	give_chain(A);
	check_fault(PSC_L9, A, A + 0x18);
	assert_int_equal(got.f[0].found, 0x4141414141414141);
	list();
	fake_put(A + 0x10, B + 0x14, 8);	// not aligned
	give_chain(A);
	check_fault(PSC_L9, A, A + 0x10);
}

/** A points to memory that is no free block: A is wrong. */
static void a_link_to_something_else(void **state)
{
	list();
	fake_put(A + 0x10, VA + 0x810, 8);
	give_chain(A);
	check_fault(PSC_L10, A, A + 0x10);
	assert_int_equal(got.f[0].expected, A + 0x10);
	assert_int_equal(got.f[0].bits, 64);
}

/** B's back link was written over: B is told, not A. */
static void the_other_end_is_wrong(void **state)
{
	list();
	fake_put(B + 0x18, 0x1234, 8);
	give_chain(A);
	assert_int_equal(got.n_faults, 0);
	give_chain(B);
	check_fault(PSC_L9, B, B + 0x18);
}

/** A page that is not there convicts nobody. */
static void the_other_end_is_missing(void **state)
{
	list();
	fake_put(A + 0x10, VA + 0x5010, 8);
	give_chain(A);
	assert_int_equal(got.n_faults, 0);
	list();
	fake_unmap(VA, PSC_VA_PAGED_OUT);
	give_chain(A);
	assert_int_equal(got.n_faults, 0);
}

static void blocks_that_hang_on_no_list(void **state)
{
	static const struct {
		uint64_t bytes;
		enum psc_block_state state;
		enum psc_block_owner owner;
	} t[] = {
		{ 0x10, PSC_BLOCK_FREE, PSC_OWNER_CHAIN },	// scrap
		{ 0x60, PSC_BLOCK_IN_USE, PSC_OWNER_CHAIN },
		{ 0x60, PSC_BLOCK_CACHED, PSC_OWNER_CHAIN },
		{ 0x60, PSC_BLOCK_FREE, PSC_OWNER_LFH },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(t); i++) {
		list();
		memset(fake_map(VA + 0x1000, PSC_PAGE_SIZE), 0x41,
		       PSC_PAGE_SIZE);
		give(&(struct psc_block){ .va = VA + 0x1000,
					  .bytes = t[i].bytes,
					  .state = t[i].state,
					  .owner = t[i].owner });
		assert_int_equal(got.n_faults, 0);
	}
}

// --- trees of VS chunks ------------------------------------------------------

/** The pool header would lie here; its chunk 16 bytes before, the node 8. */
#define CHUNK_A (VA + 0x100)
#define NODE_A (CHUNK_A + 8)
#define NODE_P (VA + 0x808)

/** A is the left child of P; the low bits of the parent are its colour. */
static void tree(void)
{
	fake_reset();
	fake_map(VA, PSC_PAGE_SIZE);
	fake_put(NODE_P, NODE_A, 8);
	fake_put(NODE_A + 16, NODE_P | 1, 8);
}

static void give_vs(void)
{
	struct psc_block b = free_block(CHUNK_A + 0x10, PSC_OWNER_VS);

	give(&b);
}

static void a_sound_tree(void **state)
{
	tree();
	give_vs();
	assert_int_equal(got.n_faults, 0);
	fake_put(NODE_P, VA + 0x900, 8);
	fake_put(NODE_P + 8, NODE_A, 8);	// the right one
	give_vs();
	assert_int_equal(got.n_faults, 0);
	fake_put(NODE_A + 16, 1, 8);		// the root
	give_vs();
	assert_int_equal(got.n_faults, 0);
}

static void nodes_that_were_written_over(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		tree();
		fake_put(NODE_A + i * 8, 0x4242424242424240, 8);
		give_vs();
		check_fault(PSC_V9, CHUNK_A, NODE_A + i * 8);
		assert_int_equal(got.f[0].found, 0x4242424242424240);
	}
}

static void a_parent_without_that_child(void **state)
{
	tree();
	fake_put(NODE_P, VA + 0x900, 8);
	give_vs();
	check_fault(PSC_V9, CHUNK_A, NODE_A + 16);
	assert_int_equal(got.f[0].found, NODE_P | 1);
	assert_false(got.f[0].repaired);
	// A parent that is damaged itself is told there.
	fake_put(NODE_P + 8, 0x1234, 8);
	give_vs();
	assert_int_equal(got.n_faults, 0);
	// A parent that is not there cannot tell.
	tree();
	fake_put(NODE_A + 16, VA + 0x5008, 8);
	give_vs();
	assert_int_equal(got.n_faults, 0);
}

/** One bit of a link: told at the node that holds it, and repaired. */
static void a_link_one_bit_off(void **state)
{
	tree();
	fake_put(NODE_P, NODE_A ^ 0x200, 8);
	give_vs();
	check_fault(PSC_V9, NODE_P - 8, NODE_P);
	assert_int_equal(got.f[0].expected, NODE_A);
	assert_true(got.f[0].repaired);
	tree();
	fake_put(NODE_A + 16, (NODE_P | 1) ^ 0x400, 8);
	give_vs();
	check_fault(PSC_V9, CHUNK_A, NODE_A + 16);
	assert_int_equal(got.f[0].expected, NODE_P | 1);
	assert_true(got.f[0].repaired);
}

/** Allocated, without a header: cached, unless the tree has it. */
static void a_live_chunk_of_the_tree(void **state)
{
	struct psc_block b = free_block(CHUNK_A + 0x10, PSC_OWNER_VS);

	b.state = PSC_BLOCK_CACHED;
	tree();
	give(&b);
	check_fault(PSC_V2, CHUNK_A, CHUNK_A + 6);
	fake_put(NODE_P, VA + 0x900, 8);
	give(&b);
	assert_int_equal(got.n_faults, 0);
	tree();
	b.has_header = true;
	give(&b);
	assert_int_equal(got.n_faults, 0);
}

static void faults_pass_through(void **state)
{
	struct psc_sink to = collect_sink(&got), none = { 0 };
	struct psc_links l = { fake_mem(), &to, &st };
	struct psc_sink s = psc_links_sink(&l);
	bool stop = false;

	s.fault(s.ctx, &(struct psc_fault){ .rule = PSC_V2, .va = 7 });
	check_fault(PSC_V2, 7, 0);
	assert_false(psc_sink_stopped(&s));
	to.stop = &stop;
	s = psc_links_sink(&l);
	stop = true;
	assert_true(psc_sink_stopped(&s));
	// A receiver that wants neither.
	tree();
	fake_put(NODE_A, 0x42, 8);
	l.to = &none;
	st = (struct psc_span_stats){ 0 };
	s = psc_links_sink(&l);
	struct psc_block b = free_block(CHUNK_A + 0x10, PSC_OWNER_VS);
	s.block(s.ctx, &b);
	s.fault(s.ctx, &(struct psc_fault){ .rule = PSC_V2 });
	assert_int_equal(st.faults, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_list),
		cmocka_unit_test(a_link_that_is_no_address),
		cmocka_unit_test(a_link_to_something_else),
		cmocka_unit_test(the_other_end_is_wrong),
		cmocka_unit_test(the_other_end_is_missing),
		cmocka_unit_test(blocks_that_hang_on_no_list),
		cmocka_unit_test(a_sound_tree),
		cmocka_unit_test(nodes_that_were_written_over),
		cmocka_unit_test(a_link_one_bit_off),
		cmocka_unit_test(a_live_chunk_of_the_tree),
		cmocka_unit_test(a_parent_without_that_child),
		cmocka_unit_test(faults_pass_through),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
