// SPDX-License-Identifier: MIT
// Rules on the tag tables (pool 7.4): a table whose keys or counters were
// written over. What the blocks say is the second witness.
#include <stdlib.h>

#include "analysis/check.h"
#include "base/cleanup.h"
#include "pool/header.h"
#include "pool/tagtable.h"

/** Unreachable keys above this share are another hash, not damage. */
#define SYSTEMATIC_PERCENT 50u
#define TAG_FRAG 0x67617246u	/* "Frag" */

/** What the rules look at. */
struct tables {
	struct psc_check *c;
	const struct psc_tag_table *t;
	bool *used;		/**< By index: has a key. */
	bool whole;		/**< The walk missed nothing, and met no damage. */
};

static uint64_t entry_va(const struct psc_tag_table *t, bool expansion,
			 uint64_t index)
{
	return (expansion ? t->expansion : t->base) + index * t->entry_bytes;
}

static void fault(const struct tables *x, const struct psc_tag_row *r,
		  struct psc_fault f)
{
	struct psc_sink sink = psc_faults_sink(&x->c->faults);

	if (!f.va)
		f.va = entry_va(x->t, r->expansion, r->index);
	f.field_va = f.va;
	f.tag = r->tag;
	f.owner = PSC_OWNER_BIG;
	sink.fault(sink.ctx, &f);
}

/** Do blocks of other kinds hide behind these counters (pool 7.4, K4)? */
static bool is_plain(const struct psc_tagsum_row *w)
{
	return w->tag != TAG_FRAG && !w->big.blocks && !w->special.blocks &&
	       !w->session.blocks;
}

/**
 * Does exactly one of the two, blocks and bytes, agree with the walk? What was
 * in flight at the crash, cached or missed differs in both, and stays with the
 * reconciliation. Then @p f gets what the pages say.
 */
static bool contradicts(const struct tables *x, int64_t outstanding,
			const struct psc_tagsum_row *w,
			const struct psc_sum *s, struct psc_fault *f)
{
	bool blocks_agree = w && (uint64_t)outstanding == s->blocks;
	bool bytes_agree = w && f->found == s->bytes;

	if (!x->whole || !w || !is_plain(w) || !s->blocks ||
	    blocks_agree == bytes_agree)
		return false;
	f->bits = 64;
	f->expected = bytes_agree ? s->blocks : s->bytes;
	if (bytes_agree)
		f->found = (uint64_t)outstanding;
	return true;
}

static void check_counts(const struct tables *x, const struct psc_tag_row *r,
			 const struct psc_tag_counts *c,
			 enum psc_pool_kind pool)
{
	const struct psc_tagsum_row *w = psc_tagsum_find(x->c->sum, r->tag);
	int64_t outstanding = psc_tag_outstanding(x->t, c);
	struct psc_fault f = { .pool = pool, .found = c->bytes };
	bool k4 = !r->overflow && !r->expansion &&
		  contradicts(x, outstanding, w, !w ? NULL
			      : pool == PSC_POOL_PAGED ? &w->paged
						       : &w->nonpaged, &f);

	if (outstanding < 0 || (int64_t)c->bytes < 0)
		f.rule = PSC_K1;
	else if (c->bytes & 0xf)
		f.rule = PSC_K5;
	else if (k4)
		f.rule = PSC_K4;
	else
		return;
	// The pages are the second witness of a counter that is wrong anyway.
	f.repaired = k4 && f.rule != PSC_K4;
	fault(x, r, f);
}

/** Would a search for @p tag look at @p index? */
static bool reachable(const struct tables *x, uint32_t tag, uint64_t index)
{
	uint64_t mask = x->t->entries - 2, i = psc_tag_hash(tag) & mask;

	for (uint64_t n = 0; n <= mask; n++, i = (i + 1) & mask) {
		if (i == index)
			return true;
		if (!x->used[i])
			return false;
	}
	return false;
}

/**
 * The tag that an entry lost: blocks carry it, no entry has it, and a search
 * for it would end here. @return NULL when there is none, or several.
 */
static const struct psc_tagsum_row *lost_tag(const struct tables *x,
					     uint64_t index)
{
	const struct psc_tagsum_row *found = NULL;

	for (size_t i = 0; i < x->c->unknown.n; i++) {
		const struct psc_tagsum_row *w = x->c->unknown.v[i];

		if (!reachable(x, w->tag, index))
			continue;
		if (found)
			return NULL;
		found = w;
	}
	return found;
}

/** Key of an entry in the table of processor @p cpu; 0 = none. */
static uint32_t key_of(const struct tables *x, unsigned int cpu,
		       const struct psc_tag_row *r, uint64_t *va)
{
	uint32_t key;

	*va = x->t->tables[cpu] + r->index * x->t->entry_bytes;
	return psc_mem_read(psc_kernel_mem(x->c->a->kernel), *va + x->t->key,
			    &key, sizeof(key), NULL) == sizeof(key)
		? key & PSC_TAG_MASK : 0;
}

