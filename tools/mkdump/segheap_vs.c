// SPDX-License-Identifier: MIT
/** @file
 * Variable-size subsegments (pool 3.6): where chunks may lie, and their
 * encoded headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "late.h"
#include "segheap.h"

#define VS_BYTES 0x10000u
#define VS_FIRST 0x30u		// first chunk: header padded
#define VS_MAGIC 0x2bedu
/** A chunk that crosses a page starts here (pool 3.6). */
#define CROSSING 0xfe0u
#define DELAY_MAX 0x200u	// larger cached blocks sit on a lookaside

static struct sg_vs *vs_new(struct mk *m, struct sg_heap *h)
{
	struct sg_vs vs = { .bytes = VS_BYTES, .next = VS_FIRST };

	vs.va = sg_range_new(m, h, SG_VS, VS_BYTES / MK_PAGE, 0, true);
	if (!psc_vec_push(&h->vs, vs))
		mk_fail(m, "out of memory");
	return &h->vs.v[h->vs.n - 1];
}

static struct sg_chunk *push(struct mk *m, struct sg_vs *vs, struct sg_chunk c)
{
	c.off = vs->next;
	vs->next += c.units * SG_UNIT;
	if (!psc_vec_push(&vs->chunks, c))
		mk_fail(m, "out of memory");
	return &vs->chunks.v[vs->chunks.n - 1];
}

// Place a chunk of 0x10 + bytes. @return NULL: the subsegment is full.
static struct sg_chunk *place(struct mk *m, struct sg_vs *vs, uint32_t bytes)
{
	uint32_t in_page = vs->next & 0xfff, units = bytes / SG_UNIT + 1;

	if (vs->next + 2 * MK_PAGE > vs->bytes)
		return NULL;
	if (in_page + SG_UNIT + bytes > MK_PAGE) {
		// No block crosses a page: a free chunk up to 0xfe0, from
		// where the header moves to the next page.
		if (in_page < CROSSING) {
			struct sg_chunk gap = {
				.units = (CROSSING - in_page) / SG_UNIT,
				.state = SG_FREE, .got = SG_NO_GOT,
			};
			push(m, vs, gap);
		}
		units++;	// the unit at 0xff0 is skipped
	}
	struct sg_chunk *c = push(m, vs, (struct sg_chunk){ .units = units });
	// A rest of one unit cannot be a chunk: it is slack of this one.
	in_page = vs->next & 0xfff;
	if (in_page == CROSSING - SG_UNIT || in_page == CROSSING + SG_UNIT) {
		c->slack = 1;
		c->units++;
		vs->next += SG_UNIT;
	}
	return c;
}

static struct sg_chunk *chunk_new(struct mk *m, struct sg_heap *h,
				  uint32_t bytes, struct sg_vs **owner)
{
	struct sg_chunk *c = NULL;

	if (h->vs.n) {
		*owner = &h->vs.v[h->vs.n - 1];
		c = place(m, *owner, bytes);
	}
	if (!c) {
		*owner = vs_new(m, h);
		c = place(m, *owner, bytes);
	}
	return c;
}

// Where the pool header of a chunk of this offset and size lies.
static uint64_t header_of(const struct sg_vs *vs, const struct sg_chunk *c)
{
	bool crosses = (c->off & 0xfff) + c->units * SG_UNIT > MK_PAGE;

	return vs->va + c->off + (crosses ? 2 * SG_UNIT : SG_UNIT);
}

void sg_vs_alloc(struct mk *m, struct sg_heap *h, struct mk_got *g,
		 uint32_t total)
{
	struct sg_vs *vs;
	struct sg_chunk *c = chunk_new(m, h, total, &vs);

	c->got = (uint32_t)(g - m->pool->got.v);
	g->kind = "vs";
	g->va = header_of(vs, c);
	g->page = (uint32_t)(vs - h->vs.v);
}

