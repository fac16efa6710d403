// SPDX-License-Identifier: MIT
/** @file
 * The processors' control blocks.
 */
#ifndef PSC_KERNEL_PROCESSOR_H
#define PSC_KERNEL_PROCESSOR_H

#include "kernel/kernel.h"

/** No Windows runs on more. */
#define PSC_MAX_PROCESSORS 2048

struct psc_processors {
	uint64_t *prcb;		/**< VA of each KPRCB; 0 = unreadable. */
	/** As many as the header says, at most the cap; where it says nothing,
	 *  the slots in use. */
	size_t n;
	bool complete;		/**< All pointers could be read. */
};

/**
 * KiProcessorBlock, from KDBG or by name.
 * @return &psc_absent when neither is known.
 */
PSC_NODISCARD struct psc_error *
psc_processors_read(const struct psc_kernel *k, struct psc_processors *ret);
void psc_processors_free(struct psc_processors *p);

#endif
