// SPDX-License-Identifier: MIT
/** @file
 * How long work reports its progress upwards: the library calls back, the
 * tool draws (or does not).
 */
#ifndef PSC_BASE_PROGRESS_H
#define PSC_BASE_PROGRESS_H

#include <stdint.h>

/** All fields may be 0/NULL: then progress goes nowhere. */
struct psc_progress {
	void *ctx;
	/** @p done of @p total units; called from one thread at a time. */
	void (*update)(void *ctx, const char *what, uint64_t done,
		       uint64_t total);
};

static inline void psc_progress_update(const struct psc_progress *p,
				       const char *what, uint64_t done,
				       uint64_t total)
{
	if (p && p->update)
		p->update(p->ctx, what, done, total);
}

#endif
