// SPDX-License-Identifier: MIT
/** @file
 * Findings: what stands out, each with the place of its evidence.
 */
#ifndef PSC_ANALYSIS_FINDING_H
#define PSC_ANALYSIS_FINDING_H

#include "analysis/analysis.h"

enum psc_severity {
	PSC_INFO,
	PSC_WARNING,
	PSC_CRITICAL,
};

/**
 * Append a finding.
 * @param code      short stable name; a literal.
 * @param evidence  JSON pointer into the report, or NULL.
 * @param fmt       one sentence.
 */
void psc_finding_add(struct psc_analysis *a, const char *code,
		     enum psc_severity severity, const char *evidence,
		     const char *fmt, ...) PSC_PRINTF(5, 6);

#endif
