// SPDX-License-Identifier: MIT
/** @file
 * A run of virtual pages as pointers into the dump, without a copy. Pages
 * that are missing are NULL.
 */
#ifndef PSC_POOL_PAGES_H
#define PSC_POOL_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mem/mem.h"

struct psc_pages {
	uint64_t va;		/**< Page-aligned. */
	const uint8_t *const *v; /**< n pages; NULL = missing. */
	size_t n;
};

/** @p n bytes at offset @p off that do not cross a page; NULL = missing or
 *  out of bounds. */
static inline const uint8_t *psc_pages_at(const struct psc_pages *p,
					  uint64_t off, size_t n)
{
	uint64_t page = off >> PSC_PAGE_SHIFT, in = off & (PSC_PAGE_SIZE - 1);

	if (page >= p->n || in + n > PSC_PAGE_SIZE || !p->v[page])
		return NULL;
	return p->v[page] + in;
}

#endif
