// SPDX-License-Identifier: MIT
/** @file
 * Every block of a tag, as a stream: a pool can hold a hundred million.
 */
#ifndef PSC_ANALYSIS_FIND_H
#define PSC_ANALYSIS_FIND_H

#include "analysis/analysis.h"

/** See psc_find() in psc/psc.h. */
PSC_NODISCARD struct psc_error *
psc_analysis_find(struct psc_analysis *a, const struct psc_find *q,
		  psc_found_fn fn, void *ctx, struct psc_find_result *ret);

#endif
