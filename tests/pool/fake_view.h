// SPDX-License-Identifier: MIT
/** @file
 * A view of a pool that a test fills by hand: no lists, no keys, nothing
 * missing.
 */
#ifndef PSC_TESTS_POOL_FAKE_VIEW_H
#define PSC_TESTS_POOL_FAKE_VIEW_H

#include <stdlib.h>

#include "pool/fake.h"
#include "pool/view_impl.h"

/** Freed with psc_pool_view_free(). */
static inline struct psc_pool_view *fake_view(enum psc_pool_design design)
{
	struct psc_pool_view *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	v->k = fake_kernel();
	v->info.design = design;
	v->info.complete = v->info.big.complete = true;
	v->layout = psc_heap_layout_common;
	assert_true(psc_vec_push(&v->spaces,
				 (struct psc_space){ .mem = fake_mem() }));
	return v;
}

static inline void fake_view_unit(struct psc_pool_view *v, struct psc_unit u)
{
	assert_true(psc_vec_push(&v->units, u));
}

static inline void fake_view_big(struct psc_pool_view *v, struct psc_big b)
{
	assert_true(psc_vec_push(&v->big, b));
}

#endif
