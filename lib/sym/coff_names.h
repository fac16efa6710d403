// SPDX-License-Identifier: MIT
/** @file
 * The COFF symbol table that mingw leaves in images: names without DWARF
 * (symbols 7.1).
 */
#ifndef PSC_SYM_COFF_NAMES_H
#define PSC_SYM_COFF_NAMES_H

#include "base/map.h"
#include "base/vec.h"
#include "pe/pe.h"
#include "sym/names.h"
#include "sym/sym.h"

struct coff_symbol {
	uint32_t rva;
	uint32_t limit;		/**< End of its section. */
	bool is_function;
	const char *name;
};

struct coff_names {
	PSC_VEC(struct coff_symbol) v;	/**< By rva. */
	struct psc_strmap by_name;
	struct psc_names kept;
};

/** @return &psc_absent when the image has no symbol table. */
PSC_NODISCARD struct psc_error *
coff_names_read(const struct psc_pe_file *pe, struct coff_names **ret);
void coff_names_free(struct coff_names *c);
PSC_NODISCARD struct psc_error *
coff_names_find(const struct coff_names *c, const char *name, uint64_t *rva);
PSC_NODISCARD struct psc_error *
coff_names_nearest(const struct coff_names *c, uint64_t rva,
		   struct psc_symname *ret);

#endif
