// SPDX-License-Identifier: MIT
/** @file
 * Addresses of a PDB: section:offset to RVA and back, also through the OMAP
 * tables of images that were reordered after linking (symbols 2.7).
 */
#ifndef PSC_SYM_PDB_ADDR_H
#define PSC_SYM_PDB_ADDR_H

#include <stdbool.h>

#include "sym/pdb_dbi.h"

struct pdb_section {
	uint32_t rva, size, flags;
};

struct pdb_omap {
	struct psc_msf_stream s;	/**< Pairs of u32, sorted by the first. */
	size_t n;
};

struct pdb_addr {
	/** The layout that section numbers refer to: with OMAP the original. */
	struct pdb_section *sections;
	size_t n_sections;
	bool reordered;
	struct pdb_omap to_final, to_original;
};

PSC_NODISCARD struct psc_error *
pdb_addr_read(const struct psc_msf *m, const struct pdb_dbi *d,
	      struct pdb_addr *ret);
void pdb_addr_free(struct pdb_addr *a);

/** @return false for absolute symbols and for code that is gone. */
bool pdb_addr_rva(const struct pdb_addr *a, uint16_t section, uint32_t offset,
		  uint32_t *rva);
/** @return false when @p rva lies in no section. */
bool pdb_addr_place(const struct pdb_addr *a, uint64_t rva, uint16_t *section,
		    uint32_t *offset);
/** Does the section hold code? */
bool pdb_addr_is_code(const struct pdb_addr *a, uint16_t section);

#endif
