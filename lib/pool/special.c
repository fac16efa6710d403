// SPDX-License-Identifier: MIT
#include "pool/special.h"

#include <string.h>

#include "base/bytes.h"
#include "mem/mem.h"
#include "pool/header.h"

// The word at a page's start.
#define SIZE_MASK 0x1fffu
#define VERIFIER 0x4000u
#define RESERVED 0xff002000u

/** So many fill bytes are rather data of a block that is longer than told. */
#define MANY_BROKEN 0x20u

struct fill {
	uint32_t bytes, bad, first_bad;
};

static void check_fill(const uint8_t *page, uint32_t from, uint32_t to,
		       uint8_t pattern, struct fill *f)
{
	for (uint32_t i = from; i < to; i++) {
		f->bytes++;
		if (page[i] == pattern)
			continue;
		if (!f->bad++)
			f->first_bad = i;
	}
}

bool psc_special_decode(const uint8_t *page, struct psc_special *ret)
{
	uint32_t word = psc_le32(page), size = word & SIZE_MASK;
	uint32_t header = word & VERIFIER ? 0x18 : 0x10;
	struct psc_special s = {
		.tag = psc_le32(page + 4) & 0x7fffffff, .bytes = size,
		.pattern = (uint8_t)(word >> 16), .verifier = word & VERIFIER,
	};
	struct fill at_end = { 0 }, at_start = { 0 };

	if (!size || word & RESERVED || size + header > PSC_PAGE_SIZE ||
	    !psc_tag_is_text(s.tag))
		return false;
	// Overruns are caught at the page's end, underruns at its start.
	uint32_t end = PSC_PAGE_SIZE - ((size + 15) & ~15u);
	if (end >= header) {
		check_fill(page, header, end, s.pattern, &at_end);
		check_fill(page, end + size, PSC_PAGE_SIZE, s.pattern,
			   &at_end);
	} else {
		at_end.bad = UINT32_MAX;
	}
	check_fill(page, header + size, PSC_PAGE_SIZE, s.pattern, &at_start);
	bool front = at_start.bad < at_end.bad;
	const struct fill *f = front ? &at_start : &at_end;
	// Damage is small. A block of nearly a page has no fill at all.
	if (f->bad > f->bytes / 4)
		return false;
	s.data = front ? header : end;
	if (f->bad) {
		s.broken = f->first_bad;
		s.found = page[f->first_bad];
		s.n_broken = f->bad;
	}
	*ret = s;
	return true;
}

/** Offset of the 16 bytes of the data that are nearest to the fill. */
static uint32_t edge_of(const struct psc_special *s)
{
	bool front = s->data == 0x10 || s->data == 0x18;

	return front && s->bytes > 16 ? s->data + s->bytes - 16 : s->data;
}

static bool is_filled(const uint8_t *page, uint32_t from, uint8_t pattern)
{
	for (unsigned int i = 0; i < 16; i++) {
		if (page[from + i] != pattern)
			return false;
	}
	return true;
}

/**
 * A page that is a perfect allocation when one bit of its first word is
 * another. A size that grew cannot be told from longer data.
 * @return the word that it should be, 0 = none or several.
 */
static uint32_t repaired_word(const uint8_t *page, struct psc_special *ret)
{
	uint8_t copy[PSC_PAGE_SIZE];
	uint32_t word = psc_le32(page), found = 0;

	memcpy(copy, page, sizeof(copy));
	for (unsigned int bit = 0; bit < 32; bit++) {
		struct psc_special s;

		psc_put32(copy, word ^ 1u << bit);
		// Little fill proves little; data that are fill are none.
		if (!psc_special_decode(copy, &s) || s.broken ||
		    s.bytes > PSC_PAGE_SIZE / 2 ||
		    is_filled(copy, edge_of(&s), s.pattern))
			continue;
		if (found)
			return 0;
		found = word ^ 1u << bit;
		*ret = s;
	}
	return found;
}

/** X2: size, pattern or flags of the page have one bit wrong. */
static void damaged_word(const uint8_t *page, uint64_t va, uint32_t want,
			 uint32_t tag, const struct psc_sink *s,
			 struct psc_span_stats *st)
{
	st->faults++;
	if (s->fault)
		s->fault(s->ctx, &(struct psc_fault){
			.rule = PSC_X2, .va = va, .tag = tag, .field_va = va,
			.bits = 32, .expected = want, .found = psc_le32(page),
			.pool = PSC_POOL_SPECIAL, .owner = PSC_OWNER_SPECIAL,
			.repaired = true });
}

void psc_special_walk(const uint8_t *page, uint64_t va, unsigned int node,
		      const struct psc_sink *s, struct psc_span_stats *st)
{
	struct psc_special sp;

	bool known = psc_special_decode(page, &sp);
	uint32_t want = known && sp.n_broken < MANY_BROKEN
		? 0 : repaired_word(page, &sp);
	if (want) {
		damaged_word(page, va, want, sp.tag, s, st);
	} else if (!known) {
		st->skipped += PSC_PAGE_SIZE;
		return;
	}
	struct psc_block b = {
		.va = va + sp.data, .bytes = sp.bytes, .tag = sp.tag,
		.pool = PSC_POOL_SPECIAL, .owner = PSC_OWNER_SPECIAL,
		.state = PSC_BLOCK_IN_USE, .node = node,
	};
	st->blocks++;
	st->in_use += sp.bytes;
	st->overhead += PSC_PAGE_SIZE - sp.bytes;
	if (s->block)
		s->block(s->ctx, &b);
	if (!sp.broken)
		return;
	st->faults++;
	if (s->fault)
		s->fault(s->ctx, &(struct psc_fault){
			.rule = PSC_X1, .va = va + sp.broken, .tag = sp.tag,
			.field_va = va + sp.broken, .bits = 8,
			.expected = sp.pattern, .found = sp.found,
			.pool = PSC_POOL_SPECIAL, .owner = PSC_OWNER_SPECIAL,
			.previous_va = b.va, .previous_bytes = sp.bytes,
			.previous_tag = sp.tag, .previous_in_use = true });
}
