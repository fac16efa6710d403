// SPDX-License-Identifier: MIT
/** @file
 * Low-fragmentation subsegments (pool 3.7): geometry, bitmaps, encoded
 * offsets, buckets and slots.
 */
#include <stdlib.h>

#include "segheap.h"

#define HEADER 0x30u		// up to 22631
#define HEADER_NEW 0x40u	// 26100
#define NOT_ACTIVE 1u		// in Buckets[]

static uint32_t round_up(uint32_t v, uint32_t to)
{
	return (v + to - 1) / to * to;
}

// Largest N whose bitmap and commit words still leave room for N blocks.
static void geometry(struct sg_lfh *l, bool new_layout)
{
	uint32_t bytes = l->pages * MK_PAGE, n = bytes / l->block;
	uint32_t per_block = new_layout ? 1 : 2;
	bool power = !(l->block & (l->block - 1));

	for (;; n--) {
		l->commit_off = (new_layout ? HEADER_NEW : HEADER) +
			8 * ((per_block * n + 63) / 64);
		l->first = round_up(l->commit_off + 2 * l->pages, 0x10);
		if (power && l->pages > 1)
			l->first = round_up(l->first, l->block);
		if (l->first + n * l->block <= bytes)
			break;
	}
	l->n = n;
}

static struct sg_lfh *lfh_new(struct mk *m, struct sg_heap *h, uint32_t block)
{
	struct sg_lfh l = { .block = block };
	uint32_t same = h->made[block / SG_UNIT]++;

	// A bucket's subsegments grow: one page, then two, then four.
	l.pages = same == 0 && block <= 0x100 ? 1 : same < 2 ? 2 : 4;
	geometry(&l, segheap(m)->new_layout);
	l.va = sg_range_new(m, h, SG_LFH, l.pages, 0, true);
	l.got = mk_calloc(l.n, sizeof(*l.got));
	l.busy = mk_calloc(l.n, 1);
	l.withheld = mk_calloc(l.n, 1);
	for (uint32_t i = 0; i < l.n; i++) {
		uint32_t off = (l.first + i * block) & 0xfff;
		l.got[i] = SG_NO_GOT;
		l.withheld[i] = off + block > MK_PAGE;
		l.free += !l.withheld[i];
	}
	if (!psc_vec_push(&h->lfh, l))
		mk_fail(m, "out of memory");
	return &h->lfh.v[h->lfh.n - 1];
}

void sg_lfh_alloc(struct mk *m, struct sg_heap *h, struct mk_got *g,
		  uint32_t total)
{
	uint32_t *open = &h->open[total / SG_UNIT];
	struct sg_lfh *l = *open ? &h->lfh.v[*open - 1] : NULL;

	if (!l || !l->free)
		l = lfh_new(m, h, total);
	*open = (uint32_t)(l - h->lfh.v) + 1;
	// The LFH hands out a random free block.
	uint32_t i = (uint32_t)mk_random_below(&m->pool->rng, l->n);
	if (m->pool->in_order)
		i = 0;
	while (l->busy[i] || l->withheld[i])
		i = (i + 1) % l->n;
	l->busy[i] = 1;
	l->free--;
	l->got[i] = (uint32_t)(g - m->pool->got.v);
	g->kind = "lfh";
	g->va = l->va + l->first + i * l->block;
	g->page = (uint32_t)(l - h->lfh.v);
}

// The LFH keeps nothing: what is cached elsewhere is free here.
void sg_lfh_free(struct mk *m, struct sg_heap *h, struct mk_got *g)
{
	struct sg_lfh *l = &h->lfh.v[g->page];
	uint32_t i = (uint32_t)(g->va - l->va - l->first) / l->block;

	g->state = MK_GOT_FREED;
	l->busy[i] = 0;
	l->free++;
}

// --- memory ------------------------------------------------------------------

static void write_bitmap(struct mk *m, const struct sg_lfh *l, uint32_t at)
{
	bool one_bit = segheap(m)->new_layout;
	uint32_t per_block = one_bit ? 1 : 2;
	uint32_t words = (per_block * l->n + 63) / 64;

	for (uint32_t w = 0; w < words; w++) {
		uint64_t bits = 0;
		for (uint32_t b = 0; b < 64; b += per_block) {
			uint32_t i = (w * 64 + b) / per_block;
			uint64_t all = one_bit ? 1 : 3;
			if (i >= l->n)	// bits past the last block are set
				bits |= all << b;
			else if (l->busy[i] || l->withheld[i])
				bits |= 1ull << b;
		}
		mk_write64(m, l->va + at + 8 * w, bits);
	}
}

// One u16 per page: busy blocks that begin in it, + 1 in the first.
static void write_commit_state(struct mk *m, const struct sg_lfh *l)
{
	uint16_t count[8] = { 1 };

	for (uint32_t i = 0; i < l->n && l->pages > 1; i++) {
		if (l->busy[i])
			count[(l->first + i * l->block) >> 12]++;
	}
	mk_write(m, l->va + l->commit_off, count, 2 * l->pages);
}

static void write_blocks(struct mk *m, const struct sg_lfh *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		// Freed blocks keep their header: their last owner wrote it.
		if (l->got[i] != SG_NO_GOT)
			sg_block_write(m, &m->pool->got.v[l->got[i]],
				       l->va + l->first + i * l->block,
				       l->block);
	}
}

