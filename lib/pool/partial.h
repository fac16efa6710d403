// SPDX-License-Identifier: MIT
/** @file
 * Pool blocks of a triage dump: single pieces of memory that hold headers by
 * chance (real-pool 3 and 6). A header is believed when the structure around
 * it decodes with the keys that the dump itself gave.
 */
#ifndef PSC_POOL_PARTIAL_H
#define PSC_POOL_PARTIAL_H

#include "pool/view_impl.h"

/** Recover keys, list LFH subsegments that are stored. */
PSC_NODISCARD struct psc_error *psc_view_partial(struct psc_pool_view *v);
/** Let the cached blocks of a classic pool vote for its cookie. */
PSC_NODISCARD struct psc_error *psc_partial_cookie(struct psc_pool_view *v);
/** Every header in stored memory of [start, end), by address. */
PSC_NODISCARD struct psc_error *
psc_partial_walk(struct psc_pool_view *v, uint64_t start, uint64_t end,
		 const struct psc_sink *sink, struct psc_walk *w);

#endif
