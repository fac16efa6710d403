// SPDX-License-Identifier: MIT
/** @file
 * Entries that are not valid: what Windows stores in them
 * (dump-format 4.5).
 */
#ifndef PSC_MEM_PTE_WIN_H
#define PSC_MEM_PTE_WIN_H

#include "mem/paging.h"

struct psc_soft_pte {
	enum psc_soft_kind {
		PSC_SOFT_NONE,		/**< Zero, or freed: a time stamp. */
		PSC_SOFT_TRANSITION,
		PSC_SOFT_PROTOTYPE,	/**< In a prototype array: subsection. */
		PSC_SOFT_PAGED_OUT,
		PSC_SOFT_DEMAND_ZERO,
	} kind;
	uint64_t address;	/**< Transition: PA. Prototype: VA of the PTE. */
	unsigned int file;	/**< Paged out: number of the page file, */
	uint64_t page;		/**< and page in it. */
	unsigned int protection;
};

/** Decode an entry with bit 0 clear. Any 64 bits have an answer. */
struct psc_soft_pte psc_soft_pte(const struct psc_paging_scheme *s,
				 const struct psc_paging *p, uint64_t entry);

/**
 * Undo the L1TF protection: bit 4 set means stored as it was, else the mask
 * bits were set on storing. Zero and unpatched layouts stay as they are.
 */
uint64_t psc_pte_unswizzle(const struct psc_paging *p, uint64_t entry);

#endif
