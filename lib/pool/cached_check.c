// SPDX-License-Identifier: MIT
#include "pool/cached_check.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "kernel/processor.h"
#include "pool/header.h"
#include "pool/view_impl.h"

/** Depth of an SLIST is 16 bits; a longer list is a ring. */
#define MAX_DEPTH 0x10000u
/** Links lie that far behind the header, or the page's start. */
#define LINK_AT 0x10u
#define MAX_DESCRIPTORS 64u
/** Bits of an address that a 16-byte aligned kernel address can differ in. */
#define FIRST_BIT 4u
#define LAST_BIT 47u

struct list {
	enum psc_rule rule;	/**< L13: blocks. Z1: pages. */
	uint64_t head;
	uint64_t link;		/**< VA of the first link. */
	uint64_t depth;		/**< As stored. */
	uint64_t slack;		/**< That many more or less say nothing. */
	uint16_t space;
	unsigned int units;	/**< BlockSize of its blocks; 0 = any. */
	enum psc_pool_kind pool;
};

struct check {
	struct psc_pool_view *v;
	const struct psc_sink *sink;
	struct psc_map seen;	/**< Entries of all lists. */
	size_t processors;
	bool nomem;
};

static struct psc_mem *mem_of(const struct check *c, const struct list *l)
{
	return c->v->spaces.v[l->space].mem;
}

/** Offset of a member that kernels may lack. */
static bool offset_of(const struct check *c, const char *path, uint64_t *ret)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_field(c->v->k, path, &f);

	if (!err)
		*ret = f.offset;
	psc_error_free(err);
	return !err;
}

static bool read_u64(struct psc_mem *m, uint64_t va, uint64_t *v)
{
	return psc_mem_read(m, va, v, 8, NULL) == 8;
}

// --- one entry --------------------------------------------------------------------

/** What the header (or page) at @p va is to the list. */
enum member { MEMBER, STRANGER, NO_PAGE, UNREADABLE };

static bool is_freed(const struct check *c, const struct psc_pool_header *h)
{
	// What Windows 7 stores is not published: anything not in use.
	return !(h->type & PSC_PT_IN_USE) &&
	       (h->type & PSC_PT_ALIGNED || !c->v->has_cookie);
}

/** Does the header carry its own address under the cookie (pool 1.5)? */
static bool is_marked(const struct check *c, const struct psc_pool_header *h,
		      uint64_t va)
{
	return c->v->cookie && h->billed == (va ^ c->v->cookie);
}

static enum member look(const struct check *c, const struct list *l,
			uint64_t va, struct psc_pool_header *h)
{
	uint8_t b[16];
	enum psc_va_status why;

	if (psc_mem_read(mem_of(c, l), va, b, sizeof(b), &why) != sizeof(b))
		return why == PSC_VA_NOT_MAPPED ? NO_PAGE : UNREADABLE;
	*h = psc_header_decode(&psc_header64, b);
	if (l->rule == PSC_Z1)
		return !(va & (PSC_PAGE_SIZE - 1)) &&
		       psc_le64(b) == (c->v->mi_cookie ^ va) ? MEMBER
							     : STRANGER;
	return is_freed(c, h) && (!l->units || h->size == l->units) ? MEMBER
								    : STRANGER;
}

static struct psc_fault fault_of(const struct list *l, uint64_t va,
				 uint32_t tag)
{
	return (struct psc_fault){
		.rule = l->rule, .va = va, .field_va = va,
		.tag = tag & 0x7fffffff, .pool = l->pool,
		.owner = PSC_OWNER_CHAIN };
}

static void emit(const struct check *c, const struct psc_fault *f)
{
	if (c->sink->fault)
		c->sink->fault(c->sink->ctx, f);
}

// --- links that lead elsewhere ------------------------------------------------------

/** The only member one bit away from the link @p entry; 0 = none. */
static uint64_t repaired_link(const struct check *c, const struct list *l,
			      uint64_t entry)
{
	struct psc_pool_header h;
	uint64_t found = 0;

	for (unsigned int bit = FIRST_BIT; bit <= LAST_BIT; bit++) {
		uint64_t x = entry ^ UINT64_C(1) << bit;

		if (!psc_mem_is_kernel_va(mem_of(c, l), x) ||
		    psc_map_get(&c->seen, x) ||
		    look(c, l, x - LINK_AT, &h) != MEMBER ||
		    (l->rule == PSC_L13 && c->v->cookie &&
		     !is_marked(c, &h, x - LINK_AT)))
			continue;
		if (found)
			return 0;
		found = x;
	}
	return found;
}

