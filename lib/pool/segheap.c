// SPDX-License-Identifier: MIT
// Segment-heap pool: from ExPoolState down to the subsegments (pool 3).
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/header.h"
#include "pool/segment.h"
#include "pool/view_impl.h"

#define MAX_NODES 64u
/** Memory that votes when the keys cannot be read. */
#define VOTE_BYTES (UINT64_C(64) << 20)

/** Heaps of a node, in their order (pool 3.1). */
static const struct {
	enum psc_pool_kind pool;
	int paged;
} heap_kinds[4] = {
	{ PSC_POOL_NONPAGED, 0 }, { PSC_POOL_NONPAGED_NX, 0 },
	{ PSC_POOL_PAGED, 1 }, { PSC_POOL_PAGED, 1 },
};

static void map_guard(struct psc_map *m)
{
	psc_map_free(m);
}

struct psc_error *psc_view_get(const struct psc_pool_view *v,
			       struct psc_mem *m, uint64_t va,
			       const char *path, uint64_t *ret)
{
	struct psc_error *err;
	struct psc_field f;
	uint8_t b[8] = { 0 };

	if ((err = psc_kernel_field(v->k, path, &f)))
		return err;
	if (f.size > sizeof(b))
		return psc_error_new(PSC_ERR_DAMAGED, "%s is not a scalar",
				     path);
	if ((err = psc_mem_read_all(m, va + f.offset, b, f.size, path)))
		return err;
	*ret = psc_field_extract(&f, b);
	return NULL;
}

struct psc_error *psc_view_offset(const struct psc_pool_view *v,
				  const char *path, uint64_t *ret)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_field(v->k, path, &f);

	if (!err)
		*ret = f.offset;
	return err;
}

static struct psc_error *read_context(struct psc_pool_view *v,
				      const struct psc_heap *heap,
				      unsigned int i, struct psc_seg_context *c)
{
	struct psc_mem *m = v->spaces.v[heap->space].mem;
	uint64_t at, list, shift, first;
	char path[64];
	struct psc_error *err;

	snprintf(path, sizeof(path), "_SEGMENT_HEAP.SegContexts[%u]", i);
	if ((err = psc_view_offset(v, path, &at)) ||
	    (err = psc_view_offset(v, "_HEAP_SEG_CONTEXT.SegmentListHead", &list)))
		return err;
	c->va = heap->va + at;
	c->list = c->va + list;
	c->heap = heap;
	if ((err = psc_view_get(v, m, c->va, "_HEAP_SEG_CONTEXT.SegmentMask",
		       &c->mask)) ||
	    (err = psc_view_get(v, m, c->va, "_HEAP_SEG_CONTEXT.UnitShift", &shift)) ||
	    (err = psc_view_get(v, m, c->va, "_HEAP_SEG_CONTEXT.FirstDescriptorIndex",
		       &first)) ||
	    (err = psc_view_get(v, m, c->va, "_HEAP_SEG_CONTEXT.SegmentCount",
		       &c->count)))
		return err;
	// Units of a page or 64 KB, 256 of them (pool 3.3).
	if (shift < 12 || shift > 20 || first > 16 ||
	    ~c->mask + 1 != (uint64_t)PSC_SEGMENT_UNITS << shift)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, c->va,
				    "segment context: unit shift %" PRIu64
				    ", mask 0x%" PRIx64 " contradict", shift,
				    c->mask);
	c->unit_shift = (unsigned int)shift;
	c->first = (unsigned int)first;
	return NULL;
}

// --- keys --------------------------------------------------------------------

/** Do the callbacks of the heap's VS context decode into the kernel? */
static bool key_is_proven(const struct psc_pool_view *v, uint64_t heap,
			  struct psc_mem *m, uint64_t key)
{
	uint64_t vs, stored;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_view_offset(v, "_SEGMENT_HEAP.VsContext", &vs);

	if (err)
		return false;
	err = psc_view_get(v, m, heap + vs, "_HEAP_VS_CONTEXT.Callbacks.Allocate",
		  &stored);
	if (err)
		return false;
	uint64_t function = stored ^ (heap + vs) ^ key;
	return function - psc_kernel_base(v->k) < psc_kernel_size(v->k);
}

