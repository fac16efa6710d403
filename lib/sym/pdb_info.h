// SPDX-License-Identifier: MIT
/** @file
 * PDB info stream (1): identity, named streams, features; and the string
 * table `/names` (symbols 2.2, 2.10).
 */
#ifndef PSC_SYM_PDB_INFO_H
#define PSC_SYM_PDB_INFO_H

#include <stdbool.h>

#include "sym/pdb_msf.h"

struct pdb_info {
	uint32_t version, signature, age;
	uint8_t guid[16];
	uint32_t names_stream;	/**< Of "/names"; PSC_MSF_NO_STREAM: none. */
	bool minimal;		/**< /DEBUG:FASTLINK: symbols stayed in objects. */
	bool has_ids;		/**< Stream 4 holds ids. */
};

PSC_NODISCARD struct psc_error *
pdb_info_read(const struct psc_msf *m, struct pdb_info *ret);

/** The string table; zero-size when the file has none. */
struct pdb_strings {
	struct psc_msf_stream s;
	const char *text;
	size_t n;
};
PSC_NODISCARD struct psc_error *
pdb_strings_read(const struct psc_msf *m, const struct pdb_info *info,
		 struct pdb_strings *ret);
/** Text at byte offset @p at, or NULL. */
const char *pdb_strings_at(const struct pdb_strings *s, uint32_t at);
void pdb_strings_free(struct pdb_strings *s);

#endif
