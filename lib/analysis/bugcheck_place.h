// SPDX-License-Identifier: MIT
/** @file
 * From an address that the bug check names to the one header behind it, and
 * what the checks say of exactly that header (pool 8.5).
 */
#ifndef PSC_ANALYSIS_BUGCHECK_PLACE_H
#define PSC_ANALYSIS_BUGCHECK_PLACE_H

#include "analysis/check.h"

/**
 * Fill @p o: "verdict" and, where a block holds the address, "block", the
 * "rules" it breaks, the "checks" that were made, the "first_break" of its
 * page or subsegment, "before": the subsegment before it.
 */
PSC_NODISCARD struct psc_error *
psc_bugcheck_place(struct psc_check *c, struct psc_value *o, uint64_t va);

/** Add what is checked of a block in this dump. */
void psc_checks_of_block(const struct psc_check *c, const struct psc_block *b,
			 struct psc_checks *made);

#endif