/** Key that makes the first segment's signature true with @p magic. */
static bool key_of_segment(struct psc_pool_view *v, uint64_t heap,
			   struct psc_mem *m, uint64_t magic, uint64_t *key)
{
	struct psc_heap h = { .va = heap };
	struct psc_seg_context c = { 0 };
	uint64_t seg, sig;
	PSC_ERROR_GUARD struct psc_error *err = read_context(v, &h, 0, &c);

	if (err || psc_mem_read(m, c.list, &seg, 8, NULL) != 8 ||
	    seg & ~c.mask ||
	    psc_mem_read(m, seg + v->layout.seg_signature, &sig, 8, NULL) != 8)
		return false;
	*key = sig ^ seg ^ c.va ^ magic;
	return true;
}

/** Aligned pairs give the cookie where its symbol is gone (real-pool 3.4);
 *  a single one could be chance. */
static void take_cookie(struct psc_pool_view *v, const struct psc_pool_keys *k)
{
	if (v->cookie || !v->has_cookie || !k->has_cookie ||
	    k->cookie_votes < 2)
		return;
	v->cookie = k->cookie;
	v->info.keys.has_cookie = true;
	v->info.keys.cookie = k->cookie;
	v->info.keys.cookie_votes = k->cookie_votes;
	psc_view_note(v, "the cookie of quota pointers is what %u aligned "
		      "blocks say", k->cookie_votes);
}

static struct psc_error *vote(struct psc_pool_view *v, uint64_t heap)
{
	struct psc_pool_keys k;
	struct psc_mem *m = psc_kernel_mem(v->k);
	// The heap lies in the slot of its pool.
	uint64_t slot = heap & ~((UINT64_C(1) << 39) - 1);
	uint64_t end = slot + ((UINT64_C(1) << 39) - 1);
	struct psc_error *err = psc_keys_vote(m, &v->layout, slot, end,
					      VOTE_BYTES, &k);

	if (err)
		return err;
	take_cookie(v, &k);
	if (!v->info.keys.has_heap && k.has_heap) {
		v->info.keys.has_heap = true;
		v->info.keys.heap_key = k.heap_key;
		v->info.keys.heap_mask = k.heap_mask;
		v->info.keys.heap_votes = k.heap_votes;
		v->info.keys.from = k.from;
	}
	if (!v->info.keys.has_lfh && k.has_lfh) {
		v->info.keys.has_lfh = true;
		v->info.keys.lfh_key = k.lfh_key;
		v->info.keys.lfh_votes = k.lfh_votes;
	}
	return NULL;
}

/** Keys from the globals; only a proven key is believed. */
static void read_globals(struct psc_pool_view *v, uint64_t state,
			 uint64_t heap)
{
	struct psc_mem *m = psc_kernel_mem(v->k);
	struct psc_pool_keys *k = &v->info.keys;
	uint64_t globals, heap_key, lfh_key;
	struct psc_error *err;

	// The manager points to them; the name is the second witness.
	err = psc_view_get(v, m, state, "_EX_POOL_HEAP_MANAGER_STATE.HeapManager."
		  "Globals", &globals);
	if (err || !psc_mem_is_kernel_va(m, globals)) {
		psc_error_free(err);
		err = psc_kernel_symbol(v->k, "RtlpHpHeapGlobals", &globals);
	}
	if (!err)
		err = psc_view_get(v, m, globals, "_RTLP_HP_HEAP_GLOBALS.HeapKey",
			  &heap_key);
	if (!err)
		err = psc_view_get(v, m, globals, "_RTLP_HP_HEAP_GLOBALS.LfhKey",
			  &lfh_key);
	if (err) {
		psc_view_note(v, "heap keys: %s", err->message);
		psc_error_free(err);
		return;
	}
	if (!key_is_proven(v, heap, m, heap_key)) {
		psc_view_note(v, "the stored heap key does not decode the "
			      "callbacks of the heap at 0x%" PRIx64, heap);
		return;
	}
	k->has_heap = k->has_lfh = true;
	k->heap_key = heap_key;
	k->heap_mask = UINT64_MAX;
	k->lfh_key = lfh_key;
	k->from = "RtlpHpHeapGlobals";
}

