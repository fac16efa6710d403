// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "encode.h"
#include "mem/mem.h"
#include "pool/chain.h"

#define VA UINT64_C(0xfffffa8001234000)
#define PROCESS UINT64_C(0xfffffa8004567080)

static uint8_t page[PSC_PAGE_SIZE];
static struct collect got;

static struct psc_chain chain(void)
{
	return (struct psc_chain){
		.form = &psc_header64, .page = page, .va = VA,
		.pool = PSC_POOL_NONPAGED, .has_cookie = true,
		.check_quota = true, .cookie = COOKIE, .index_limit = 4,
	};
}

static struct psc_span_stats walk(const struct psc_chain *c)
{
	struct psc_sink s = collect_sink(&got);
	struct psc_span_stats st = { 0 };

	psc_chain_walk(c, &s, &st);
	return st;
}

/** Five blocks: in use, free, cached, in use with quota, in use. */
static void healthy(void)
{
	memset(page, 0x41, sizeof(page));
	enc_header(page, 0, 0, 8, 0x02, TAG('E', 'v', 'e', 'n'), 0);
	enc_header(page + 0x80, 8, 0, 0x23, 0x00, TAG('F', 'r', 'e', 'e'), 0);
	enc_header(page + 0x2b0, 0x23, 0, 5, 0x04, TAG('O', 'l', 'd', '1'),
		   (VA + 0x2b0) ^ COOKIE);
	enc_header(page + 0x300, 5, 0, 0x10, 0x0a, TAG('I', 'r', 'p', ' '),
		   PROCESS ^ COOKIE ^ (VA + 0x300));
	enc_header(page + 0x400, 0x10, 0, 0xc0, 0x02, TAG('L', 'k', 'a', 'L'),
		   0);
}

static void reads_a_page(void **state)
{
	struct psc_chain c = chain();

	healthy();
	struct psc_span_stats st = walk(&c);
	assert_int_equal(psc_chain_is_clean(&c), 5);
	assert_true(psc_chain_is_plausible(&c));
	assert_int_equal(got.n_blocks, 5);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.b[0].bytes, 0x80);
	assert_int_equal(got.b[1].state, PSC_BLOCK_FREE);
	assert_int_equal(got.b[2].state, PSC_BLOCK_CACHED);
	assert_int_equal(got.b[3].process, PROCESS);
	assert_int_equal(got.b[4].va, VA + 0x400);
	assert_int_equal(got.b[4].tag, TAG('L', 'k', 'a', 'L'));
	assert_int_equal(st.in_use, 0x80 + 0x100 + 0xc00);
	assert_int_equal(st.free, 0x230);
	assert_int_equal(st.cached, 0x50);
	assert_int_equal(st.in_use + st.free + st.cached, PSC_PAGE_SIZE);
}

static void reads_an_x86_page(void **state)
{
	struct psc_chain c = chain();

	memset(page, 0, sizeof(page));
	c.form = &psc_header32;
	c.va = 0x82345000;
	enc_header32(page, 0, 1, 0x100, 0x02, TAG('M', 'm', 'C', 'a'));
	enc_header32(page + 0x800, 0x100, 1, 0xff, 0x02,
		     TAG('M', 'm', 'C', 'b'));
	enc_header32(page + 0xff8, 0xff, 1, 1, 0, TAG('F', 'r', 'e', 'e'));
	walk(&c);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.n_blocks, 3);
	assert_int_equal(got.b[0].bytes, 0x800);
	assert_int_equal(got.b[1].bytes, 0x7f8);
	assert_int_equal(got.b[2].state, PSC_BLOCK_FREE);
}

static void starts_behind_a_big_allocation(void **state)
{
	struct psc_chain c = chain();

	memset(page, 0x55, sizeof(page));
	c.start = 0x340;
	c.big_bytes = 0x5340;
	enc_header(page + 0x340, 0, 0, 2, 0x02, TAG('F', 'r', 'a', 'g'), 0);
	memcpy(page + 0x350, &c.big_bytes, 8);
	enc_header(page + 0x360, 2, 0, 0xca, 0, TAG('F', 'r', 'e', 'e'), 0);
	walk(&c);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.n_blocks, 2);
	assert_int_equal(got.b[0].bytes, 0x20);
	page[0x350] ^= 1;
	walk(&c);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_L17);
}

