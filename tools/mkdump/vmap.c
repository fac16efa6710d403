// SPDX-License-Identifier: MIT
/** @file
 * Virtual memory: page tables as the processor and the memory manager read
 * them (dump-format 4.2, 4.5), and access by address while building.
 */
#include <string.h>

#include "mk.h"

// Hardware PTE bits (dump-format 4.2).
#define PTE_VALID 0x1ull
#define PTE_WRITE 0x2ull
#define PTE_USER 0x4ull
#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY 0x40ull
#define PTE_LARGE 0x80ull
#define PTE_GLOBAL 0x100ull
#define PTE_PAT_LARGE 0x1000ull
#define PTE_WRITABLE 0x800ull
#define PTE_NX (1ull << 63)
// Software PTE bits (dump-format 4.5).
#define PTE_SWIZZLE 0x10ull
#define PTE_PROTECTION (4ull << 5)
#define PTE_PROTOTYPE 0x400ull
#define PTE_TRANSITION 0x800ull

static unsigned int index_at(uint64_t va, unsigned int shift)
{
	return (unsigned int)(va >> shift & 0x1ff);
}

static uint64_t table_frame(struct mk *m)
{
	uint64_t pfn = mk_pfn_alloc(m);

	mk_bit_set(m->phys.kernel, pfn);
	mk_pfn_bytes(m, pfn);
	return pfn;
}

/** Physical address of the entry for @p va at the level of @p shift. */
static uint64_t entry_address(struct mk *m, uint64_t root, uint64_t va,
			      unsigned int shift)
{
	uint64_t table = root;

	for (unsigned int s = m->levels == 5 ? 48 : 39; s > shift; s -= 9) {
		unsigned int i = index_at(va, s);
		uint64_t e = psc_le64(mk_pfn_bytes(m, table) + i * 8);

		if (e & PTE_LARGE)
			mk_fail(m, "0x%llx lies in a large page",
				(unsigned long long)va);
		if (!(e & PTE_VALID)) {
			uint64_t next = table_frame(m);

			e = next << 12 | PTE_VALID | PTE_WRITE | PTE_ACCESSED |
			    PTE_DIRTY | PTE_WRITABLE |
			    (va >> 63 ? 0 : PTE_USER);
			psc_put64(mk_pfn_bytes(m, table) + i * 8, e);
			table = next;
		} else {
			table = e >> 12 & 0xfffffffffull;
		}
	}
	return table << 12 | index_at(va, shift) * 8u;
}

static void put_entry(struct mk *m, uint64_t pa, uint64_t e)
{
	psc_put64(mk_pfn_bytes(m, pa >> 12) + (pa & 0xfff), e);
}

/** What Windows does with the mask against L1TF (dump-format 4.5). */
static uint64_t swizzle(const struct mk *m, uint64_t pte)
{
	if (!m->pte_mask)
		return pte;
	return pte & m->pte_mask ? pte | PTE_SWIZZLE : pte | m->pte_mask;
}

static uint64_t prototype_pte(struct mk *m, uint64_t pfn)
{
	uint64_t proto = mk_alloc(m, MK_PAGED, 8);

	// Prototype PTEs of resident pages are in transition or valid.
	mk_write64(m, proto, swizzle(m, pfn << 12 | PTE_TRANSITION |
					PTE_PROTECTION));
	return swizzle(m, proto << 16 | PTE_PROTOTYPE | PTE_PROTECTION);
}

static uint64_t leaf(struct mk *m, const struct mk_map_opt *o, uint64_t pfn)
{
	switch (o->state) {
	case MK_PTE_VALID:
		break;
	case MK_PTE_TRANSITION:
		return swizzle(m, pfn << 12 | PTE_TRANSITION | PTE_PROTECTION);
	case MK_PTE_PROTOTYPE:
		return prototype_pte(m, pfn);
	case MK_PTE_PAGED_OUT:
		// Page file 1; any page offset will do, but not 0.
		return swizzle(m, (pfn | 1) << 32 | 1ull << 12 |
				  PTE_PROTECTION);
	case MK_PTE_DEMAND_ZERO:
		return swizzle(m, PTE_PROTECTION);
	case MK_PTE_FREED:
		return (pfn | 1) << 32;
	}
	uint64_t e = pfn << 12 | PTE_VALID | PTE_ACCESSED;

	if (!o->read_only)
		e |= PTE_WRITE | PTE_DIRTY | PTE_WRITABLE;
	if (o->shift > 12)
		e |= PTE_LARGE | PTE_PAT_LARGE;	// PAT is no address bit
	return e | (o->nx ? PTE_NX : 0) | (o->user ? PTE_USER : PTE_GLOBAL);
}

static void remember(struct mk *m, uint64_t vpn, uint64_t pfn, uint64_t pte)
{
	uint64_t *frame = psc_map_put(&m->frames, vpn, NULL);

	if (!frame)
		mk_fail(m, "out of memory");
	*frame = pfn;
	if (!pte)
		return;
	if (!(frame = psc_map_put(&m->ptes, vpn, NULL)))
		mk_fail(m, "out of memory");
	*frame = pte;
}