/** The tag of an entry by the other processors' tables; 0 = cannot tell. */
static uint32_t other_key(const struct tables *x, const struct psc_tag_row *r)
{
	uint64_t va;

	for (unsigned int i = 0; i < x->t->processors; i++) {
		uint32_t key = key_of(x, i, r, &va);

		if (key && psc_tag_is_text(key) && reachable(x, key, r->index))
			return key;
	}
	return 0;
}

static void check_key(const struct tables *x, const struct psc_tag_row *r,
		      enum psc_rule rule)
{
	struct psc_fault f = { .rule = rule, .found = r->tag,
			       .pool = PSC_POOL_UNKNOWN };
	uint32_t other = r->keys_differ ? other_key(x, r) : 0;
	const struct psc_tagsum_row *w = r->expansion || other
		? NULL : lost_tag(x, r->index);

	if (w) {
		f.repaired = (uint64_t)psc_tag_outstanding(x->t,
							   &r->nonpaged) ==
				     w->nonpaged.blocks &&
			     (uint64_t)psc_tag_outstanding(x->t, &r->paged) ==
				     w->paged.blocks;
		f.expected = w->tag;
	} else {
		f.repaired = other;
		f.expected = other;
	}
	f.bits = f.expected ? 32 : 0;
	fault(x, r, f);
}

/** The tables of other processors, beside a first one that is right. */
static void check_copies(const struct tables *x, const struct psc_tag_row *r)
{
	for (unsigned int i = 1; i < x->t->processors; i++) {
		struct psc_fault f = { .expected = r->tag, .bits = 32,
				       .pool = PSC_POOL_UNKNOWN,
				       .repaired = true };

		f.found = key_of(x, i, r, &f.va);
		f.rule = psc_tag_is_text((uint32_t)f.found) ? PSC_K3 : PSC_K2;
		if (f.found && f.found != r->tag)
			fault(x, r, f);
	}
}

static bool is_misplaced(const struct tables *x, const struct psc_tag_row *r)
{
	return !r->expansion && !r->overflow && psc_tag_is_text(r->tag) &&
	       !reachable(x, r->tag, r->index);
}

/** A key that is no text, but lies where a search for it ends, alike in all
 *  tables, and that nobody misses another at: drivers have such tags. */
static bool is_odd_but_sound(const struct tables *x,
			     const struct psc_tag_row *r)
{
	return r->tag && !r->keys_differ && !r->expansion &&
	       reachable(x, r->tag, r->index) && !lost_tag(x, r->index);
}

static void check_keys(const struct tables *x)
{
	const struct psc_tag_table *t = x->t;
	size_t bad = 0;

	for (size_t i = 0; i < t->n; i++)
		bad += is_misplaced(x, &t->v[i]);
	for (size_t i = 0; i < t->n; i++) {
		const struct psc_tag_row *r = &t->v[i];

		if (!r->overflow && !psc_tag_is_text(r->tag) &&
		    !is_odd_but_sound(x, r))
			check_key(x, r, PSC_K2);
		else if (bad * 100 <= t->n * SYSTEMATIC_PERCENT &&
			 is_misplaced(x, r))
			check_key(x, r, PSC_K3);
		else if (r->keys_differ)
			check_copies(x, r);
		if (r->lost_key)
			fault(x, r, (struct psc_fault){
				.rule = PSC_K2, .bits = 32, .expected = r->tag,
				.pool = PSC_POOL_UNKNOWN, .repaired = true });
	}
	// An entry with counters and no key at all.
	if (t->keyless == 1)
		check_key(x, &t->keyless_row, PSC_K2);
}

/** A damaged header may say a wrong size: then sums are no witness. */
static bool headers_are_sound(const struct psc_faults *f)
{
	for (size_t i = 0; i < f->list.n; i++) {
		switch (psc_rule_info(f->list.v[i].rule)->name[0]) {
		case 'L':
		case 'V':
		case 'F':
			return false;
		}
	}
	return true;
}

struct psc_error *psc_check_tags(struct psc_check *c)
{
	struct tables x = { .c = c, .whole = psc_check_is_whole(c) &&
					     headers_are_sound(&c->faults) };
	struct psc_error *err = psc_analysis_tag_table(c->a, &x.t);

	// No table: nothing to check. Missing pages make sums meaningless.
	if (err || !x.t->complete) {
		psc_error_free(err);
		return NULL;
	}
	PSC_FREE bool *used = calloc(x.t->entries, sizeof(*used));
	if (!used)
		return &psc_nomem;
	for (size_t i = 0; i < x.t->n; i++) {
		if (!x.t->v[i].expansion && x.t->v[i].index < x.t->entries)
			used[x.t->v[i].index] = true;
	}
	if (x.t->keyless == 1)
		used[x.t->keyless_row.index] = true;
	x.used = used;
	for (size_t i = 0; i < x.t->n; i++) {
		const struct psc_tag_row *r = &x.t->v[i];

		check_counts(&x, r, &r->nonpaged, PSC_POOL_NONPAGED);
		check_counts(&x, r, &r->paged, PSC_POOL_PAGED);
	}
	check_keys(&x);
	return NULL;
}
