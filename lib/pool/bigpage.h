// SPDX-License-Identifier: MIT
/** @file
 * The big-page table: allocations that are whole pages and so have no pool
 * header (pool 5). Read as a stream; the table itself can be gigabytes.
 */
#ifndef PSC_POOL_BIGPAGE_H
#define PSC_POOL_BIGPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "pool/block.h"

/** One entry, decoded. */
struct psc_big {
	uint64_t va;		/**< Bit 0 removed. */
	uint64_t bytes;		/**< As stored, that is as charged. */
	uint32_t tag;		/**< Protected bit removed. */
	bool is_protected;
	bool free;		/**< Bit 0 of Va: the rest is stale. */
	bool flags_form;	/**< type holds POOL_FLAGS, not a POOL_TYPE. */
	uint16_t type;		/**< 12 bits (32 on old kernels, cut). */
	uint8_t pattern;	/**< Fill byte of the slush. */
	uint16_t slush;		/**< Bytes of fill behind the allocation. */
	uint64_t process;	/**< Decoded EPROCESS of the payer, or 0. */
	uint64_t index;		/**< In the table. */
	enum psc_pool_kind pool;
	uint16_t space;		/**< Set by views: 0 = system, else a session. */
};

/** Where the table lies and what a scan of it met. */
struct psc_big_table {
	uint64_t va, entries, entry_bytes;
	uint64_t session;	/**< 0 = the system's. */
	bool has_in_use;
	uint64_t in_use;	/**< ExpPoolBigEntriesInUse. */
	uint64_t in_use_va;	/**< Of that counter; 0 = its value alone. */
	uint64_t n_live, n_free;
	uint64_t live_bytes;
	uint64_t pages_missing, pages_paged_out;
	bool complete;
	bool assumed_bits;	/**< Bit widths of the type word were assumed. */
};

/** @return false to stop the scan. Called for live and freed entries, but not
 *  for those that were never used. */
typedef bool (*psc_big_fn)(void *ctx, const struct psc_big *b);

/**
 * Scan the system's table.
 * @return &psc_absent when the kernel's names are not known;
 *         PSC_ERR_DAMAGED when its size is not a power of two.
 * @param[out] ret filled on success.
 */
PSC_NODISCARD struct psc_error *
psc_big_scan(const struct psc_kernel *k, psc_big_fn fn, void *ctx,
	     struct psc_big_table *ret);

/** The same for a session's table, in the session's address space. A session
 *  that has none gives no entries. */
PSC_NODISCARD struct psc_error *
psc_big_session_scan(const struct psc_kernel *k, struct psc_mem *mem,
		     uint64_t session, psc_big_fn fn, void *ctx,
		     struct psc_big_table *ret);

/** Kind of pool of a POOL_TYPE or (newest kernels) POOL_FLAGS word. */
enum psc_pool_kind psc_big_kind(uint16_t type, bool flags_form);

/** Hash of an entry's place: both published forms (pool 5.2). */
uint32_t psc_big_hash(uint64_t va, bool truncated);

#endif
