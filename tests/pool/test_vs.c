// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "collect.h"
#include "encode.h"
#include "pool/vs.h"

#define VA UINT64_C(0xffff9a8013400000)
#define PAGES 16u

static uint8_t memory[PAGES * PSC_PAGE_SIZE];
static const uint8_t *pages[PAGES];
static struct collect got;
static uint64_t block_va[64];
static unsigned int n_blocks;

/** Blocks of growing size, some free chunks, one block moved to a page. */
static void healthy(void)
{
	struct enc_vs e;

	memset(memory, 0x6e, sizeof(memory));
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = memory + i * PSC_PAGE_SIZE;
	enc_vs_begin(&e, memory, VA, PAGES);
	n_blocks = 0;
	for (unsigned int i = 0; i < 40; i++) {
		block_va[n_blocks++] = enc_vs_alloc(
			&e, 0x210 + i * 0x10, 0x02,
			TAG('T', 'a', 'g', '0' + i % 10));
		if (i % 5 == 4)
			enc_vs_free(&e, 3 + i);
	}
	enc_vs_end(&e);
}

static struct psc_vs vs(void)
{
	return (struct psc_vs){
		.layout = &psc_heap_layout_common,
		.pages = { VA, pages, PAGES, NULL }, .heap_key = HEAP_KEY,
		.cookie = COOKIE, .pool = PSC_POOL_NONPAGED_NX, .paged = 0,
	};
}

static struct psc_span_stats walk(const struct psc_vs *v)
{
	struct psc_sink s = collect_sink(&got);
	struct psc_span_stats st = { 0 };

	psc_vs_walk(v, &s, &st);
	return st;
}

static uint64_t total(const struct psc_span_stats *st)
{
	return st->in_use + st->free + st->cached + st->unattributed +
	       st->overhead + st->skipped + st->missing;
}

static unsigned int in_use(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < got.n_blocks; i++)
		n += got.b[i].state == PSC_BLOCK_IN_USE;
	return n;
}

static void reads_a_subsegment(void **state)
{
	struct psc_vs v = vs();

	healthy();
	struct psc_span_stats st = walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(in_use(), 40);
	for (unsigned int i = 0, j = 0; i < got.n_blocks; i++) {
		if (got.b[i].state != PSC_BLOCK_IN_USE)
			continue;
		assert_int_equal(got.b[i].va, block_va[j]);
		assert_int_equal(got.b[i].bytes, 0x210 + j * 0x10);
		assert_int_equal(got.b[i].tag, TAG('T', 'a', 'g', '0' + j % 10));
		j++;
	}
	// 16 bytes are lost where a block moved to the next page.
	assert_in_range(PAGES * PSC_PAGE_SIZE - total(&st), 0, 16 * 40);
}

static void cached_blocks_are_not_in_use(void **state)
{
	struct psc_vs v = vs();
	uint64_t cached[2];

	healthy();
	cached[0] = block_va[3];
	cached[1] = block_va[17];
	v.cached = cached;
	v.n_cached = 2;
	// A cache keeps its list link where the header was.
	memset(memory + (block_va[3] - VA), 0, 16);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(in_use(), 38);
}

static void links_and_nodes_are_no_headers(void **state)
{
	struct psc_vs v = vs();
	struct enc_vs e;
	uint64_t link = UINT64_C(0xffff9a8013405550);

	healthy();
	memcpy(memory + (block_va[5] - VA), &link, 8);
	memset(memory + (block_va[5] - VA) + 8, 0, 8);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(in_use(), 39);
	// A node of a large allocation: 4 units, slack 8, no header.
	enc_vs_begin(&e, memory, VA, PAGES);
	enc_chunk(memory + e.off, VA + e.off, 4, 0, 1, 0, 0, 1);
	memset(memory + e.off + 0x10, 0x99, 0x30);
	memcpy(memory + e.off + 0x3e, "\x08\x00", 2);
	e.off += 0x40;
	e.previous = 4;
	enc_vs_end(&e);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.b[0].state, PSC_BLOCK_UNATTRIBUTED);
}

static void slack_makes_blocks_shorter(void **state)
{
	struct psc_vs v = vs();
	struct enc_vs e;

	enc_vs_begin(&e, memory, VA, PAGES);
	enc_chunk(memory + 0x30, VA + 0x30, 0x22, 0, 1, 0, 0, 1);
	enc_header(memory + 0x40, 0, 0, 0x20, 0x02, TAG('S', 'l', 'k', '1'), 0);
	memcpy(memory + 0x30 + 0x21e, "\x10\xe0", 2);	// upper bits are noise
	e.off += 0x220;
	e.previous = 0x22;
	enc_vs_end(&e);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.b[0].bytes, 0x200);
	// An overwritten slack word alone convicts nobody.
	memcpy(memory + 0x30 + 0x21e, "\xff\xff", 2);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(got.b[0].bytes, 0x200);
}