/**
 * The link at @p link leads to @p entry, which is nothing of the list: told at
 * the block that holds the link, or at the list's head.
 * @return the entry that it should lead to, 0 = not known.
 */
static uint64_t broken_link(const struct check *c, const struct list *l,
			    uint64_t link, uint64_t entry)
{
	uint64_t holder = link == l->link ? l->head : link - LINK_AT;
	struct psc_fault f = fault_of(l, holder, 0);
	struct psc_pool_header h;

	if (holder != l->head && l->rule == PSC_L13 &&
	    look(c, l, holder, &h) == MEMBER)
		f.tag = h.tag & 0x7fffffff;
	f.field_va = link;
	f.found = entry;
	f.expected = repaired_link(c, l, entry);
	if (f.expected) {
		f.bits = 64;
		f.repaired = true;
	}
	emit(c, &f);
	return f.expected;
}

/** Looks for a block that begins at an address. */
struct seek {
	uint64_t va;
	bool found;
	struct psc_block block;
};

static void seek_block(void *ctx, const struct psc_block *b)
{
	struct seek *s = ctx;

	if (b->va != s->va)
		return;
	s->found = true;
	s->block = *b;
}

/** The block of the page's chain that begins at @p va. */
static bool block_at(const struct check *c, uint64_t va, struct psc_block *ret)
{
	struct seek s = { .va = va };
	const struct psc_sink sink = { .ctx = &s, .block = seek_block };
	struct psc_place p;

	psc_pool_locate(c->v, va, &p);
	psc_error_free(psc_pool_visit(c->v, &p, va, &sink));
	*ret = s.block;
	return s.found;
}

/**
 * An entry that is no freed block of the list's size. A marked header was
 * changed itself; a live block of that size was freed and handed out again
 * while the list still had it; else the link is wrong.
 * @return whether it is told at the entry itself.
 */
static bool odd_block(const struct check *c, const struct list *l, uint64_t va,
		      const struct psc_pool_header *h)
{
	struct psc_fault f = fault_of(l, va, h->tag);
	struct psc_block b;

	if (l->units && h->size != l->units)
		return is_marked(c, h, va);	// L2 to L5 say so
	f.field_va += 3;
	f.found = h->type;
	if (is_marked(c, h, va)) {
		f.bits = 8;
		f.expected = (h->type & ~PSC_PT_IN_USE) | PSC_PT_ALIGNED;
		f.repaired = true;
	} else if (block_at(c, va, &b) && b.state == PSC_BLOCK_IN_USE) {
		f.twice = true;
	} else {
		return false;
	}
	emit(c, &f);
	return true;
}

/** A page whose mark was written over, or no page of the cache at all. */
static bool odd_page(const struct check *c, const struct list *l, uint64_t va)
{
	struct psc_fault f = fault_of(l, va, 0);

	if (va & (PSC_PAGE_SIZE - 1) ||
	    !read_u64(mem_of(c, l), va, &f.found))
		return false;
	f.bits = 64;
	f.expected = c->v->mi_cookie ^ va;
	f.repaired = true;
	emit(c, &f);
	return true;
}

// --- a whole list ---------------------------------------------------------------------

static void second_time(const struct check *c, const struct list *l,
			uint64_t entry, uint64_t link, uint64_t n)
{
	struct psc_pool_header h = { 0 };
	uint64_t va = entry - LINK_AT;

	look(c, l, va, &h);
	struct psc_fault f = fault_of(l, va, l->rule == PSC_L13 ? h.tag : 0);
	f.field_va = link;
	f.found = entry;
	f.twice = true;
	emit(c, &f);
	// Each free counted it: the second witness.
	if (l->depth != n && !l->slack) {
		f.field_va = l->head;
		f.found = l->depth;
		emit(c, &f);
	}
}

static void check_depth(const struct check *c, const struct list *l,
			uint64_t n)
{
	struct psc_fault f = fault_of(l, l->head, 0);

	if (n <= l->depth + l->slack && l->depth <= n + l->slack)
		return;
	f.bits = 16;
	f.expected = n;
	f.found = l->depth;
	emit(c, &f);
}

/**
 * The entry that the link at @p link leads to, or should lead to.
 * @return false: the list ends here, and how long it is is not known.
 */
