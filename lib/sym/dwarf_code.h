// SPDX-License-Identifier: MIT
/** @file
 * Functions, variables, lines and inlined frames from DWARF (symbols 7.4).
 * Addresses are those of the file: they include its preferred image base.
 */
#ifndef PSC_SYM_DWARF_CODE_H
#define PSC_SYM_DWARF_CODE_H

#include "base/map.h"
#include "base/vec.h"
#include "sym/dwarf_file.h"
#include "sym/names.h"
#include "sym/sym.h"

struct dwarf_function {
	uint64_t low, high;
	uint64_t entry;		/**< Offset of its DIE. */
	const char *name;	/**< NULL: nameless. */
};

struct dwarf_row {
	uint64_t addr;
	const char *file;
	uint32_t line;
	bool end;		/**< The sequence ends here. */
};

struct dwarf_code {
	Dwarf_Debug dbg;
	PSC_VEC(struct dwarf_function) functions;	/**< By low. */
	PSC_VEC(struct dwarf_row) rows;			/**< By addr. */
	struct psc_strmap names;	/**< Function or variable → address. */
	struct psc_names files;
	bool failed;			/**< Out of memory while reading. */
};

PSC_NODISCARD struct psc_error *
dwarf_code_read(Dwarf_Debug dbg, struct dwarf_code **ret);
void dwarf_code_free(struct dwarf_code *c);

const struct dwarf_function *dwarf_code_function(const struct dwarf_code *c,
						 uint64_t addr);
/** Frames of @p addr, innermost first. */
PSC_NODISCARD struct psc_error *
dwarf_code_lines(struct dwarf_code *c, uint64_t addr, struct psc_lines *ret);

#endif
