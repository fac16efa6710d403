// SPDX-License-Identifier: MIT
/** @file
 * Open a symbol file of any kind, and decide whether it is the one that an
 * image asks for.
 */
#ifndef PSC_SYM_SYM_OPEN_H
#define PSC_SYM_SYM_OPEN_H

#include "sym/sym.h"

/**
 * Open PDB, compressed PDB, ISF (.json, .xz, .gz), an image or object with
 * DWARF. The contents decide, not the name.
 * @param wanted  identity that the image has; NULL or unknown: any file will
 *                do.
 * @param force   use a file of another identity all the same.
 * @return PSC_ERR_UNSUPPORTED with both identities when they differ.
 */
PSC_NODISCARD struct psc_error *
psc_sym_open_file(const char *path, const struct psc_pdb_id *wanted,
		  bool force, struct psc_sym **ret);

/** Are both identities known and different? */
bool psc_sym_other_id(const struct psc_pdb_id *have,
		      const struct psc_pdb_id *wanted);
/** NULL when @p have may serve for @p wanted, else the refusal. A source
 *  without identity (DWARF without RSDS) may. */
PSC_NODISCARD struct psc_error *
psc_sym_check_id(const struct psc_pdb_id *have,
		 const struct psc_pdb_id *wanted);

#endif
