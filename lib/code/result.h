// SPDX-License-Identifier: MIT
/** @file
 * What is kept of one image: its rows, what it offers to other images, and
 * what it asks of them. Inner header of callsites.c and cache.c.
 */
#ifndef PSC_CODE_RESULT_H
#define PSC_CODE_RESULT_H

#include "code/engine.h"

/** An exported function that hands its argument to an allocator. */
struct psc_offer {
	char *name;
	struct psc_api api;	/**< through is not set. */
};

struct psc_code_result {
	struct psc_callsite *v;
	size_t n;
	struct psc_offer *offers;
	size_t n_offers;
	uint64_t *imports;	/**< Hashes of imported names, sorted. */
	size_t n_imports;
	uint32_t code_pages, code_pages_missing;
	bool limited;
};

void psc_code_result_free(struct psc_code_result *r);

// --- cache.c ----------------------------------------------------------------

/** Which image in which state a result belongs to. */
struct psc_cache_key {
	uint32_t timestamp, image_size, checksum;
	uint16_t machine;
	bool memory;
	uint64_t pages;		/**< Hash of which pages are there. */
	uint64_t wrappers;	/**< Hash of other modules' wrappers. */
};

/**
 * A kept result, checked byte by byte. @return false when there is none.
 * @param extra  wrappers that rows may name.
 */
bool psc_cache_load(const char *dir, const struct psc_cache_key *key,
		    const struct psc_api *extra, size_t n_extra,
		    struct psc_code_result *ret);
/** Keep @p r; failure to do so is nobody's problem. */
void psc_cache_store(const char *dir, const struct psc_cache_key *key,
		     const struct psc_code_result *r);

#endif
