// SPDX-License-Identifier: MIT
#include "mem/pte_win.h"

#define PTE_SWIZZLE	(1ULL << 4)
#define PTE_PROTOTYPE	(1ULL << 10)
#define PTE_TRANSITION	(1ULL << 11)

uint64_t psc_pte_unswizzle(const struct psc_paging *p, uint64_t entry)
{
	if (!p->swizzled || !p->invalid_pte_mask || !entry)
		return entry;
	if (entry & PTE_SWIZZLE)
		return entry & ~PTE_SWIZZLE;
	return entry & ~p->invalid_pte_mask;
}

// ProtoAddress: VA of the prototype PTE.
static uint64_t prototype_va(enum psc_pte_format f, uint64_t e)
{
	switch (f) {
	case PSC_PTE_64:
		return (uint64_t)((int64_t)e >> 16);
	case PSC_PTE_PAE:
		return e >> 32;
	case PSC_PTE_32:
		break;
	}
	return 0x80000000 | (e >> 1 & 0x7ffffc00) | (e << 1 & 0x3ff);
}

// Bits 10 and 11 clear: in a page file, never touched, or freed.
static void software(struct psc_soft_pte *ret, const struct psc_paging *p,
		     enum psc_pte_format f, uint64_t e)
{
	unsigned int low_at = f != PSC_PTE_32 && p->swizzled ? 12 : 1;

	ret->page = f == PSC_PTE_32 ? e >> 12 : e >> 32;
	ret->file = e >> low_at & 0xf;
	if (ret->page && (uint32_t)e)
		ret->kind = PSC_SOFT_PAGED_OUT;
	else if (!ret->page && ret->protection)
		ret->kind = PSC_SOFT_DEMAND_ZERO;
	// else: zero, or only the high half is set. That is the time stamp of
	// a freed page, not a place in a page file (real-pool 4).
}

// The bit that Intel machines set where the mask is not known. An address that
// lies in memory without it and behind all memory with it had it set.
#define COMMON_INVALID_BIT (1ULL << 45)

static uint64_t transition_pa(const struct psc_paging_scheme *s,
			      const struct psc_paging *p, uint64_t e)
{
	uint64_t pa = e & s->transition_mask;

	return p->swizzled && !p->invalid_pte_mask && !(e & PTE_SWIZZLE) &&
	       p->phys_end && pa >= p->phys_end &&
	       (pa & ~COMMON_INVALID_BIT) < p->phys_end
		? pa & ~COMMON_INVALID_BIT : pa;
}

struct psc_soft_pte psc_soft_pte(const struct psc_paging_scheme *s,
				 const struct psc_paging *p, uint64_t entry)
{
	uint64_t e = psc_pte_unswizzle(p, entry);
	struct psc_soft_pte ret = { .protection = e >> 5 & 0x1f };

	if (e & PTE_PROTOTYPE) {
		ret.kind = PSC_SOFT_PROTOTYPE;
		ret.address = prototype_va(s->pte, e);
		// Unpatched kernels: protection at 11-15 in this form only.
		if (!p->swizzled)
			ret.protection = e >> 11 & 0x1f;
	} else if (e & PTE_TRANSITION) {
		ret.kind = PSC_SOFT_TRANSITION;
		ret.address = transition_pa(s, p, e);
	} else {
		software(&ret, p, s->pte, e);
	}
	return ret;
}
