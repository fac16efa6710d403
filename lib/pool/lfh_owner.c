// SPDX-License-Identifier: MIT
// Who hands out the blocks of an LFH subsegment: a slot or a bucket of its
// heap (pool 3.7). Only looked for in the heap when the stored pointer fails.
#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/lfh.h"
#include "pool/view_impl.h"

/** Low bits of ActiveSubsegment count the blocks a slot holds back. */
#define REF_MASK 0xfffu
/** Slots of a bucket that are looked at: one per processor group. */
#define MAX_SLOTS 256u
/** Classes in steps of 16 (pool 3.7); the pool uses no others. */
#define MAX_INDEX 0x40u

/** Class and lock-back of an owner. @return false when it cannot be read. */
static bool read_owner(const struct psc_worker *w, uint64_t owner, uint64_t va,
		       struct psc_lfh_owner *ret)
{
	struct psc_mem *m = w->mem[w->space];
	uint64_t active;
	uint8_t head[2];

	if (psc_mem_read(m, owner, head, 2, NULL) != 2)
		return false;
	// _HEAP_LFH_SUBSEGMENT_OWNER: IsBucket in bit 0, then BucketIndex.
	ret->class_bytes = head[1] <= MAX_INDEX ? head[1] * 16u : 0;
	ret->refs = 0;
	if (head[0] & 1 || !w->v->slot_active)
		return head[0] & 1;
	if (psc_mem_read(m, owner + w->v->slot_active, &active, 8, NULL) != 8)
		return false;
	if ((active & ~(uint64_t)REF_MASK) == va)
		ret->refs = (uint32_t)(active & REF_MASK);
	return true;
}

/** The heap's bucket for a block size; 0 = none, or it cannot be read. */
static uint64_t bucket_of(const struct psc_worker *w, uint64_t va,
			  uint32_t block_bytes)
{
	const struct psc_segment_ref *s = psc_view_segment_at(w->v, va);
	uint64_t at = 0, bucket;
	PSC_ERROR_GUARD struct psc_error *err = psc_view_offset(
		w->v, "_SEGMENT_HEAP.LfhContext.Buckets", &at);

	if (err || !s || block_bytes / 16 > MAX_INDEX)
		return 0;
	at += w->v->heaps.v[s->heap].va + block_bytes / 16 * 8;
	// Bit 0: the class is not in use.
	return psc_mem_read(w->mem[w->space], at, &bucket, 8, NULL) == 8 &&
	       !(bucket & 1) && psc_mem_is_kernel_va(w->mem[w->space], bucket)
		? bucket : 0;
}

/** What @p owner should be: one bit from a true owner, or it is one. */
static uint64_t true_owner(const struct psc_worker *w, uint64_t bucket,
			   uint64_t owner)
{
	struct psc_mem *m = w->mem[w->space];
	uint64_t at = 0, slots = 0, slot = bucket;
	PSC_ERROR_GUARD struct psc_error *err = psc_view_offset(
		w->v, "_HEAP_LFH_BUCKET.AffinitySlots", &at);
	bool more = !err && psc_mem_read(m, bucket + at, &slots, 8, NULL) == 8;

	for (unsigned int i = 0; i <= MAX_SLOTS; i++) {
		if (__builtin_popcountll(slot ^ owner) <= 1)
			return slot;
		if (!more || psc_mem_read(m, slots + 8 * i, &slot, 8, NULL) !=
				     8 ||
		    !psc_mem_is_kernel_va(m, slot))
			return 0;
	}
	return 0;
}

void psc_lfh_find_owner(void *ctx, const struct psc_lfh_header *h, uint64_t va,
			struct psc_lfh_owner *ret)
{
	const struct psc_worker *w = ctx;

	*ret = (struct psc_lfh_owner){ 0 };
	if (!h->owner)		// the newest kernels have none
		return;
	ret->known = psc_mem_is_kernel_va(w->mem[w->space], h->owner) &&
		     read_owner(w, h->owner, va, ret);
	if (ret->known && ret->class_bytes == h->block_bytes)
		return;
	uint64_t bucket = bucket_of(w, va, h->block_bytes);
	ret->owner = bucket ? true_owner(w, bucket, h->owner) : 0;
	if (ret->owner && ret->owner != h->owner)
		ret->known = read_owner(w, ret->owner, va, ret);
}
