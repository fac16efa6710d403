// SPDX-License-Identifier: MIT
#include "pool/keys.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "pool/header.h"
#include "pool/lfh.h"
#include "pool/vs.h"

/** Scanned in pieces; each carries the bytes before it along. */
#define PIECE 0x10000u
#define MARGIN 0x100u
/** Votes kept for the second round; more tell nothing new. */
#define MAX_CHUNKS 65536u
/** Steps from one voted chunk through its neighbours. */
#define MAX_STEPS 64u

/** A chunk that voted, by its ballot. */
struct ballot_chunk {
	uint64_t va, choice;
	uint32_t units;
};

/** Counts one kind of vote: choice → votes, and the pages they came from. */
struct poll {
	struct psc_map votes, pages, seen;
};

struct voter {
	struct psc_mem *m;
	const struct psc_heap_layout *l;
	struct poll heap, lfh, cookie;
	PSC_VEC(struct ballot_chunk) chunks;
	bool nomem;
};

struct winner {
	uint64_t choice, votes, pages, runner_up;
};

static void poll_free(struct poll *p)
{
	psc_map_free(&p->votes);
	psc_map_free(&p->pages);
	psc_map_free(&p->seen);
}

static void voter_guard(struct voter *v)
{
	poll_free(&v->heap);
	poll_free(&v->lfh);
	poll_free(&v->cookie);
	psc_vec_free(&v->chunks);
}

static void vote(struct voter *v, struct poll *p, uint64_t choice, uint64_t va)
{
	uint64_t page = va >> PSC_PAGE_SHIFT;
	uint64_t pair[2] = { choice, page };
	uint64_t *n = psc_map_put(&p->votes, choice, NULL);
	bool added = false;

	if (!n || !psc_map_put(&p->seen, psc_hash_bytes(pair, sizeof(pair)),
			       &added)) {
		v->nomem = true;
		return;
	}
	++*n;
	if (added && (n = psc_map_put(&p->pages, choice, NULL)))
		++*n;
}

static struct winner winner(const struct poll *p)
{
	struct winner w = { 0 };
	struct psc_map_slot s;

	for (size_t i = 0; psc_map_next(&p->votes, &i, &s);) {
		if (s.value > w.votes) {
			w.runner_up = w.votes;
			w.votes = s.value;
			w.choice = s.key;
		} else if (s.value > w.runner_up) {
			w.runner_up = s.value;
		}
	}
	const uint64_t *pages = psc_map_get(&p->pages, w.choice);
	w.pages = pages ? *pages : 0;
	return w;
}

/**
 * A pool header at @p p (its VA is @p va) with 16 bytes before it: the chunk
 * header there votes for bits 0-31 and 48-63 of the heap key.
 */
static void vote_chunk(struct voter *v, const uint8_t *p, uint64_t va,
		       const struct psc_pool_header *h)
{
	uint64_t c = va - 0x10, q = psc_le64(p - 0x10), x = q ^ c;
	uint32_t w = psc_le32(p - 8);

	// Pointers and zeros would fake a key of 0.
	if (w & ~0x1ffu || q >> 48 == 0 || q >> 48 == 0xffff)
		return;
	uint32_t units = h->size + 1u + (w >> 8 & 1);
	uint64_t k0 = x & 0xffff, k1 = (x >> 16 & 0xffff) ^ units;
	uint64_t k3 = (x >> 48) ^ 1;
	if (((w ^ c ^ k0) & 0xff) >= 0x40)
		return;
	uint64_t choice = k0 | k1 << 16 | k3 << 48;
	vote(v, &v->heap, choice, c);
	if (v->chunks.n < MAX_CHUNKS &&
	    !psc_vec_push(&v->chunks, (struct ballot_chunk){ c, choice,
							     units }))
		v->nomem = true;
}

