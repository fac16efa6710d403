// SPDX-License-Identifier: MIT
#include "pool/links.h"

#include "base/bytes.h"

/** Links lie behind the header, in list entries and in nodes (pool 2.3). */
#define LIST_AT 0x10u
/** A tree node begins behind the first half of the chunk header (pool 3.6). */
#define NODE_AT 8u
#define CHUNK_BACK 0x10u
/** Byte of a chunk header that says allocated (pool 3.6). */
#define ALLOCATED_AT 6u
/** Colour of a node, in the low bits of its parent's address. */
#define COLOUR UINT64_C(7)
#define SCRAP 0x10u		/**< Blocks of one unit are on no list. */

static void fault(struct psc_links *l, const struct psc_block *b,
		  enum psc_rule rule, uint64_t va, uint64_t field,
		  uint64_t expected, uint64_t found, unsigned int bits)
{
	l->st->faults++;
	if (!l->to->fault)
		return;
	l->to->fault(l->to->ctx, &(struct psc_fault){
		.rule = rule, .va = va, .field_va = field, .bits = bits,
		.expected = expected, .found = found, .tag = b->tag,
		.pool = b->pool, .owner = b->owner });
}

static bool read_u64(struct psc_links *l, uint64_t va, uint64_t *v)
{
	return psc_mem_read(l->mem, va, v, 8, NULL) == 8;
}

/**
 * Two ends of a link disagree: is it this end that is wrong? Not when the
 * other is a free block that no neighbour agrees with: it is told there.
 */
static bool mine_is_wrong(struct psc_links *l, uint64_t target, uint64_t back,
			  unsigned int i)
{
	uint8_t h[8];
	uint64_t forth;

	if (psc_mem_read(l->mem, target - LIST_AT, h, sizeof(h), NULL) !=
		    sizeof(h) ||
	    h[3] || h[2] < 2)
		return true;	// not a free block at all
	return psc_mem_is_kernel_va(l->mem, back) &&
	       read_u64(l, back + i * 8, &forth) && forth == target;
}

/**
 * Flink and Blink of a free classic block: addresses of the kernel (L9) that
 * point back (L10). A link that is one bit from one that does is repaired.
 */
static void check_list(struct psc_links *l, const struct psc_block *b)
{
	uint64_t entry = b->va + LIST_AT;

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t field = entry + i * 8, link, back;

		if (!read_u64(l, field, &link))
			return;
		if (!psc_mem_is_kernel_va(l->mem, link) || link & 7) {
			fault(l, b, PSC_L9, b->va, field, 0, link, 0);
			continue;
		}
		// A page that is not there cannot tell.
		if (read_u64(l, link + (i ? 0 : 8), &back) && back != entry &&
		    mine_is_wrong(l, link, back, i))
			fault(l, b, PSC_L10, b->va, field, entry, back, 64);
	}
}

static bool is_link(const struct psc_links *l, uint64_t v)
{
	return !v || psc_mem_is_kernel_va(l->mem, v);
}

/** Node at @p va: its links and its parent. */
static bool read_node(struct psc_links *l, uint64_t va, uint64_t n[3])
{
	return psc_mem_is_kernel_va(l->mem, va) &&
	       psc_mem_read(l->mem, va, n, 3 * sizeof(*n), NULL) ==
		       3 * sizeof(*n);
}

/**
 * The node one bit away from @p v that agrees: as a child (@p up false) its
 * parent is @p node, as a parent it has @p node as a child. @return 0 = none.
 */
static uint64_t true_link(struct psc_links *l, uint64_t node, uint64_t v,
			  bool up)
{
	uint64_t n[3];

	for (unsigned int i = 0; i < 64; i++) {
		uint64_t x = v ^ UINT64_C(1) << i;

		if (x & COLOUR || !read_node(l, x, n))
			continue;
		if (up ? n[0] == node || n[1] == node
		       : (n[2] & ~COLOUR) == node)
			return x;
	}
	return 0;
}

