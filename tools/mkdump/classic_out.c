// SPDX-License-Identifier: MIT
/** @file
 * Classic pool: what the simulated pages look like in memory, and the lists of
 * blocks that are not in use (pool 1, 2.3-2.5).
 */
#include <stdlib.h>

#include "classic.h"
#include "counters.h"
#include "machine.h"
#include "session.h"

#define UNIT 0x10u
#define TAG_STALE 0x646c4f20u	// ' Old'
#define TYPE_PAGED 0x01u
#define TYPE_SESSION 0x20u
#define TYPE_ALIGNED 0x04u	// with 0x02; without: cached free

// Second header of a cache-aligned block (pool 1.7).
static void write_aligned(struct mk *m, uint64_t va, const struct mk_header *h,
			  unsigned int distance, const struct mk_want *w)
{
	struct mk_header second = *h;
	uint64_t at = va + distance * UNIT;

	second.previous = (uint8_t)distance;
	second.units = (uint8_t)(h->units - distance);
	second.type = (uint8_t)(h->type | TYPE_ALIGNED);
	mk_header_write(m, at, &second);
	mk_quota_write(m, w, at);
	mk_data_write(m, w, at + UNIT, (second.units - 1u) * UNIT);
	if (distance > 1)
		mk_write64(m, va + UNIT, at ^ m->pool->cookie);
}

static void write_used(struct mk *m, uint64_t va, struct mk_header *h,
		       const struct cl_block *b)
{
	const struct mk_got *g = &m->pool->got.v[b->got];
	const struct mk_want *w = &m->pool->wants.v[g->want];
	unsigned int distance = w->aligned ? mk_align_units(va) : 0;

	h->tag = w->tag;
	h->type = mk_live_type(w);
	if (distance) {
		struct mk_header first = *h;
		// The quota bit goes with the header whose address decodes it.
		first.type &= (uint8_t)~0x08u;
		mk_header_write(m, va, &first);
		write_aligned(m, va, h, distance, w);
		return;
	}
	mk_header_write(m, va, h);
	mk_quota_write(m, w, va);
	mk_data_write(m, w, va + UNIT, g->request);
}

static void write_page(struct mk *m, const struct cl_pool *pool,
		       const struct cl_page *p)
{
	uint8_t previous = p->behind_frag ? 2 : 0;
	uint8_t paged = mk_pool_is_paged(pool->kind) ? TYPE_PAGED : 0;

	if (pool->kind == MK_POOL_SESSION)
		paged |= TYPE_SESSION;

	for (size_t i = 0; i < p->blocks.n; i++) {
		const struct cl_block *b = &p->blocks.v[i];
		uint64_t va = p->va + b->off * UNIT;
		struct mk_header h = {
			.previous = previous, .index = (uint8_t)pool->index,
			.units = (uint8_t)b->units, .tag = b->tag,
		};
		previous = h.units;
		if (b->state == CL_USED) {
			write_used(m, va, &h, b);
			continue;
		}
		if (b->state != CL_FREE) {
			h.type = (uint8_t)(TYPE_ALIGNED | paged);
			if (m->pool->cookie)
				mk_write64(m, va + 8, va ^ m->pool->cookie);
		}
		mk_header_write(m, va, &h);
	}
}

// Push onto an SLIST_HEADER: depth in the low 16 bits, then the entry.
static void slist_push(struct mk *m, uint64_t head, uint64_t entry)
{
	uint64_t depth = mk_read64(m, head);

	mk_write64(m, entry, mk_read64(m, head + 8) & ~15ull);
	mk_write64(m, head, (depth & ~0xffffull) | ((depth + 1) & 0xffff));
	mk_write64(m, head + 8, entry);
}

// A page whose blocks are all free goes back to the page allocator.
static bool is_empty(const struct cl_page *p)
{
	return p->blocks.n == 1 && p->blocks.v[0].state == CL_FREE &&
	       p->blocks.v[0].units == 256;
}

// Lists of free pages of node 0, one for each length of a run (pool 2.7); its
// object is made when missing.
static uint64_t page_list(struct mk *m, enum mk_pool kind)
{
	uint64_t at = mk_symbol(m, "MiState") + mk_offset(m,
		"_MI_SYSTEM_INFORMATION.Hardware.SystemNodeInformation");
	uint64_t node = mk_read64(m, at);

	if (!node) {
		node = mk_alloc(m, MK_NONPAGED, m->n_nodes *
				mk_sizeof(m, "_MI_SYSTEM_NODE_INFORMATION"));
		mk_write64(m, at, node);
	}
	return node + mk_offset(m, kind == MK_POOL_NX
		? "_MI_SYSTEM_NODE_INFORMATION.NonPagedPoolSListHeadNx"
		: "_MI_SYSTEM_NODE_INFORMATION.NonPagedPoolSListHead");
}

// The page allocator keeps some pages: a link at +0x10, at 0 a cookie ^ the
// page's address (pool 2.7). Old headers stay behind them.
static bool keep_page(struct mk *m, enum mk_pool kind, const struct cl_page *p)
{
	struct mk_header stale = { .previous = 6, .units = 10, .type = 2,
				   .tag = TAG_STALE };
	uint64_t cookie, state;

	if (!mk_has(m, "_MI_SYSTEM_INFORMATION.Cookie") ||
	    mk_pool_is_paged(kind) || p->va >> 12 & 1)
		return false;
	state = mk_symbol(m, "MiState") +
		mk_offset(m, "_MI_SYSTEM_INFORMATION.Cookie");
	cookie = mk_read64(m, state);
	if (!cookie) {
		cookie = mk_random(&m->pool->rng) | 1;
		mk_write64(m, state, cookie);
	}
	mk_write64(m, p->va, cookie ^ p->va);
	slist_push(m, page_list(m, kind), p->va + 0x10);
	mk_header_write(m, p->va + 0x60, &stale);
	mk_label(m, p->va, "cached-page");
	return true;
}

