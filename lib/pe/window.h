// SPDX-License-Identifier: MIT
/** @file
 * One cached page of an image: tables are read entry by entry, the source is
 * asked once per page.
 */
#ifndef PSC_PE_WINDOW_H
#define PSC_PE_WINDOW_H

#include "pe/pe.h"

#define PSC_PE_PAGE 0x1000u

struct psc_pe_window {
	const struct psc_pe *pe;
	uint64_t page;		/**< RVA of @c buf; ~0: nothing cached. */
	size_t have;		/**< Readable bytes of @c buf. */
	uint8_t buf[PSC_PE_PAGE];
};

void psc_pe_window_init(struct psc_pe_window *w, const struct psc_pe *pe);

/** All @p n bytes at @p rva. @return false when any is missing. */
bool psc_pe_window_get(struct psc_pe_window *w, uint64_t rva, void *buf,
		       size_t n);
bool psc_pe_window_u32(struct psc_pe_window *w, uint64_t rva, uint32_t *v);

/**
 * NUL-terminated text of at most @p max bytes. @return heap copy; NULL when
 * bytes are missing, there is no NUL, or it is empty; @p oom tells apart.
 */
char *psc_pe_window_text(struct psc_pe_window *w, uint64_t rva, size_t max,
			 bool *oom);

#endif