static void a_short_frag_has_no_mark(void **state)
{
	struct psc_chain c = chain();

	memset(page, 0x55, sizeof(page));
	c.start = 0x340;
	c.big_bytes = 0x5340;
	enc_header(page + 0x340, 0, 0, 1, 0x02, TAG('F', 'r', 'a', 'g'), 0);
	enc_header(page + 0x350, 1, 0, 0xcb, 0, TAG('F', 'r', 'e', 'e'), 0);
	walk(&c);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.n_blocks, 2);
}

/** The header of a free block does not tell the pool. */
static void live_blocks_tell_the_pool(void **state)
{
	static const struct {
		uint8_t type;
		enum psc_pool_kind pool;
	} t[] = {
		{ 0x02, PSC_POOL_NONPAGED }, { 0x22, PSC_POOL_NONPAGED },
		{ 0x03, PSC_POOL_PAGED }, { 0x0b, PSC_POOL_PAGED },
		{ 0x23, PSC_POOL_SESSION },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct psc_chain c = chain();

		healthy();
		page[0x003] = 0;
		page[0x303] = page[0x403] = t[i].type;
		page[0x2b3] = 0x04 | (t[i].type & 0x21);
		assert_int_equal(psc_chain_kind(&c), t[i].pool);
	}
}

/** Before heaps an EPROCESS is only known to be a block of the pool. */
static void payers_lie_at_sixteen_bytes(void **state)
{
	struct psc_chain c = chain();
	uint64_t p = (PROCESS + 0xb0) ^ COOKIE ^ (VA + 0x300);

	healthy();
	memcpy(page + 0x308, &p, 8);
	walk(&c);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.b[3].process, PROCESS + 0xb0);
}

/** One changed byte in a healthy page: exactly that rule, at that header. */
static void one_fault(unsigned int off, uint8_t value, enum psc_rule rule,
		      uint64_t va, uint64_t expected, uint64_t found)
{
	struct psc_chain c = chain();

	healthy();
	page[off] = value;
	walk(&c);
	if (got.n_faults != 1)
		fail_msg("offset %x: %u faults", off, got.n_faults);
	assert_string_equal(psc_rule_info(got.f[0].rule)->name,
			    psc_rule_info(rule)->name);
	assert_int_equal(got.f[0].va, va);
	assert_int_equal(got.f[0].found, found);
	if (got.f[0].bits)
		assert_int_equal(got.f[0].expected, expected);
	assert_int_equal(got.n_blocks, 5);
}

static void finds_each_fault(void **state)
{
	healthy();
	one_fault(0x000, 3, PSC_L1, VA, 0, 3);
	one_fault(0x302, 0, PSC_L2, VA + 0x300, 0x10, 0);
	one_fault(0x302, 0xff, PSC_L3, VA + 0x300, 0x10, 0xff);
	one_fault(0x302, 0x18, PSC_L4, VA + 0x300, 0x10, 0x18);
	one_fault(0x302, 0x08, PSC_L4, VA + 0x300, 0x10, 0x08);
	one_fault(0x300, 0x15, PSC_L4, VA + 0x300, 5, 0x15);
	one_fault(0x402, 0x80, PSC_L5, VA + 0x400, 0xc0, 0x80);
	one_fault(0x402, 0xc1, PSC_L3, VA + 0x400, 0xc0, 0xc1);
	one_fault(0x2b8, page[0x2b8] ^ 4, PSC_L12, VA + 0x2b0,
		  (VA + 0x2b0) ^ COOKIE, (VA + 0x2b0) ^ COOKIE ^ 4);
	one_fault(0x003, 0x82, PSC_L6, VA, 0x02, 0x82);
	one_fault(0x403, 0x03, PSC_L6, VA + 0x400, 0x02, 0x03);
	one_fault(0x401, 0x40, PSC_L7, VA + 0x400, 0, 0x40);
	one_fault(0x405, 0x90, PSC_L8, VA + 0x400, 0, 0x4c61904c);
	one_fault(0x308, (uint8_t)(page[0x308] ^ 0x1f), PSC_L14, VA + 0x300, 0,
		  PROCESS ^ 0x1f);
}

