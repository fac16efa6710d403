// SPDX-License-Identifier: MIT
/** @file
 * The pool up to Windows 10 1809: chains of blocks in pages, free lists,
 * lookasides, deferred frees, big allocations with their Frag tails (pool 2).
 */
#include <stdlib.h>
#include <string.h>

#include "big.h"
#include "classic.h"
#include "counters.h"
#include "machine.h"
#include "session.h"
#include "tags.h"

#define UNIT 0x10u
#define PAGE_UNITS 256u
#define LOOKASIDE_MAX_UNITS 0x20u
#define SESSION_MAX_UNITS MK_SESSION_LOOKASIDES
#define TAG_FREE 0x65657246u	// 'Free'
#define TAG_FRAG 0x67617246u	// 'Frag'
/** Pages searched for room before a new one is taken: bounds the work. */
#define SEARCH_PAGES 64

static void classic_init(struct mk *m)
{
	struct classic *c = mk_calloc(1, sizeof(*c));

	m->pool->allocator = c;
	c->n_paged = MK_PAGED_POOLS;
}

// The list set that a request goes to: MmSt to index 0, other paged ones in
// turn to 1..n (pool 1.4).
static struct cl_pool *pool_for(struct mk *m, enum mk_pool pool)
{
	struct classic *c = m->pool->allocator;
	uint32_t index = 0;

	if (pool == MK_POOL_PAGED)
		index = 1 + c->turn++ % c->n_paged;
	for (size_t i = 0; i < c->pools.n; i++) {
		if (c->pools.v[i].kind == pool && c->pools.v[i].index == index)
			return &c->pools.v[i];
	}
	struct cl_pool p = { .kind = pool, .index = index };
	if (!psc_vec_push(&c->pools, p))
		mk_fail(m, "out of memory");
	return &c->pools.v[c->pools.n - 1];
}

static uint64_t new_pages(struct mk *m, enum mk_pool kind, uint64_t n)
{
	struct mk_map_opt opt = { .nx = kind != MK_POOL_NONPAGED };
	uint64_t va = mk_pool_reserve(m, kind, n * MK_PAGE, MK_PAGE);

	mk_map(m, va, n * MK_PAGE, &opt);
	m->pool->pages[kind] += n;
	return va;
}

static void insert_block(struct mk *m, struct cl_page *p, size_t at,
			 struct cl_block b)
{
	if (!psc_vec_push(&p->blocks, b))
		mk_fail(m, "out of memory");
	memmove(&p->blocks.v[at + 1], &p->blocks.v[at],
		(p->blocks.n - 1 - at) * sizeof(b));
	p->blocks.v[at] = b;
}

// Give units of free block i to got; split rules of pool 2.2.
static size_t take(struct mk *m, struct cl_page *p, size_t i, unsigned int units,
		   uint32_t got)
{
	struct cl_block whole = p->blocks.v[i];
	struct cl_block used = {
		.off = whole.off, .units = (uint16_t)units,
		.state = CL_USED, .got = got,
	};

	if (whole.units == units) {
		p->blocks.v[i] = used;
		return i;
	}
	struct cl_block rest = {
		.units = (uint16_t)(whole.units - units), .state = CL_FREE,
	};
	if (whole.off == 0) {	// first in page: front to the allocation
		rest.off = (uint16_t)units;
		rest.tag = whole.fresh ? 0 : TAG_FREE;
		rest.fresh = whole.fresh;
		p->blocks.v[i] = used;
		insert_block(m, p, i + 1, rest);
		return i;
	}
	rest.off = whole.off;
	rest.tag = TAG_FREE;
	used.off = (uint16_t)(whole.off + rest.units);
	p->blocks.v[i] = rest;
	insert_block(m, p, i + 1, used);
	return i + 1;
}

static struct cl_page *add_page(struct mk *m, struct cl_pool *pool, uint64_t va,
				unsigned int from)
{
	struct cl_page p = { .va = va, .from = (uint16_t)from };
	struct cl_block all = {
		.off = (uint16_t)from, .units = (uint16_t)(PAGE_UNITS - from),
		.state = CL_FREE, .fresh = from == 0,
		.tag = from ? TAG_FREE : 0,
	};

	if (!psc_vec_push(&p.blocks, all) || !psc_vec_push(&pool->pages, p))
		mk_fail(m, "out of memory");
	return &pool->pages.v[pool->pages.n - 1];
}