/** A cache-aligned pair of headers gives the cookie (pool 1.7). */
static void vote_cookie(struct voter *v, const uint8_t *p, size_t left,
			uint64_t va, const struct psc_pool_header *h)
{
	// The second header is within a cache line of the first.
	for (unsigned int d = 2; d <= 8 && d * 16 + 16 <= left; d++) {
		struct psc_pool_header s =
			psc_header_decode(&psc_header64, p + d * 16);

		if (s.previous != d || s.size + d != h->size ||
		    s.tag != h->tag || s.index != h->index ||
		    (s.type & ~PSC_PT_ALIGNED) != (h->type & ~PSC_PT_ALIGNED) ||
		    !(s.type & PSC_PT_ALIGNED) || (va + d * 16 + 16) & 0x3f)
			continue;
		vote(v, &v->cookie, (va + d * 16) ^ psc_le64(p + 0x10), va);
		return;
	}
}

static bool is_kernel_pointer(uint64_t p)
{
	return p >> 47 == 0x1ffff;
}

/** A page that may be an LFH subsegment votes for the low half of LfhKey. */
static void vote_lfh(struct voter *v, const uint8_t *p, uint64_t va)
{
	const struct psc_heap_layout *l = v->l;
	struct psc_lfh_header h = psc_lfh_decode(l, p, va, 0);

	if (!l->lfh_has_commit || !is_kernel_pointer(psc_le64(p)) ||
	    !is_kernel_pointer(psc_le64(p + 8)) ||
	    !is_kernel_pointer(h.owner) || h.unit_shift != 12 ||
	    h.commit != l->lfh_bitmap +
			    (h.blocks * l->lfh_bits + 63) / 64 * 8)
		return;
	uint32_t size = psc_lfh_guess(l, &h);
	if (!size)
		return;
	uint32_t plain = psc_lfh_first(l, h.blocks, h.units, size) << 16 | size;
	vote(v, &v->lfh,
	     psc_le32(p + l->lfh_offsets) ^ psc_lfh_mask(l, va, 0) ^ plain, va);
}

/** Headers that start in [from, to) of the @p n bytes at @p p. */
static void look(struct voter *v, const uint8_t *p, uint64_t va, size_t n,
		 size_t from, size_t to)
{
	uint64_t first = (va + from + 15) & ~UINT64_C(15);

	for (size_t i = first - va; i < to && i + 16 <= n; i += 16) {
		uint64_t at = va + i;

		if (!(at & (PSC_PAGE_SIZE - 1)) && i + PSC_LFH_HEADER <= n)
			vote_lfh(v, p + i, at);
		struct psc_pool_header h =
			psc_header_decode(&psc_header64, p + i);
		if (!psc_header_is_candidate(&h))
			continue;
		if (i >= 16)
			vote_chunk(v, p + i, at, &h);
		vote_cookie(v, p + i, n - i, at, &h);
	}
}

/** A run in pieces that overlap by MARGIN on both sides: a header needs what
 *  is around it. */
static void look_run(struct voter *v, const struct psc_va_range *r,
		     uint8_t *buf)
{
	uint64_t end = r->va + r->size;

	for (uint64_t pos = r->va; pos < end;) {
		size_t lead = pos > r->va ? MARGIN : 0;
		size_t want = PSC_MIN(end - (pos - lead), PIECE);
		size_t got = psc_mem_read(v->m, pos - lead, buf, want, NULL);
		bool last = pos - lead + want == end || got < want;

		if (got <= lead + MARGIN && !last)
			return;
		size_t to = last ? got : got - MARGIN;
		look(v, buf, pos - lead, got, lead, to);
		if (last)
			return;
		pos += to - lead;
	}
}

/** Bits 32-47: neighbours of the voted chunks know their sizes. */
static void vote_middle(struct voter *v, const struct ballot_chunk *b,
			struct poll *middle)
{
	uint64_t k3 = b->choice >> 48, c = b->va;
	uint32_t units = b->units;

	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		uint64_t n = c + 16u * (uint64_t)units, q;

