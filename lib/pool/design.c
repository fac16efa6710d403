// SPDX-License-Identifier: MIT
#include "pool/design.h"

#include "pool/usage.h"

// ExpHeapBackedPoolEnabledState: 3 = blocks come from heaps; below, pages may
// come from heaps but blocks are classic (pool 0.2).
#define HEAP_BACKED_BLOCKS 3

// State unreadable: does a heap stand where one would?
static bool has_heap(const struct psc_kernel *k)
{
	uint64_t state, heap, n, signature;
	struct psc_error *err;

	if ((err = psc_kernel_symbol(k, "ExPoolState", &state)) ||
	    (err = psc_kernel_get(k, state,
				  "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools",
				  &n)) ||
	    (err = psc_kernel_get(k, state, "_EX_POOL_HEAP_MANAGER_STATE."
				  "PoolNode[0].Heaps[1]", &heap)) ||
	    (err = psc_kernel_get(k, heap, "_SEGMENT_HEAP.Signature",
				  &signature))) {
		psc_error_free(err);
		return false;
	}
	return n >= 1 && n <= PSC_POOL_MAX_NODES &&
	       signature == PSC_SEGMENT_HEAP_SIGNATURE;
}

struct psc_error *psc_pool_design(const struct psc_kernel *k,
				  enum psc_pool_design *ret)
{
	uint64_t state;
	struct psc_field f;
	struct psc_error *err;

	if (!psc_kernel_sym(k))
		return &psc_absent;
	err = psc_kernel_global(k, "ExpHeapBackedPoolEnabledState", 4, &state);
	if (!err) {
		*ret = state == HEAP_BACKED_BLOCKS ? PSC_POOL_SEGMENT
						   : PSC_POOL_CLASSIC;
		return NULL;
	}
	if (!psc_error_catch(&err, PSC_ERR_ABSENT)) {
		psc_error_free(err);
		*ret = has_heap(k) ? PSC_POOL_SEGMENT : PSC_POOL_CLASSIC;
		return NULL;
	}
	err = psc_kernel_field(k, "_EX_POOL_HEAP_MANAGER_STATE.PoolNode", &f);
	*ret = err ? PSC_POOL_CLASSIC : PSC_POOL_SEGMENT;
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return NULL;
	return err;
}