/** The largest block, in the largest chunk: moved to the next page. */
static void the_largest_block_moves_too(void **state)
{
	struct psc_vs v = vs();
	struct enc_vs e;

	memset(memory, 0, sizeof(memory));
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = memory + i * PSC_PAGE_SIZE;
	enc_vs_begin(&e, memory, VA, PAGES);
	uint64_t va = enc_vs_alloc(&e, 0xff0, 0x02, TAG('M', 'a', 'x', ' '));
	enc_vs_end(&e);
	assert_int_equal(va, VA + 0x1000);
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_int_equal(in_use(), 1);
	assert_int_equal(got.b[1].va, va);
	assert_int_equal(got.b[1].bytes, 0xff0);
	assert_int_equal(got.b[1].tag, TAG('M', 'a', 'x', ' '));
}

/** From 22H2 on session blocks may lie in the system's heap. */
static void session_blocks_in_the_paged_heap(void **state)
{
	struct psc_vs v = vs();

	healthy();
	for (unsigned int i = 0; i < n_blocks; i++)
		memory[block_va[i] - VA + 3] = 0x23;
	v.pool = PSC_POOL_PAGED;
	v.paged = 1;
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	v.no_session = true;
	walk(&v);
	assert_int_equal(got.n_faults, n_blocks);
	assert_int_equal(got.f[0].rule, PSC_V12);
}

/** One big allocation, as the big-page table tells. */
static uint64_t one_big(void *ctx, uint64_t va)
{
	return va == VA + 0x1000 ? *(const uint64_t *)ctx : 0;
}

/** Page-aligned allocations have no header, however small they are. */
static void big_allocations_are_not_blocks(void **state)
{
	static const struct {
		unsigned int at;	/**< Of the chunk: data at +10 or +20. */
		uint64_t bytes;
	} t[] = {
		{ 0xff0, 0xff0 }, { 0xfe0, 0xff0 }, { 0xff0, 0x1000 },
		{ 0xfe0, 0x1000 }, { 0xff0, 0x2340 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct psc_vs v = vs();
		struct enc_vs e;
		uint64_t bytes = t[i].bytes;
		unsigned int units = (unsigned int)(bytes + 0x1000 -
						    t[i].at) / 16;

		memset(memory, 0x6e, sizeof(memory));
		enc_vs_begin(&e, memory, VA, PAGES);
		enc_vs_free(&e, (t[i].at - e.off) / 16);
		enc_chunk(memory + e.off, VA + e.off, units, e.previous, 1, 0,
			  0, 0);
		e.off += units * 16;
		e.previous = units;
		e.last_free = 0;
		enc_vs_end(&e);
		v.big_bytes = one_big;
		v.big_ctx = &bytes;
		struct psc_span_stats st = walk(&v);
		assert_int_equal(got.n_faults, 0);
		assert_int_equal(got.n_blocks, 2);
		assert_int_equal(total(&st) + bytes, PAGES * PSC_PAGE_SIZE);
	}
}

static void missing_pages_are_bridged(void **state)
{
	struct psc_vs v = vs();

	healthy();
	pages[2] = NULL;
	struct psc_span_stats st = walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_true(in_use() > 25 && in_use() < 40);
	assert_true(st.missing >= PSC_PAGE_SIZE / 2);
	pages[2] = memory + 2 * PSC_PAGE_SIZE;
	pages[0] = NULL;	// the subsegment's header
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_true(in_use() > 25);
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = NULL;
	st = walk(&v);
	assert_int_equal(got.n_blocks, 0);
	assert_int_equal(st.missing, PAGES * PSC_PAGE_SIZE);
}

/** One changed byte: exactly that rule at that place. */
static void one_fault(uint64_t va, uint8_t flip, enum psc_rule rule,
		      uint64_t header_va)
{
	struct psc_vs v = vs();

	healthy();
	memory[va - VA] ^= flip;
	walk(&v);
	if (got.n_faults != 1)
		fail_msg("%s: %u faults", psc_rule_info(rule)->name,
			 got.n_faults);
	assert_string_equal(psc_rule_info(got.f[0].rule)->name,
			    psc_rule_info(rule)->name);
	assert_int_equal(got.f[0].va, header_va);
	if (got.f[0].bits && __builtin_popcount(flip) == 1)
		assert_int_equal(__builtin_popcountll(got.f[0].expected ^
						      got.f[0].found), 1);
}

static void finds_each_fault(void **state)
{
	healthy();
	uint64_t h = block_va[7], c = h - 0x10;

	one_fault(VA + 0x22, 0x04, PSC_V1, VA);
	one_fault(c + 2, 0x01, PSC_V2, c);	// size: next disagrees
	one_fault(c + 3, 0x80, PSC_V2, c);	// size: out of the subsegment
	one_fault(c + 6, 0x02, PSC_V2, c);	// allocated = 3
	one_fault(c + 7, 0x10, PSC_V2, c);	// high byte
	one_fault(c + 0, 0x10, PSC_V2, c);	// cost of an allocated chunk
	one_fault(c + 4, 0x08, PSC_V3, c);	// size of the one before
	one_fault(c + 8, 0x02, PSC_V4, c);
	one_fault(c + 10, 0x01, PSC_V4, c);
	one_fault(h + 2, 0x04, PSC_V6, h);
	one_fault(h + 0, 0x20, PSC_V7, h);
	one_fault(h + 3, 0x01, PSC_V12, h);
	one_fault(h + 3, 0x80, PSC_V5, h);
	one_fault(h + 5, 0x80, PSC_V5, h);
	one_fault(h + 3, 0x08, PSC_Q1, h);
}

static void an_overrun_names_its_owner(void **state)
{
	struct psc_vs v = vs();

	healthy();
	memset(memory + (block_va[8] - VA) - 0x10, 'A', 0x10);
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].va, block_va[8] - 0x10);
	assert_int_equal(got.f[0].previous_va, block_va[7]);
	assert_int_equal(got.f[0].previous_tag, TAG('T', 'a', 'g', '7'));
	assert_true(got.f[0].repaired);
	assert_int_equal(in_use(), 40);	// the block itself is still there
}

