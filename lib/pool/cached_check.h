// SPDX-License-Identifier: MIT
/** @file
 * Lists of what classic pools keep after it was freed: lookasides of
 * processors and sessions, pending frees of descriptors (pool 2.4, 2.5), free
 * pages of nodes (2.7). Read once, after a walk.
 */
#ifndef PSC_POOL_CACHED_CHECK_H
#define PSC_POOL_CACHED_CHECK_H

#include "pool/view.h"

/**
 * Rules L13 and Z1. What hangs on a list is a freed block of the list's size,
 * or a marked page, once; a link that leads elsewhere stands at the block that
 * holds it. Pages that are not there end a list without a fault.
 */
PSC_NODISCARD struct psc_error *
psc_pool_check_cached(struct psc_pool_view *v, const struct psc_sink *sink);

#endif
