// SPDX-License-Identifier: MIT
/** @file
 * What the tag counters say by themselves.
 */
#ifndef PSC_ANALYSIS_TAG_FINDINGS_H
#define PSC_ANALYSIS_TAG_FINDINGS_H

#include "analysis/analysis.h"

/** Dominant tags, tags without frees, equal counts, negative counters. */
void psc_tag_findings(struct psc_analysis *a);
/** What to do about a tag that stands out. */
void psc_tag_next_steps(struct psc_analysis *a, struct psc_value *list);

#endif
