// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "collect.h"
#include "encode.h"
#include "pool/lfh.h"

#define VA UINT64_C(0xffff9a8013405000)
#define PAGES 4u

static uint8_t memory[PAGES * PSC_PAGE_SIZE];
static const uint8_t *pages[PAGES];
static struct collect got;
static unsigned int n_total;

static void healthy(unsigned int size, unsigned int busy)
{
	memset(memory, 0, sizeof(memory));
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = memory + i * PSC_PAGE_SIZE;
	n_total = enc_lfh(memory, VA, PAGES, size);
	for (unsigned int i = 0, done = 0; done < busy; i++) {
		uint32_t first = psc_lfh_first(&psc_heap_layout_common,
					       n_total, PAGES, size);

		if (((first + i * size) & 0xfff) + size > 0x1000)
			continue;
		enc_lfh_alloc(memory, VA, i, 0x03, TAG('L', 'f', 'h', '1'));
		done++;
	}
}

static struct psc_lfh_owner owner;
static uint32_t refs;

/** The owner of the test; without one, a bucket of the right class. */
static void find_owner(void *ctx, const struct psc_lfh_header *h, uint64_t va,
		       struct psc_lfh_owner *ret)
{
	*ret = owner;
	if (!owner.known)
		*ret = (struct psc_lfh_owner){
			.known = true, .refs = *(uint32_t *)ctx,
			.class_bytes = h->block_bytes };
}

static struct psc_lfh lfh(void)
{
	return (struct psc_lfh){
		.layout = &psc_heap_layout_common,
		.pages = { VA, pages, PAGES, NULL }, .lfh_key = LFH_KEY,
		.cookie = COOKIE, .pool = PSC_POOL_PAGED, .paged = 1,
		.find_owner = find_owner, .owner_ctx = &refs,
	};
}

static struct psc_span_stats walk(const struct psc_lfh *v)
{
	struct psc_sink s = collect_sink(&got);
	struct psc_span_stats st = { 0 };

	psc_lfh_walk(v, &s, &st);
	return st;
}

static void reads_subsegments_of_every_class(void **state)
{
	struct psc_lfh v = lfh();

	for (unsigned int size = 0x20; size <= 0x200; size += 0x10) {
		healthy(size, 17);
		struct psc_span_stats st = walk(&v);
		if (got.n_faults)
			fail_msg("size %x: %s %lx %lx", size,
				 psc_rule_info(got.f[0].rule)->name,
				 (unsigned long)got.f[0].expected,
				 (unsigned long)got.f[0].found);
		assert_int_equal(st.in_use, 17 * size);
		assert_int_equal(got.b[0].tag, TAG('L', 'f', 'h', '1'));
		assert_int_equal(psc_lfh_guess(
			v.layout, &(struct psc_lfh_header){
				.blocks = n_total, .units = PAGES,
				.unit_shift = 12 }), size);
	}
}

static void a_slot_holds_free_blocks_back(void **state)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 20);
	// 5 of the free blocks are handed to the slot: FreeCount is 5 less.
	psc_put16(memory + 0x20, (uint16_t)(psc_le16(memory + 0x20) - 5));
	refs = 5;
	walk(&v);
	assert_int_equal(got.n_faults, 0);
	refs = 0;
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_F3);
	assert_false(got.f[0].repaired);
	v.find_owner = NULL;	// slot not in the dump: nothing is said
	walk(&v);
	assert_int_equal(got.n_faults, 0);
}

/** F7: the pointer, what it points to, or one that nothing explains. */
static void the_owner_and_its_class(void **state)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 20);
	uint64_t stored = psc_le64(memory + 0x10);
	owner = (struct psc_lfh_owner){ .known = true, .class_bytes = 0x60,
					.owner = stored ^ 0x40 };
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_F7);
	assert_int_equal(got.f[0].va, VA);
	assert_int_equal(got.f[0].expected ^ got.f[0].found, 0x40);
	assert_true(got.f[0].repaired);
	owner.owner = stored;
	owner.class_bytes = 0x40;
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].va, stored);
	assert_int_equal(got.f[0].expected, 6);
	assert_int_equal(got.f[0].found, 4);
	owner.owner = 0;
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].va, VA);
	assert_false(got.f[0].repaired);
	owner = (struct psc_lfh_owner){ 0 };
}

