// SPDX-License-Identifier: MIT
// The corruption section: every rule of the catalogue over the whole pool,
// and what happened where one breaks (pool 7).
#include "analysis/check.h"

#include <inttypes.h>
#include <string.h>

#include "analysis/bugcheck.h"
#include "analysis/small_dump.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "pool/cached_check.h"

/** Findings that a report shows; more say nothing new. */
#define MAX_FINDINGS 1000u

/** What waits in caches after it was freed (L13, Z1). */
static struct psc_error *check_lists(struct psc_check *c)
{
	const struct psc_sink sink = psc_faults_sink(&c->faults);

	return psc_pool_check_cached(c->view, &sink);
}

static struct psc_error *collect(struct psc_check *c)
{
	const struct psc_walked *w;
	struct psc_error *err = psc_analysis_walked(c->a, &w);

	if (err)
		return err;
	c->walk = &w->cover;
	c->sum = &w->tags;
	c->unbilled = &w->unbilled;
	psc_faults_join(&c->faults, &w->faults);
	psc_small_dump_faults(c);
	err = psc_known_tags(c, w->known);
	if (!err)
		err = psc_check_tags(c);
	if (!err)
		err = psc_check_big(c, w->known);
	if (!err)
		err = check_lists(c);
	if (!err)
		err = psc_known_repair(c, w->known);
	if (!err)
		psc_check_hidden(c, &w->hidden);
	if (!err && c->faults.nomem)
		err = &psc_nomem;
	psc_faults_sort(&c->faults);
	return err;
}

bool psc_check_is_whole(const struct psc_check *c)
{
	const struct psc_view_info *i = psc_pool_view_info(c->view);

	for (size_t n = 0; n < c->walk->n; n++) {
		const struct psc_span *s = &c->walk->v[n];

		if (s->pages_missing || s->pages_paged_out || s->st.missing ||
		    s->st.skipped)
			return false;
	}
	return c->walk->complete && i->complete && !i->partial && !i->newest;
}

static uint64_t pages_walked(const struct psc_walk *w)
{
	uint64_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->v[i].pages_read - w->v[i].pages_big;
	return n;
}

bool psc_check_named(const struct psc_check *c, uint64_t va, uint64_t bytes)
{
	for (size_t i = 0; i < c->n_named; i++) {
		if (c->named[i].va - va < bytes)
			return true;
	}
	return false;
}

/** The place, the block before it, or its data. */
static bool named_by_bugcheck(const struct psc_check *c,
			      const struct psc_fault *f)
{
	return psc_check_named(c, f->va, 0x20) ||
	       (f->previous_va && psc_check_named(c, f->previous_va, 0x20)) ||
	       (f->about && psc_check_named(c, f->about, 0x20));
}

// --- one finding ----------------------------------------------------------------

static void read_scene(const struct psc_check *c, struct psc_scene *s)
{
	struct psc_mem *m = psc_kernel_mem(c->a->kernel);
	uint64_t va = s->f->va;

	s->has_before = psc_mem_read(m, va - PSC_SCENE_BEFORE, s->before,
				     PSC_SCENE_BEFORE, NULL) ==
			PSC_SCENE_BEFORE;
	s->has_behind = psc_mem_read(m, va, s->behind, PSC_SCENE_BEHIND,
				     NULL) == PSC_SCENE_BEHIND;
}

static int bits(const struct psc_fault *f)
{
	return __builtin_popcountll(f->expected ^ f->found);
}

static void fault_texts(struct psc_value *evidence, const struct psc_scene *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct psc_fault *f = &s->f[i];
		const struct psc_rule_info *r = psc_rule_info(f->rule);

		if (f->bits)
			psc_add_strf(evidence, "%s at 0x%" PRIx64 ": %s; expected "
				     "0x%" PRIx64 ", found 0x%" PRIx64
				     " (%d bit%s)", r->name, f->field_va,
				     r->test, f->expected, f->found, bits(f),
				     bits(f) == 1 ? " differs" : "s differ");
		else
			psc_add_strf(evidence, "%s at 0x%" PRIx64 ": %s; found "
				     "0x%" PRIx64, r->name, f->field_va,
				     r->test, f->found);
	}
}

static void set_pair(struct psc_value *o, const struct psc_fault *f)
{
	psc_set_null(o, "expected");
	if (f->bits)
		psc_set_hex(o, "expected", f->expected);
	psc_set_hex(o, "found", f->found);
	psc_set_null(o, "bits_differ");
	if (f->bits)
		psc_set_uint(o, "bits_differ", (unsigned int)bits(f));
}

/** Every rule that fails at the place, once. */
static void set_rules(struct psc_value *o, const struct psc_scene *s)
{
	struct psc_value *list = psc_set_array(o, "rules");
	bool given[PSC_N_RULES] = { false };

	for (size_t i = 0; i < s->n; i++) {
		if (!given[s->f[i].rule])
			psc_add_str(list, psc_rule_info(s->f[i].rule)->name);
		given[s->f[i].rule] = true;
	}
}

