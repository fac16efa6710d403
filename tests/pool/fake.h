// SPDX-License-Identifier: MIT
/** @file
 * A kernel made of arrays: names, fields and pages set by a test. It stands
 * in for lib/kernel and lib/mem (linked first, its definitions are taken), so
 * that lib/pool is tested without a dump.
 */
#ifndef PSC_TESTS_POOL_FAKE_H
#define PSC_TESTS_POOL_FAKE_H

#include <stdint.h>

#include "kernel/kernel.h"

void fake_reset(void);
/** One process address space exists; every reader sees it. */
struct psc_kernel *fake_kernel(void);
struct psc_mem *fake_mem(void);
/** Zeroed memory of @p bytes at page-aligned @p va; lives until reset. */
uint8_t *fake_map(uint64_t va, uint64_t bytes);
/** Take a page away again. */
void fake_unmap(uint64_t va, enum psc_va_status why);
void fake_symbol(const char *name, uint64_t va);
/** A global of 8 bytes. */
void fake_global(const char *name, uint64_t va, uint64_t value);
void fake_type(const char *type, uint64_t bytes);
void fake_field(const char *path, uint64_t offset, uint32_t size);
/** An array of @p count elements, @p size bytes in all. */
void fake_field_array(const char *path, uint64_t offset, uint32_t size,
		      uint32_t count);
void fake_bits(const char *path, uint64_t offset, uint8_t bit, uint8_t bits);
void fake_pointer_field(const char *path, uint64_t offset);
void fake_processors(uint32_t n);
void fake_family(uint32_t build);
void fake_crash_time(uint64_t filetime);
/** The memory is that of a triage dump: pieces. */
void fake_sparse(void);
void fake_put(uint64_t va, uint64_t value, unsigned int bytes);

#endif
