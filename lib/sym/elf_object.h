// SPDX-License-Identifier: MIT
/** @file
 * Sections of little-endian ELF objects with their relocations applied: what
 * users compile to describe layouts (symbols 7.5). Own code, because libdwarf
 * 20210528 keeps a hook from the first ELF file that it opens itself and
 * crashes in the next PE image.
 */
#ifndef PSC_SYM_ELF_OBJECT_H
#define PSC_SYM_ELF_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

struct elf_section {
	const char *name;	/**< Borrowed from the file. */
	const uint8_t *data;
	size_t n;
	uint8_t *heap;		/**< A relocated copy, or NULL. */
};

struct elf {
	struct elf_section *v;
	size_t n;
	bool is64;
};

/** @param data  borrowed. @return PSC_ERR_UNSUPPORTED for big-endian files
 *  and other machines than x86, x64, ARM64. */
PSC_NODISCARD struct psc_error *
elf_read(const uint8_t *data, uint64_t size, struct elf *ret);
void elf_free(struct elf *e);

#endif
