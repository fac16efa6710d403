// SPDX-License-Identifier: MIT
#include "pool/parts.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "pool/header.h"
#include "pool/lfh.h"
#include "pool/vs.h"

#define KERNEL_HALF UINT64_C(0xffff800000000000)
#define PIECE 0x10000u
/** Pages of the largest subsegment that was seen (real-pool 2). */
#define MAX_VS_PAGES 0x20u
#define MAX_LFH_PAGES 64u
#define MAX_PARTS 65536u
/** A subsegment is believed, and judged, when it shows as much as that. */
#define MIN_BLOCKS 3u
/** Headers of one PML4 slot that tell which pool it is. */
#define MIN_SLOT 4u
#define SLOTS 512u
/** Agreeing pairs of headers that need no other proof of a cookie. */
#define SURE_COOKIE 3u

/** Which subsegment most chunks of a page name. */
struct claim {
	uint64_t page, base;
	int votes;
};

/** One slot of the top page table lies in one pool (real-pool 2). */
struct slot {
	unsigned int nonpaged, paged, session;
};

struct finder {
	struct psc_pool_view *v;
	struct psc_mem *m;
	PSC_VEC(struct claim) claims;
	struct psc_map by_page;	/**< Page to 1 + its index in claims. */
	struct psc_map by_base;	/**< Start to 1 + its index in parts. */
	struct slot slot[SLOTS];
	unsigned int payers_sane, payers_wrong;
	bool nomem;
};

static void finder_guard(struct finder *f)
{
	psc_mem_free(f->m);
	psc_vec_free(&f->claims);
	psc_map_free(&f->by_page);
	psc_map_free(&f->by_base);
}

static bool read_at(struct psc_mem *m, uint64_t va, void *buf, size_t n)
{
	return psc_mem_read(m, va, buf, n, NULL) == n;
}

static struct slot *slot_of(struct finder *f, uint64_t va)
{
	return &f->slot[va >> 39 & (SLOTS - 1)];
}

// --- VS: chunks that name their subsegment ----------------------------------

static bool chunk_at(const struct psc_pool_view *v, struct psc_mem *m,
		     uint64_t va, struct psc_vs_chunk *c)
{
	uint8_t b[16];

	if (!read_at(m, va, b, sizeof(b)))
		return false;
	*c = psc_vs_decode(psc_le64(b), psc_le32(b + 8), va,
			   v->info.keys.heap_key);
	return true;
}

/** An allocated chunk by everything that its own 16 bytes say. */
static bool is_allocated(const struct psc_vs_chunk *c)
{
	return !c->rest && c->allocated == 1 && !c->cost && c->size >= 2 &&
	       !(c->word >> 9) && c->page < MAX_VS_PAGES;
}

static uint64_t base_of(const struct psc_vs_chunk *c, uint64_t va)
{
	return (va & ~(uint64_t)(PSC_PAGE_SIZE - 1)) -
	       (uint64_t)c->page * PSC_PAGE_SIZE;
}

bool psc_chunk_holds(const struct psc_pool_view *v, struct psc_mem *m,
		     uint64_t c, uint64_t va, uint64_t bytes)
{
	struct psc_vs_chunk k;
	uint64_t want;

	if (!chunk_at(v, m, c, &k) || !is_allocated(&k))
		return false;
	unsigned int slack = k.word & 0x100 ? 0x10 : 0;
	return psc_vs_block(c, k.size, slack, &want) == va && want == bytes;
}

/** Does the chunk behind know this one's size, and name the same start? */
static bool next_agrees(struct finder *f, uint64_t va,
			const struct psc_vs_chunk *c)
{
	uint64_t next = va + (uint64_t)c->size * 16;
	struct psc_vs_chunk n;

	if (f->v->info.keys.heap_mask != UINT64_MAX ||
	    !chunk_at(f->v, f->m, next, &n) || n.previous != c->size)
		return false;
	if (n.allocated)
		return is_allocated(&n) && base_of(&n, next) == base_of(c, va);
	return !n.rest && n.size >= 2 && n.cost < MAX_VS_PAGES;
}

/** The pool header that fills the chunk, when there is one. */
static bool header_of(struct finder *f, uint64_t va,
		      const struct psc_vs_chunk *c, struct psc_pool_header *h)
{
	uint64_t bytes;
	uint64_t at = psc_vs_block(va, c->size, c->word & 0x100 ? 0x10 : 0,
				   &bytes);
	uint8_t b[16];

	if (!read_at(f->m, at, b, sizeof(b)))
		return false;
	*h = psc_header_decode(&psc_header64, b);
	return psc_header_is_candidate(h) && h->size * 16u == bytes;
}

