// SPDX-License-Identifier: MIT
/** @file
 * What exists besides the headers: tags that are counted, processes that run.
 */
#ifndef PSC_ANALYSIS_KNOWN_H
#define PSC_ANALYSIS_KNOWN_H

#include "analysis/analysis.h"
#include "analysis/faults.h"

struct psc_known;

/** What this dump tells; what it does not tell is not compared. */
PSC_NODISCARD struct psc_error *psc_known_new(struct psc_analysis *a,
					      struct psc_known **ret);
void psc_known_free(struct psc_known *k);
/** Is @p process nobody, or one of the list? True when nobody can tell. */
bool psc_known_process(const struct psc_known *k, uint64_t process);
/** Adds Q2 to @p f for a block with a header and a payer; thread-safe. */
void psc_known_payer(const struct psc_known *k, const struct psc_block *b,
		     struct psc_faults *f);
/** Adds Q3 to @p f for a block that bills nobody, and yet names a process. */
void psc_known_unbilled(const struct psc_known *k, const struct psc_block *b,
			struct psc_faults *f);

#endif
