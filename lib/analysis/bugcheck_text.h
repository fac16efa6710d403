// SPDX-License-Identifier: MIT
/** @file
 * Pool bug checks in words (pool 8): what the code and its parameters mean,
 * and which of them point at a header.
 */
#ifndef PSC_ANALYSIS_BUGCHECK_TEXT_H
#define PSC_ANALYSIS_BUGCHECK_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct psc_bugcheck_text {
	const char *meaning;
	const char *parameter[4]; /**< NULL: says nothing. */
	/** Addresses that parameters give, as headers; 0 = none. */
	uint64_t place[4];
	unsigned int n_places;
	/** Two values of which one should have been the other. */
	bool has_pair;
	uint64_t expected, found;
	/** More pairs of the same kind: 0x19/3 has two. */
	bool has_second;
	uint64_t second_found;
};

/**
 * @param family  build of the kernel: heap failures are numbered by it.
 * @return false when the bug check is not about a pool.
 */
bool psc_bugcheck_explain(uint32_t code, const uint64_t p[4], uint32_t family,
			  struct psc_bugcheck_text *ret);

#endif
