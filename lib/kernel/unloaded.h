// SPDX-License-Identifier: MIT
/** @file
 * The ring of unloaded drivers (dump-format 5.2). Part of psc_modules_read().
 */
#ifndef PSC_KERNEL_UNLOADED_H
#define PSC_KERNEL_UNLOADED_H

#include "kernel/module.h"

PSC_NODISCARD struct psc_error *
psc_unloaded_read(const struct psc_kernel *k, struct psc_modules *m);
PSC_NODISCARD struct psc_error *
psc_unloaded_from_triage(const struct psc_triage *t, struct psc_modules *m);

/** Remember why @p m is incomplete; the first reason stays. */
void psc_modules_incomplete(struct psc_modules *m, const char *fmt, ...)
	PSC_PRINTF(2, 3);

#endif
