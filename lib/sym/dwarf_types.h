// SPDX-License-Identifier: MIT
/** @file
 * Struct layouts and enums from DWARF (symbols 7.5). Type ids are offsets of
 * entries.
 */
#ifndef PSC_SYM_DWARF_TYPES_H
#define PSC_SYM_DWARF_TYPES_H

#include "base/map.h"
#include "sym/dwarf_file.h"
#include "sym/sym.h"

struct dwarf_types {
	Dwarf_Debug dbg;
	struct psc_strmap structs, enums, typedefs;	/**< Name → entry. */
};

/** Index the named types of all units: one pass over their entries. */
PSC_NODISCARD struct psc_error *
dwarf_types_read(Dwarf_Debug dbg, struct dwarf_types **ret);
void dwarf_types_free(struct dwarf_types *t);

PSC_NODISCARD struct psc_error *
dwarf_types_find(const struct dwarf_types *t, const char *name,
		 struct psc_type *ret);
PSC_NODISCARD struct psc_error *
dwarf_types_member(const struct dwarf_types *t, uint64_t id, const char *name,
		   struct psc_field *ret);
/** Every member with a name, those of anonymous members included. */
PSC_NODISCARD struct psc_error *
dwarf_types_members(const struct dwarf_types *t, uint64_t id,
		    psc_member_fn each, void *ctx);
PSC_NODISCARD struct psc_error *
dwarf_types_constant(const struct dwarf_types *t, const char *enum_name,
		     const char *name, int64_t *ret);

#endif
