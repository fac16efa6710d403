// SPDX-License-Identifier: MIT
/** @file
 * Triage dumps: no physical pages, blocks tagged with their VA.
 */
#ifndef PSC_DUMP_TRIAGE_H
#define PSC_DUMP_TRIAGE_H

#include "dump/pages.h"

struct psc_triage_data;

/** Damaged or missing parts are warnings; what is there is used. */
PSC_NODISCARD struct psc_error *
psc_triage_open(const struct psc_body *b, struct psc_triage_data **ret);
void psc_triage_close(struct psc_triage_data *t);

const struct psc_triage *psc_triage_contents(const struct psc_triage_data *t);
/** The file ends before the triage data do. */
bool psc_triage_truncated(const struct psc_triage_data *t);

#endif