static struct psc_error *finding(struct psc_check *c, const struct psc_fault *f,
				 size_t n)
{
	struct psc_scene s = { .f = f, .n = n };

	s.bugcheck = named_by_bugcheck(c, f);
	s.lock = psc_check_lock(c, f);
	read_scene(c, &s);
	struct psc_judgement j = psc_judge(&s, NULL);
	if (!j.corrupt && !c->a->req->suspect && !c->a->req->all) {
		c->suspects++;
		return NULL;
	}
	struct psc_value *o = psc_add_object(c->list);
	psc_set_str(o, "rule", psc_rule_info(j.main->rule)->name);
	set_rules(o, &s);
	psc_set_str(o, "severity", j.corrupt ? "corrupt" : "suspect");
	psc_set_hex(o, "address", f->va);
	psc_set_str(o, "pool", psc_pool_kind_name(f->pool));
	if (j.main->tag)
		psc_set_tag(o, "tag", j.main->tag);
	else
		psc_set_null(o, "tag");
	set_pair(o, j.main);
	psc_set_bool(o, "bit_flip", j.bit_flip);
	psc_set_str(o, "cause", psc_cause_name(j.cause));
	psc_check_blame(c, o, &j);
	psc_set_str(o, "confidence", psc_confidence_name(j.confidence));
	if (j.bit_flip)
		psc_set_bool(o, "hardware", true);
	else if (j.cause == PSC_CAUSE_UNKNOWN)
		psc_set_null(o, "hardware");
	else
		psc_set_bool(o, "hardware", false);
	psc_set_str(o, "meaning", psc_rule_info(j.main->rule)->meaning);
	struct psc_value *evidence = psc_set_array(o, "evidence");
	fault_texts(evidence, &s);
	psc_judge(&s, evidence);
	psc_pattern_add(&c->pattern, &j);
	return psc_check_around(c, o, &s);
}

static struct psc_error *judge_all(struct psc_check *c)
{
	const struct psc_faults *f = &c->faults;
	struct psc_error *err = NULL;

	for (size_t i = 0, end; !err && i < f->list.n; i = end) {
		end = psc_faults_place(f, i);
		if (psc_count(c->list) < MAX_FINDINGS)
			err = finding(c, &f->list.v[i], end - i);
		else
			c->not_shown++;
	}
	return err;
}

static void set_stopped(struct psc_check *c, struct psc_value *o,
			uint64_t pages)
{
	psc_set_strf(o, "error", "%" PRIu64 " rules fail over %" PRIu64
		     " pages of pool, far more than damage would: the symbols "
		     "or layouts do not fit this kernel, so no finding is "
		     "made", c->faults.total, pages);
}

static void set_counts(struct psc_check *c, struct psc_value *o,
		       uint64_t pages)
{
	psc_set_uint(o, "pages", pages);
	psc_set_uint(o, "blocks", c->walk->blocks);
	psc_set_uint(o, "faults", c->faults.total);
	psc_set_uint(o, "faults_not_kept", c->faults.total - c->faults.list.n);
	psc_set_bool(o, "suspect_counts", c->a->req->suspect);
	psc_set_bool(o, "partial", psc_pool_view_info(c->view)->partial);
}

static struct psc_error *run(struct psc_check *c)
{
	struct psc_value *o = psc_set_object(c->a->root, "check");
	uint64_t pages = pages_walked(c->walk);
	struct psc_error *err = NULL;

	set_counts(c, o, pages);
	c->list = psc_set_array(c->a->root, "corruption");
	if (psc_faults_systematic(&c->faults, pages))
		set_stopped(c, o, pages);
	else
		err = judge_all(c);
	psc_set_uint(o, "suspects_not_shown", c->suspects);
	psc_set_uint(o, "places_not_shown", c->not_shown);
	psc_set_uint(o, "pages_not_shown", c->pages_not_shown);
	if (!err)
		err = psc_check_suspects(c, o);
	if (!err)
		err = psc_check_set_bugcheck(c);
	if (!err)
		err = psc_check_small_dump(c, pages);
	psc_check_sum_up(c);
	if (!c->walk->complete)
		psc_walk_lacks(c->a);
	return err;
}

struct psc_error *psc_analyse_check(struct psc_analysis *a)
{
	struct psc_check c = { .a = a };
	struct psc_error *err = psc_analysis_view(a, &c.view);

	if (err)
		return err;
	psc_check_read_bugcheck(&c);
	err = collect(&c);
	if (!err)
		err = run(&c);
	psc_faults_free(&c.faults);
	psc_vec_free(&c.unknown);
	return err;
}
