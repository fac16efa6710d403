// SPDX-License-Identifier: MIT
/** @file
 * One entry of PsLoadedModuleList. Its form has been fixed since XP, so it is
 * read by a table (dump-format 5.1) where the kernel's types are not known.
 */
#ifndef PSC_KERNEL_LDR_H
#define PSC_KERNEL_LDR_H

#include "kernel/kernel.h"

struct psc_ldr_entry {
	uint64_t base, size;
	uint32_t timestamp;
	bool has_timestamp;	/**< Kernels from 14393 on. */
	uint64_t full_name, base_name;	/**< VAs of the UNICODE_STRINGs. */
};

/**
 * Read the entry at @p va through @p m.
 * @return false when DllBase or SizeOfImage cannot be read.
 */
bool psc_ldr_entry(const struct psc_kernel *k, struct psc_mem *m, uint64_t va,
		   struct psc_ldr_entry *ret);

#endif
