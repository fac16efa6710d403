// SPDX-License-Identifier: MIT
/** @file
 * Processes with their commit, pool quota and handle counts
 * (facts vm-and-windbg-output 4).
 */
#ifndef PSC_KERNEL_PROCESS_H
#define PSC_KERNEL_PROCESS_H

#include "kernel/kernel.h"

/** A value that may be unreadable or not exist on this kernel. */
struct psc_process {
	uint64_t va;
	uint64_t pid;
	char *name;		/**< Last component of the image path, or the 15-byte name. */
	uint64_t commit_pages;
	uint64_t shared_commit_pages;
	uint64_t nonpaged_quota, paged_quota;	/**< Bytes. */
	uint64_t handles;
	uint64_t directory_table_base;
	uint64_t session;	/**< VA of the session object, 0 = none. */
	bool has_commit, has_shared_commit, has_quota, has_handles;
};

struct psc_processes {
	struct psc_process *v;	/**< List order. */
	size_t n;
	bool complete;
	char *why_incomplete;
};

PSC_NODISCARD struct psc_error *
psc_processes_read(const struct psc_kernel *k, struct psc_processes **ret);
void psc_processes_free(struct psc_processes *p);

#endif
