// SPDX-License-Identifier: MIT
/** @file
 * Field lists and what the types of members come down to
 * (symbols 3.3 to 3.5).
 */
#ifndef PSC_SYM_PDB_FIELDS_H
#define PSC_SYM_PDB_FIELDS_H

#include "sym/pdb_types.h"

/** A data member, or a constant of an enum. */
struct pdb_member {
	uint16_t leaf;		/**< PDB_LF_MEMBER, _ENUMERATE or _BCLASS. */
	uint32_t type;
	int64_t value;		/**< Byte offset, or the constant. */
	const char *name;	/**< "" for a base class. */
};

/** Walks one field list and those that it continues in. */
struct pdb_fields {
	const struct pdb_types *t;
	struct psc_reader r;
	uint32_t next_list;
	unsigned int hops;
	bool incomplete;	/**< An unknown or damaged member ended it. */
};

void pdb_fields_begin(struct pdb_fields *f, const struct pdb_types *t,
		      uint32_t list);
/** Next member or constant; other entries are stepped over. */
bool pdb_fields_next(struct pdb_fields *f, struct pdb_member *ret);
/** How many PDB_LF_MEMBER and PDB_LF_ENUMERATE entries a list has. */
size_t pdb_fields_count(const struct pdb_types *t, uint32_t list);

/** Fill size, class, count, bits of a member of type @p ti at @p offset. */
bool pdb_field_of_type(const struct pdb_types *t, uint32_t ti, uint64_t offset,
		       struct psc_field *ret);

#endif
