// SPDX-License-Identifier: MIT
/** @file
 * Special pool: one allocation per page, the rest filled with a pattern,
 * a guard page behind (pool 2.8). Pure.
 */
#ifndef PSC_POOL_SPECIAL_H
#define PSC_POOL_SPECIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/sink.h"

struct psc_special {
	uint32_t tag;
	uint32_t bytes;		/**< Of the request. */
	uint32_t data;		/**< Offset of the data in its page. */
	uint8_t pattern;
	bool verifier;		/**< Longer header. */
	/** Offset of the first fill byte that differs; 0 = none. */
	uint32_t broken;
	uint8_t found;		/**< The byte there. */
	uint32_t n_broken;	/**< Fill bytes that differ. */
};

/** Does @p page (4096 bytes) hold one allocation of special pool? */
bool psc_special_decode(const uint8_t *page, struct psc_special *ret);

/** One page: its block, and rule X1 when the fill was changed. */
void psc_special_walk(const uint8_t *page, uint64_t va, unsigned int node,
		      const struct psc_sink *s, struct psc_span_stats *st);

#endif