static struct psc_error *find_keys(struct psc_pool_view *v, uint64_t state,
				   uint64_t heap)
{
	struct psc_pool_keys *k = &v->info.keys;
	struct psc_mem *m = psc_kernel_mem(v->k);
	uint64_t key;

	read_globals(v, state, heap);
	if (k->has_heap)
		return v->has_cookie && !v->cookie ? vote(v, heap) : NULL;
	// Either constant (pool 3.4): the callbacks are the judge.
	static const uint64_t magic[] = { PSC_SEGMENT_MAGIC, 0 };
	for (size_t i = 0; i < PSC_ARRAY_SIZE(magic) && !k->has_heap; i++) {
		if (!key_of_segment(v, heap, m, magic[i], &key) ||
		    !key_is_proven(v, heap, m, key))
			continue;
		k->has_heap = true;
		k->heap_key = key;
		k->heap_mask = UINT64_MAX;
		k->from = "a segment's signature";
	}
	struct psc_error *err = vote(v, heap);
	if (err)
		return err;
	if (!k->has_heap) {
		v->info.complete = false;
		psc_view_note(v, "the heap key could not be recovered: VS "
			      "subsegments cannot be read");
	}
	if (!k->has_lfh) {
		v->info.complete = false;
		psc_view_note(v, "the LFH key could not be recovered");
	}
	return NULL;
}

// --- heaps -------------------------------------------------------------------

/** @return whether the heap can be read all the same. */
static bool check_signature(struct psc_pool_view *v, uint64_t va,
			    struct psc_mem *m, enum psc_pool_kind pool)
{
	uint64_t sig, at = 0;
	struct psc_error *err = psc_view_offset(v, "_SEGMENT_HEAP.Signature",
						&at);

	if (!err)
		err = psc_view_get(v, m, va, "_SEGMENT_HEAP.Signature", &sig);
	if (err) {
		psc_view_incomplete(v, "heap", err);
		return false;
	}
	if (sig == PSC_HEAP_SIGNATURE)
		return true;
	// Callbacks that decode show a heap whose signature alone is wrong.
	bool proven = v->info.keys.has_heap &&
		      key_is_proven(v, va, m, v->info.keys.heap_key);
	psc_view_fault(v, &(struct psc_fault){
		.rule = PSC_S1, .va = va, .field_va = va + at, .bits = 32,
		.expected = PSC_HEAP_SIGNATURE, .found = sig, .pool = pool,
		.owner = PSC_OWNER_VS, .repaired = proven });
	v->info.complete &= proven;
	return proven;
}

/** V10: a heap cannot have more free pages than it committed. */
static void check_units(struct psc_pool_view *v, const struct psc_heap *h,
			struct psc_mem *m)
{
	uint64_t total = 0, free = 0;
	PSC_ERROR_GUARD struct psc_error *a = psc_view_get(
		v, m, h->va, "_SEGMENT_HEAP.VsContext.TotalCommittedUnits",
		&total);
	PSC_ERROR_GUARD struct psc_error *b = psc_view_get(
		v, m, h->va, "_SEGMENT_HEAP.VsContext.FreeCommittedUnits",
		&free);

	if (!a && !b && free > total)
		psc_view_fault(v, &(struct psc_fault){
			.rule = PSC_V10, .va = h->va, .field_va = h->va,
			.found = free, .pool = h->pool,
			.owner = PSC_OWNER_LARGE });
}

