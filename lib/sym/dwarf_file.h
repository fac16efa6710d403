// SPDX-License-Identifier: MIT
/** @file
 * DWARF of one file opened by libdwarf: an object interface over the
 * project's own readers of PE (libdwarf's refuses ARM64) and ELF.
 */
#ifndef PSC_SYM_DWARF_FILE_H
#define PSC_SYM_DWARF_FILE_H

#include <stdbool.h>

#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>

#include "pe/pe.h"
#include "psc/error.h"
#include "sym/elf_object.h"

struct dwarf_file;

/** @param pe  borrowed; @return &psc_absent when it has no DWARF. */
PSC_NODISCARD struct psc_error *
dwarf_file_of_pe(const struct psc_pe_file *pe, struct dwarf_file **ret);
/** @param elf  borrowed, as above. */
PSC_NODISCARD struct psc_error *
dwarf_file_of_elf(const struct elf *elf, struct dwarf_file **ret);
void dwarf_file_free(struct dwarf_file *f);
Dwarf_Debug dwarf_file_debug(const struct dwarf_file *f);

/** Bytes of the section of that name, or NULL. */
const uint8_t *dwarf_pe_section(const struct psc_pe_file *pe,
				const char *name, size_t *n);

// --- entries (DIEs) --------------------------------------------------------

/** Calls @p each for every unit's top entry until it returns false. */
bool dwarf_each_unit(Dwarf_Debug dbg, bool (*each)(void *ctx, Dwarf_Die unit),
		     void *ctx);
/** What to do after an entry. */
enum dwarf_step {
	DWARF_STOP,
	DWARF_NEXT,		/**< Go to its sibling. */
	DWARF_ENTER,		/**< Go into its children first. */
};
/** Walk the entries below @p parent, 64 levels deep at most.
 *  @return false when @p visit stopped it. */
bool dwarf_walk(Dwarf_Debug dbg, Dwarf_Die parent,
		enum dwarf_step (*visit)(void *ctx, Dwarf_Die die), void *ctx);
/** First child, or next sibling; the caller frees with dwarf_die_free(). */
bool dwarf_first_child(Dwarf_Die die, Dwarf_Die *ret);
bool dwarf_next_sibling(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Die *ret);
bool dwarf_die_at(Dwarf_Debug dbg, uint64_t offset, Dwarf_Die *ret);
void dwarf_die_free(Dwarf_Debug dbg, Dwarf_Die die);

uint64_t dwarf_die_offset(Dwarf_Die die);
Dwarf_Half dwarf_die_tag(Dwarf_Die die);
/** Name, borrowed from the sections; NULL: none. */
const char *dwarf_die_name(Dwarf_Die die);
bool dwarf_die_flag(Dwarf_Die die, Dwarf_Half attr);
/** Constant of any form, sign-extended. */
bool dwarf_die_int(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Half attr,
		   int64_t *ret);
/** Offset of the entry that the attribute refers to. */
bool dwarf_die_ref(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Half attr,
		   uint64_t *ret);
/** Follow specification and abstract origin to a name. */
const char *dwarf_die_origin_name(Dwarf_Debug dbg, Dwarf_Die die);
/** Static address in DW_AT_location (DW_OP_addr). */
bool dwarf_die_address(Dwarf_Debug dbg, Dwarf_Die die, uint64_t *ret);

/** Calls @p each for every address range of @p die. */
void dwarf_each_range(Dwarf_Debug dbg, Dwarf_Die die,
		      void (*each)(void *ctx, uint64_t low, uint64_t high),
		      void *ctx);

#endif
