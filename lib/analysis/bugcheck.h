// SPDX-License-Identifier: MIT
/** @file
 * The bug check explained: always, not only when something is broken. Inside
 * of the corruption section.
 */
#ifndef PSC_ANALYSIS_BUGCHECK_H
#define PSC_ANALYSIS_BUGCHECK_H

#include "analysis/check.h"

/** What it says, and which addresses it names: before anything is judged. */
void psc_check_read_bugcheck(struct psc_check *c);
/** The bug check points to @p va; @p what says how. */
void psc_check_name_place(struct psc_check *c, uint64_t va, const char *what);
/** "check.bugcheck": when all faults are known. */
PSC_NODISCARD struct psc_error *psc_check_set_bugcheck(struct psc_check *c);

#endif
