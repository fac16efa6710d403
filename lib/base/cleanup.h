// SPDX-License-Identifier: MIT
/** @file
 * Scope guards for locals. `PSC_CLEANUP(fn) T x` calls fn(&x) at scope end;
 * PSC_TAKE(x) hands the pointer out and disarms the guard.
 */
#ifndef PSC_BASE_CLEANUP_H
#define PSC_BASE_CLEANUP_H

#include <stdlib.h>

#include "psc/error.h"

#define PSC_CLEANUP(fn) __attribute__((cleanup(fn)))
#define PSC_TAKE(p)                          \
	({                                   \
		__typeof__(p) take_p_ = (p); \
		(p) = NULL;                  \
		take_p_;                     \
	})

static inline void psc_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void psc_error_guard(struct psc_error **err)
{
	psc_error_free(*err);
}

/** Freed with free() at scope end. */
#define PSC_FREE PSC_CLEANUP(psc_free_ptr)
/** A caught error, freed at scope end. */
#define PSC_ERROR_GUARD PSC_CLEANUP(psc_error_guard)

#endif
