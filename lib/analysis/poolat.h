// SPDX-License-Identifier: MIT
/** @file
 * What is this address of the pool: its block, the blocks of its page.
 */
#ifndef PSC_ANALYSIS_POOLAT_H
#define PSC_ANALYSIS_POOLAT_H

#include "analysis/analysis.h"
#include "pool/block.h"

/** Blocks side by side in one page or subsegment; bytes 0 = none. */
struct psc_neighbours {
	struct psc_block previous, here, next;
};

/**
 * Fill @p o as the section "pool": "blocks" of the page of @p va, the "faults"
 * of its page or subsegment, the "big" allocation that holds it.
 * @param around  of a subsegment also the blocks on each side of the page.
 * @param o       NULL: only the neighbours are wanted.
 * @param[out] ret the block that holds @p va, or its chunk header, and those
 *                beside it. Unchanged when the pool cannot be read.
 */
PSC_NODISCARD struct psc_error *
psc_pool_at(struct psc_analysis *a, uint64_t va, bool around,
	    struct psc_value *o, struct psc_neighbours *ret);

#endif
