// SPDX-License-Identifier: MIT
/** @file
 * Rules on the big-page table (pool 7.3): each entry against its place in the
 * table, the page tables, its neighbours and the heap's descriptors. Made once,
 * after a walk: the table is read again, no block is.
 */
#ifndef PSC_POOL_BIGPAGE_CHECK_H
#define PSC_POOL_BIGPAGE_CHECK_H

#include "pool/view.h"

/**
 * Rules B1, B2, B3 and B5 to B9; every fault stands at its entry, but those of
 * B8 at the bytes behind the allocation. A rule that most entries break is a
 * misread table: it gives no fault.
 */
PSC_NODISCARD struct psc_error *
psc_pool_check_big(struct psc_pool_view *v, const struct psc_sink *sink);

/** VA of the entry of @p b in its table. */
uint64_t psc_pool_big_entry(const struct psc_pool_view *v,
			    const struct psc_big *b);

#endif
