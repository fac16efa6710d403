// SPDX-License-Identifier: MIT
/** @file
 * Inside of the corruption section: the limits of a small dump.
 */
#ifndef PSC_ANALYSIS_SMALL_DUMP_H
#define PSC_ANALYSIS_SMALL_DUMP_H

#include "analysis/check.h"

/** Drop what pieces of memory cannot prove; nothing for a dump with pages. */
void psc_small_dump_faults(struct psc_check *c);
/** "check.small_dump"; nothing for a dump with pages.
 *  @param pages of pool that the walk saw. */
PSC_NODISCARD struct psc_error *
psc_check_small_dump(struct psc_check *c, uint64_t pages);

#endif
