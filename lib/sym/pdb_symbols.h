// SPDX-License-Identifier: MIT
/** @file
 * Names of a PDB: publics and globals of the record stream, by name and by
 * address. The file's own hash is not used: a widespread linker fills it
 * wrongly (symbols 2.9).
 */
#ifndef PSC_SYM_PDB_SYMBOLS_H
#define PSC_SYM_PDB_SYMBOLS_H

#include "base/vec.h"
#include "sym/names.h"
#include "sym/pdb_addr.h"
#include "sym/pdb_bounds.h"
#include "sym/pdb_record.h"
#include "sym/sym.h"

struct pdb_near {
	uint32_t rva;
	uint32_t at;		/**< Its record. */
};

struct pdb_symbols {
	struct psc_msf_stream s;	/**< The record stream. */
	struct psc_strmap names;	/**< Name → record, rank in bits 32 up. */
	bool x86;			/**< Names carry C decorations. */
	struct psc_names kept;
	bool sorted;
	/** By rva; made by the first pdb_symbols_nearest(). */
	PSC_VEC(struct pdb_near) near;
	struct pdb_bounds bounds;
};

PSC_NODISCARD struct psc_error *
pdb_symbols_read(const struct psc_msf *m, const struct pdb_dbi *d,
		 struct pdb_symbols **ret);
void pdb_symbols_free(struct pdb_symbols *s);

/** Record of @p name: a public, else data, else a reference to a function
 *  in a module. @return false when there is none. */
bool pdb_symbols_find(const struct pdb_symbols *s, const char *name,
		      struct pdb_symbol *ret);

/** Nearest public or global at or below @p rva, not beyond its function. */
PSC_NODISCARD struct psc_error *
pdb_symbols_nearest(struct pdb_symbols *s, const struct psc_msf *m,
		    const struct pdb_dbi *d, const struct pdb_addr *a,
		    uint64_t rva, struct psc_symname *ret);

#endif
