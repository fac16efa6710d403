// SPDX-License-Identifier: MIT
/** @file
 * Shared by the sections that walk the pool.
 */
#ifndef PSC_ANALYSIS_WALK_H
#define PSC_ANALYSIS_WALK_H

#include "analysis/analysis.h"
#include "analysis/faults.h"
#include "analysis/known.h"
#include "analysis/tagsum.h"
#include "pool/view.h"

/** "in-use", "free", "cached", "unattributed". */
const char *psc_block_state_name(enum psc_block_state s);
/** "chain", "big", "vs", "lfh", "large", "special". */
const char *psc_block_owner_name(enum psc_block_owner o);

/** The pool of the dump; opened by the first section that asks. */
PSC_NODISCARD struct psc_error *
psc_analysis_view(struct psc_analysis *a, struct psc_pool_view **ret);

/** What a walk of all pages, on all processors, left behind. */
struct psc_walked {
	struct psc_walk cover;
	struct psc_tagsum tags;	/**< Sorted. */
	/** When the request has the corruption section: faults in no order,
	 *  and what blocks were held against; else empty and NULL. */
	struct psc_faults faults;
	struct psc_faults unbilled; /**< What may become Q3. */
	struct psc_faults hidden; /**< What may become L16. */
	struct psc_known *known;
};

/**
 * The pages are walked by the first section that asks, for all sections of
 * the request at once.
 * @param[out] ret borrowed from @p a.
 */
PSC_NODISCARD struct psc_error *
psc_analysis_walked(struct psc_analysis *a, const struct psc_walked **ret);
void psc_walked_free(struct psc_walked *w);

/** A walk that is not complete: what the pool's lists lack, into the report. */
void psc_walk_lacks(struct psc_analysis *a);

#endif
