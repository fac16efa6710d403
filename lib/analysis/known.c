// SPDX-License-Identifier: MIT
// What exists besides the headers: tags that are counted, processes that run.
// A block that names neither is looked at twice, and one bit away from a thing
// that exists, the bit is what flipped (pool 7.0, 7.4, 7.8).
#include <stdlib.h>

#include "analysis/check.h"
#include "analysis/tagsum.h"
#include "analysis/walk.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/header.h"
#include "pool/tagtable.h"

/** More blocks of unknown tags than that are a tracker that lies. */
#define MAX_UNKNOWN 64u
/** So many blocks of a tag that all do the same are its habit. */
#define MIN_ALIKE 8u

struct psc_known {
	struct psc_map tags, processes;
	bool has_tags, has_processes;
};

static bool add_tags(struct psc_known *k, const struct psc_tag_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct psc_tag_row *r = &t->v[i];

		// Tags that found no place are counted without their name.
		if (r->overflow && (r->nonpaged.allocs || r->paged.allocs))
			return true;
		if (!psc_map_put(&k->tags, r->tag, NULL))
			return false;
	}
	k->has_tags = t->complete && t->keyless <= 1;
	return true;
}

static bool add_processes(struct psc_known *k, const struct psc_processes *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!psc_map_put(&k->processes, p->v[i].va, NULL))
			return false;
	}
	k->has_processes = p->complete && p->n;
	return true;
}

void psc_known_free(struct psc_known *k)
{
	if (!k)
		return;
	psc_map_free(&k->tags);
	psc_map_free(&k->processes);
	free(k);
}

static void known_guard(struct psc_known **k)
{
	psc_known_free(*k);
}

struct psc_error *psc_known_new(struct psc_analysis *a, struct psc_known **ret)
{
	PSC_CLEANUP(known_guard) struct psc_known *k = calloc(1, sizeof(*k));
	const struct psc_tag_table *tags;
	const struct psc_processes *processes;
	struct psc_pool_view *view;
	struct psc_error *err = psc_analysis_view(a, &view);

	if (err || !k)
		return err ? err : &psc_nomem;
	// Neither is needed: what is not known is not compared.
	if (!psc_pool_view_info(view)->partial) {
		PSC_ERROR_GUARD struct psc_error *no_tags =
			psc_analysis_tag_table(a, &tags);
		PSC_ERROR_GUARD struct psc_error *no_list =
			psc_analysis_processes(a, &processes);

		if (!no_tags && !add_tags(k, tags))
			return &psc_nomem;
		if (!no_list && !add_processes(k, processes))
			return &psc_nomem;
	}
	*ret = PSC_TAKE(k);
	return NULL;
}

static void fault(struct psc_faults *f, const struct psc_block *b,
		  enum psc_rule rule, unsigned int field, uint64_t found)
{
	struct psc_sink s = psc_faults_sink(f);

	s.fault(s.ctx, &(struct psc_fault){
		.rule = rule, .va = b->va, .field_va = b->va + field,
		.found = found, .tag = b->tag, .pool = b->pool,
		.owner = b->owner });
}

bool psc_known_process(const struct psc_known *k, uint64_t process)
{
	return !process || process == UINT64_MAX || !k->has_processes ||
	       psc_map_get(&k->processes, process);
}

void psc_known_payer(const struct psc_known *k, const struct psc_block *b,
		     struct psc_faults *f)
{
	if (b->has_header && b->state == PSC_BLOCK_IN_USE &&
	    !psc_known_process(k, b->process))
		fault(f, b, PSC_Q2, 8, b->process);
}

void psc_known_unbilled(const struct psc_known *k, const struct psc_block *b,
			struct psc_faults *f)
{
	struct psc_sink s = psc_faults_sink(f);

	if (b->state == PSC_BLOCK_IN_USE && k->has_processes &&
	    psc_map_get(&k->processes, b->unbilled))
		s.fault(s.ctx, &(struct psc_fault){
			.rule = PSC_Q3, .va = b->va, .field_va = b->va + 3,
			.bits = 8, .expected = b->pool_type | PSC_PT_QUOTA,
			.found = b->pool_type, .tag = b->tag, .pool = b->pool,
			.owner = b->owner });
}

// --- tags that nobody counts --------------------------------------------------

struct psc_error *psc_known_tags(struct psc_check *c,
				 const struct psc_known *k)
{
	for (size_t i = 0; k->has_tags && i < c->sum->n; i++) {
		const struct psc_tagsum_row *w = &c->sum->v[i];

		if (!w->tag || !psc_tag_is_text(w->tag) ||
		    !psc_tagsum_counted(w) || psc_map_get(&k->tags, w->tag))
			continue;
		if (c->unknown.n == MAX_UNKNOWN) {	// the tracker lies
			c->unknown.n = 0;
			return NULL;
		}
		if (!psc_vec_push(&c->unknown, w))
			return &psc_nomem;
	}
	return NULL;
}

