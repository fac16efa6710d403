// SPDX-License-Identifier: MIT
// What 26100 leaves open: the dump decides, and the notes say how.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "encode.h"
#include "fake.h"
#include "pool/view_impl.h"

#define SEGMENT UINT64_C(0xffff9a8013400000)
#define CONTEXT UINT64_C(0xffff9a8010000140)
#define LIST (CONTEXT + 0x48)
#define MAGIC UINT64_C(0xa2e64eada2e64ead)

static struct psc_pool_view view;
static unsigned int n_notes;

// The rest of a view is not needed.
void psc_view_note(struct psc_pool_view *v, const char *fmt, ...)
{
	n_notes++;
}

void psc_view_slist(struct psc_pool_view *v, uint16_t space, uint64_t list,
		    const char *what)
{
	assert_true(psc_vec_push(&v->spaces.v[space].cached, list));
}

static void setup(void)
{
	fake_reset();
	free(view.units.v);
	if (view.spaces.n)
		free(view.spaces.v[0].cached.v);
	free(view.spaces.v);
	n_notes = 0;
	memset(&view, 0, sizeof(view));
	view.k = fake_kernel();
	view.layout = psc_heap_layout_common;
	view.layout.newest = view.layout.lfh_wide_key = true;
	view.layout.lfh_has_commit = false;
	view.layout.lfh_bits = 1;
	view.layout.seg_magic = 0;
	view.layout.lfh_withheld = 0x25;
	view.layout.lfh_unit_shift = 0x26;
	view.layout.lfh_unit_count = 0x27;
	view.layout.lfh_bitmap = 0x40;
	view.layout.lfh_delayed = 0x12;
	view.info.keys.has_heap = view.info.keys.has_lfh = true;
	view.info.keys.heap_key = HEAP_KEY;
	view.info.keys.heap_mask = UINT64_MAX;
	view.info.keys.lfh_key = LFH_KEY;
	assert_true(psc_vec_push(&view.spaces,
				 (struct psc_space){ .mem = fake_mem() }));
}

static void segments(uint64_t magic)
{
	setup();
	fake_map(CONTEXT & ~UINT64_C(0xfff), 0x1000);
	fake_put(LIST, SEGMENT, 8);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t va = SEGMENT + i * 0x100000;

		fake_map(va, 0x2000);
		fake_put(va, i ? LIST : va + 0x100000, 8);
		fake_put(va + 0x10, CONTEXT ^ va ^ HEAP_KEY ^ magic, 8);
	}
	psc_newest_magic(&view, CONTEXT, LIST);
}

static void signatures_name_their_constant(void **state)
{
	segments(0);
	assert_int_equal(view.layout.seg_magic, 0);
	assert_int_equal(n_notes, 0);
	segments(MAGIC);
	assert_int_equal(view.layout.seg_magic, MAGIC);
	assert_int_equal(n_notes, 1);
	segments(0x1234);	// neither: as before
	assert_int_equal(view.layout.seg_magic, 0);
	assert_int_equal(n_notes, 0);
}

/** One subsegment of 126 blocks of 0x20 bytes, every third busy. */
static void subsegment(unsigned int bits, int wide, unsigned int delayed)
{
	uint8_t *p = fake_map(SEGMENT + 0x5000, 0x1000);
	uint64_t va = SEGMENT + 0x5000;
	unsigned int n = 122, busy = 0, first = 0xc0;

	memset(p + 0x40, 0xff, first - 0x40);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = i * bits;

		for (unsigned int b = 0; b < bits; b++)
			p[0x40 + (at + b) / 8] &=
				(uint8_t)~(1u << (at + b) % 8);
		if (i % 3)
			continue;
		p[0x40 + at / 8] |= (uint8_t)(1u << at % 8);
		busy++;
	}
	psc_put16(p + 0x12, (uint16_t)delayed);
	psc_put16(p + 0x20, (uint16_t)(n - busy + delayed));
	psc_put16(p + 0x22, (uint16_t)n);
	p[0x26] = 12;
	p[0x27] = 1;
	psc_put32(p + 0x28, (first << 16 | 0x20) ^ (uint32_t)LFH_KEY ^
			    (wide ? (uint32_t)(va >> 12)
				  : (uint32_t)va >> 12));
	assert_true(psc_vec_push(&view.units, (struct psc_unit){
		.va = va, .pages = 1, .kind = PSC_UNIT_LFH }));
}

