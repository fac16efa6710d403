// SPDX-License-Identifier: MIT
#include "mem/paging.h"

// Address bits of 64-bit entries. Bits 48-51 are zero on kernels that do not
// use them, so one mask serves all (dump-format 4.2).
#define PA_4K 0x000ffffffffff000ULL
// PAT (bit 12) and the reserved bits above it are not address.
#define PA_2M 0x000fffffffe00000ULL
#define PA_1G 0x000fffffc0000000ULL

#define BIT(n) (1ULL << (n))

// The rows. To add one: a mode in mem.h, a row, vectors in test_walk.c.
static const struct psc_paging_scheme schemes[] = {
	[PSC_PAGING_X64] = {
		.name = "x64", .n_levels = 4, .entry_bytes = 8,
		.level = {
			{ 39, 9, 0, false },
			{ 30, 9, PA_1G, false },
			{ 21, 9, PA_2M, false },
			{ 12, 9, PA_4K, false },
		},
		.root_mask = PA_4K, .table_mask = PA_4K, .va_bits = 48,
		.page_bit = BIT(7), .page_when = true,
		.write_bit = BIT(1), .write_when = true, .nx_bit = BIT(63),
		.pte = PSC_PTE_64, .transition_mask = PA_4K,
	},
	[PSC_PAGING_X64_LA57] = {
		.name = "x64-la57", .n_levels = 5, .entry_bytes = 8,
		.level = {
			{ 48, 9, 0, false },
			{ 39, 9, 0, false },
			{ 30, 9, PA_1G, false },
			{ 21, 9, PA_2M, false },
			{ 12, 9, PA_4K, false },
		},
		.root_mask = PA_4K, .table_mask = PA_4K, .va_bits = 57,
		.page_bit = BIT(7), .page_when = true,
		.write_bit = BIT(1), .write_when = true, .nx_bit = BIT(63),
		.pte = PSC_PTE_64, .transition_mask = PA_4K,
	},
	[PSC_PAGING_X86] = {
		.name = "x86", .n_levels = 2, .entry_bytes = 4,
		.level = {
			// PSE-36 (bits 20:13 → 39:32) is added by decode.
			{ 22, 10, 0xffc00000, false },
			{ 12, 10, 0xfffff000, false },
		},
		.root_mask = 0xfffff000, .table_mask = 0xfffff000,
		.va_bits = 32, .page_bit = BIT(7), .page_when = true,
		.write_bit = BIT(1), .write_when = true, .nx_bit = 0,
		.pte = PSC_PTE_32, .transition_mask = 0xfffff000,
	},
	[PSC_PAGING_X86_PAE] = {
		.name = "x86-pae", .n_levels = 3, .entry_bytes = 8,
		.level = {
			{ 30, 2, 0, true },
			{ 21, 9, PA_2M, false },
			{ 12, 9, PA_4K, false },
		},
		.root_mask = 0xffffffe0, .table_mask = PA_4K, .va_bits = 32,
		.page_bit = BIT(7), .page_when = true,
		.write_bit = BIT(1), .write_when = true, .nx_bit = BIT(63),
		.pte = PSC_PTE_PAE, .transition_mask = 0x3ffffff000,
	},
	[PSC_PAGING_ARM64] = {
		.name = "arm64", .n_levels = 4, .entry_bytes = 8,
		.level = {
			{ 39, 9, 0, true },
			{ 30, 9, 0x0000ffffc0000000ULL, true },
			{ 21, 9, 0x0000ffffffe00000ULL, true },
			{ 12, 9, 0x0000fffffffff000ULL, false },
		},
		.root_mask = 0x0000fffffffff000ULL,
		.table_mask = 0x0000fffffffff000ULL, .va_bits = 48,
		.page_bit = BIT(1), .page_when = false,
		.last_needs_bit = true,
		// AP[2] set: read-only; PXN: not executable in the kernel.
		.write_bit = BIT(7), .write_when = false, .nx_bit = BIT(53),
		.pte = PSC_PTE_64, .transition_mask = PA_4K,
	},
};

const struct psc_paging_scheme *psc_paging_scheme(enum psc_paging_mode mode)
{
	unsigned int i = mode;

	return i < sizeof(schemes) / sizeof(schemes[0]) ? &schemes[i] : NULL;
}

bool psc_paging_canonical(const struct psc_paging_scheme *s, uint64_t va)
{
	if (s->va_bits == 32)
		return va >> 32 == 0;
	// All bits from va_bits-1 up are equal.
	uint64_t top = va >> (s->va_bits - 1);
	return top == 0 || top == UINT64_MAX >> (s->va_bits - 1);
}

uint64_t psc_paging_kernel_start(const struct psc_paging_scheme *s)
{
	return s->va_bits == 32 ? 0x80000000 : UINT64_MAX << (s->va_bits - 1);
}

// Does a valid entry of level i map a page, point to a table, or neither?
static unsigned int entry_kind(const struct psc_paging_scheme *s,
			       unsigned int i, uint64_t entry)
{
	bool bit = entry & s->page_bit;

	if (i + 1 == s->n_levels)
		return s->last_needs_bit && !bit ? PSC_ENTRY_BAD
						 : PSC_ENTRY_PAGE;
	if (bit != s->page_when)
		return PSC_ENTRY_TABLE;
	if (s->level[i].page_mask)
		return PSC_ENTRY_PAGE;
	// Reserved: PML5E, PML4E and the PAE PDPTE never map pages.
	return PSC_ENTRY_BAD;
}

struct psc_paging_entry
psc_paging_decode(const struct psc_paging_scheme *s, unsigned int i,
		  uint64_t entry)
{
	const struct psc_paging_level *l = &s->level[i];
	struct psc_paging_entry e = { .writable = true };

	e.kind = entry_kind(s, i, entry);
	e.pa = entry & (e.kind == PSC_ENTRY_PAGE ? l->page_mask
						 : s->table_mask);
	// PSE-36: a 4 MiB page's bits 39:32 stand in entry bits 20:13.
	if (s->pte == PSC_PTE_32 && e.kind == PSC_ENTRY_PAGE && i == 0)
		e.pa |= (entry >> 13 & 0xff) << 32;
	// Blocks of ARM64 carry rights though tables of their level do not.
	if (!l->no_rights || e.kind == PSC_ENTRY_PAGE) {
		e.writable = !(entry & s->write_bit) != s->write_when;
		e.nx = entry & s->nx_bit;
	}
	return e;
}
