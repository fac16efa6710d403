// SPDX-License-Identifier: MIT
/** @file
 * Tag counters as report rows.
 */
#ifndef PSC_ANALYSIS_POOLUSED_H
#define PSC_ANALYSIS_POOLUSED_H

#include "analysis/analysis.h"
#include "pool/tagtable.h"

/**
 * Select, sort and describe the rows of @p t as the request says, and fill
 * @p o with "tags" and "totals".
 */
PSC_NODISCARD struct psc_error *
psc_poolused_fill(const struct psc_analysis *a, const struct psc_tag_table *t,
		  struct psc_value *o);

/**
 * The tables of all sessions of the dump, added up by tag.
 * @return &psc_absent when the kernel or the dump has none.
 * @param[out] ret caller frees with psc_tag_table_free().
 */
PSC_NODISCARD struct psc_error *
psc_poolused_sessions(struct psc_analysis *a, unsigned int *n_sessions,
		      struct psc_tag_table **ret);

#endif