static void wrong_key_finds_no_blocks(void **state)
{
	struct psc_vs v = vs();

	healthy();
	v.heap_key ^= 0x123456789a;
	struct psc_span_stats st = walk(&v);
	assert_int_equal(in_use(), 0);
	assert_true(st.skipped > PAGES * PSC_PAGE_SIZE / 2);
}

static void never_reads_outside(void **state)
{
	struct psc_vs v = vs();

	srand(3);
	for (unsigned int i = 0; i < 1000; i++) {
		healthy();
		for (unsigned int j = 0; j < 1 + i % 16; j++)
			memory[(size_t)rand() % sizeof(memory)] ^= (uint8_t)rand();
		if (i % 3 == 0)
			pages[(unsigned int)rand() % PAGES] = NULL;
		walk(&v);
		assert_true(got.n_blocks < 1000);
	}
}

// Facts pool 11, vectors 3 and 4.
static void vectors(void **state)
{
	uint8_t chunk[16] = { 0 }, header[0x28] = { 0 };
	const uint64_t va = UINT64_C(0xffff9a8013402030);

	enc_chunk(chunk, va, 0x21, 0, 1, 0, 0, 0);
	assert_int_equal(psc_le64(chunk), UINT64_C(0xeedca9c4460757b8));
	assert_int_equal(chunk[8], 0xb8);
	struct psc_vs_chunk c = psc_vs_decode(UINT64_C(0xeedca9c4460757b8),
					      0xb8, va, HEAP_KEY);
	assert_int_equal(c.size, 0x21);
	assert_int_equal(c.previous, 0);
	assert_int_equal(c.allocated, 1);
	assert_int_equal(c.cost, 0);
	assert_int_equal(c.page, 0);
	psc_put16(header + 0x20, 0xffd);
	psc_put16(header + 0x22, 0x2410);
	assert_true(psc_vs_header_decode(&psc_heap_layout_common, header, VA)
			    .signature_ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_subsegment),
		cmocka_unit_test(cached_blocks_are_not_in_use),
		cmocka_unit_test(links_and_nodes_are_no_headers),
		cmocka_unit_test(slack_makes_blocks_shorter),
		cmocka_unit_test(the_largest_block_moves_too),
		cmocka_unit_test(big_allocations_are_not_blocks),
		cmocka_unit_test(session_blocks_in_the_paged_heap),
		cmocka_unit_test(missing_pages_are_bridged),
		cmocka_unit_test(finds_each_fault),
		cmocka_unit_test(an_overrun_names_its_owner),
		cmocka_unit_test(wrong_key_finds_no_blocks),
		cmocka_unit_test(never_reads_outside),
		cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
