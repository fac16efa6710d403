// SPDX-License-Identifier: MIT
#include "pool/partial.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/module.h"
#include "pool/chain.h"
#include "pool/header.h"
#include "pool/lfh.h"
#include "pool/parts.h"
#include "pool/special.h"

#define KERNEL_HALF UINT64_C(0xffff800000000000)
/** Triage dumps are small; a bigger sparse memory is looked at in part. */
#define MAX_BYTES (UINT64_C(1) << 30)
#define PIECE 0x10000u
#define TAG_FRAG 0x67617246u	/* "Frag" */
/** Last build that stores quota pointers plainly (pool 1.5). */
#define PLAIN_FAMILY 7601u
/** First build whose pool is a segment heap in every configuration. */
#define SEGMENT_FAMILY 18362u

struct scan {
	struct psc_pool_view *v;
	struct psc_mem *m;
	struct psc_modules *mods;
	const struct psc_sink *sink;
	struct psc_walk *walk;
	uint64_t skip_to;	/**< Inside a block that was given out. */
	/** Blocks of subsegments that are known in part, ascending. */
	PSC_VEC(struct psc_block) known;
	size_t next_known;	/**< First that was not given out. */
	bool nomem;
};

static void scan_guard(struct scan *s)
{
	psc_modules_free(s->mods);
	psc_mem_free(s->m);
	psc_vec_free(&s->known);
}

struct psc_error *psc_view_partial(struct psc_pool_view *v)
{
	struct psc_error *err = psc_heap_layout_read(v->k, &v->layout);

	v->info.partial = true;
	v->info.complete = false;
	if (err) {		// most triage dumps name no known kernel
		psc_error_free(err);
		v->layout = psc_heap_layout_common;
	}
	uint32_t family = psc_kernel_family(v->k);
	v->info.design = family && family < SEGMENT_FAMILY
		? PSC_POOL_CLASSIC : PSC_POOL_SEGMENT;
	psc_view_note(v, "a triage dump holds pieces of memory: the blocks "
		      "found are those that lie in them");
	if (v->info.design == PSC_POOL_CLASSIC) {
		// Windows 7 encodes nothing. What hinders this vote hinders
		// the walk, which then says so.
		if (family > PLAIN_FAMILY)
			psc_error_free(psc_partial_cookie(v));
		return NULL;
	}
	err = psc_keys_vote(psc_kernel_mem(v->k), &v->layout, KERNEL_HALF,
			    UINT64_MAX, MAX_BYTES, &v->info.keys);
	if (err)
		return err;
	v->has_cookie = true;
	v->cookie = v->info.keys.has_cookie ? v->info.keys.cookie : 0;
	if (!v->info.keys.has_heap)
		psc_view_note(v, "too few headers to recover the heap key: "
			      "no block is confirmed by its heap");
	return psc_parts_find(v);
}

static bool read_at(struct scan *s, uint64_t va, void *buf, size_t n)
{
	return psc_mem_read(s->m, va, buf, n, NULL) == n;
}

static bool in_vs(struct scan *s, uint64_t va, uint64_t bytes)
{
	if (!s->v->info.keys.has_heap)
		return false;
	if (psc_chunk_holds(s->v, s->m, va - 0x10, va, bytes))
		return true;
	return !(va & (PSC_PAGE_SIZE - 1)) &&
	       psc_chunk_holds(s->v, s->m, va - 0x20, va, bytes);
}

/** Pages that one LFH subsegment of the pool can span. */
#define MAX_LFH_PAGES 0x40u

/** @return 1 busy, 0 free, −1 not in a stored LFH subsegment. */
static int in_lfh(struct scan *s, uint64_t va, uint64_t bytes)
{
	const struct psc_heap_layout *l = &s->v->layout;
	uint64_t page = va & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	uint8_t b[PSC_LFH_HEADER], byte;

	for (unsigned int i = 0; s->v->info.keys.has_lfh && i < MAX_LFH_PAGES;
	     i++, page -= PSC_PAGE_SIZE) {
		if (!read_at(s, page, b, sizeof(b)))
			continue;
		struct psc_lfh_header h =
			psc_lfh_decode(l, b, page, s->v->info.keys.lfh_key);
		uint64_t off = va - page;
		if (!psc_lfh_is_sane(l, &h) || h.block_bytes != bytes ||
		    off < h.first || (off - h.first) % bytes ||
		    (off - h.first) / bytes >= h.blocks)
			continue;
		uint64_t bit = (off - h.first) / bytes * l->lfh_bits;
		if (!read_at(s, page + l->lfh_bitmap + bit / 8, &byte, 1))
			return -1;
		return byte >> bit % 8 & 1;
	}
	return -1;
}