uint64_t sg_vs_meta(struct mk *m, struct sg_heap *h, uint32_t bytes)
{
	struct sg_vs *vs;
	struct sg_chunk *c = chunk_new(m, h, (bytes + 15) & ~15u, &vs);

	c->state = SG_META;
	c->got = (uint32_t)((c->units - c->slack) * SG_UNIT - SG_UNIT - bytes);
	return header_of(vs, c);
}

static void remove_chunk(struct sg_vs *vs, size_t i)
{
	memmove(&vs->chunks.v[i], &vs->chunks.v[i + 1],
		(vs->chunks.n - i - 1) * sizeof(*vs->chunks.v));
	vs->chunks.n--;
}

static void coalesce(struct sg_vs *vs, size_t i)
{
	struct sg_chunk *c = vs->chunks.v;

	c[i].state = SG_FREE;
	c[i].slack = 0;
	c[i].got = SG_NO_GOT;
	if (i + 1 < vs->chunks.n && c[i + 1].state == SG_FREE) {
		c[i].units += c[i + 1].units;
		remove_chunk(vs, i + 1);
	}
	if (i && c[i - 1].state == SG_FREE) {
		c[i - 1].units += c[i].units;
		remove_chunk(vs, i);
	}
}

void sg_vs_free(struct mk *m, struct sg_heap *h, struct mk_got *g)
{
	struct sg_vs *vs = &h->vs.v[g->page];
	uint32_t id = (uint32_t)(g - m->pool->got.v);
	bool has_lookaside = h->kind == MK_POOL_NX || h->kind == MK_POOL_PAGED;

	for (size_t i = 0; i < vs->chunks.n; i++) {
		struct sg_chunk *c = &vs->chunks.v[i];
		if (c->got != id || c->state != SG_USED)
			continue;
		if (g->state == MK_GOT_FREED)
			coalesce(vs, i);
		else
			c->state = g->bytes > DELAY_MAX && has_lookaside
				? SG_LOOKASIDE : SG_DELAYED;
		return;
	}
	mk_fail(m, "internal: freed block is in no VS subsegment");
}

// --- memory ------------------------------------------------------------------

static uint64_t member(struct mk *m, const struct sg_heap *h, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "VsContext.%s", name);
	return sg_heap_member(m, h, path);
}

struct vs_lists {
	uint64_t tree, list, delay;
	uint16_t slot_ref;
};

/*
 * The lists of a heap's VS context. 26100 moved them to a slot that the
 * context names in units of 0x40 bytes (pool 3.13).
 */
static struct vs_lists vs_lists(struct mk *m, const struct sg_heap *h)
{
	uint64_t ctx = sg_heap_member(m, h, "VsContext");

	if (!segheap(m)->new_layout)
		return (struct vs_lists){
			.tree = member(m, h, "FreeChunkTree"),
			.list = member(m, h, "SubsegmentList"),
			.delay = member(m, h, "DelayFreeContext"),
		};
	// Behind the heap itself, so that the reference reaches it.
	uint64_t room = h->va + mk_sizeof(m, "_SEGMENT_HEAP");
	uint64_t slot = room + (0x40 - (room - ctx) % 0x40) % 0x40;
	uint16_t ref = (uint16_t)((slot - ctx) / 0x40);

	if (slot < ctx || (slot - ctx) / 0x40 > UINT16_MAX)
		mk_fail(m, "internal: VS slot out of reach");
	mk_field(m, h->va, "_SEGMENT_HEAP.VsContext.SlotMapRef", ref);
	mk_field(m, slot, "_HEAP_VS_AFFINITY_SLOT.VsContext", ctx);
	return (struct vs_lists){
		.tree = slot + mk_offset(m, "_HEAP_VS_AFFINITY_SLOT.FreeChunkTree"),
		.list = slot + mk_offset(m, "_HEAP_VS_AFFINITY_SLOT.SubsegmentList"),
		.delay = slot +
			mk_offset(m, "_HEAP_VS_AFFINITY_SLOT.DelayFreeContext"),
		.slot_ref = ref,
	};
}

