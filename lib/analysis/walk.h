// SPDX-License-Identifier: MIT
/** @file
 * Shared by the sections that walk the pool.
 */
#ifndef PSC_ANALYSIS_WALK_H
#define PSC_ANALYSIS_WALK_H

#include "analysis/analysis.h"
#include "analysis/tagsum.h"
#include "pool/view.h"

/** "in-use", "free", "cached", "unattributed". */
const char *psc_block_state_name(enum psc_block_state s);
/** "chain", "big", "vs", "lfh", "large", "special". */
const char *psc_block_owner_name(enum psc_block_owner o);

/** Threads that a walk of this machine uses. */
unsigned int psc_walk_threads(void);

/** The pool of the dump; opened by the first section that asks. */
PSC_NODISCARD struct psc_error *
psc_analysis_view(struct psc_analysis *a, struct psc_pool_view **ret);

/**
 * Walk all of it on all processors.
 * @param[out] sum  blocks by tag, sorted; psc_tagsum_free() in any case.
 * @param[out] walk psc_walk_free() in any case.
 */
PSC_NODISCARD struct psc_error *
psc_walk_tags(struct psc_analysis *a, struct psc_tagsum *sum,
	      struct psc_walk *walk);

#endif
