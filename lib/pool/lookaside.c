// SPDX-License-Identifier: MIT
// Blocks that were freed but wait in a cache: to their heap they look
// allocated (pool 3.12, 3.6). Their addresses are collected before the walk.
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/view_impl.h"

/** Depth of an SLIST is 16 bits. */
#define MAX_DEPTH 0x10000u

static void map_guard(struct psc_map *m)
{
	psc_map_free(m);
}

/**
 * Entries of the x64 SLIST_HEADER at @p list: depth in the low 16 bits,
 * first entry in the second word, links plain (pool 2.4).
 */
void psc_view_slist(struct psc_pool_view *v, uint16_t space, uint64_t list,
		    const char *what)
{
	struct psc_mem *m = v->spaces.v[space].mem;
	PSC_CLEANUP(map_guard) struct psc_map seen = { 0 };
	uint64_t head[2], entry;
	struct psc_error *err = psc_mem_read_all(m, list, head, sizeof(head),
						 what);

	if (err) {
		psc_view_incomplete(v, what, err);
		return;
	}
	entry = head[1] & ~UINT64_C(0xf);
	for (unsigned int i = 0; entry && i < MAX_DEPTH; i++) {
		bool added;

		if (!psc_mem_is_kernel_va(m, entry)) {
			v->info.complete = false;
			psc_view_note(v, "%s: the list at 0x%" PRIx64 " breaks "
				      "at 0x%" PRIx64, what, list, entry);
			return;
		}
		if (!psc_map_put(&seen, entry, &added) ||
		    (added && !psc_vec_push(&v->spaces.v[space].cached, entry))) {
			v->nomem = true;
			return;
		}
		if (!added) {
			v->info.complete = false;
			psc_view_note(v, "%s: the list at 0x%" PRIx64
				      " is a ring", what, list);
			psc_view_fault(v, &(struct psc_fault){
				.rule = PSC_L13, .va = entry, .twice = true,
				.field_va = entry, .found = list,
				.pool = PSC_POOL_UNKNOWN,
				.owner = PSC_OWNER_VS });
			return;
		}
		// The entry's own page may be missing: the rest is lost then.
		if ((err = psc_mem_u64(m, entry, what, &entry))) {
			psc_view_incomplete(v, what, err);
			return;
		}
	}
}

struct psc_error *psc_view_lookasides(struct psc_pool_view *v, uint64_t state,
				      unsigned int nodes)
{
	static const char base[] = "_EX_POOL_HEAP_MANAGER_STATE.PoolNode[%u]."
				   "Lookasides[%u]";
	uint64_t first, second, buckets;
	struct psc_field f;
	struct psc_error *err;

	if ((err = psc_view_offset(v, "_RTL_DYNAMIC_LOOKASIDE.Buckets[0].ListHead",
			     &first)) ||
	    (err = psc_view_offset(v, "_RTL_DYNAMIC_LOOKASIDE.Buckets[1].ListHead",
			     &second)) ||
	    (err = psc_kernel_field(v->k, "_RTL_DYNAMIC_LOOKASIDE.Buckets",
				    &f)))
		return err;
	buckets = PSC_MIN(f.count, 256u);
	for (unsigned int i = 0; i < nodes * 2; i++) {
		char path[96];
		uint64_t at;

		snprintf(path, sizeof(path), base, i / 2, i % 2);
		if ((err = psc_view_offset(v, path, &at)))
			return err;
		for (uint64_t b = 0; b < buckets; b++)
			psc_view_slist(v, 0, state + at + first +
						     b * (second - first),
				       "dynamic lookaside");
	}
	return NULL;
}