static void give(struct scan *s, const struct psc_block *b)
{
	struct psc_span *sp = psc_walk_span(s->walk, b->pool, 0);
	uint64_t *sum;

	if (!sp)
		return;
	sum = b->state == PSC_BLOCK_IN_USE ? &sp->st.in_use
	    : b->state == PSC_BLOCK_FREE ? &sp->st.free : &sp->st.unattributed;
	*sum += b->bytes;
	sp->st.blocks++;
	s->walk->blocks++;
	if (s->sink->block)
		s->sink->block(s->sink->ctx, b);
}

/** Give out the known blocks below @p va. @return does one hold it? */
static bool give_known(struct scan *s, uint64_t va)
{
	while (s->next_known < s->known.n &&
	       s->known.v[s->next_known].va <= va) {
		const struct psc_block *b = &s->known.v[s->next_known++];

		if (b->va + b->bytes > s->skip_to)
			s->skip_to = b->va + b->bytes;
		give(s, b);
	}
	return va < s->skip_to;
}

/** A header that may be one; the structure around it decides its state. */
static void candidate(struct scan *s, uint64_t va,
		      const struct psc_pool_header *h)
{
	struct psc_block b = {
		.va = va, .bytes = h->size * 16u, .tag = h->tag & 0x7fffffff,
		.pool_type = h->type, .has_header = true,
		.state = PSC_BLOCK_UNATTRIBUTED, .owner = PSC_OWNER_VS,
		.pool = !(h->type & PSC_PT_PAGED) ? PSC_POOL_NONPAGED
			: h->type & PSC_PT_SESSION ? PSC_POOL_SESSION
						   : PSC_POOL_PAGED,
	};

	if (in_vs(s, va, b.bytes)) {
		b.state = PSC_BLOCK_IN_USE;
	} else {
		int busy = in_lfh(s, va, b.bytes);

		if (busy >= 0) {
			b.owner = PSC_OWNER_LFH;
			b.state = busy ? PSC_BLOCK_IN_USE : PSC_BLOCK_FREE;
		}
	}
	if (b.state == PSC_BLOCK_IN_USE && h->type & PSC_PT_QUOTA &&
	    s->v->cookie) {
		b.process = psc_header_process(h, va, s->v->cookie);
		if (!psc_process_is_sane(b.process, PSC_PROCESS_ALIGN))
			b.process = 0;
	}
	if (b.state != PSC_BLOCK_UNATTRIBUTED)
		s->skip_to = va + b.bytes;
	give(s, &b);
}

static void look(struct scan *s, const uint8_t *p, uint64_t va, size_t n)
{
	for (size_t i = -va & 15; i + 16 <= n; i += 16) {
		struct psc_pool_header h =
			psc_header_decode(&psc_header64, p + i);

		if (!psc_header_is_candidate(&h) || give_known(s, va + i))
			continue;
		if (psc_module_at(s->mods, va + i))
			continue;
		candidate(s, va + i, &h);
	}
}

/**
 * A page can begin with the tail of a big allocation, whose table is not
 * there: the header behind the tail shows it (pool 2.6). Its mark is then
 * what it says itself.
 */
static void skip_tail(struct psc_chain *c)
{
	if (psc_chain_is_clean(c))
		return;
	for (unsigned int x = 0x10; x + 0x20 < PSC_PAGE_SIZE; x += 0x10) {
		struct psc_chain rest = *c;

		if (psc_le32(c->page + x + 4) != TAG_FRAG)
			continue;
		rest.start = x;
		rest.big_bytes = psc_le64(c->page + x + 0x10);
		if (psc_chain_is_plausible(&rest)) {
			*c = rest;
			return;
		}
	}
}

/** Whole stored pages of a classic pool are chains. */
static void look_chains(struct scan *s, uint64_t va, uint64_t end)
{
	uint8_t page[PSC_PAGE_SIZE];

	va = (va + PSC_PAGE_SIZE - 1) & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	for (; va < end && end - va >= PSC_PAGE_SIZE; va += PSC_PAGE_SIZE) {
		struct psc_chain c = {
			.form = &psc_header64, .page = page, .va = va,
			.pool = PSC_POOL_UNKNOWN,
			.has_cookie = s->v->has_cookie,
			.check_quota = s->v->has_cookie,
			.cookie = s->v->cookie,
		};

		if (psc_module_at(s->mods, va) ||
		    !read_at(s, va, page, sizeof(page)))
			continue;
		skip_tail(&c);
		if (!psc_chain_is_plausible(&c))
			continue;
		c.pool = psc_chain_kind(&c);
		struct psc_span *sp = psc_walk_span(s->walk, c.pool, 0);
		if (!sp)
			return;
		sp->pages_total++;
		sp->pages_read++;
		psc_chain_walk(&c, s->sink, &sp->st);
	}
}