static void read_delayed(struct psc_pool_view *v, uint64_t va, uint16_t space,
			 size_t first_unit)
{
	uint64_t at = 0;
	struct psc_error *err = psc_view_offset(v, "_SEGMENT_HEAP.VsContext."
					  "DelayFreeContext.ListHead", &at);

	// From 26100 on the lists hang on slots.
	if (psc_error_catch(&err, PSC_ERR_ABSENT)) {
		if (!psc_newest_delayed(v, space, va, first_unit))
			psc_view_note(v, "heap at 0x%" PRIx64 ": its "
				      "delay-free lists were not found: their "
				      "blocks count as in use", va);
		return;
	}
	if (err)
		psc_view_incomplete(v, "delay-free list", err);
	else
		psc_view_slist(v, space, va + at, "delay-free list");
}

void psc_view_heap(struct psc_pool_view *v, uint64_t va,
		   enum psc_pool_kind pool, int paged, unsigned int node,
		   uint16_t space, bool special)
{
	struct psc_mem *m = v->spaces.v[space].mem;
	struct psc_heap heap = { va, pool, paged, node, space, special };
	size_t first_unit = v->units.n;

	if (!check_signature(v, va, m, pool))
		return;
	if (!psc_vec_push(&v->heaps, heap)) {
		v->nomem = true;
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct psc_seg_context c = { .heap_index = (uint32_t)v->heaps.n - 1 };
		struct psc_error *err = read_context(v, &heap, i, &c);

		if (err)
			psc_view_incomplete(v, "segment context", err);
		else
			psc_view_segments(v, &c);
		if (!err)
			psc_view_free_ranges(v, &c);
	}
	check_units(v, &heap, m);
	read_delayed(v, va, space, first_unit);
}

static struct psc_error *node_heap(struct psc_pool_view *v, uint64_t state,
				   unsigned int node, unsigned int i,
				   uint64_t *ret)
{
	char path[80];

	snprintf(path, sizeof(path), "_EX_POOL_HEAP_MANAGER_STATE."
		 "PoolNode[%u].Heaps[%u]", node, i);
	return psc_view_get(v, psc_kernel_mem(v->k), state, path, ret);
}

static void read_nodes(struct psc_pool_view *v, uint64_t state,
		       unsigned int nodes, struct psc_map *seen)
{
	for (unsigned int i = 0; i < nodes * 4; i++) {
		uint64_t heap;
		bool added;
		struct psc_error *err = node_heap(v, state, i / 4, i % 4,
						  &heap);

		if (err) {
			psc_view_incomplete(v, "ExPoolState", err);
			continue;
		}
		// Nodes may share a heap; hot-added ones have none.
		if (!heap)
			continue;
		if (!psc_map_put(seen, heap, &added)) {
			v->nomem = true;
			return;
		}
		if (added)
			psc_view_heap(v, heap, heap_kinds[i % 4].pool,
				      heap_kinds[i % 4].paged, i / 4, 0,
				      false);
	}
}

static void read_special(struct psc_pool_view *v, uint64_t state,
			 struct psc_map *seen)
{
	struct psc_field f;
	PSC_ERROR_GUARD struct psc_error *err = psc_kernel_field(
		v->k, "_EX_POOL_HEAP_MANAGER_STATE.SpecialHeaps", &f);

	for (uint32_t i = 0; !err && i < PSC_MIN(f.count, 4u); i++) {
		uint64_t heap;
		bool added;

		if (psc_mem_read(psc_kernel_mem(v->k), state + f.offset + i * 8,
				 &heap, 8, NULL) != 8 || !heap)
			continue;
		if (psc_map_put(seen, heap, &added) && added)
			psc_view_heap(v, heap, PSC_POOL_SPECIAL, -1, 0, 0,
				      true);
	}
}

/** Address of the session's heap state: embedded, or pointed to. */
static struct psc_error *session_state(struct psc_pool_view *v,
				       const struct psc_space *s,
				       uint64_t *ret)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_field(
		v->k, "_MM_SESSION_SPACE.HeapState", &f);

	if (err)
		return err;
	*ret = s->session + f.offset;
	return f.cls == PSC_TYPE_POINTER
		? psc_mem_u64(s->mem, *ret, "HeapState", ret) : NULL;
}

