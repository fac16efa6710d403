// SPDX-License-Identifier: MIT
/** @file
 * Arrays of fixed-size entries in the dump's memory, read page by page
 * without a copy: tag tables and the big-page table.
 */
#ifndef PSC_POOL_TABLE_H
#define PSC_POOL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/mem.h"

/** Largest entry that may straddle a page boundary. */
#define PSC_TABLE_MAX_ENTRY 0x100u

struct psc_table {
	uint64_t va;
	uint64_t entry_bytes;	/**< 1 … PSC_TABLE_MAX_ENTRY. */
	uint64_t n;		/**< Entries. */
};

/** What a scan met. */
struct psc_table_stats {
	uint64_t entries_read;
	uint64_t pages_missing;	/**< Not in the dump or not mapped. */
	uint64_t pages_paged_out;
};

/**
 * Called with @p n whole entries that lie one behind the other at @p bytes
 * (unaligned). @return false to stop.
 */
typedef bool (*psc_table_fn)(void *ctx, uint64_t first, const uint8_t *bytes,
			     uint64_t n);

/**
 * Visit every readable entry in order. Entries that touch a missing page are
 * left out and the page is counted once.
 */
void psc_table_scan(struct psc_mem *m, const struct psc_table *t,
		    psc_table_fn fn, void *ctx, struct psc_table_stats *stats);

#endif
