// SPDX-License-Identifier: MIT
// Do the page tables fit the machine that the header describes, and how does
// its kernel store entries that are not valid?
#include <inttypes.h>

#include "base/bytes.h"
#include "kernel/kernel_impl.h"

#define KDBG_FLAGS		0x36
#define KDBG_L1TF_HIGH_BIT	0x2c2
#define KDBG_PTE_BASE		0x360

// KUSER_SHARED_DATA: fixed address and offsets (dump-format 4.1).
#define USER_SHARED_DATA	0xfffff78000000000ULL
#define USER_NT_BUILD_NUMBER	0x260
#define FIRST_BUILD_WITH_NUMBER	10000

// Where the self-map was before its place became random.
#define OLD_PTE_BASE		0xfffff68000000000ULL
#define FIRST_RANDOM_PTE_BASE	14393

static void set_mask(struct psc_kernel *k, uint64_t mask)
{
	psc_mem_set_pte_mask(k->mem, mask);
	psc_mem_set_pte_mask(k->probe, mask);
}

// The mask itself is a variable; KDBG only names a bit (dump-format 4.5).
static uint64_t pte_mask(struct psc_kernel *k)
{
	uint64_t va, mask = 0;
	struct psc_field f;

	struct psc_error *err =
		psc_kernel_global(k, "MiInvalidPteMask", k->ptr, &mask);
	psc_error_free(err);
	if (!err)
		return mask;
	err = psc_kernel_symbol(k, "MiState", &va);
	if (!err)
		err = psc_kernel_field(k, "_MI_SYSTEM_INFORMATION.Hardware."
					  "InvalidPteMask", &f);
	if (!err && psc_mem_read(k->probe, va + f.offset, &mask,
				 PSC_MIN(f.size, 8), NULL) == f.size)
		return mask;
	psc_error_free(err);
	if (k->kdbg.size > KDBG_L1TF_HIGH_BIT) {
		uint8_t bit = k->kdbg.bytes[KDBG_L1TF_HIGH_BIT];
		if (bit >= 32 && bit < 52)
			return 1ULL << bit;
	}
	return 0;
}

void psc_root_set_pte_format(struct psc_kernel *k)
{
	struct psc_field f;
	uint64_t size;

	if (psc_mem_is_sparse(k->mem))
		return;
	set_mask(k, pte_mask(k));
	struct psc_error *err = psc_kernel_sizeof(k, "_MMPTE_SOFTWARE", &size);
	psc_error_free(err);
	if (err)
		return;		// keep the guess
	err = psc_kernel_field(k, "_MMPTE_SOFTWARE.SwizzleBit", &f);
	psc_mem_set_swizzled(k->mem, !err);
	psc_mem_set_swizzled(k->probe, !err);
	psc_error_free(err);
}

static bool is_mode(const struct psc_kernel *k, enum psc_paging_mode mode)
{
	return psc_mem_paging(k->mem)->mode == mode;
}

// The root holds itself at the index of the PTE window.
static bool check_self_map(struct psc_kernel *k)
{
	uint64_t base, root = psc_mem_paging(k->mem)->root;
	uint8_t scratch[PSC_PAGE_SIZE];
	bool la57 = is_mode(k, PSC_PAGING_X64_LA57);

	if (!psc_kernel_kdbg(k, KDBG_PTE_BASE, &base)) {
		if (k->h->build >= FIRST_RANDOM_PTE_BASE)
			return false;
		base = OLD_PTE_BASE;
	}
	uint64_t pfn = (root & 0x0000fffffffff000ULL) >> PSC_PAGE_SHIFT;
	const uint8_t *page = psc_dump_page(k->dump, pfn, scratch);
	if (!page)
		return false;
	uint64_t index = base >> (la57 ? 48 : 39) & 0x1ff;
	uint64_t entry = psc_le64(page + index * 8);
	if (entry & 1 &&
	    (entry & 0x0000fffffffff000ULL) >> PSC_PAGE_SHIFT == pfn)
		return true;
	psc_kernel_add_note(k, "the page-table root 0x%" PRIx64 " does not map "
			    "itself at entry 0x%" PRIx64
			    ": DirectoryTableBase may be wrong", root, index);
	return false;
}

static bool check_shared_data(struct psc_kernel *k)
{
	uint32_t build;

	if (k->h->build < FIRST_BUILD_WITH_NUMBER ||
	    psc_mem_read(k->probe, USER_SHARED_DATA + USER_NT_BUILD_NUMBER,
			 &build, 4, NULL) != 4)
		return false;
	if ((uint16_t)build == (uint16_t)k->h->build)
		return true;
	psc_kernel_add_note(k, "KUSER_SHARED_DATA says build %u, the header %u",
			    build & 0xffff, k->h->build);
	return false;
}

// Bits 2-5 of the KDBG flags; 0: not recorded.
static void check_levels(struct psc_kernel *k)
{
	if (k->kdbg.size < KDBG_FLAGS + 2 || k->ptr != 8)
		return;
	unsigned int levels = psc_le16(k->kdbg.bytes + KDBG_FLAGS) >> 2 & 0xf;
	unsigned int used = is_mode(k, PSC_PAGING_X64_LA57) ? 5 : 4;
	if (levels && levels != used)
		psc_kernel_add_note(k, "the kernel says %u levels of page "
				    "tables, but %u fit", levels, used);
}

void psc_root_check(struct psc_kernel *k)
{
	if (psc_mem_is_sparse(k->mem))
		return;
	bool good = k->base && psc_identity_is_image(k, k->base);
	if (k->ptr == 8) {
		good |= check_self_map(k);
		if (!is_mode(k, PSC_PAGING_ARM64))
			good |= check_shared_data(k);
		check_levels(k);
	}
	if (!good)
		psc_kernel_add_note(k, "nothing confirms the page tables at 0x%"
				    PRIx64 " (DirectoryTableBase)",
				    k->h->directory_table_base);
}