/** Heaps of one session; kernels differ in which they have. */
static struct psc_error *read_session(struct psc_pool_view *v, uint16_t space,
				      uint64_t state)
{
	static const struct {
		const char *path;
		enum psc_pool_kind pool;
		int paged;
	} heaps[] = {
		{ "_EX_HEAP_SESSION_STATE.PagedHeap", PSC_POOL_SESSION, 1 },
		{ "_EX_HEAP_SESSION_STATE.SpecialPoolHeap", PSC_POOL_SPECIAL,
		  -1 },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(heaps); i++) {
		uint64_t heap = 0;
		struct psc_error *err = psc_view_get(
			v, v->spaces.v[space].mem, state, heaps[i].path,
			&heap);

		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		if (err)
			return err;
		if (heap)
			psc_view_heap(v, heap, heaps[i].pool, heaps[i].paged,
				      0, space,
				      heaps[i].pool == PSC_POOL_SPECIAL);
	}
	return NULL;
}

static void read_sessions(struct psc_pool_view *v)
{
	for (size_t i = 1; i < v->spaces.n; i++) {
		uint64_t state = 0;
		struct psc_error *err = session_state(v, &v->spaces.v[i],
						      &state);

		if (!err && state)	// 0: a session without a heap
			err = read_session(v, (uint16_t)i, state);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			return;
		if (err)
			psc_view_incomplete(v, "session heap", err);
	}
}

static struct psc_error *first_heap(struct psc_pool_view *v, uint64_t state,
				    unsigned int nodes, uint64_t *ret)
{
	struct psc_error *err = NULL;

	for (unsigned int i = 0; i < nodes * 4; i++) {
		psc_error_free(err);
		err = node_heap(v, state, i / 4, (i + 1) % 4, ret);
		if (!err && *ret)
			return NULL;
	}
	return err ? err : psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS,
					state, "ExPoolState names no heap");
}

static void choose_magic(struct psc_pool_view *v, uint64_t heap)
{
	struct psc_heap h = { .va = heap };
	struct psc_seg_context c = { 0 };
	PSC_ERROR_GUARD struct psc_error *err = read_context(v, &h, 0, &c);

	if (!err)
		psc_newest_magic(v, c.va, c.list);
}

struct psc_error *psc_view_segheap(struct psc_pool_view *v)
{
	PSC_CLEANUP(map_guard) struct psc_map seen = { 0 };
	uint64_t state, nodes, heap;
	struct psc_field f;
	struct psc_error *err;

	if ((err = psc_heap_layout_read(v->k, &v->layout)) ||
	    (err = psc_kernel_symbol(v->k, "ExPoolState", &state)) ||
	    (err = psc_kernel_get(v->k, state, "_EX_POOL_HEAP_MANAGER_STATE."
				  "NumberOfPools", &nodes)))
		return err;
	if (!nodes || nodes > MAX_NODES)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, state,
				    "ExPoolState says %" PRIu64 " pools",
				    nodes);
	v->info.newest = v->layout.newest;
	// Later kernels no longer look at the session flag (pool 4.6).
	v->session_apart = psc_kernel_family(v->k) <= PSC_LAST_SESSION_POOL;
	if (v->info.newest)
		psc_view_note(v, "this kernel's heap is read as far as it is "
			      "known: blocks that another processor freed "
			      "count as in use until they are merged");
	err = psc_kernel_field(v->k,
			       "_HEAP_LFH_AFFINITY_SLOT.ActiveSubsegment", &f);
	if (!err)
		v->slot_active = (unsigned int)f.offset;
	psc_error_free(err);
	if ((err = first_heap(v, state, (unsigned int)nodes, &heap)) ||
	    (err = find_keys(v, state, heap)) ||
	    (err = psc_view_lookasides(v, state, (unsigned int)nodes)))
		return err;
	choose_magic(v, heap);
	read_nodes(v, state, (unsigned int)nodes, &seen);
	read_special(v, state, &seen);
	read_sessions(v);
	psc_view_callbacks(v);
	psc_view_unlisted(v);
	if (v->info.newest && v->info.keys.has_lfh)
		psc_newest_lfh(v);
	return v->nomem ? &psc_nomem : NULL;
}
