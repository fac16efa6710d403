// SPDX-License-Identifier: MIT
// 26100 and later: rules that one source each tells, so that the dump decides
// between their readings (pool 3.4, 3.7, 3.13), and lists that hang on slots.
#include <inttypes.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/lfh.h"
#include "pool/segment.h"
#include "pool/view_impl.h"

/** Looked at before a reading is chosen. */
#define MAX_SEGMENTS 16u
#define MAX_SUBSEGMENTS 256u
/** References to slots count these bytes from the VS context (pool 3.13). */
#define SLOT_UNIT 0x40u
#define MAX_SLOTS 256u

// --- the constant in a segment's signature -----------------------------------

void psc_newest_magic(struct psc_pool_view *v, uint64_t context, uint64_t list)
{
	struct psc_mem *m = v->spaces.v[0].mem;
	unsigned int zero = 0, magic = 0;
	uint64_t va, sig, key = v->info.keys.heap_key;

	if (!v->info.keys.has_heap || v->info.keys.heap_mask != UINT64_MAX ||
	    psc_mem_read(m, list, &va, 8, NULL) != 8)
		return;
	for (unsigned int i = 0; i < MAX_SEGMENTS && va != list; i++) {
		if (psc_mem_read(m, va + v->layout.seg_signature, &sig, 8,
				 NULL) != 8)
			break;
		uint64_t rest = sig ^ va ^ context ^ key;
		zero += rest == 0;
		magic += rest == PSC_SEGMENT_MAGIC;
		if (psc_mem_read(m, va, &va, 8, NULL) != 8)
			break;
	}
	if (zero == magic)
		return;
	uint64_t fits = zero > magic ? 0 : PSC_SEGMENT_MAGIC;
	if (fits != v->layout.seg_magic)
		psc_view_note(v, "signatures of segments hold 0x%" PRIx64
			      ", not the 0x%" PRIx64 " of their family: %u of "
			      "%u say so", fits, v->layout.seg_magic,
			      PSC_MAX(zero, magic), zero + magic);
	v->layout.seg_magic = fits;
}

// --- bitmap and key of LFH subsegments ---------------------------------------

/** How many subsegments a reading makes true. */
struct fits {
	unsigned int sane, counted;
};

/** Set low bits of the @p bits wide fields of @p n blocks. */
static uint32_t busy_bits(const uint8_t *map, uint32_t n, unsigned int bits)
{
	uint32_t set = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i * bits;

		set += map[at / 8] >> at % 8 & 1;
	}
	return set;
}

/** Does reading @p l fit the subsegment whose first page is @p page? */
static void try_reading(const struct psc_pool_view *v,
			const struct psc_heap_layout *l, const uint8_t *page,
			uint64_t va, struct fits *f)
{
	struct psc_lfh_header h =
		psc_lfh_decode(l, page, va, v->info.keys.lfh_key);

	if (!psc_lfh_is_sane(l, &h) || h.first > PSC_PAGE_SIZE)
		return;
	f->sane++;
	// Blocks that another processor freed stay busy until merged.
	uint32_t busy = busy_bits(page + l->lfh_bitmap, h.blocks,
				  l->lfh_bits);
	uint32_t least = h.count - h.free + h.withheld;
	f->counted += busy == least || busy == least + h.delayed;
}

/** @return whether @p a makes more of the subsegments true. */
static bool better(const struct fits *a, const struct fits *b)
{
	return a->sane != b->sane ? a->sane > b->sane
				  : a->counted > b->counted;
}

void psc_newest_lfh(struct psc_pool_view *v)
{
	struct psc_heap_layout reading[4];
	struct fits fits[4] = { 0 };
	uint8_t page[PSC_PAGE_SIZE];
	unsigned int looked = 0, best = 0;

	for (unsigned int i = 0; i < 4; i++) {
		reading[i] = v->layout;
		reading[i].lfh_bits = i & 1 ? 2 : 1;
		reading[i].lfh_wide_key = !(i & 2);
	}
	for (size_t i = 0; i < v->units.n && looked < MAX_SUBSEGMENTS; i++) {
		const struct psc_unit *u = &v->units.v[i];

		if (u->kind != PSC_UNIT_LFH ||
		    psc_mem_read(v->spaces.v[u->space].mem, u->va, page,
				 sizeof(page), NULL) != sizeof(page))
			continue;
		looked++;
		for (unsigned int j = 0; j < 4; j++)
			try_reading(v, &reading[j], page, u->va, &fits[j]);
	}
	for (unsigned int j = 1; j < 4; j++) {
		if (better(&fits[j], &fits[best]))
			best = j;
	}
	v->layout = reading[best];
	if (looked)
		psc_view_note(v, "LFH subsegments are read with %u bit%s a "
			      "block and the %s key: the counts of %u of %u "
			      "agree", v->layout.lfh_bits, best & 1 ? "s" : "",
			      best & 2 ? "20-bit" : "32-bit",
			      fits[best].counted, looked);
}

