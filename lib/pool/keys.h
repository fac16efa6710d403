// SPDX-License-Identifier: MIT
/** @file
 * The keys of the segment heap and of quota pointers, recovered from the pool
 * itself where the globals cannot be read (real-pool 3.2 to 3.4): every
 * header votes for the key that would make it true.
 */
#ifndef PSC_POOL_KEYS_H
#define PSC_POOL_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/mem.h"
#include "pool/layout.h"

struct psc_pool_keys {
	bool has_heap, has_lfh, has_cookie;
	uint64_t heap_key;
	/** Bits of heap_key that are known: bits 32-39 may be missing. */
	uint64_t heap_mask;
	uint64_t lfh_key;	/**< Low 32 bits matter. */
	uint64_t cookie;
	unsigned int heap_votes, heap_runner_up;
	unsigned int lfh_votes, cookie_votes;
	const char *from;	/**< "RtlpHpHeapGlobals", "votes of chunks". */
};

/**
 * Let the stored memory of [start, end) vote.
 * @param max_bytes  stop after that much has been looked at.
 * @param[out] ret   what reached a safe majority; the rest is not set.
 */
PSC_NODISCARD struct psc_error *
psc_keys_vote(struct psc_mem *m, const struct psc_heap_layout *l,
	      uint64_t start, uint64_t end, uint64_t max_bytes,
	      struct psc_pool_keys *ret);

#endif