static bool next_entry(const struct check *c, const struct list *l,
		       uint64_t link, uint64_t *entry)
{
	struct psc_pool_header h;
	enum member m = NO_PAGE;

	if (!*entry)
		return true;
	if (!(*entry & 15) && psc_mem_is_kernel_va(mem_of(c, l), *entry))
		m = look(c, l, *entry - LINK_AT, &h);
	if (m == MEMBER)
		return true;
	if (m == UNREADABLE)
		return false;
	if (m == STRANGER &&
	    (l->rule == PSC_Z1 ? odd_page(c, l, *entry - LINK_AT)
			       : odd_block(c, l, *entry - LINK_AT, &h)))
		return true;
	*entry = broken_link(c, l, link, *entry);
	return *entry;
}

static void walk_list(struct check *c, const struct list *l)
{
	uint64_t link = l->link, entry, n = 0;
	bool added;

	while (n < MAX_DEPTH) {
		if (!read_u64(mem_of(c, l), link, &entry))
			return;
		if (link == l->link && l->link != l->head)
			entry &= ~UINT64_C(15);	// of an SLIST_HEADER
		if (!next_entry(c, l, link, &entry))
			return;
		if (!entry)
			break;
		if (!psc_map_put(&c->seen, entry, &added)) {
			c->nomem = true;
			return;
		}
		if (!added) {
			second_time(c, l, entry, link, n);
			return;
		}
		link = entry;
		n++;
	}
	check_depth(c, l, n);
}

/** An SLIST_HEADER: depth in its low 16 bits, the first entry behind. */
static void walk_slist(struct check *c, struct list *l)
{
	if (!read_u64(mem_of(c, l), l->head, &l->depth))
		return;
	l->depth &= MAX_DEPTH - 1;
	l->link = l->head + 8;
	walk_list(c, l);
}

// --- where lists are ------------------------------------------------------------------

/** An array of lookasides, one for each size (pool 2.4). */
static void lookasides(struct check *c, uint64_t owner, const char *array,
		       const char *type, enum psc_pool_kind pool,
		       uint16_t space)
{
	struct psc_field f;
	uint64_t stride = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_field(c->v->k, array, &f);

	if (!err)
		err = psc_kernel_sizeof(c->v->k, type, &stride);
	if (err)
		return;		// this kernel has none
	for (unsigned int i = 0; i < PSC_MIN(f.count, 255u); i++) {
		struct list l = {
			.rule = PSC_L13, .head = owner + f.offset + i * stride,
			.units = i + 1, .pool = pool, .space = space,
		};

		walk_slist(c, &l);
	}
}

static void processors(struct check *c)
{
	struct psc_processors p;
	struct psc_error *err = psc_processors_read(c->v->k, &p);
	static const char type[] = "_GENERAL_LOOKASIDE_POOL";

	if (err) {
		psc_error_free(err);
		return;
	}
	c->processors = p.n;
	for (size_t i = 0; i < p.n; i++) {
		if (!p.prcb[i])
			continue;
		lookasides(c, p.prcb[i], "_KPRCB.PPNxPagedLookasideList", type,
			   PSC_POOL_NONPAGED_NX, 0);
		lookasides(c, p.prcb[i], "_KPRCB.PPNPagedLookasideList", type,
			   PSC_POOL_NONPAGED, 0);
		lookasides(c, p.prcb[i], "_KPRCB.PPPagedLookasideList", type,
			   PSC_POOL_PAGED, 0);
	}
	psc_processors_free(&p);
}

/** Is a processor just emptying the descriptor's pending frees? */
static bool is_processing(const struct check *c, uint64_t descriptor)
{
	uint64_t n = 0;
	PSC_ERROR_GUARD struct psc_error *err = psc_kernel_get(
		c->v->k, descriptor,
		"_POOL_DESCRIPTOR.ThreadsProcessingDeferrals", &n);

	return !err && n;
}

static void pending(struct check *c, uint64_t descriptor,
		    enum psc_pool_kind pool, uint16_t space)
{
	struct list l = { .rule = PSC_L13, .pool = pool, .space = space,
			  .slack = c->processors };
	uint64_t at, depth_at;
	uint32_t depth;

	if (!offset_of(c, "_POOL_DESCRIPTOR.PendingFrees", &at) ||
	    !offset_of(c, "_POOL_DESCRIPTOR.PendingFreeDepth", &depth_at) ||
	    psc_mem_read(mem_of(c, &l), descriptor + depth_at, &depth, 4,
			 NULL) != 4)
		return;
	l.head = l.link = descriptor + at;
	l.depth = depth;
	// The list is taken away first, its count later.
	if (is_processing(c, descriptor))
		l.slack = UINT32_MAX;
	walk_list(c, &l);
}

