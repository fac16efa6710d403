// SPDX-License-Identifier: MIT
/** @file
 * The fault that a bug check reports: was it inside a pool routine, and which
 * registers held pool addresses then (pool 8.5, 4)?
 */
#ifndef PSC_ANALYSIS_BUGCHECK_FAULT_H
#define PSC_ANALYSIS_BUGCHECK_FAULT_H

#include "analysis/check.h"

/** Does a routine of that name hand out, free or keep pool? */
bool psc_is_pool_routine(const char *name);
/** Fill c->fault, and name the pool addresses of its registers. */
void psc_check_read_fault(struct psc_check *c);
/** "fault" of "check.bugcheck". */
void psc_check_set_fault(const struct psc_check *c, struct psc_value *b);

#endif
