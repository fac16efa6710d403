// SPDX-License-Identifier: MIT
/** @file
 * Circular LIST_ENTRY lists of the dump, walked with a limit and a visited
 * set. When the way forward breaks, the rest is taken backward from the head.
 */
#ifndef PSC_KERNEL_LIST_H
#define PSC_KERNEL_LIST_H

#include "kernel/kernel.h"

struct psc_list {
	uint64_t *v;		/**< VAs of the links, in list order. */
	size_t n;
	bool complete;		/**< The walk came back to the head. */
	char *why;		/**< Why not, or NULL. */
};

/**
 * Collect the entries of the list at @p head (not an entry itself).
 * Unreadable or cyclic links make it incomplete, which is no error.
 * @param limit entries beyond it are left out.
 */
PSC_NODISCARD struct psc_error *
psc_list_read(const struct psc_kernel *k, uint64_t head, const char *what,
	      size_t limit, struct psc_list *ret);
void psc_list_free(struct psc_list *l);

#endif
