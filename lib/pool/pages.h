// SPDX-License-Identifier: MIT
/** @file
 * A run of virtual pages as pointers into the dump, without a copy. Pages
 * that are missing are NULL; of a small dump's pages parts may be missing.
 */
#ifndef PSC_POOL_PAGES_H
#define PSC_POOL_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mem/mem.h"

/** Which units of 16 bytes of a page are there. */
#define PSC_PAGE_UNITS 256u
struct psc_page_part {
	uint64_t unit[PSC_PAGE_UNITS / 64];
};

struct psc_pages {
	uint64_t va;		/**< Page-aligned. */
	const uint8_t *const *v; /**< n pages; NULL = missing. */
	size_t n;
	/** One per page where pages are there in part; NULL: pages are whole. */
	const struct psc_page_part *part;
};

/** Are bytes [in, in + n) of the page there? */
static inline bool psc_page_has(const struct psc_page_part *p, uint64_t in,
				size_t n)
{
	for (uint64_t u = in / 16; u * 16 < in + n; u++) {
		if (!(p->unit[u / 64] >> u % 64 & 1))
			return false;
	}
	return true;
}

/** @p n bytes at offset @p off that do not cross a page; NULL = missing or
 *  out of bounds. */
static inline const uint8_t *psc_pages_at(const struct psc_pages *p,
					  uint64_t off, size_t n)
{
	uint64_t page = off >> PSC_PAGE_SHIFT, in = off & (PSC_PAGE_SIZE - 1);

	if (page >= p->n || in + n > PSC_PAGE_SIZE || !p->v[page])
		return NULL;
	if (p->part && !psc_page_has(&p->part[page], in, n))
		return NULL;
	return p->v[page] + in;
}

/** Where bytes may be again, behind @p off whose unit is missing. */
static inline uint64_t psc_pages_behind(const struct psc_pages *p, uint64_t off)
{
	uint64_t page = off >> PSC_PAGE_SHIFT;

	if (p->part && page < p->n && p->v[page])
		return (off | 15) + 1;
	return (off | (PSC_PAGE_SIZE - 1)) + 1;
}

#endif
