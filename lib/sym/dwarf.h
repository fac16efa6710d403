// SPDX-License-Identifier: MIT
/** @file
 * DWARF in PE images (x64, x86, ARM64), in split debug files, and in ELF
 * objects that users write to describe layouts, as a symbol source; the COFF
 * symbol table of mingw images comes with it (symbols 7).
 */
#ifndef PSC_SYM_DWARF_H
#define PSC_SYM_DWARF_H

#include "sym/blob.h"
#include "sym/sym.h"

/** Does it begin like a PE image or an ELF file? */
bool psc_dwarf_is(const struct psc_blob *b);

/**
 * Open an image. One without DWARF that names a split debug file is followed
 * to it beside @p path (checked by its CRC).
 * @param b  passes to the source, also when this fails.
 * @return PSC_ERR_UNSUPPORTED for an image that has neither DWARF nor a
 *         symbol table.
 */
PSC_NODISCARD struct psc_error *
psc_dwarf_open(struct psc_blob b, const char *path, struct psc_sym **ret);

#endif
