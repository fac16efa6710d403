// SPDX-License-Identifier: MIT
/** @file
 * Which of its two designs a kernel's pool has (pool 0.2).
 */
#ifndef PSC_POOL_DESIGN_H
#define PSC_POOL_DESIGN_H

#include "kernel/kernel.h"

enum psc_pool_design {
	PSC_POOL_CLASSIC,	/**< Descriptors and page chains. */
	PSC_POOL_SEGMENT,	/**< Segment heaps. */
};

/**
 * Decide from what the kernel says, never from its version alone: 17763 can be
 * either. @return &psc_absent when the kernel's layouts are not known.
 */
PSC_NODISCARD struct psc_error *
psc_pool_design(const struct psc_kernel *k, enum psc_pool_design *ret);

#endif