/** S9: the range, the geometry and the count agree about the units. */
static void units_that_are_not_the_ranges(void **state)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 50);
	memory[0x2d] ^= 8;
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_S9);
	assert_int_equal(got.f[0].expected, PAGES);
	assert_true(got.f[0].repaired);
}

static void one_fault(uint64_t off, uint8_t flip, enum psc_rule rule)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 50);
	memory[off] ^= flip;
	walk(&v);
	if (got.n_faults != 1)
		fail_msg("%s: %u faults", psc_rule_info(rule)->name,
			 got.n_faults);
	assert_string_equal(psc_rule_info(got.f[0].rule)->name,
			    psc_rule_info(rule)->name);
}

static void finds_each_fault(void **state)
{
	healthy(0x60, 50);
	uint32_t first = psc_lfh_first(&psc_heap_layout_common, n_total, PAGES,
				       0x60);
	uint64_t h = first + 4 * 0x60;

	one_fault(0x28, 0x01, PSC_F1);
	one_fault(0x2b, 0x40, PSC_F8);
	one_fault(h + 2, 0x01, PSC_F5);
	one_fault(h + 0, 0x10, PSC_F5);
	one_fault(h + 3, 0x01, PSC_F5);
	one_fault(h + 3, 0x10, PSC_F5);
	one_fault(h + 7, 0x30, PSC_F5);	// tag: not text
	one_fault(h + 3, 0x08, PSC_Q1);
	one_fault(0x30 + 60 / 4, 0x02, PSC_F4);	// a free block: pair 2
	one_fault(0x20, 0x01, PSC_F3);
}

static void freeing_twice_is_seen_twice(void **state)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 50);
	memory[0x30 + 2] &= (uint8_t)~1u;	// block 8: busy bit lost
	walk(&v);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_F3);
	assert_true(got.f[0].repaired);	// counters and words agree
}

static void missing_pages(void **state)
{
	struct psc_lfh v = lfh();

	healthy(0x60, 60);
	pages[1] = NULL;
	struct psc_span_stats st = walk(&v);
	assert_int_equal(got.n_faults, 0);
	assert_true(st.missing > 0 && st.in_use > 0);
	assert_int_equal(st.in_use + st.missing, 60 * 0x60);
	pages[0] = NULL;
	st = walk(&v);
	assert_int_equal(st.missing, sizeof(memory));
	assert_int_equal(got.n_blocks, 0);
}

static void never_reads_outside(void **state)
{
	struct psc_lfh v = lfh();

	srand(5);
	for (unsigned int i = 0; i < 2000; i++) {
		healthy(0x20 + (i % 30) * 0x10, i % 13);
		for (unsigned int j = 0; j < 1 + i % 8; j++)
			memory[rand() % 0x100] ^= (uint8_t)rand();
		if (i % 3 == 0)
			pages[(unsigned int)rand() % PAGES] = NULL;
		walk(&v);
	}
	assert_true(got.n_blocks <= 4096);
}

// Facts pool 11, vector 5.
static void vectors(void **state)
{
	struct psc_heap_layout wide = psc_heap_layout_common;
	uint8_t h[PSC_LFH_HEADER] = { 0 };

	psc_put32(h + 0x28, 0xe7f7337d);
	struct psc_lfh_header d = psc_lfh_decode(&psc_heap_layout_common, h, VA,
						 LFH_KEY);
	assert_int_equal(d.block_bytes, 0x60);
	assert_int_equal(d.first, 0x200);
	wide.lfh_wide_key = true;
	psc_put32(h + 0x28, 0x4ff7337d);
	d = psc_lfh_decode(&wide, h, VA, LFH_KEY);
	assert_int_equal(d.block_bytes, 0x60);
	assert_int_equal(d.first, 0x200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_subsegments_of_every_class),
		cmocka_unit_test(a_slot_holds_free_blocks_back),
		cmocka_unit_test(the_owner_and_its_class),
		cmocka_unit_test(units_that_are_not_the_ranges),
		cmocka_unit_test(finds_each_fault),
		cmocka_unit_test(freeing_twice_is_seen_twice),
		cmocka_unit_test(missing_pages),
		cmocka_unit_test(never_reads_outside),
		cmocka_unit_test(vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