/** Descriptors of an array of pointers, one for each pool or node. */
static void descriptors(struct check *c, const char *array, unsigned int n,
			enum psc_pool_kind pool, bool pairs)
{
	struct psc_mem *m = c->v->spaces.v[0].mem;
	uint64_t at, va, size = 0;
	struct psc_error *err = psc_kernel_symbol(c->v->k, array, &at);

	if (!err)
		err = psc_kernel_sizeof(c->v->k, "_POOL_DESCRIPTOR", &size);
	psc_error_free(err);
	for (unsigned int i = 0; !err && i < PSC_MIN(n, MAX_DESCRIPTORS);
	     i++) {
		if (!read_u64(m, at + i * 8, &va) ||
		    !psc_mem_is_kernel_va(m, va))
			continue;
		// From 8 on a node has two, the first of pages without code.
		pending(c, va, pairs ? PSC_POOL_NONPAGED_NX : pool, 0);
		if (pairs)
			pending(c, va + size, pool, 0);
	}
}

static void sessions(struct check *c)
{
	uint64_t at;

	for (size_t i = 1; i < c->v->spaces.n; i++) {
		uint64_t session = c->v->spaces.v[i].session;

		lookasides(c, session, "_MM_SESSION_SPACE.Lookaside",
			   "_GENERAL_LOOKASIDE", PSC_POOL_SESSION,
			   (uint16_t)i);
		if (offset_of(c, "_MM_SESSION_SPACE.PagedPool", &at))
			pending(c, session + at, PSC_POOL_SESSION,
				(uint16_t)i);
	}
}

/** Free pages that nodes keep: runs of one to three, in a list each (2.7). */
static void cached_pages(struct check *c)
{
	static const struct {
		const char *path;
		enum psc_pool_kind pool;
	} lists[] = {
		{ "_MI_SYSTEM_NODE_INFORMATION.NonPagedPoolSListHead",
		  PSC_POOL_NONPAGED },
		{ "_MI_SYSTEM_NODE_INFORMATION.NonPagedPoolSListHeadNx",
		  PSC_POOL_NONPAGED_NX },
	};
	uint64_t state, nodes = 0, bytes = 0, n = 1;
	struct psc_field f;
	struct psc_error *err = psc_kernel_symbol(c->v->k, "MiState", &state);

	if (!err)
		err = psc_kernel_get(c->v->k, state, "_MI_SYSTEM_INFORMATION."
				     "Hardware.SystemNodeInformation", &nodes);
	if (!err)
		err = psc_kernel_sizeof(c->v->k, "_MI_SYSTEM_NODE_INFORMATION",
					&bytes);
	psc_error_free(err);
	if (err || !nodes || !c->v->mi_cookie)
		return;
	psc_error_free(psc_kernel_global(c->v->k, "KeNumberNodes", 2, &n));
	for (uint64_t i = 0; i < PSC_MIN(n, (uint64_t)MAX_DESCRIPTORS) * 2;
	     i++) {
		if ((err = psc_kernel_field(c->v->k, lists[i % 2].path, &f))) {
			psc_error_free(err);
			return;
		}
		for (unsigned int k = 0; k < PSC_MIN(f.count, 3u); k++) {
			struct list l = {
				.rule = PSC_Z1, .pool = lists[i % 2].pool,
				.head = nodes + i / 2 * bytes + f.offset +
					k * 16,
			};

			walk_slist(c, &l);
		}
	}
}

struct psc_error *psc_pool_check_cached(struct psc_pool_view *v,
					const struct psc_sink *sink)
{
	struct check c = { .v = v, .sink = sink, .processors = 1 };

	if (v->info.partial || v->info.design != PSC_POOL_CLASSIC)
		return NULL;
	processors(&c);
	descriptors(&c, "ExpPagedPoolDescriptor",
		    v->index_limit ? v->index_limit : 1, PSC_POOL_PAGED, false);
	descriptors(&c, v->nodes_limit > 1 ? "ExpNonPagedPoolDescriptor"
					   : "PoolVector",
		    PSC_MAX(v->nodes_limit, 1u), PSC_POOL_NONPAGED,
		    v->has_cookie);
	sessions(&c);
	cached_pages(&c);
	psc_map_free(&c.seen);
	return c.nomem ? &psc_nomem : NULL;
}
