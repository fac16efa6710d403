// SPDX-License-Identifier: MIT
/** @file
 * PDB files (MSF 7.00) as a symbol source.
 */
#ifndef PSC_SYM_PDB_H
#define PSC_SYM_PDB_H

#include "sym/blob.h"
#include "sym/sym.h"

/**
 * Open a PDB. Types, names and modules are read when they are first asked
 * for; what a question does not need is not touched.
 * @param b     passes to the source, also when this fails.
 * @param path  for messages and psc_sym_file(); NULL: none.
 */
PSC_NODISCARD struct psc_error *
psc_pdb_open(struct psc_blob b, const char *path, struct psc_sym **ret);

/** Identity alone: GUID and DBI age (info age without DBI). */
PSC_NODISCARD struct psc_error *
psc_pdb_identify(const struct psc_blob *b, struct psc_pdb_id *ret);

#endif
