// SPDX-License-Identifier: MIT
/** @file
 * Pool bug checks in words (pool 8): what the code and its parameters mean,
 * and which of them point at a header. Pure: numbers in, words out.
 */
#ifndef PSC_ANALYSIS_BUGCHECK_TEXT_H
#define PSC_ANALYSIS_BUGCHECK_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/** An address that a parameter gives: a block, its header, or inside. */
struct psc_bugcheck_address {
	uint64_t va;
	unsigned int parameter;	/**< 1 to 4. */
};

/** Two values of which one should have been the other. */
struct psc_bugcheck_pair {
	uint64_t expected, found;
};

#define PSC_BUGCHECK_PLACES 3u
#define PSC_BUGCHECK_PAIRS 2u

struct psc_bugcheck_text {
	const char *meaning;
	const char *parameter[4]; /**< NULL: says nothing. */
	bool is_tag[4];		/**< The parameter is a pool tag. */
	struct psc_bugcheck_address place[PSC_BUGCHECK_PLACES];
	unsigned int n_places;
	struct psc_bugcheck_pair pair[PSC_BUGCHECK_PAIRS];
	unsigned int n_pairs;
	/** The fault that it reports: VAs, 0 = none. */
	uint64_t instruction, context, trap_frame;
	/** About a pool only when the fault is inside a pool routine. */
	bool echo;
	bool not_pool;		/**< Explained, but no matter of a pool. */
	const char *look_at;	/**< Rules that say more, or NULL. */
};

/**
 * @param family  build of the kernel: heap failures are numbered by it.
 * @return false when the table does not have it.
 */
bool psc_bugcheck_explain(uint32_t code, const uint64_t p[4], uint32_t family,
			  struct psc_bugcheck_text *ret);

/** _HEAP_FAILURE_TYPE in words, NULL = unknown (pool 8.3). */
const char *psc_heap_failure_text(uint64_t type, uint32_t family);

#endif
