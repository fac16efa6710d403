// SPDX-License-Identifier: MIT
/** @file
 * Links that free blocks keep in themselves: list entries of classic pools,
 * tree nodes of VS chunks (pool 2.3, 3.6). The neighbours must point back.
 */
#ifndef PSC_POOL_LINKS_H
#define PSC_POOL_LINKS_H

#include "mem/mem.h"
#include "pool/sink.h"

/** A sink in front of another: passes all on, and looks at free blocks. */
struct psc_links {
	struct psc_mem *mem;
	const struct psc_sink *to;
	struct psc_span_stats *st;
};

struct psc_sink psc_links_sink(struct psc_links *l);

#endif
