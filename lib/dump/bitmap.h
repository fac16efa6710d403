// SPDX-License-Identifier: MIT
/** @file
 * Bitmaps of frame numbers with a rank index.
 */
#ifndef PSC_DUMP_BITMAP_H
#define PSC_DUMP_BITMAP_H

#include "dump/pages.h"

/** Where a header says its bitmap and pages are. */
struct psc_bitmap_where {
	uint64_t bits_offset;		/**< In the dump. */
	uint64_t n_bits;
	uint64_t first_page;		/**< In the dump. */
	uint64_t announced;		/**< Pages by the header's count. */
};

/** Set bits among the first @p n_bits. */
uint64_t psc_bitmap_popcount(const uint8_t *bits, uint64_t n_bits);

/**
 * Index over the bitmap at @p where. A bitmap cut by the end of the file, a
 * wrong count and an odd first page are warnings.
 * @return PSC_ERR_DAMAGED when the pages would begin inside the bitmap or the
 *         frame numbers are out of range.
 */
PSC_NODISCARD struct psc_error *
psc_pages_from_bitmap(const struct psc_body *b,
		      const struct psc_bitmap_where *where,
		      struct psc_pages **ret);

#endif