/** V9 at the chunk of @p node, in one of its words. */
static void node_fault(struct psc_links *l, const struct psc_block *b,
		       uint64_t node, unsigned int word, uint64_t expected,
		       uint64_t found)
{
	l->st->faults++;
	if (!l->to->fault)
		return;
	l->to->fault(l->to->ctx, &(struct psc_fault){
		.rule = PSC_V9, .va = node - NODE_AT,
		.field_va = node + word * 8, .bits = expected ? 64 : 0,
		.expected = expected, .found = found, .tag = b->tag,
		.pool = b->pool, .owner = b->owner, .repaired = expected });
}

/** The parent of a free chunk's node has it as a child. */
static void check_parent(struct psc_links *l, const struct psc_block *b,
			 uint64_t node, uint64_t value)
{
	uint64_t parent = value & ~COLOUR, p[3], want;

	if (!parent)
		return;		// the root, or not yet in the tree
	if (read_node(l, parent, p)) {
		// A parent that is damaged itself is told there.
		if (!is_link(l, p[0]) || !is_link(l, p[1]) || p[0] == node ||
		    p[1] == node)
			return;
		for (unsigned int i = 0; i < 2; i++) {
			if (__builtin_popcountll(p[i] ^ node) != 1)
				continue;
			node_fault(l, b, parent, i, node, p[i]);
			return;
		}
	}
	want = true_link(l, node, parent, true);
	// A page that is not there cannot tell.
	if (!want && psc_mem_is_kernel_va(l->mem, parent) &&
	    !read_node(l, parent, p))
		return;
	node_fault(l, b, node, 2, want ? want | (value & COLOUR) : 0, value);
}

static void check_node(struct psc_links *l, const struct psc_block *b)
{
	uint64_t node = b->va - CHUNK_BACK + NODE_AT, n[3];

	if (!read_node(l, node, n))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		if (n[i] && !psc_mem_is_kernel_va(l->mem, n[i]))
			node_fault(l, b, node, i,
				   true_link(l, node, n[i], false), n[i]);
	}
	check_parent(l, b, node, n[2]);
}

/**
 * A chunk that says allocated, without a pool header, is cached, unless the
 * tree of free chunks has it: then the bit that says so is wrong.
 */
static void check_cached(struct psc_links *l, const struct psc_block *b)
{
	uint64_t node = b->va - CHUNK_BACK + NODE_AT, n[3], p[3];

	if (!read_node(l, node, n) || !is_link(l, n[0]) || !is_link(l, n[1]) ||
	    !read_node(l, n[2] & ~COLOUR, p) || (p[0] != node && p[1] != node))
		return;
	l->st->faults++;
	if (l->to->fault)
		l->to->fault(l->to->ctx, &(struct psc_fault){
			.rule = PSC_V2, .va = node - NODE_AT,
			.field_va = node - NODE_AT + ALLOCATED_AT, .bits = 8,
			.expected = 0, .found = 1, .pool = b->pool,
			.owner = b->owner, .repaired = true });
}

static void block(void *ctx, const struct psc_block *b)
{
	struct psc_links *l = ctx;

	if (l->to->block)
		l->to->block(l->to->ctx, b);
	if (b->state == PSC_BLOCK_CACHED && b->owner == PSC_OWNER_VS &&
	    !b->has_header)
		check_cached(l, b);
	if (b->state != PSC_BLOCK_FREE)
		return;
	if (b->owner == PSC_OWNER_CHAIN && b->bytes > SCRAP)
		check_list(l, b);
	else if (b->owner == PSC_OWNER_VS)
		check_node(l, b);
}

static void pass_fault(void *ctx, const struct psc_fault *f)
{
	struct psc_links *l = ctx;

	if (l->to->fault)
		l->to->fault(l->to->ctx, f);
}

struct psc_sink psc_links_sink(struct psc_links *l)
{
	return (struct psc_sink){ .ctx = l, .block = block,
				  .fault = pass_fault, .stop = l->to->stop };
}