static void write_chunk_header(struct mk *m, const struct sg_vs *vs,
			       const struct sg_chunk *c, uint32_t previous)
{
	uint64_t va = vs->va + c->off, key = segheap(m)->key;
	uint64_t end = c->off + c->units * SG_UNIT - 1;
	bool free = c->state == SG_FREE;
	uint64_t cost = free ? (end >> 12) - (c->off >> 12) : 0;
	uint64_t plain = cost | (uint64_t)c->units << 16 |
			 (uint64_t)previous << 32 | (uint64_t)!free << 48;
	// A metadata chunk's slack is in bytes, a block's in whole units.
	uint16_t slack = c->state == SG_META ? (uint16_t)c->got
					     : (uint16_t)(c->slack * SG_UNIT);

	mk_write64(m, va, plain ^ key ^ va);
	if (free)
		return;
	if (c->state == SG_META && c->slack)
		slack = (uint16_t)(slack + SG_UNIT);
	uint32_t word = (uint32_t)(((c->off >> 12) ^ va ^ key) & 0xff);
	mk_write32(m, va + 8, word | (slack ? 0x100u : 0));
	if (slack)
		mk_write(m, vs->va + end - 1, &slack, 2);
}

static void slist_push(struct mk *m, uint64_t head, uint64_t entry)
{
	uint64_t depth = mk_read64(m, head);

	mk_write64(m, entry, mk_read64(m, head + 8) & ~15ull);
	mk_write64(m, head, (depth & ~0xffffull) | ((depth + 1) & 0xffff));
	mk_write64(m, head + 8, entry);
}

// Bucket of the dynamic lookaside: LFH class - 33 (pool 3.12).
static uint64_t lookaside(struct mk *m, const struct sg_heap *h, uint32_t bytes)
{
	unsigned int b = bytes <= 0x400 ? bytes / 0x10
		: bytes <= 0x800 ? 64 + (bytes - 0x400) / 0x40
		: 80 + (bytes - 0x800) / 0x80;
	char path[96];

	snprintf(path, sizeof(path),
		 "_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0].Lookasides[%d]",
		 h->kind == MK_POOL_NX);
	uint64_t dyn = mk_symbol(m, "ExPoolState") + mk_offset(m, path);
	mk_field(m, dyn, "_RTL_DYNAMIC_LOOKASIDE.BucketCount", 63);
	mk_field(m, dyn, "_RTL_DYNAMIC_LOOKASIDE.ActiveBucketCount", 16);
	uint64_t bitmap = dyn + mk_offset(m,
			"_RTL_DYNAMIC_LOOKASIDE.EnabledBucketBitmap");
	mk_write64(m, bitmap, mk_read64(m, bitmap) | 1ull << (b - 33));
	snprintf(path, sizeof(path), "_RTL_DYNAMIC_LOOKASIDE.Buckets[%u]",
		 b - 33);
	return dyn + mk_offset(m, path);
}

static void write_chunk(struct mk *m, const struct sg_heap *h,
			const struct sg_vs *vs, const struct sg_chunk *c,
			const struct vs_lists *lists)
{
	const struct mk_got *g;
	uint64_t header = header_of(vs, c);

	if (c->state == SG_FREE || c->state == SG_META)
		return;
	g = &m->pool->got.v[c->got];
	sg_block_write(m, g, header, (uint32_t)g->bytes);
	if (c->state == SG_DELAYED)
		slist_push(m, lists->delay, vs->va + c->off + SG_UNIT);
	else if (c->state == SG_LOOKASIDE)
		slist_push(m, lookaside(m, h, (uint32_t)g->bytes), header);
}

static void write_subsegment(struct mk *m, const struct sg_heap *h,
			     struct sg_vs *vs, const struct vs_lists *lists)
{
	uint32_t size = (vs->bytes - VS_FIRST) / SG_UNIT, previous = 0;

