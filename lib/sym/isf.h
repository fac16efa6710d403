// SPDX-License-Identifier: MIT
/** @file
 * Volatility 3 symbol tables (ISF JSON, plain, .xz or .gz) as a symbol source
 * (symbols 6).
 */
#ifndef PSC_SYM_ISF_H
#define PSC_SYM_ISF_H

#include "sym/blob.h"
#include "sym/sym.h"

/** Does it begin like JSON, XZ or gzip? */
bool psc_isf_is(const struct psc_blob *b);

/**
 * Open an ISF file.
 * @param b     passes to the call and is freed by it.
 * @return PSC_ERR_LIMIT for more than 512 MiB of text or 4 million values,
 *         PSC_ERR_UNSUPPORTED for tables of other systems.
 */
PSC_NODISCARD struct psc_error *
psc_isf_open(struct psc_blob b, const char *path, struct psc_sym **ret);

#endif