/**
 * A whole page of special pool shows itself by its fill. Zeros fill other
 * pages too, so that pattern is not believed without a region that says so.
 */
static void look_special(struct scan *s, uint64_t va, uint64_t end)
{
	uint8_t page[PSC_PAGE_SIZE];
	struct psc_special sp;

	va = (va + PSC_PAGE_SIZE - 1) & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	for (; va < end && end - va >= PSC_PAGE_SIZE; va += PSC_PAGE_SIZE) {
		if (psc_module_at(s->mods, va) ||
		    !read_at(s, va, page, sizeof(page)) ||
		    !psc_special_decode(page, &sp) || !sp.pattern)
			continue;
		give_known(s, va);	// blocks come by address
		struct psc_span *to = psc_walk_span(s->walk, PSC_POOL_SPECIAL,
						    0);
		if (!to)
			return;
		to->pages_total++;
		to->pages_read++;
		s->walk->blocks++;
		psc_special_walk(page, va, 0, s->sink, &to->st);
	}
}

static void look_run(struct scan *s, uint64_t va, uint64_t end, uint8_t *buf)
{
	look_special(s, va, end);
	if (s->v->info.design == PSC_POOL_CLASSIC) {
		look_chains(s, va, end);
		return;
	}
	while (va < end) {
		size_t n = psc_mem_read(s->m, va, buf, PSC_MIN(end - va, PIECE),
					NULL);

		look(s, buf, va, n);
		if (n < PIECE)
			return;
		va += n;	// PIECE is a multiple of 16
	}
}

static void keep_block(void *ctx, const struct psc_block *b)
{
	struct scan *s = ctx;

	s->nomem |= !psc_vec_push(&s->known, *b);
}

static void pass_fault(void *ctx, const struct psc_fault *f)
{
	struct scan *s = ctx;
	struct psc_span *sp = psc_walk_span(s->walk, f->pool, 0);

	if (sp)
		sp->st.faults++;
	if (s->sink->fault)
		s->sink->fault(s->sink->ctx, f);
}

static int by_va(const void *a, const void *b)
{
	const struct psc_block *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/** Walk the parts of subsegments that touch [start, end). */
static struct psc_error *walk_parts(struct scan *s, uint64_t start,
				    uint64_t end)
{
	const struct psc_sink sink = { .ctx = s, .block = keep_block,
				       .fault = pass_fault };

	for (size_t i = 0; i < s->v->parts.n; i++) {
		const struct psc_part *p = &s->v->parts.v[i];
		uint64_t bytes = (uint64_t)p->n_pages << PSC_PAGE_SHIFT;
		struct psc_error *err;

		if (p->va >= end || (p->va < start && start - p->va >= bytes))
			continue;
		if ((err = psc_part_walk(s->v, p, s->m, &sink)))
			return err;
		// Not before: spans move when one is added.
		struct psc_span *sp = psc_walk_span(s->walk, p->pool, 0);
		if (!sp)
			return &psc_nomem;
		sp->pages_total += (unsigned int)__builtin_popcountll(p->pages);
		sp->pages_read += (unsigned int)__builtin_popcountll(p->pages);
	}
	if (s->nomem)
		return &psc_nomem;
	if (s->known.n)
		qsort(s->known.v, s->known.n, sizeof(*s->known.v), by_va);
	return NULL;
}

struct psc_error *psc_partial_walk(struct psc_pool_view *v, uint64_t start,
				   uint64_t end, const struct psc_sink *sink,
				   struct psc_walk *w)
{
	PSC_CLEANUP(scan_guard) struct scan s = {
		.v = v, .sink = sink, .walk = w,
	};
	PSC_FREE uint8_t *buf = malloc(PIECE);
	struct psc_va_range r;
	uint64_t pos = start;
	struct psc_error *err;

	if (!buf)
		return &psc_nomem;
	// What the probes around a header miss is nobody's loss: a clone
	// counts it, and is not asked.
	if ((err = psc_mem_clone(psc_kernel_mem(v->k), &s.m)) ||
	    (err = psc_modules_read(v->k, false, &s.mods)) ||
	    (err = walk_parts(&s, start, end)))
		return err;
	while (psc_mem_next_range(s.m, &pos, end, &r)) {
		// Unaligned pieces: headers lie at multiples of 16.
		uint64_t va = (r.va + 15) & ~UINT64_C(15);

		if (r.status == PSC_VA_OK && va < r.va + r.size)
			look_run(&s, va, PSC_MIN(r.va + r.size, end), buf);
	}
	give_known(&s, UINT64_MAX);
	return NULL;
}