/** What a confirmed header tells of its slot and of the cookie. */
static void count_header(struct finder *f, uint64_t va,
			 const struct psc_pool_header *h)
{
	struct slot *s = slot_of(f, va);
	uint64_t cookie = f->v->cookie;

	if (!(h->type & PSC_PT_PAGED))
		s->nonpaged++;
	else if (h->type & PSC_PT_SESSION)
		s->session++;
	else
		s->paged++;
	if (!(h->type & PSC_PT_QUOTA) || !cookie)
		return;
	if (psc_process_is_sane(psc_header_process(h, va, cookie),
				PSC_PROCESS_ALIGN))
		f->payers_sane++;
	else
		f->payers_wrong++;
}

/** Majority of what the chunks of a page name. */
static void claim(struct finder *f, uint64_t page, uint64_t base)
{
	uint64_t *i = psc_map_put(&f->by_page, page, NULL);

	if (!i) {
		f->nomem = true;
		return;
	}
	if (!*i) {
		f->nomem |= !psc_vec_push(&f->claims, (struct claim){
			page, base, 1 });
		*i = f->claims.n;
		return;
	}
	struct claim *c = &f->claims.v[*i - 1];
	c->votes += c->base == base ? 1 : -1;
	if (c->votes <= 0) {
		c->base = base;
		c->votes = 1;
	}
}

static void look_chunk(struct finder *f, const uint8_t *p, uint64_t va)
{
	struct psc_vs_chunk c = psc_vs_decode(psc_le64(p), psc_le32(p + 8), va,
					      f->v->info.keys.heap_key);
	struct psc_pool_header h;
	uint64_t bytes;

	if (!is_allocated(&c))
		return;
	bool holds = header_of(f, va, &c, &h);
	if (holds)
		count_header(f, psc_vs_block(va, c.size, 0, &bytes), &h);
	if (holds || next_agrees(f, va, &c))
		claim(f, va & ~(uint64_t)(PSC_PAGE_SIZE - 1), base_of(&c, va));
}

// --- LFH: headers -----------------------------------------------------------

/**
 * Is it a subsegment of this boot? BlockOffsets that one bit keeps from what
 * the geometry demands are damaged; others belong to an earlier boot.
 */
static bool is_lfh(const struct psc_heap_layout *l,
		   const struct psc_lfh_header *h)
{
	uint32_t size = psc_lfh_guess(l, h);

	if (psc_lfh_is_sane(l, h))
		return !size || size == h->block_bytes;
	if (!size)
		return false;
	uint32_t want = psc_lfh_first(l, h->blocks, h->units, size) << 16 |
			size;
	return __builtin_popcount(want ^ (h->first << 16 | h->block_bytes)) ==
	       1;
}

static void look_lfh(struct finder *f, const uint8_t *p, uint64_t va)
{
	const struct psc_pool_view *v = f->v;
	struct psc_lfh_header h = psc_lfh_decode(&v->layout, p, va,
						 v->info.keys.lfh_key);

	if (!is_lfh(&v->layout, &h) || f->v->parts.n >= MAX_PARTS)
		return;
	// A shift that is sane, or the one of pages that a guess demands.
	uint64_t pages = (uint64_t)h.units << h.unit_shift >> PSC_PAGE_SHIFT;
	if (!pages || pages > MAX_LFH_PAGES)
		return;
	f->nomem |= !psc_vec_push(&f->v->parts, (struct psc_part){
		.va = va, .kind = PSC_UNIT_LFH, .n_pages = (uint8_t)pages,
		.pages = pages < 64 ? (UINT64_C(1) << pages) - 1
				    : UINT64_MAX });
}

// --- finding ----------------------------------------------------------------

static void look(struct finder *f, const uint8_t *p, uint64_t va, size_t n)
{
	const struct psc_pool_keys *k = &f->v->info.keys;

	for (size_t i = -va & 15; i + 16 <= n; i += 16) {
		if (k->has_heap)
			look_chunk(f, p + i, va + i);
		if (k->has_lfh && !((va + i) & (PSC_PAGE_SIZE - 1)) &&
		    i + PSC_LFH_HEADER <= n)
			look_lfh(f, p + i, va + i);
	}
}

static struct psc_error *look_at_all(struct finder *f)
{
	PSC_FREE uint8_t *buf = malloc(PIECE + PSC_LFH_HEADER);
	uint64_t pos = KERNEL_HALF;
	struct psc_va_range r;

	if (!buf)
		return &psc_nomem;
	while (psc_mem_next_range(f->m, &pos, UINT64_MAX, &r)) {
		uint64_t end = r.va + r.size;

		for (uint64_t va = r.va; r.status == PSC_VA_OK && va < end;
		     va += PIECE) {
			size_t want = PSC_MIN(end - va, PIECE);

			look(f, buf, va, psc_mem_read(f->m, va, buf, want,
						      NULL));
		}
	}
	return f->nomem ? &psc_nomem : NULL;
}

