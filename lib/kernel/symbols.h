// SPDX-License-Identifier: MIT
/** @file
 * Symbols that the user brought: for the kernel and for every driver.
 */
#ifndef PSC_KERNEL_SYMBOLS_H
#define PSC_KERNEL_SYMBOLS_H

#include "kernel/kernel.h"
#include "kernel/module.h"
#include "sym/store.h"

/** The folders and servers of this run; NULL when there are none. */
struct psc_symstore *psc_kernel_symstore(const struct psc_kernel *k);

/** What the kernel's image asks for. */
struct psc_symwant psc_kernel_symwant(const struct psc_kernel *k);
/** What a driver's image asks for. Borrows its name. */
struct psc_symwant psc_module_symwant(const struct psc_module *m);

/**
 * Names and lines of a driver. The caller frees them with psc_sym_free().
 * @param log  gets a line per place that was looked at; NULL: none.
 * @return &psc_absent when the user's folders have none.
 */
PSC_NODISCARD struct psc_error *
psc_module_symbols(const struct psc_kernel *k, const struct psc_module *m,
		   struct psc_symlog *log, struct psc_sym **ret);

#endif