static void counts_choose_the_bitmap_and_the_key(void **state)
{
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int bits = i & 1 ? 2 : 1;

		setup();
		subsegment(bits, i & 2, i & 4 ? 7 : 0);
		psc_newest_lfh(&view);
		assert_int_equal(view.layout.lfh_bits, bits);
		assert_int_equal(view.layout.lfh_wide_key, (i & 2) != 0);
		assert_int_equal(n_notes, 1);
	}
	setup();		// nothing to look at: nothing is said
	psc_newest_lfh(&view);
	assert_int_equal(view.layout.lfh_bits, 1);
	assert_int_equal(n_notes, 0);
}

static void slot_types(void)
{
	fake_field("_SEGMENT_HEAP.VsContext", 0x2c0, 0x60);
	fake_field("_HEAP_VS_CONTEXT.SlotMapRef", 0, 2);
	fake_field("_HEAP_VS_CONTEXT.AffinityMask", 2, 1);
	fake_field("_HEAP_VS_AFFINITY_SLOT.VsContext", 0, 8);
	fake_field("_HEAP_VS_AFFINITY_SLOT.DelayFreeContext.ListHead", 0x40,
		   16);
	fake_field("_HEAP_VS_SUBSEGMENT.OwnerSlotRef", 0x22, 2);
	fake_type("_HEAP_VS_SLOT_MAP", 4);
}

/** Slots: named by the context, by its map, by a subsegment; a stranger. */
static void slots_are_found_three_ways(void **state)
{
	const uint64_t heap = SEGMENT, context = heap + 0x2c0;

	setup();
	slot_types();
	fake_map(heap, 0x2000);
	fake_put(context, 0x10, 2);
	fake_put(context + 2, 1, 1);
	assert_false(psc_newest_delayed(&view, 0, heap, 0));
	// A map of two, one of which is no slot of this context.
	fake_put(context + 0x400, 0x20, 2);
	fake_put(context + 0x404, 0x30, 2);
	fake_put(context + 0x800, context, 8);
	fake_put(context + 0xc00, context + 8, 8);
	assert_true(psc_newest_delayed(&view, 0, heap, 0));
	assert_int_equal(view.spaces.v[0].cached.n, 1);
	assert_int_equal(view.spaces.v[0].cached.v[0], context + 0x840);
	// A subsegment whose slot the map does not have, twice.
	fake_map(SEGMENT + 0x8000, 0x1000);
	fake_put(SEGMENT + 0x8022, 0x40, 2);
	fake_put(context + 0x1000, context, 8);
	for (unsigned int i = 0; i < 2; i++)
		assert_true(psc_vec_push(&view.units, (struct psc_unit){
			.va = SEGMENT + 0x8000, .pages = 1,
			.kind = PSC_UNIT_VS }));
	view.spaces.v[0].cached.n = 0;
	assert_true(psc_newest_delayed(&view, 0, heap, 0));
	assert_int_equal(view.spaces.v[0].cached.n, 2);
	assert_int_equal(view.spaces.v[0].cached.v[1], context + 0x1040);
	// The reference leads to a slot itself.
	setup();
	slot_types();
	fake_map(heap, 0x2000);
	fake_put(context, 0x10, 2);
	fake_put(context + 0x400, context, 8);
	assert_true(psc_newest_delayed(&view, 0, heap, 0));
	assert_int_equal(view.spaces.v[0].cached.v[0], context + 0x440);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_name_their_constant),
		cmocka_unit_test(counts_choose_the_bitmap_and_the_key),
		cmocka_unit_test(slots_are_found_three_ways),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	setup();
	free(view.spaces.v);
	fake_reset();
	return rc;
}
