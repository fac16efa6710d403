// SPDX-License-Identifier: MIT
/** @file
 * A kernel distilled into a small table of one's own: the names and layouts
 * that poolscope reads, as a symbol table in JSON (ISF, packed with XZ), which
 * the ISF reader opens and other tools understand.
 */
#ifndef PSC_SYM_TABLE_WRITE_H
#define PSC_SYM_TABLE_WRITE_H

#include <stddef.h>

#include "sym/sym.h"

/** What a table took over. */
struct psc_table_counts {
	size_t symbols, types;
};

/**
 * Text of the table of @p sym.
 * @param[out] ret caller frees.
 * @return PSC_ERR_UNSUPPORTED when the source has no identity or describes no
 *         kernel.
 */
PSC_NODISCARD struct psc_error *
psc_table_text(const struct psc_sym *sym, struct psc_table_counts *counts,
	       char **ret);

/**
 * Write the table of symbol file @p path into @p folder as GUID-age.json.xz.
 * @param[out] written path of the table; caller frees.
 */
PSC_NODISCARD struct psc_error *
psc_table_add(const char *path, const char *folder,
	      struct psc_table_counts *counts, char **written);

#endif