// Smallest free block that fits, in the newest pages.
static struct cl_page *find_room(struct cl_pool *pool, unsigned int units,
				 size_t *at)
{
	size_t from = pool->pages.n > SEARCH_PAGES
		? pool->pages.n - SEARCH_PAGES : 0;
	unsigned int best = PAGE_UNITS + 1;
	struct cl_page *found = NULL;

	for (size_t i = from; i < pool->pages.n; i++) {
		struct cl_page *p = &pool->pages.v[i];
		for (size_t j = 0; j < p->blocks.n; j++) {
			const struct cl_block *b = &p->blocks.v[j];
			if (b->state != CL_FREE || b->units < units ||
			    b->units >= best)
				continue;
			best = b->units;
			found = p;
			*at = j;
		}
	}
	return found;
}

static void alloc_small(struct mk *m, struct mk_got *g)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	struct classic *c = m->pool->allocator;
	struct cl_pool *pool = pool_for(m, w->pool);
	// An aligned block has room to move its data to a cache line.
	uint64_t bytes = g->request + UNIT + (w->aligned ? 0x30 : 0);
	unsigned int units = (unsigned int)((bytes + UNIT - 1) / UNIT);
	size_t at = 0;
	struct cl_page *p;

	if (units < 2)
		units = 2;
	if (units >= PAGE_UNITS)
		mk_fail(m, "an aligned block of 0x%llx bytes does not fit",
			(unsigned long long)g->request);
	p = find_room(pool, units, &at);
	if (!p)
		p = add_page(m, pool, new_pages(m, w->pool, 1), 0);
	at = take(m, p, at, units, (uint32_t)(g - m->pool->got.v));
	g->kind = "chain";
	g->va = p->va + p->blocks.v[at].off * UNIT;
	g->bytes = units * UNIT;
	g->page = (uint32_t)(p - pool->pages.v);
	g->slot = (uint32_t)(pool - c->pools.v);
}

// Stored size of a big allocation; below the page end a tail is left over
// (pool 2.6). Windows 7 and 8.1 follow the same rule as far as known.
static uint64_t big_size(uint64_t request)
{
	uint64_t low = request & 0xfff, rounded = (request + 15) & ~15ull;

	if (low == 0 || low > 0xfc0 || rounded >= 0x10000)
		return MK_PAGES(request) * MK_PAGE;
	return rounded;
}

static void alloc_big(struct mk *m, struct mk_got *g)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	struct classic *c = m->pool->allocator;
	struct cl_pool *pool = pool_for(m, w->pool);
	uint64_t n = big_size(g->request);

	g->kind = "big";
	g->va = new_pages(m, w->pool, MK_PAGES(n));
	g->bytes = n;
	g->slot = (uint32_t)(pool - c->pools.v);
	pool->big_pages += MK_PAGES(n);
	mk_data_write(m, w, g->va, g->request);
	mk_pool_big(m, w, g->va, n);
	if (n % MK_PAGE == 0)
		return;
	struct cl_frag f = { .base = g->va, .bytes = n, .pool = w->pool,
			     .index = pool->index };
	if (!psc_vec_push(&c->frags, f))
		mk_fail(m, "out of memory");
	mk_pool_charge(m, f.pool, TAG_FRAG, 1, 0, 2 * UNIT);
	unsigned int from = (unsigned int)((n + 2 * UNIT) % MK_PAGE / UNIT);
	struct cl_page *p = add_page(m, pool, (g->va + n) & ~0xfffull, from);
	p->behind_frag = true;
}

static void classic_alloc(struct mk *m, struct mk_got *g)
{
	if (g->request > MK_POOL_SMALL_MAX)
		alloc_big(m, g);
	else
		alloc_small(m, g);
}

// Join with free neighbours (pool 2.2, rule 4).
static void coalesce(struct cl_page *p, size_t i)
{
	if (i + 1 < p->blocks.n && p->blocks.v[i + 1].state == CL_FREE) {
		p->blocks.v[i].units = (uint16_t)(p->blocks.v[i].units +
						  p->blocks.v[i + 1].units);
		memmove(&p->blocks.v[i + 1], &p->blocks.v[i + 2],
			(p->blocks.n - i - 2) * sizeof(*p->blocks.v));
		p->blocks.n--;
	}
	if (i && p->blocks.v[i - 1].state == CL_FREE) {
		p->blocks.v[i - 1].units = (uint16_t)(p->blocks.v[i - 1].units +
						      p->blocks.v[i].units);
		memmove(&p->blocks.v[i], &p->blocks.v[i + 1],
			(p->blocks.n - i - 1) * sizeof(*p->blocks.v));
		p->blocks.n--;
	}
}