/** Pages that chunks claimed become parts, by the start that they name. */
static void gather_vs(struct finder *f)
{
	struct psc_pool_view *v = f->v;

	for (size_t i = 0; i < f->claims.n && v->parts.n < MAX_PARTS; i++) {
		const struct claim *c = &f->claims.v[i];
		uint64_t *at = psc_map_put(&f->by_base, c->base, NULL);

		if (at && !*at) {
			f->nomem |= !psc_vec_push(&v->parts, (struct psc_part){
				.va = c->base, .kind = PSC_UNIT_VS,
				.n_pages = MAX_VS_PAGES });
			*at = v->parts.n;
		}
		if (!at || f->nomem) {
			f->nomem = true;
			return;
		}
		v->parts.v[*at - 1].pages |=
			UINT64_C(1) << ((c->page - c->base) >> PSC_PAGE_SHIFT);
	}
}

/** An LFH header among chunks that know each other is an old one. */
static bool is_stale(const struct finder *f, const struct psc_part *p)
{
	for (unsigned int i = 0; p->kind == PSC_UNIT_LFH && i < p->n_pages;
	     i++) {
		if (psc_map_get(&f->by_page,
				p->va + (uint64_t)i * PSC_PAGE_SIZE))
			return true;
	}
	return false;
}

/** Which pool the part lies in, by the headers of its slot. */
static void set_pool(struct finder *f, struct psc_part *p)
{
	const struct slot *s = slot_of(f, p->va);
	unsigned int all = s->nonpaged + s->paged + s->session;

	p->pool = PSC_POOL_UNKNOWN;
	p->paged = -1;
	if (all < MIN_SLOT)
		return;
	if (s->nonpaged * 10 >= all * 9) {
		p->pool = PSC_POOL_NONPAGED;
		p->paged = 0;
	} else if (s->paged * 10 >= all * 9) {
		p->pool = PSC_POOL_PAGED;
		p->paged = 1;
	} else if (s->session * 10 >= all * 9) {
		p->pool = PSC_POOL_SESSION;
		p->paged = 1;
	}
}