void classic_write_pages(struct mk *m)
{
	struct classic *c = m->pool->allocator;

	for (size_t i = 0; i < c->pools.n; i++) {
		struct cl_pool *pool = &c->pools.v[i];
		for (size_t j = 0; j < pool->pages.n; j++) {
			if (is_empty(&pool->pages.v[j])) {
				if (!keep_page(m, pool->kind,
					       &pool->pages.v[j]))
					mk_set_state(m, pool->pages.v[j].va,
						     MK_PTE_FREED);
				m->pool->pages[pool->kind]--;
				pool->pages.v[j].blocks.n = 0;
				continue;
			}
			write_page(m, pool, &pool->pages.v[j]);
		}
	}
}

// --- descriptors -------------------------------------------------------------

/*
 * Address of a descriptor. Nonpaged ones stand in the static array; from 8 on
 * a node has a pair, NX first (pool 2.1).
 */
static uint64_t descriptor(struct mk *m, const struct cl_pool *pool)
{
	uint64_t va, size = mk_sizeof(m, "_POOL_DESCRIPTOR");

	if (pool->kind == MK_POOL_SESSION)
		return mk_session_space(m) +
		       mk_offset(m, "_MM_SESSION_SPACE.PagedPool");
	if (mk_pool_is_paged(pool->kind))
		return mk_read64(m, mk_symbol(m, "ExpPagedPoolDescriptor") +
				    8 * pool->index);
	va = mk_read64(m, mk_symbol(m, "PoolVector"));
	return m->family >= 9600 && pool->kind == MK_POOL_NONPAGED
		? va + size : va;
}

static void init_lists(struct mk *m, uint64_t desc)
{
	uint64_t heads = desc + mk_offset(m, "_POOL_DESCRIPTOR.ListHeads");

	for (unsigned int i = 0; i < 256; i++)
		mk_list_init(m, heads + 16 * i);
}

static void write_free_lists(struct mk *m, const struct cl_pool *pool,
			     uint64_t desc)
{
	uint64_t heads = desc + mk_offset(m, "_POOL_DESCRIPTOR.ListHeads");

	for (size_t i = 0; i < pool->pages.n; i++) {
		const struct cl_page *p = &pool->pages.v[i];
		for (size_t j = 0; j < p->blocks.n; j++) {
			const struct cl_block *b = &p->blocks.v[j];
			if (b->state == CL_FREE && b->units > 1)
				mk_list_append(m, heads + 16 * (b->units - 1u),
					       p->va + b->off * UNIT + UNIT);
		}
	}
}

// Lookaside arrays of a processor, index BlockSize - 1 (pool 2.4).
static uint64_t lookaside(struct mk *m, unsigned int cpu, enum mk_pool kind,
			  unsigned int units)
{
	if (kind == MK_POOL_SESSION)
		return mk_session_lookaside(m, units);
	const char *name = mk_pool_is_paged(kind) ? "_KPRCB.PPPagedLookasideList"
		: kind == MK_POOL_NX ? "_KPRCB.PPNxPagedLookasideList"
		: "_KPRCB.PPNPagedLookasideList";

	return mk_prcb(m, cpu) + mk_offset(m, name) +
	       mk_sizeof(m, "_GENERAL_LOOKASIDE_POOL") * (units - 1);
}

static void write_cached(struct mk *m, const struct cl_pool *pool,
			 uint64_t desc)
{
	uint64_t pending = desc + mk_offset(m, "_POOL_DESCRIPTOR.PendingFrees");
	uint32_t n_pending = 0, n_kept = 0;

	for (size_t i = 0; i < pool->pages.n; i++) {
		const struct cl_page *p = &pool->pages.v[i];
		for (size_t j = 0; j < p->blocks.n; j++) {
			const struct cl_block *b = &p->blocks.v[j];
			uint64_t entry = p->va + b->off * UNIT + UNIT;
			if (b->state == CL_LOOKASIDE) {
				unsigned int cpu = n_kept++ % m->n_cpus;

				slist_push(m, lookaside(m, cpu, pool->kind,
							b->units), entry);
			} else if (b->state == CL_PENDING) {
				mk_write64(m, entry, mk_read64(m, pending));
				mk_write64(m, pending, entry);
				n_pending++;
			}
		}
	}
	mk_field(m, desc, "_POOL_DESCRIPTOR.PendingFreeDepth", n_pending);
}

static void init_descriptors(struct mk *m)
{
	struct cl_pool p = { 0 };

	for (p.kind = MK_POOL_NONPAGED; p.kind <= MK_POOL_NX; p.kind++) {
		if (p.kind == MK_POOL_NONPAGED || m->family >= 9600)
			init_lists(m, descriptor(m, &p));
	}
	p.kind = MK_POOL_PAGED;
	for (p.index = 0; p.index <= MK_PAGED_POOLS; p.index++)
		init_lists(m, descriptor(m, &p));
}

void classic_write_lists(struct mk *m)
{
	struct classic *c = m->pool->allocator;

	init_descriptors(m);
	for (size_t i = 0; i < c->pools.n; i++) {
		uint64_t desc = descriptor(m, &c->pools.v[i]);

		if (c->pools.v[i].kind == MK_POOL_SESSION) {
			init_lists(m, desc);
			mk_field(m, desc, "_POOL_DESCRIPTOR.PoolType",
				 TYPE_SESSION | TYPE_PAGED);
		}
		write_free_lists(m, &c->pools.v[i], desc);
		write_cached(m, &c->pools.v[i], desc);
	}
}