	// What was never handed out is one free chunk, joined with a free one
	// before it.
	if (vs->next < vs->bytes) {
		struct sg_chunk rest = {
			.units = (vs->bytes - vs->next) / SG_UNIT,
			.state = SG_FREE, .got = SG_NO_GOT,
		};
		push(m, vs, rest);
		coalesce(vs, vs->chunks.n - 1);
	}
	mk_field(m, vs->va, "_HEAP_VS_SUBSEGMENT.CommitBitmap",
		 (1ull << vs->bytes / MK_PAGE) - 1);
	mk_field(m, vs->va, "_HEAP_VS_SUBSEGMENT.Size", size);
	mk_field(m, vs->va, "_HEAP_VS_SUBSEGMENT.Signature",
		 (size ^ VS_MAGIC) & 0x7fff);
	mk_field_opt(m, vs->va, "_HEAP_VS_SUBSEGMENT.OwnerSlotRef",
		     lists->slot_ref);
	for (size_t i = 0; i < vs->chunks.n; i++) {
		const struct sg_chunk *c = &vs->chunks.v[i];
		write_chunk(m, h, vs, c, lists);
		write_chunk_header(m, vs, c, previous);
		previous = c->units;
	}
}

struct free_node {
	uint64_t node;
	uint32_t units;
};

static int by_size(const void *a, const void *b)
{
	const struct free_node *x = a, *y = b;

	if (x->units != y->units)
		return x->units < y->units ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

// Free chunks by size: the tree's nodes lie at chunk + 8.
static void write_free_tree(struct mk *m, const struct sg_heap *h,
			    uint64_t tree)
{
	PSC_VEC(struct free_node) found = { 0 };

	for (size_t i = 0; i < h->vs.n; i++) {
		const struct sg_vs *vs = &h->vs.v[i];
		for (size_t j = 0; j < vs->chunks.n; j++) {
			const struct sg_chunk *c = &vs->chunks.v[j];
			struct free_node f = { vs->va + c->off + 8, c->units };
			if (c->state == SG_FREE && !psc_vec_push(&found, f))
				mk_fail(m, "out of memory");
		}
	}
	if (found.n)
		qsort(found.v, found.n, sizeof(*found.v), by_size);
	uint64_t *nodes = mk_calloc(found.n + 1, sizeof(*nodes));
	for (size_t i = 0; i < found.n; i++)
		nodes[i] = found.v[i].node;
	sg_tree_write(m, tree, nodes, found.n);
	free(nodes);
	psc_vec_free(&found);
}

// List links are stored XORed with the address of their LIST_ENTRY.
static void encode_list(struct mk *m, uint64_t head)
{
	uint64_t at = head;

	do {
		uint64_t next = mk_read64(m, at), back = mk_read64(m, at + 8);
		mk_write64(m, at, next ^ at);
		mk_write64(m, at + 8, back ^ at);
		at = next;
	} while (at != head);
}

// A chunk header written anew, as a broken allocator would (`chunk`).
static void rewrite_chunk(struct mk *m, struct mk_args *a)
{
	uint64_t va = mk_expr(m, mk_word(a, 0));
	uint64_t units = mk_key_num(a, "size", 0);
	uint64_t previous = mk_key_num(a, "previous", 0);
	bool free = mk_flag(a, "free");
	uint64_t cost = free ? ((va + units * SG_UNIT - 1) >> 12) - (va >> 12)
			     : 0;

	mk_write64(m, va, (cost | units << 16 | previous << 32 |
			   (uint64_t)!free << 48) ^
		       mk_read64(m, mk_symbol(m, "RtlpHpHeapGlobals")) ^ va);
}

void mk_do_chunk(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, rewrite_chunk);
}

void sg_vs_write(struct mk *m, struct sg_heap *h)
{
	struct vs_lists lists = vs_lists(m, h);

	mk_list_init(m, lists.list);
	for (size_t i = 0; i < h->vs.n; i++) {
		mk_list_append(m, lists.list, h->vs.v[i].va);
		write_subsegment(m, h, &h->vs.v[i], &lists);
	}
	encode_list(m, lists.list);
	write_free_tree(m, h, lists.tree);
	mk_field(m, h->va, "_SEGMENT_HEAP.VsContext.TotalCommittedUnits",
		 h->vs.n * (VS_BYTES / MK_PAGE));
}
