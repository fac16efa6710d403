// SPDX-License-Identifier: MIT
// Was an update in flight? Other processors are stopped in the middle of what
// they do: a single contradiction behind a held lock proves nothing
// (pool 7.9, 4). Which lock guards what a rule compares, and is it held?
#include "analysis/check.h"
#include "base/bytes.h"
#include "base/cleanup.h"

/** Descriptors that are looked at when a header does not name its own. */
#define MAX_DESCRIPTORS 64u
/** PoolIndex in a pool header (pool 1.1). */
#define POOL_INDEX 1u

/** A lock word that is not 0: held, or waited for. */
static bool is_held(const struct psc_check *c, uint64_t va, const char *path)
{
	uint64_t word = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_get(c->a->kernel, va, path, &word);

	return !err && word;
}

/** The same of a global, of which only this much is known. */
static bool is_global_held(const struct psc_check *c, const char *name)
{
	uint64_t word = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_global(c->a->kernel, name, 4, &word);

	return !err && word;
}

// --- segment heaps -----------------------------------------------------------

static const char *segment_lock(const struct psc_check *c,
				const struct psc_fault *f,
				const struct psc_place *p)
{
	// Some rules name the context itself.
	uint64_t context = p->context ? p->context : f->va;

	return is_held(c, context, "_HEAP_SEG_CONTEXT.SegmentLock")
		? "the lock of its segment context" : NULL;
}

static const char *vs_lock(const struct psc_check *c,
			   const struct psc_place *p)
{
	uint64_t unit = p->unit.kind == PSC_UNIT_VS ? p->unit.va : 0;

	if (is_held(c, p->heap, "_SEGMENT_HEAP.VsContext.Lock"))
		return "the lock of its heap";
	return unit && is_held(c, unit, "_HEAP_VS_SUBSEGMENT.CommitLock")
		? "the commit lock of its subsegment" : NULL;
}

static const char *lfh_lock(const struct psc_check *c,
			    const struct psc_place *p)
{
	uint64_t owner = 0;

	if (is_held(c, p->unit.va, "_HEAP_LFH_SUBSEGMENT.CommitLock"))
		return "the commit lock of its subsegment";
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_get(c->a->kernel, p->unit.va,
			       "_HEAP_LFH_SUBSEGMENT.Owner", &owner);
	return !err && owner &&
			       is_held(c, owner,
				       "_HEAP_LFH_SUBSEGMENT_OWNER.Lock")
		? "the lock of its subsegment's owner" : NULL;
}

// --- classic pools -----------------------------------------------------------

/** Pool descriptor number @p i of a kind of pool (pool 2.1); 0 = none. */
static uint64_t descriptor(const struct psc_check *c, bool paged,
			   unsigned int i)
{
	uint64_t at, va = 0;
	struct psc_error *err = psc_kernel_symbol(
		c->a->kernel, paged ? "ExpPagedPoolDescriptor"
				    : "ExpNonPagedPoolDescriptor", &at);

	if (!err)
		err = psc_kernel_pointer(c->a->kernel, at + 8u * i,
					 "pool descriptor", &va);
	psc_error_free(err);
	// One node: only PoolVector points to its descriptor.
	if (!va && !i && !paged) {
		err = psc_kernel_symbol(c->a->kernel, "PoolVector", &at);
		if (!err)
			err = psc_kernel_pointer(c->a->kernel, at,
						 "PoolVector", &va);
		psc_error_free(err);
	}
	return va;
}

static bool is_descriptor_held(const struct psc_check *c, uint64_t va,
			       enum psc_pool_kind pool)
{
	uint64_t bytes;

	if (pool == PSC_POOL_PAGED)	// a mutex: held when it has an owner
		return is_held(c, va, "_POOL_DESCRIPTOR.PagedLock.Owner");
	// From 8 on executable pool has the second of a pair (pool 2.1).
	if (pool == PSC_POOL_NONPAGED && psc_kernel_family(c->a->kernel) >
						 7601) {
		PSC_ERROR_GUARD struct psc_error *err = psc_kernel_sizeof(
			c->a->kernel, "_POOL_DESCRIPTOR", &bytes);
		va += err ? 0 : bytes;
	}
	return is_held(c, va, "_POOL_DESCRIPTOR.NonPagedLock");
}

static const char *descriptor_lock(const struct psc_check *c,
				   const struct psc_fault *f)
{
	bool paged = f->pool == PSC_POOL_PAGED;
	uint8_t index = 0;

	if (!paged && f->pool != PSC_POOL_NONPAGED &&
	    f->pool != PSC_POOL_NONPAGED_NX)
		return NULL;
	if (psc_mem_read(psc_kernel_mem(c->a->kernel), f->va + POOL_INDEX,
			 &index, 1, NULL) != 1)
		return NULL;
	uint64_t own = index < MAX_DESCRIPTORS ? descriptor(c, paged, index)
					       : 0;
	bool held = own && is_descriptor_held(c, own, f->pool);
	// A PoolIndex that is wrong itself names nobody: then any will do.
	for (unsigned int i = 0; !own && !held && i < MAX_DESCRIPTORS; i++) {
		uint64_t va = descriptor(c, paged, i);

		held = va && is_descriptor_held(c, va, f->pool);
	}
	return held ? "the lock of its pool descriptor" : NULL;
}

const char *psc_check_lock(const struct psc_check *c,
			   const struct psc_fault *f)
{
	char group = psc_rule_info(f->rule)->name[0];
	struct psc_place p = { 0 };

	if (psc_pool_view_info(c->view)->partial)
		return NULL;
	if (group == 'B' || f->rule == PSC_S11)
		return is_global_held(c, "ExpLargePoolTableLock")
			? "the lock of the big-page table" : NULL;
	if (group == 'K')
		return is_global_held(c, "ExpTaggedPoolLock")
			? "the lock of the tag tables" : NULL;
	if (group == 'L')
		return descriptor_lock(c, f);
	psc_pool_locate(c->view, f->va, &p);
	if (group == 'S')
		return segment_lock(c, f, &p);
	if (!p.heap)
		return NULL;
	return group == 'F' ? lfh_lock(c, &p) : vs_lock(c, &p);
}