// The split tail of a freed big allocation stays: its page becomes a normal
// one, with a free block where the allocation ended (pool 2.6).
static void free_frag(struct mk *m, struct cl_pool *pool, struct cl_frag *f)
{
	uint64_t va = (f->base + f->bytes) & ~0xfffull;
	struct cl_page *p = pool->pages.v;

	while (p->va != va)
		p++;
	struct cl_block b = { .units = p->from, .state = CL_FREE,
			      .tag = TAG_FREE };
	p->from = 0;
	p->behind_frag = false;
	f->freed = true;
	insert_block(m, p, 0, b);
	coalesce(p, 0);
	mk_pool_charge(m, f->pool, TAG_FRAG, 0, 1, -2ull * UNIT);
}

static void free_big(struct mk *m, struct mk_got *g)
{
	struct classic *c = m->pool->allocator;
	const struct mk_want *w = &m->pool->wants.v[g->want];
	struct cl_pool *pool = &c->pools.v[g->slot];
	uint64_t end = g->va + (g->bytes & ~0xfffull);

	mk_big_free(m, w->pool, g->va);
	for (uint64_t va = g->va; va < end; va += MK_PAGE)
		mk_set_state(m, va, MK_PTE_FREED);
	m->pool->pages[w->pool] -= (end - g->va) / MK_PAGE;
	for (size_t i = 0; i < c->frags.n; i++) {
		if (c->frags.v[i].base == g->va)
			free_frag(m, pool, &c->frags.v[i]);
	}
}

static void classic_free(struct mk *m, struct mk_got *g)
{
	struct classic *c = m->pool->allocator;
	const struct mk_want *w = &m->pool->wants.v[g->want];

	if (!strcmp(g->kind, "big")) {
		if (g->state == MK_GOT_CACHED)
			mk_fail(m, "big allocations are on no list: cached=");
		free_big(m, g);
		return;
	}
	struct cl_page *p = &c->pools.v[g->slot].pages.v[g->page];
	for (size_t i = 0; i < p->blocks.n; i++) {
		struct cl_block *b = &p->blocks.v[i];
		if (b->state != CL_USED || p->va + b->off * UNIT != g->va)
			continue;
		b->tag = w->tag;
		if (g->state == MK_GOT_CACHED) {
			unsigned int max = w->pool == MK_POOL_SESSION
				? SESSION_MAX_UNITS : LOOKASIDE_MAX_UNITS;

			b->state = b->units <= max ? CL_LOOKASIDE : CL_PENDING;
			return;
		}
		b->state = CL_FREE;
		coalesce(p, i);
		return;
	}
	mk_fail(m, "internal: freed block is not in its page");
}

static void write_frags(struct mk *m)
{
	struct classic *c = m->pool->allocator;

	for (size_t i = 0; i < c->frags.n; i++) {
		const struct cl_frag *f = &c->frags.v[i];
		if (f->freed)
			continue;
		struct mk_header h = {
			.index = (uint8_t)f->index, .units = 2, .tag = TAG_FRAG,
			.type = (uint8_t)(0x02 | mk_pool_is_paged(f->pool) |
				(f->pool == MK_POOL_SESSION ? 0x20 : 0)),
		};
		mk_header_write(m, f->base + f->bytes, &h);
		mk_write64(m, f->base + f->bytes + UNIT, f->bytes);
		mk_pool_truth_extra(m, TAG_FRAG, mk_pool_side(f->pool),
				    2 * UNIT);
	}
}

static void classic_finish(struct mk *m)
{
	struct classic *c = m->pool->allocator;

	write_frags(m);
	classic_write_pages(m);
	classic_write_lists(m);
	for (size_t i = 0; i < c->pools.n; i++) {
		for (size_t j = 0; j < c->pools.v[i].pages.n; j++)
			psc_vec_free(&c->pools.v[i].pages.v[j].blocks);
		psc_vec_free(&c->pools.v[i].pages);
	}
	psc_vec_free(&c->pools);
	psc_vec_free(&c->frags);
	free(c);
}

const struct mk_allocator mk_classic = {
	.init = classic_init, .alloc = classic_alloc,
	.free = classic_free, .finish = classic_finish,
};
