// SPDX-License-Identifier: MIT
/** @file
 * Where functions end: the PDB's copies of .pdata (x64, ARM64) and of frame
 * data (x86). Publics have no length, so without this an address in a
 * nameless static function would take the name of the one before it
 * (symbols 2.6, 2.9).
 */
#ifndef PSC_SYM_PDB_BOUNDS_H
#define PSC_SYM_PDB_BOUNDS_H

#include "base/vec.h"
#include "sym/pdb_dbi.h"

struct pdb_range {
	uint32_t begin, end;	/**< RVAs. */
};

struct pdb_bounds {
	PSC_VEC(struct pdb_range) v;	/**< Sorted. */
};

/** Read what the file has; nothing is no error. */
PSC_NODISCARD struct psc_error *
pdb_bounds_read(const struct psc_msf *m, const struct pdb_dbi *d,
		struct pdb_bounds *ret);
void pdb_bounds_free(struct pdb_bounds *b);

/**
 * May @p rva belong to the function that begins at @p symbol?
 * Pieces that touch each other count as one: chained unwind entries cut a
 * function into such pieces.
 */
bool pdb_bounds_same(const struct pdb_bounds *b, uint32_t symbol,
		     uint32_t rva);

#endif