/** The second header of an aligned block repeats the first. */
static void aligned_pairs(void **state)
{
	static const struct {
		unsigned int at;
		uint8_t value;
		unsigned int faults;
	} t[] = {
		{ 0, 3, 0 }, { 0, 1, 1 }, { 2, 0xbc, 1 }, { 3, 0x02, 1 },
		{ 4, 'K', 0 }, { 3, 0x0e, 0 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct psc_chain c = chain();

		healthy();
		enc_header(page + 0x430, 3, 0, 0xbd, 0x06,
			   TAG('L', 'k', 'a', 'L'), 0);
		page[0x430 + t[i].at] = t[i].value;
		walk(&c);
		assert_int_equal(got.n_faults, t[i].faults);
		if (!t[i].faults)
			continue;
		assert_int_equal(got.f[0].rule, PSC_L15);
		assert_int_equal(got.f[0].va, VA + 0x430);
		assert_int_equal(got.f[0].field_va, VA + 0x430 + t[i].at);
	}
}

static void faults_name_the_block_before(void **state)
{
	struct psc_chain c = chain();

	// The whole header is overwritten: by what lies before it.
	healthy();
	memset(page + 0x300, 0x41, 16);
	walk(&c);
	assert_true(got.n_faults >= 1);
	assert_int_equal(got.f[0].va, VA + 0x300);
	assert_int_equal(got.f[0].previous_va, VA + 0x2b0);
	assert_int_equal(got.f[0].previous_tag, TAG('O', 'l', 'd', '1'));
	assert_int_equal(got.b[got.n_blocks - 1].va, VA + 0x400);
}

static void free_neighbours(void **state)
{
	struct psc_chain c = chain();

	healthy();
	page[0x2b3] = 0;	// the cached block becomes a plain free one
	walk(&c);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_L11);
}

static void never_leaves_the_page(void **state)
{
	struct psc_chain c = chain();

	srand(7);
	for (unsigned int i = 0; i < 3000; i++) {
		// Exact-size copy: a sanitizer sees a one-byte overread.
		uint8_t *copy = malloc(PSC_PAGE_SIZE);

		healthy();
		// Behind a big allocation of any size, also a damaged one.
		c.start = i % 3 ? 0 : (unsigned int)rand() % 0x400 + 0xc00;
		c.big_bytes = 0x5000 + c.start;
		for (unsigned int j = 0; j < 1 + i % 8; j++)
			page[rand() % 0x410] = (uint8_t)rand();
		memcpy(copy, page, PSC_PAGE_SIZE);
		c.page = copy;
		struct psc_span_stats st = walk(&c);
		psc_chain_is_plausible(&c);
		assert_int_equal(st.in_use + st.free + st.cached + st.skipped +
					 st.unattributed,
				 PSC_PAGE_SIZE - c.start);
		free(copy);
	}
}

static void other_pages_are_not_chains(void **state)
{
	struct psc_chain c = chain();

	memset(page, 0, sizeof(page));
	assert_false(psc_chain_is_plausible(&c));
	memset(page, 0x41, sizeof(page));
	assert_false(psc_chain_is_plausible(&c));
	healthy();
	page[0x302] = 0x18;	// one break: still a chain
	assert_false(psc_chain_is_clean(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_page),
		cmocka_unit_test(reads_an_x86_page),
		cmocka_unit_test(starts_behind_a_big_allocation),
		cmocka_unit_test(a_short_frag_has_no_mark),
		cmocka_unit_test(live_blocks_tell_the_pool),
		cmocka_unit_test(payers_lie_at_sixteen_bytes),
		cmocka_unit_test(finds_each_fault),
		cmocka_unit_test(aligned_pairs),
		cmocka_unit_test(faults_name_the_block_before),
		cmocka_unit_test(free_neighbours),
		cmocka_unit_test(never_leaves_the_page),
		cmocka_unit_test(other_pages_are_not_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
