// SPDX-License-Identifier: MIT
/** @file
 * Pages in use by each pool as its own bookkeeping says: classic descriptors
 * or segment heaps (vm-and-windbg-output 2.6).
 */
#ifndef PSC_POOL_USAGE_H
#define PSC_POOL_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"
#include "pool/design.h"

#define PSC_POOL_MAX_NODES 64
#define PSC_POOL_MAX_PAGED 65	/**< Slots of ExpPagedPoolDescriptor. */
#define PSC_SEGMENT_HEAP_SIGNATURE 0xddeeddee

/** Pages of one NUMA node. */
struct psc_node_usage {
	uint64_t nonpaged, nonpaged_nx, paged;
};

struct psc_pool_usage {
	enum psc_pool_design design;
	bool has_nx;		/**< The kernel tells NX pool apart. */
	unsigned int n_nodes;
	struct psc_node_usage node[PSC_POOL_MAX_NODES];
	/** Classic design: pages of each paged descriptor. */
	unsigned int n_paged;
	uint64_t paged_line[PSC_POOL_MAX_PAGED];
	struct psc_node_usage total;
	bool has_special;	/**< Special heaps exist. */
	uint64_t special;
	uint64_t free_pages;	/**< Heaps: committed, but in no block. */
	bool complete;		/**< Every descriptor or heap was readable. */
	char why[256];		/**< What was not, when incomplete. */
};

/**
 * @return &psc_absent when names or layouts are missing.
 */
PSC_NODISCARD struct psc_error *
psc_pool_usage_read(const struct psc_kernel *k, struct psc_pool_usage *ret);

#endif