		if (psc_mem_read(v->m, n, &q, 8, NULL) != 8)
			return;
		uint64_t y = q ^ n, used = (y >> 48) ^ k3;
		if (used > 1 ||
		    (used && (y & 0xffff) != (b->choice & 0xffff)))
			return;
		vote(v, middle, (y >> 32 & 0xffff) ^ units, n);
		units = (uint32_t)(((y >> 16) ^ (b->choice >> 16)) & 0xffff);
		if (units < 2)
			return;
		c = n;
	}
}

/** Without a stored pair: predecessors are short, so bits 40-47 show. */
static uint64_t middle_by_majority(struct voter *v, uint64_t choice,
				   struct psc_pool_keys *ret)
{
	unsigned int count[256] = { 0 }, best = 0;
	uint64_t q;

	for (size_t i = 0; i < v->chunks.n; i++) {
		const struct ballot_chunk *b = &v->chunks.v[i];

		if (b->choice == choice &&
		    psc_mem_read(v->m, b->va, &q, 8, NULL) == 8)
			count[(q ^ b->va) >> 40 & 0xff]++;
	}
	for (unsigned int i = 1; i < 256; i++) {
		if (count[i] > count[best])
			best = i;
	}
	ret->heap_mask = ~(UINT64_C(0xff) << 32);
	return (uint64_t)best << 40;
}

static void decide_heap(struct voter *v, struct psc_pool_keys *ret)
{
	struct winner w = winner(&v->heap);
	struct poll middle = { 0 };

	ret->heap_votes = (unsigned int)w.votes;
	ret->heap_runner_up = (unsigned int)w.runner_up;
	if (w.votes < 4 || w.pages < 3 || w.votes < 4 * w.runner_up)
		return;
	for (size_t i = 0; i < v->chunks.n; i++) {
		if (v->chunks.v[i].choice == w.choice)
			vote_middle(v, &v->chunks.v[i], &middle);
	}
	struct winner mid = winner(&middle);
	ret->has_heap = true;
	ret->heap_mask = UINT64_MAX;
	ret->from = "votes of chunk headers";
	// Pairs must agree; one in ten may be a stale or damaged neighbour.
	if (mid.votes && mid.runner_up * 10 <= mid.votes)
		ret->heap_key = w.choice | mid.choice << 32;
	else
		ret->heap_key = w.choice | middle_by_majority(v, w.choice, ret);
	poll_free(&middle);
}

static void decide_rest(struct voter *v, struct psc_pool_keys *ret)
{
	struct winner w = winner(&v->lfh);

	ret->lfh_votes = (unsigned int)w.votes;
	if (w.votes && w.votes >= 2 * w.runner_up && w.votes > w.runner_up) {
		ret->has_lfh = true;
		ret->lfh_key = w.choice;
	}
	w = winner(&v->cookie);
	ret->cookie_votes = (unsigned int)w.votes;
	if (w.votes && w.votes >= 4 * w.runner_up) {
		ret->has_cookie = true;
		ret->cookie = w.choice;
	}
}

struct psc_error *psc_keys_vote(struct psc_mem *m,
				const struct psc_heap_layout *l,
				uint64_t start, uint64_t end,
				uint64_t max_bytes, struct psc_pool_keys *ret)
{
	PSC_CLEANUP(voter_guard) struct voter v = { .m = m, .l = l };
	PSC_FREE uint8_t *buf = malloc(PIECE);
	struct psc_va_range r;
	uint64_t pos = start, looked = 0;

	*ret = (struct psc_pool_keys){ 0 };
	if (!buf)
		return &psc_nomem;
	while (looked < max_bytes && psc_mem_next_range(m, &pos, end, &r)) {
		if (r.status != PSC_VA_OK)
			continue;
		r.size = PSC_MIN(r.size, max_bytes - looked);
		look_run(&v, &r, buf);
		looked += r.size;
	}
	if (v.nomem)
		return &psc_nomem;
	decide_heap(&v, ret);
	decide_rest(&v, ret);
	return v.nomem ? &psc_nomem : NULL;
}
