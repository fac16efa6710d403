// SPDX-License-Identifier: MIT
/** @file
 * What every source must say about fixtures/driver.c.
 */
#ifndef PSC_TESTS_DRIVER_CHECKS_H
#define PSC_TESTS_DRIVER_CHECKS_H

#include "sym/sym.h"

uint64_t rva_of(const struct psc_sym *s, const char *name);
struct psc_field field_of(const struct psc_sym *s, const char *path);
void check_field(const struct psc_sym *s, const char *path, uint64_t offset,
		 uint32_t size, uint32_t count);
/** @p first: first bit, from the start of the struct. */
void check_bits(const struct psc_sym *s, const char *path, uint64_t first,
		uint8_t bits);
/** Layouts and enums. @p pointer: bytes of one. */
void check_types(const struct psc_sym *s, uint64_t pointer);
/** Layouts, names, functions and lines. */
void check_driver(const struct psc_sym *s, uint64_t pointer);
/** FxZero is inlined into FxAllocate: both frames, at the marked lines. */
void check_inline(const struct psc_sym *s);

#endif
