// SPDX-License-Identifier: MIT
/** @file
 * From section:offset in a module to file, line and inlined frames
 * (symbols 2.11).
 */
#ifndef PSC_SYM_PDB_LINES_H
#define PSC_SYM_PDB_LINES_H

#include "sym/pdb_info.h"
#include "sym/pdb_module.h"
#include "sym/pdb_types.h"
#include "sym/sym.h"

/**
 * Frames of section:offset, innermost first.
 * @param ids  the IPI stream, for names of inlined functions; NULL: none.
 * @return &psc_absent when the module says nothing about the place.
 */
PSC_NODISCARD struct psc_error *
pdb_lines_find(const struct pdb_module *mod, const struct pdb_strings *names,
	       const struct pdb_types *ids, uint16_t section, uint32_t offset,
	       struct psc_lines *ret);

#endif
