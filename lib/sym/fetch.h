// SPDX-License-Identifier: MIT
/** @file
 * Downloads from symbol servers, only when the user asked for them
 * (symbols 5.3).
 */
#ifndef PSC_SYM_FETCH_H
#define PSC_SYM_FETCH_H

#include "sym/store_dir.h"

struct psc_fetch;

/** @param stall_seconds, retry_ms  0: the defaults, 30 and 500. */
PSC_NODISCARD struct psc_error *
psc_fetch_new(unsigned int stall_seconds, unsigned int retry_ms,
	      struct psc_fetch **ret);
void psc_fetch_free(struct psc_fetch *f);

/**
 * Bring a PDB from the server at @p base into the store @p dir: plain, then
 * compressed. It enters the store only as an MSF file of that identity.
 * @return &psc_absent when the server has none (also when it fails; @p log
 *         says how), PSC_ERR_OS when the store cannot be written.
 */
PSC_NODISCARD struct psc_error *
psc_fetch_pdb(struct psc_fetch *f, const char *base,
	      const struct psc_pdb_id *id, const char *dir,
	      struct psc_symlog *log);

#endif