/** Is it an entry of the table that lost this tag? */
static bool key_is_damaged(const struct psc_faults *f, uint64_t tag)
{
	for (size_t i = 0; i < f->list.n; i++) {
		const struct psc_fault *x = &f->list.v[i];

		if ((x->rule == PSC_K2 || x->rule == PSC_K3) && x->bits &&
		    x->expected == tag)
			return true;
	}
	return false;
}

/** Looks for the blocks of some tags. */
struct seek {
	const struct psc_check *c;
	struct psc_faults found;
};

/** B4 stands at the entry of the table that holds the tag. */
static void big_fault(struct seek *s, const struct psc_block *b)
{
	const struct psc_big *big = psc_pool_big_at(s->c->view, 0, b->va);
	struct psc_sink to = psc_faults_sink(&s->found);

	if (!big)
		return;
	struct psc_fault f = psc_check_big_fault(
		s->c, big, PSC_B4, "_POOL_TRACKER_BIG_PAGES.Key", b->tag);
	to.fault(to.ctx, &f);
}

/** X2 stands at the start of the page, where special pool keeps the tag. */
static void special_fault(struct seek *s, const struct psc_block *b)
{
	struct psc_block page = *b;

	page.va &= ~(uint64_t)(PSC_PAGE_SIZE - 1);
	fault(&s->found, &page, PSC_X2, 4, b->tag);
}

static void seek_block(void *ctx, const struct psc_block *b)
{
	struct seek *s = ctx;

	if (b->state != PSC_BLOCK_IN_USE || b->pool == PSC_POOL_SESSION)
		return;
	for (size_t i = 0; i < s->c->unknown.n; i++) {
		if (s->c->unknown.v[i]->tag != b->tag)
			continue;
		if (b->owner == PSC_OWNER_BIG || b->owner == PSC_OWNER_LARGE)
			big_fault(s, b);
		else if (b->owner == PSC_OWNER_SPECIAL)
			special_fault(s, b);
		else
			fault(&s->found, b, PSC_K6, 4, b->tag);
	}
}

/** Where are the blocks whose tag nobody counts? A second walk, rarely. */
static struct psc_error *find_unknown(struct psc_check *c)
{
	struct seek s = { .c = c };
	struct psc_sink sink = { .ctx = &s, .block = seek_block };
	struct psc_walk w = { 0 };
	uint64_t blocks = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->unknown.n; i++) {
		if (key_is_damaged(&c->faults, c->unknown.v[i]->tag))
			continue;
		blocks += psc_tagsum_counted(c->unknown.v[i]);
		c->unknown.v[n++] = c->unknown.v[i];
	}
	c->unknown.n = n;
	if (!blocks || blocks > MAX_UNKNOWN)
		return NULL;
	struct psc_error *err = psc_pool_walk(c->view, &sink, 1,
					      c->a->progress, &w);
	psc_faults_join(&c->faults, &s.found);
	psc_faults_free(&s.found);
	psc_walk_free(&w);
	return err;
}

// --- what it should have been -------------------------------------------------

/** The only member of @p set one bit away from @p v; 0 = none or several. */
static uint64_t neighbour(const struct psc_map *set, uint64_t v,
			  unsigned int bits)
{
	uint64_t found = 0;

	for (unsigned int i = 0; i < bits; i++) {
		uint64_t x = v ^ UINT64_C(1) << i;

		if (!psc_map_get(set, x))
			continue;
		if (found)
			return 0;
		found = x;
	}
	return found;
}

static bool is_tag_fault(const struct psc_fault *f)
{
	switch (f->rule) {
	case PSC_L8:
	case PSC_K6:
	case PSC_B4:
		return true;
	case PSC_X2:
		return !f->bits;
	case PSC_V5:
	case PSC_F5:
		return f->field_va == f->va + 4 && !f->bits;
	default:
		return false;
	}
}

static void repair_tag(const struct psc_known *k, struct psc_fault *f,
		       const struct psc_tag_table *t,
		       const struct psc_tagsum *sum)
{
	uint32_t tag = (uint32_t)f->found & PSC_TAG_MASK;
	uint64_t want = neighbour(&k->tags, tag, 31);

	if (!want)
		return;
	f->expected = want;
	f->found = tag;
	f->bits = 32;
	f->repaired = psc_tagsum_lacks(sum, t, (uint32_t)want);
	f->tag = (uint32_t)want;
}

static void repair_payer(const struct psc_known *k, struct psc_fault *f)
{
	uint64_t want = neighbour(&k->processes, f->found, 64);

	if (!want)
		return;
	f->expected = want;
	f->bits = 64;
	f->repaired = true;
}

/** One block of a tag differs from all others, and those are many. */
static bool is_odd_one(uint64_t like_it, uint64_t others)
{
	return like_it == 1 && others >= MIN_ALIKE;
}

/**
 * A block that was freed and handed out again keeps a payer that no longer
 * counts (pool 7.8: stale). Only when every other block of its tag bills
 * somebody has this one lost its bit.
 */
