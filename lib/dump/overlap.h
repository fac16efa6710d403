// SPDX-License-Identifier: MIT
/** @file
 * Runs that overlap or are out of order.
 */
#ifndef PSC_DUMP_OVERLAP_H
#define PSC_DUMP_OVERLAP_H

#include "dump/pages.h"

/**
 * Make the heap array @p *runs ascending and disjoint, in place or anew.
 * Where runs overlap, the one that comes first in the file stays and a
 * warning says so. O(n) for good files, O(n log n) for any.
 */
PSC_NODISCARD struct psc_error *
psc_runs_disjoint(struct psc_run **runs, size_t *n, struct psc_warnings *w);

#endif