static void mark_stored(struct mk *m, const struct mk_map_opt *o, uint64_t pfn)
{
	if (o->state == MK_PTE_VALID || o->state == MK_PTE_TRANSITION ||
	    o->state == MK_PTE_PROTOTYPE)
		mk_bit_set(o->user ? m->phys.user : m->phys.kernel, pfn);
}

static void map_unit(struct mk *m, uint64_t va, const struct mk_map_opt *o,
		     uint64_t pfn)
{
	unsigned int shift = o->shift ? o->shift : 12;
	uint64_t pages = 1ull << (shift - 12);
	uint64_t pa = entry_address(m, o->root ? o->root : m->root, va, shift);

	put_entry(m, pa, leaf(m, o, pfn));
	for (uint64_t i = 0; i < pages; i++) {
		mark_stored(m, o, pfn + i);
		// User pages of several processes share addresses: they are
		// written through their frames, not through this map.
		if (!o->root || o->root == m->root)
			remember(m, (va >> 12) + i, pfn + i,
				 shift == 12 ? pa : 0);
	}
}

void mk_map(struct mk *m, uint64_t va, uint64_t bytes,
	    const struct mk_map_opt *opt)
{
	static const struct mk_map_opt plain;
	struct mk_map_opt o = opt ? *opt : plain;

	if (!o.shift)
		o.shift = 12;
	uint64_t unit = 1ull << o.shift, pages = unit >> 12;
	uint64_t next = o.given_pfn ? o.pfn : 0;

	if (va & (unit - 1))
		mk_fail(m, "0x%llx is not aligned", (unsigned long long)va);
	if (!o.given_pfn && o.contiguous)
		next = mk_pfn_alloc_run(m, (bytes + unit - 1) / unit * pages,
					pages);
	for (uint64_t end = va + bytes; va < end; va += unit, next += pages) {
		uint64_t pfn;

		if (!o.root && mk_frame(m, va, &pfn))
			continue;
		if (o.given_pfn || o.contiguous)
			pfn = next;
		else if (pages == 1)
			pfn = mk_pfn_alloc(m);
		else
			pfn = mk_pfn_alloc_run(m, pages, pages);
		map_unit(m, va, &o, pfn);
	}
}

void mk_set_state(struct mk *m, uint64_t va, enum mk_pte state)
{
	const uint64_t *pa = psc_map_get(&m->ptes, va >> 12);
	struct mk_map_opt o = {.state = state, .nx = true};
	uint64_t pfn;

	if (!pa || !mk_frame(m, va, &pfn))
		mk_fail(m, "0x%llx is no mapped 4 KiB page",
			(unsigned long long)va);
	uint64_t entry = *pa;	// leaf() may map, which moves the slot

	put_entry(m, entry, leaf(m, &o, pfn));
	if (state == MK_PTE_PAGED_OUT || state == MK_PTE_DEMAND_ZERO ||
	    state == MK_PTE_FREED)
		m->phys.kernel[pfn >> 3] &= (uint8_t)~(1u << (pfn & 7));
}

bool mk_frame(const struct mk *m, uint64_t va, uint64_t *pfn)
{
	const uint64_t *p = psc_map_get(&m->frames, va >> 12);

	if (p)
		*pfn = *p;
	return p;
}

static uint64_t frame_of(const struct mk *m, uint64_t va)
{
	uint64_t pfn;

	if (!mk_frame(m, va, &pfn))
		mk_fail(m, "0x%llx is not mapped", (unsigned long long)va);
	return pfn;
}

void mk_write(struct mk *m, uint64_t va, const void *p, size_t n)
{
	const uint8_t *src = p;

	while (n) {
		size_t at = va & 0xfff, part = PSC_MIN(n, MK_PAGE - at);

		memcpy(mk_pfn_bytes(m, frame_of(m, va)) + at, src, part);
		va += part;
		src += part;
		n -= part;
	}
}

void mk_read(const struct mk *m, uint64_t va, void *p, size_t n)
{
	uint8_t *dst = p;

	while (n) {
		size_t at = va & 0xfff, part = PSC_MIN(n, MK_PAGE - at);
		const uint8_t *page = mk_pfn_peek(m, frame_of(m, va));

		if (page)
			memcpy(dst, page + at, part);
		else
			memset(dst, 0, part);
		va += part;
		dst += part;
		n -= part;
	}
}

void mk_write_uint(struct mk *m, uint64_t va, uint64_t v, unsigned int bytes)
{
	mk_write(m, va, &v, bytes);
}

void mk_write64(struct mk *m, uint64_t va, uint64_t v)
{
	mk_write_uint(m, va, v, 8);
}

void mk_write32(struct mk *m, uint64_t va, uint32_t v)
{
	mk_write_uint(m, va, v, 4);
}

uint64_t mk_read64(const struct mk *m, uint64_t va)
{
	uint8_t b[8];

	mk_read(m, va, b, sizeof(b));
	return psc_le64(b);
}