static void keep_unbilled(struct psc_check *c)
{
	struct psc_sink s = psc_faults_sink(&c->faults);

	for (size_t i = 0; i < c->unbilled->list.n; i++) {
		const struct psc_fault *f = &c->unbilled->list.v[i];
		const struct psc_tagsum_row *r = psc_tagsum_find(c->sum,
								 f->tag);

		if (r && is_odd_one(r->headers - r->billed, r->billed))
			s.fault(s.ctx, f);
	}
}

/** A payer that is none, where no other block of the tag has one: it is the
 *  quota bit that is wrong. */
static void repair_bill(const struct psc_check *c, struct psc_fault *f)
{
	const struct psc_tagsum_row *r = psc_tagsum_find(c->sum, f->tag);
	uint8_t type;

	if (f->repaired || !r || !is_odd_one(r->billed, r->headers - 1) ||
	    psc_mem_read(psc_kernel_mem(c->a->kernel), f->va + 3, &type, 1,
			 NULL) != 1)
		return;
	f->field_va = f->va + 3;
	f->bits = 8;
	f->found = type;
	f->expected = type & ~PSC_PT_QUOTA;
	f->repaired = true;
}

/** Do the counters of a tag lack exactly this block of the walk? */
static bool is_missed(const struct psc_tag_table *t,
		      const struct psc_tag_counts *counted,
		      const struct psc_sum *walked, uint64_t bytes)
{
	return psc_tag_outstanding(t, counted) ==
		       (int64_t)walked->blocks + 1 &&
	       counted->bytes == walked->bytes + bytes;
}

/**
 * A free block of a chain whose links are none. When its tag is counted once
 * more than the walk found blocks, by exactly its bytes, it is live: the bit
 * that says so is lost.
 */
static void repair_live(const struct psc_check *c, struct psc_fault *f,
			const struct psc_tag_table *t)
{
	for (size_t i = 0; i < c->faults.list.n; i++) {
		if (c->faults.list.v[i].rule == PSC_L11 &&
		    c->faults.list.v[i].va == f->va)
			return;	// its neighbour has told already
	}
	const struct psc_tag_row *r = psc_tag_find(t, f->tag);
	const struct psc_tagsum_row *w = psc_tagsum_find(c->sum, f->tag);
	static const struct psc_tagsum_row none;
	uint8_t h[8];

	if (!r || psc_mem_read(psc_kernel_mem(c->a->kernel), f->va, h,
			       sizeof(h), NULL) != sizeof(h) || h[3])
		return;
	if (!is_missed(t, &r->nonpaged, w ? &w->nonpaged : &none.nonpaged,
		       h[2] * 16u))
		return;
	f->rule = PSC_L9;	// both links say so: one finding
	f->field_va = f->va + 3;
	f->bits = 8;
	f->found = h[3];
	f->expected = h[3] | PSC_PT_IN_USE;
	f->repaired = true;
}

static bool is_list_fault(const struct psc_fault *f)
{
	return f->owner == PSC_OWNER_CHAIN &&
	       (f->rule == PSC_L9 || f->rule == PSC_L10);
}

/** A process that ended is no damage; nor is a tag that is no text, when it is
 *  counted: drivers have such tags (callsites 5). */
static bool is_harmless(const struct psc_known *k, const struct psc_fault *f)
{
	if (f->rule == PSC_Q2)
		return !f->repaired;
	return k->has_tags && is_tag_fault(f) && !f->bits &&
	       psc_map_get(&k->tags, f->found & PSC_TAG_MASK);
}

static void drop_harmless(struct psc_faults *f, const struct psc_known *k)
{
	size_t n = 0;

	// In place: what was kept lies below what is still looked at.
	for (size_t i = 0; i < f->list.n; i++) {
		if (is_harmless(k, &f->list.v[i]))
			f->total--;
		else
			f->list.v[n++] = f->list.v[i];
	}
	f->list.n = n;
}

static void repair_tags(struct psc_check *c, const struct psc_known *k)
{
	const struct psc_tag_table *t;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_analysis_tag_table(c->a, &t);

	for (size_t i = 0; !err && i < c->faults.list.n; i++) {
		struct psc_fault *f = &c->faults.list.v[i];

		if (is_tag_fault(f))
			repair_tag(k, f, t, c->sum);
		else if (is_list_fault(f))
			repair_live(c, f, t);
	}
}

struct psc_error *psc_known_repair(struct psc_check *c,
				   const struct psc_known *k)
{
	struct psc_faults *f = &c->faults;
	struct psc_error *err = find_unknown(c);

	for (size_t i = 0; k->has_processes && i < f->list.n; i++) {
		struct psc_fault *x = &f->list.v[i];

		if (x->rule != PSC_Q2 && x->rule != PSC_Q1 &&
		    x->rule != PSC_L14)
			continue;
		repair_payer(k, x);
		repair_bill(c, x);
	}
	keep_unbilled(c);
	if (k->has_tags)
		repair_tags(c, k);
	drop_harmless(f, k);
	return err;
}
