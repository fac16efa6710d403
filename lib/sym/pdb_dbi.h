// SPDX-License-Identifier: MIT
/** @file
 * DBI stream (3): modules, section contributions, and the numbers of the
 * streams that hold everything else (symbols 2.3 to 2.6).
 */
#ifndef PSC_SYM_PDB_DBI_H
#define PSC_SYM_PDB_DBI_H

#include <stdbool.h>

#include "sym/pdb_msf.h"

/** Index in the optional debug header. */
enum pdb_debug_stream {
	PDB_DBG_FPO = 0,
	PDB_DBG_OMAP_TO_SOURCE = 3,	/**< final rva → original rva */
	PDB_DBG_OMAP_FROM_SOURCE = 4,	/**< original rva → final rva */
	PDB_DBG_SECTIONS = 5,
	PDB_DBG_XDATA = 7,
	PDB_DBG_PDATA = 8,
	PDB_DBG_FRAME_DATA = 9,
	PDB_DBG_ORIGINAL_SECTIONS = 10,
	PDB_DBG_COUNT = 11,
};

struct pdb_module_info {
	const char *name;	/**< Borrowed from the DBI stream. */
	uint32_t stream;	/**< PSC_MSF_NO_STREAM: stripped. */
	uint32_t symbol_bytes;	/**< Includes the 4-byte signature. */
	uint32_t c11_bytes, c13_bytes;
};

/** One piece of a section and the module it came from. */
struct pdb_contribution {
	uint16_t section;	/**< 1-based. */
	uint16_t module;	/**< 0-based. */
	uint32_t offset, size;
};

struct pdb_dbi {
	bool present;		/**< Compiler-side PDBs have no DBI. */
	uint32_t age;
	uint16_t machine;	/**< 0x14c, 0x8664, 0xaa64. */
	uint16_t globals, publics, records;	/**< Stream numbers. */
	uint16_t debug[PDB_DBG_COUNT];
	struct pdb_module_info *modules;
	size_t n_modules;
	struct pdb_contribution *contribs;	/**< By (section, offset). */
	size_t n_contribs;
	struct psc_msf_stream s;
};

PSC_NODISCARD struct psc_error *
pdb_dbi_read(const struct psc_msf *m, struct pdb_dbi *ret);
void pdb_dbi_free(struct pdb_dbi *d);

/** Contribution that covers section:offset, or NULL. */
const struct pdb_contribution *
pdb_dbi_contribution(const struct pdb_dbi *d, uint16_t section,
		     uint32_t offset);

#endif