static void write_header(struct mk *m, const struct sg_lfh *l,
			 uint32_t free_count)
{
	uint64_t va = l->va;
	uint32_t k = segheap(m)->new_layout ? (uint32_t)(va >> 12)
					    : (uint32_t)va >> 12;
	uint32_t withheld = 0;

	for (uint32_t i = 0; i < l->n; i++)
		withheld += l->withheld[i];
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.FreeCount", free_count);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.BlockCount", l->n - withheld);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.WitheldBlockCount", withheld);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.CommitUnitShift", 12);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.CommitUnitCount", l->pages);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.CommitStateOffset",
		 l->commit_off);
	mk_field(m, va, "_HEAP_LFH_SUBSEGMENT.BlockOffsets.EncodedData",
		 (l->first << 16 | l->block) ^ (uint32_t)segheap(m)->lfh_key ^ k);
	mk_field_opt(m, va, "_HEAP_LFH_SUBSEGMENT.Location", !free_count);
	mk_field_opt(m, va, "_HEAP_LFH_SUBSEGMENT.State.Location", !free_count);
}

struct bucket {
	uint64_t va, slot;
	uint64_t blocks, subsegments;
};

static void owner_init(struct mk *m, uint64_t owner, bool is_bucket,
		       uint32_t index)
{
	mk_field(m, owner, "_HEAP_LFH_SUBSEGMENT_OWNER.IsBucket", is_bucket);
	// 26100 shares the byte: the index then carries the bit.
	if (!segheap(m)->new_layout)
		mk_field(m, owner, "_HEAP_LFH_SUBSEGMENT_OWNER.BucketIndex",
			 index);
	mk_list_init(m, owner + mk_offset(m,
		     "_HEAP_LFH_SUBSEGMENT_OWNER.AvailableSubsegmentList"));
	mk_list_init(m, owner + mk_offset(m,
		     "_HEAP_LFH_SUBSEGMENT_OWNER.FullSubsegmentList"));
}

static struct bucket bucket_new(struct mk *m, const struct sg_heap *h,
				uint32_t index)
{
	struct bucket b = {
		.va = mk_alloc(m, MK_NONPAGED, mk_sizeof(m, "_HEAP_LFH_BUCKET")),
		.slot = mk_alloc(m, MK_NONPAGED,
				 mk_sizeof(m, "_HEAP_LFH_AFFINITY_SLOT")),
	};

	owner_init(m, b.va, true, index);
	owner_init(m, b.slot, false, index);
	if (mk_has(m, "_HEAP_LFH_BUCKET.AffinitySlots")) {
		uint64_t slots = mk_alloc(m, MK_NONPAGED, 8);
		mk_write64(m, slots, b.slot);
		mk_field(m, b.va, "_HEAP_LFH_BUCKET.AffinitySlots", slots);
	}
	mk_write64(m, sg_heap_member(m, h, "LfhContext.Buckets") + 8 * index,
		   b.va);
	return b;
}

/*
 * The newest subsegment of a bucket is the slot's active one: some of its free
 * blocks are handed to the slot and no longer in FreeCount (pool 3.7).
 */
static void write_subsegment(struct mk *m, const struct sg_lfh *l,
			     struct bucket *b, bool active)
{
	uint32_t handed = active ? PSC_MIN(l->free, 3u) : 0;
	uint32_t free_count = l->free - handed;
	uint64_t owner = active ? b->slot : b->va;

	write_header(m, l, free_count);
	write_bitmap(m, l, segheap(m)->new_layout ? HEADER_NEW : HEADER);
	write_commit_state(m, l);
	write_blocks(m, l);
	mk_list_append(m, owner + mk_offset(m, free_count
		? "_HEAP_LFH_SUBSEGMENT_OWNER.AvailableSubsegmentList"
		: "_HEAP_LFH_SUBSEGMENT_OWNER.FullSubsegmentList"), l->va);
	if (!segheap(m)->new_layout)
		mk_field(m, l->va, "_HEAP_LFH_SUBSEGMENT.Owner", owner);
	if (active)
		mk_write64(m, b->slot + mk_offset(m,
			   "_HEAP_LFH_AFFINITY_SLOT.ActiveSubsegment"),
			   l->va | handed);
	b->blocks += l->n;
	b->subsegments++;
}

void sg_lfh_write(struct mk *m, struct sg_heap *h)
{
	uint64_t buckets = sg_heap_member(m, h, "LfhContext.Buckets");
	struct bucket b[SG_BUCKETS + 1] = { 0 };

	for (unsigned int i = 0; i < (segheap(m)->new_layout ? 128u : 129u); i++)
		mk_write64(m, buckets + 8 * i, NOT_ACTIVE);
	for (size_t i = 0; i < h->lfh.n; i++) {
		const struct sg_lfh *l = &h->lfh.v[i];
		uint32_t index = l->block / SG_UNIT;
		if (!b[index].va)
			b[index] = bucket_new(m, h, index);
		write_subsegment(m, l, &b[index], h->open[index] == i + 1);
	}
	for (uint32_t i = 0; i <= SG_BUCKETS; i++) {
		if (!b[i].va)
			continue;
		mk_field(m, b[i].va, "_HEAP_LFH_BUCKET.TotalBlockCount",
			 b[i].blocks);
		mk_field(m, b[i].va, "_HEAP_LFH_BUCKET.TotalSubsegmentCount",
			 b[i].subsegments);
	}
}