static int by_va(const void *a, const void *b)
{
	const struct psc_part *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/** A cookie that few votes gave must fit the blocks that use it. */
static void judge_cookie(struct finder *f)
{
	struct psc_pool_view *v = f->v;

	if (!v->cookie || v->info.keys.cookie_votes >= SURE_COOKIE ||
	    f->payers_sane >= 2 * f->payers_wrong + 1)
		return;
	v->cookie = 0;
	v->info.keys.has_cookie = false;
	psc_view_note(v, "the cookie of quota pointers is not certain: who "
		      "pays for a block is not judged");
}

struct psc_error *psc_parts_find(struct psc_pool_view *v)
{
	PSC_CLEANUP(finder_guard) struct finder f = { .v = v };
	struct psc_error *err;
	size_t n = 0;

	if ((err = psc_mem_clone(psc_kernel_mem(v->k), &f.m)) ||
	    (err = look_at_all(&f)))
		return err;
	gather_vs(&f);
	for (size_t i = 0; i < v->parts.n; i++) {
		struct psc_part *p = &v->parts.v[i];

		set_pool(&f, p);
		if (!is_stale(&f, p))
			v->parts.v[n++] = *p;
	}
	v->parts.n = n;
	if (n)
		qsort(v->parts.v, n, sizeof(*v->parts.v), by_va);
	judge_cookie(&f);
	return f.nomem ? &psc_nomem : NULL;
}

const struct psc_part *psc_part_at(const struct psc_pool_view *v, uint64_t va)
{
	for (size_t i = 0; i < v->parts.n; i++) {
		const struct psc_part *p = &v->parts.v[i];
		uint64_t page = (va - p->va) >> PSC_PAGE_SHIFT;

		if (va >= p->va && page < p->n_pages && p->pages >> page & 1)
			return p;
	}
	return NULL;
}

struct psc_unit psc_part_unit(const struct psc_part *p)
{
	return (struct psc_unit){
		.va = p->va, .pages = p->n_pages, .kind = p->kind,
		.pool = p->pool, .paged = p->paged,
	};
}

// --- walking ----------------------------------------------------------------

/** Copies of a part's pages, and what of them is there. */
struct copy {
	uint8_t *bytes;
	const uint8_t *page[MAX_LFH_PAGES];
	struct psc_page_part part[MAX_LFH_PAGES];
};

static void copy_guard(struct copy *c)
{
	free(c->bytes);
}

static void mark(struct psc_page_part *p, uint64_t in, uint64_t n)
{
	for (uint64_t u = (in + 15) / 16; (u + 1) * 16 <= in + n; u++)
		p->unit[u / 64] |= UINT64_C(1) << u % 64;
}

static bool copy_page(struct copy *c, struct psc_mem *m, uint64_t va, size_t i)
{
	uint8_t *to = c->bytes + i * PSC_PAGE_SIZE;
	uint64_t pos = va, end = va + PSC_PAGE_SIZE;
	struct psc_va_range r;
	bool any = false;

	while (psc_mem_next_range(m, &pos, end, &r)) {
		uint64_t from = r.va > va ? r.va : va;
		uint64_t n = PSC_MIN(r.va + r.size, end) - from;

		if (r.status != PSC_VA_OK || r.va >= end ||
		    !read_at(m, from, to + (from - va), n))
			continue;
		mark(&c->part[i], from - va, n);
		any = true;
	}
	return any;
}

static bool copy_pages(struct copy *c, struct psc_mem *m,
		       const struct psc_part *p)
{
	c->bytes = calloc(p->n_pages, PSC_PAGE_SIZE);
	for (size_t i = 0; c->bytes && i < p->n_pages; i++) {
		if (p->pages >> i & 1 &&
		    copy_page(c, m, p->va + i * PSC_PAGE_SIZE, i))
			c->page[i] = c->bytes + i * PSC_PAGE_SIZE;
	}
	return c->bytes;
}

static void walk_copy(const struct psc_pool_view *v, const struct psc_part *p,
		      const struct copy *c, const struct psc_sink *sink)
{
	const struct psc_pages pages = {
		.va = p->va, .v = c->page, .n = p->n_pages, .part = c->part,
	};
	struct psc_span_stats st = { 0 };

	if (p->kind == PSC_UNIT_LFH) {
		const struct psc_lfh lfh = {
			.layout = &v->layout, .pages = pages,
			.lfh_key = v->info.keys.lfh_key, .cookie = v->cookie,
			.pool = (enum psc_pool_kind)p->pool, .paged = p->paged,
		};

		psc_lfh_walk(&lfh, sink, &st);
		return;
	}
	const struct psc_vs vs = {
		.layout = &v->layout, .pages = pages,
		.heap_key = v->info.keys.heap_key, .cookie = v->cookie,
		.pool = (enum psc_pool_kind)p->pool, .paged = p->paged,
		.weak_previous = v->info.keys.heap_mask != UINT64_MAX,
	};
	psc_vs_walk(&vs, sink, &st);
}

/** The pool that a header's PoolType names. */
static enum psc_pool_kind pool_of(uint8_t type)
{
	if (!(type & PSC_PT_PAGED))
		return PSC_POOL_NONPAGED;
	return type & PSC_PT_SESSION ? PSC_POOL_SESSION : PSC_POOL_PAGED;
}

/** What one part shows, kept until it is known whether to believe it. */
struct shown {
	PSC_VEC(struct psc_block) blocks;
	PSC_VEC(struct psc_fault) faults;
	bool nomem;
};

static void shown_guard(struct shown *s)
{
	psc_vec_free(&s->blocks);
	psc_vec_free(&s->faults);
}

static void keep_block(void *ctx, const struct psc_block *b)
{
	struct shown *s = ctx;

	s->nomem |= !psc_vec_push(&s->blocks, *b);
}

static void keep_fault(void *ctx, const struct psc_fault *f)
{
	struct shown *s = ctx;

	s->nomem |= !psc_vec_push(&s->faults, *f);
}

struct psc_error *psc_part_walk(const struct psc_pool_view *v,
				const struct psc_part *p, struct psc_mem *m,
				const struct psc_sink *sink)
{
	PSC_CLEANUP(copy_guard) struct copy c = { 0 };
	PSC_CLEANUP(shown_guard) struct shown s = { 0 };
	const struct psc_sink keep = { .ctx = &s, .block = keep_block,
				       .fault = keep_fault };

	if (!copy_pages(&c, m, p))
		return &psc_nomem;
	walk_copy(v, p, &c, &keep);
	if (s.nomem)
		return &psc_nomem;
	// Remains of an earlier layout agree with little and break the rest.
	if (s.blocks.n < MIN_BLOCKS || s.faults.n * 2 > s.blocks.n)
		return NULL;
	for (size_t i = 0; sink->block && i < s.blocks.n; i++) {
		struct psc_block *b = &s.blocks.v[i];

		// Small blocks that were never used are no more than room.
		if (b->owner == PSC_OWNER_LFH && b->state == PSC_BLOCK_FREE)
			continue;
		if (b->pool == PSC_POOL_UNKNOWN && b->has_header)
			b->pool = pool_of(b->pool_type);
		sink->block(sink->ctx, b);
	}
	for (size_t i = 0; sink->fault && i < s.faults.n; i++)
		sink->fault(sink->ctx, &s.faults.v[i]);
	return NULL;
}
