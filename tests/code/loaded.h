// SPDX-License-Identifier: MIT
/** @file
 * An image as a running kernel has it: relocated, imports bound, import calls
 * rewritten, INIT discarded (callsites 2).
 */
#ifndef PSC_TESTS_CODE_LOADED_H
#define PSC_TESTS_CODE_LOADED_H

#include "pe/pe.h"

struct loaded {
	const char *name;
	uint8_t *bytes;
	uint8_t *present;	/**< By page. */
	uint32_t size;
	uint64_t base;
	uint32_t rewritten[256]; /**< RVAs of calls that moved by 7 bytes. */
	unsigned int n_rewritten;
};

/** Where an import of that name leads; 0: nowhere. */
typedef uint64_t (*loaded_resolve)(void *ctx, const char *name);

void loaded_init(struct loaded *l, const char *name,
		 const struct psc_pe_file *f, uint64_t base,
		 loaded_resolve resolve, void *ctx);
void loaded_free(struct loaded *l);
/** Lose the pages that hold import names: only slots' values are left. */
void loaded_lose_names(struct loaded *l);
size_t loaded_read(void *ctx, uint64_t rva, void *buf, size_t n);

#endif