// --- delay-free lists of VS contexts -----------------------------------------

struct slots {
	struct psc_pool_view *v;
	uint16_t space;
	struct psc_mem *m;
	uint64_t context;	/**< VA of the VS context. */
	uint64_t map, mask;	/**< SlotMapRef, AffinityMask. */
	uint64_t entry, owner, list, subsegment; /**< Size and offsets. */
	uint64_t seen[MAX_SLOTS];
	unsigned int n;
};

static struct psc_error *find_slots(struct slots *s, uint64_t heap)
{
	const struct {
		const char *path;
		uint64_t *to;
	} need[] = {
		{ "_SEGMENT_HEAP.VsContext", &s->context },
		{ "_HEAP_VS_CONTEXT.SlotMapRef", &s->map },
		{ "_HEAP_VS_CONTEXT.AffinityMask", &s->mask },
		{ "_HEAP_VS_AFFINITY_SLOT.VsContext", &s->owner },
		{ "_HEAP_VS_AFFINITY_SLOT.DelayFreeContext.ListHead",
		  &s->list },
		{ "_HEAP_VS_SUBSEGMENT.OwnerSlotRef", &s->subsegment },
	};
	struct psc_error *err;
	uint16_t map = 0;
	uint8_t mask = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(need); i++) {
		struct psc_field f;

		if ((err = psc_kernel_field(s->v->k, need[i].path, &f)))
			return err;
		*need[i].to = f.offset;
	}
	s->context += heap;
	if ((err = psc_kernel_sizeof(s->v->k, "_HEAP_VS_SLOT_MAP",
				     &s->entry)) ||
	    (err = psc_mem_read_all(s->m, s->context + s->map, &map, 2,
				    "SlotMapRef")) ||
	    (err = psc_mem_read_all(s->m, s->context + s->mask, &mask, 1,
				    "AffinityMask")))
		return err;
	s->map = map;
	s->mask = mask;
	return NULL;
}

/** A slot names its context: only such a one is believed. */
static void try_slot(struct slots *s, uint16_t ref)
{
	uint64_t va = s->context + (uint64_t)ref * SLOT_UNIT, owner;

	for (unsigned int i = 0; i < s->n; i++) {
		if (s->seen[i] == va)
			return;
	}
	if (!ref || s->n == MAX_SLOTS ||
	    psc_mem_read(s->m, va + s->owner, &owner, 8, NULL) != 8 ||
	    owner != s->context)
		return;
	s->seen[s->n++] = va;
	psc_view_slist(s->v, s->space, va + s->list, "delay-free list");
}

bool psc_newest_delayed(struct psc_pool_view *v, uint16_t space, uint64_t heap,
			size_t first_unit)
{
	struct psc_mem *m = v->spaces.v[space].mem;
	struct slots s = { .v = v, .space = space, .m = m };
	PSC_ERROR_GUARD struct psc_error *err = find_slots(&s, heap);
	uint16_t ref;

	if (err)
		return false;
	// What SlotMapRef leads to: a slot, or an array that leads to slots.
	try_slot(&s, (uint16_t)s.map);
	for (uint64_t i = 0; i <= s.mask; i++) {
		if (psc_mem_read(m, s.context + s.map * SLOT_UNIT +
				    i * s.entry, &ref, 2, NULL) != 2)
			break;
		try_slot(&s, ref);
	}
	// Each subsegment names the slot that owns it.
	for (size_t i = first_unit; i < v->units.n; i++) {
		if (v->units.v[i].kind == PSC_UNIT_VS &&
		    psc_mem_read(m, v->units.v[i].va + s.subsegment, &ref, 2,
				 NULL) == 2)
			try_slot(&s, ref);
	}
	return s.n;
}
