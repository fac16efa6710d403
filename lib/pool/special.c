// SPDX-License-Identifier: MIT
#include "pool/special.h"

#include "base/bytes.h"
#include "mem/mem.h"
#include "pool/header.h"

// The word at a page's start.
#define SIZE_MASK 0x1fffu
#define VERIFIER 0x4000u
#define RESERVED 0xff002000u

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
	}
	*ret = s;
	return true;
}

void psc_special_walk(const uint8_t *page, uint64_t va, unsigned int node,
		      const struct psc_sink *s, struct psc_span_stats *st)
{
	struct psc_special sp;

	if (!psc_special_decode(page, &sp)) {
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
