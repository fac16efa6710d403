// SPDX-License-Identifier: MIT
/** @file
 * One module's stream: functions, line blocks, inlinees (symbols 2.10).
 */
#ifndef PSC_SYM_PDB_MODULE_H
#define PSC_SYM_PDB_MODULE_H

#include "base/map.h"
#include "base/vec.h"
#include "sym/pdb_dbi.h"
#include "sym/pdb_record.h"

/** A function, thunk, or the cold part of a function. */
struct pdb_proc {
	uint16_t section;
	uint32_t offset, size;
	size_t at, end;		/**< Its scope in the module stream; a cold
				 *   part has none (end = 0). */
	const char *name;	/**< NUL-terminated. */
};

/** One 0xF2 subsection: a run of code and the lines of it. */
struct pdb_line_block {
	uint16_t section;
	bool columns;
	uint32_t offset, size;
	const uint8_t *files;	/**< Its file blocks. */
	size_t n;
};

/** Where an inlined function's text begins (0xF6). */
struct pdb_inlinee {
	uint32_t file, line;	/**< file: offset in the checksums. */
};

struct pdb_module {
	struct psc_msf_stream s;
	size_t symbol_end;
	PSC_VEC(struct pdb_proc) procs;		/**< By section, offset. */
	PSC_VEC(struct pdb_line_block) blocks;	/**< By section, offset. */
	PSC_VEC(struct pdb_inlinee) inlinees;
	struct psc_map inlinee_of;	/**< Id → index in inlinees. */
	const uint8_t *checksums;	/**< 0xF4 */
	size_t n_checksums;
};

PSC_NODISCARD struct psc_error *
pdb_module_read(const struct psc_msf *m, const struct pdb_module_info *info,
		struct pdb_module **ret);
void pdb_module_free(struct pdb_module *mod);

/** Function that covers section:offset, or NULL. */
const struct pdb_proc *pdb_module_proc(const struct pdb_module *mod,
				       uint16_t section, uint32_t offset);
/** Line block that covers section:offset, or NULL. */
const struct pdb_line_block *pdb_module_lines(const struct pdb_module *mod,
					      uint16_t section,
					      uint32_t offset);
/** The function record at that place of the stream (S_PROCREF). */
bool pdb_module_symbol_at(const struct pdb_module *mod, uint32_t at,
			  struct pdb_symbol *ret);
/** Offset in `/names` of the file at that place of the checksums. */
bool pdb_module_file(const struct pdb_module *mod, uint32_t at,
		     uint32_t *name);

#endif
