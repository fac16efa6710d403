// SPDX-License-Identifier: MIT
#include "analysis/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/finding.h"
#include "analysis/pooltag.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"

#define MAX_THREADS 16u
/** Faults lie together when their headers do: chunk and pool header. */
#define TOGETHER 0x20u
/** A share of pages this big is one misread, not damage (pool 7.9). */
#define SYSTEMATIC_SHARE 100u
#define SYSTEMATIC_MIN 100u

static int by_place(const void *a, const void *b)
{
	const struct psc_fault *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	if (x->field_va != y->field_va)
		return x->field_va < y->field_va ? -1 : 1;
	return (int)x->rule - (int)y->rule;
}

/** The walk and the table checks, all faults sorted by place. */
static struct psc_error *collect(struct psc_analysis *a,
				 const struct psc_known_tags *known,
				 struct psc_faults *f, struct psc_walk *walk)
{
	unsigned int n = PSC_MIN(psc_walk_threads(), MAX_THREADS);
	struct psc_faults part[MAX_THREADS] = { 0 };
	struct psc_sink sinks[MAX_THREADS];
	struct psc_pool_view *view;
	struct psc_error *err = psc_analysis_view(a, &view);

	if (err)
		return err;
	for (unsigned int i = 0; i < n; i++) {
		part[i].known = known->cap ? known : NULL;
		sinks[i] = psc_faults_sink(&part[i]);
	}
	err = psc_pool_walk(view, sinks, n, a->progress, walk);
	for (unsigned int i = 0; i < n; i++) {
		for (size_t j = 0; j < part[i].v.n; j++)
			psc_faults_add(f, &part[i].v.v[j]);
		f->nomem |= part[i].nomem;
		f->dropped += part[i].dropped;
		psc_vec_free(&part[i].v);
	}
	if (!err)
		err = psc_check_tags(a, f);
	if (!err && f->nomem)
		err = &psc_nomem;
	if (f->v.n)
		qsort(f->v.v, f->v.n, sizeof(*f->v.v), by_place);
	return err;
}

static bool named_by_bugcheck(const struct psc_analysis *a, uint64_t va)
{
	const struct psc_dump_header *h = psc_dump_header(a->dump);

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t p = h->bugcheck_parameter[i];

		// Header, its data, or the chunk before it.
		if (p >= va && p - va <= TOGETHER)
			return true;
	}
	return false;
}

static bool is_table(const struct psc_fault *f)
{
	return f->rule >= PSC_K1 && f->rule <= PSC_K5;
}

static void read_around(const struct psc_analysis *a, struct psc_damage *d)
{
	uint64_t va = d->f->va;

	if (is_table(d->f) || va < sizeof(d->before))
		return;
	d->n_here = psc_mem_read(a->mem, va, d->here, sizeof(d->here), NULL);
	if (psc_mem_read(a->mem, va - sizeof(d->before), d->before,
			 sizeof(d->before), NULL) == sizeof(d->before))
		d->n_before = sizeof(d->before);
}

// --- filling -----------------------------------------------------------------

static void evidence_bytes(struct psc_value *list, uint64_t va,
			   const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 16 <= n; i += 16) {
		struct psc_str s = { 0 };

		psc_str_addf(&s, "%016" PRIx64 " ", va + i);
		for (size_t j = 0; j < 16; j++)
			psc_str_addf(&s, " %02x", p[i + j]);
		psc_str_add(&s, "  ");
		for (size_t j = 0; j < 16; j++) {
			char c = (char)p[i + j];

			psc_str_addf(&s, "%c", c >= 0x20 && c < 0x7f ? c : '.');
		}
		psc_add_str(list, s.s);
		psc_str_free(&s);
	}
}

static void evidence(struct psc_value *o, const struct psc_damage *d)
{
	struct psc_value *list = psc_set_array(o, "evidence");

	for (size_t i = 0; i < d->n; i++) {
		const struct psc_fault *f = &d->f[i];
		const struct psc_rule_info *r = psc_rule_info(f->rule);

		if (f->bits)
			psc_add_strf(list, "%s at 0x%" PRIx64 ": %s: expected "
				     "0x%" PRIx64 ", found 0x%" PRIx64 ", %d "
				     "bits differ", r->name, f->field_va,
				     r->test, f->expected, f->found,
				     __builtin_popcountll(f->expected ^
							  f->found));
		else
			psc_add_strf(list, "%s at 0x%" PRIx64 ": %s: found 0x%"
				     PRIx64, r->name, f->field_va, r->test,
				     f->found);
	}
	psc_add_strf(list, "meaning: %s", psc_rule_info(d->f->rule)->meaning);
	evidence_bytes(list, d->f->va - d->n_before, d->before, d->n_before);
	evidence_bytes(list, d->f->va, d->here, d->n_here);
}

/** Who is blamed: the block before for an overrun, else the block itself. */
static void set_suspect(struct psc_analysis *a, struct psc_value *o,
			const struct psc_damage *d)
{
	const struct psc_fault *f = d->f;
	uint64_t va = d->blames_previous ? f->previous_va : f->va;
	uint32_t tag = d->blames_previous ? f->previous_tag : f->tag;
	struct psc_pooltag t = { 0 };

	if (!va || !tag || d->bit_flip || is_table(f)) {
		psc_set_null(o, "suspect");
		return;
	}
	struct psc_value *s = psc_set_object(o, "suspect");
	psc_set_hex(s, "address", va);
	psc_set_tag(s, "tag", tag);
	if (psc_pooltag_find(a->tags, tag, &t))
		psc_set_str(s, "module", t.binary);
	else
		psc_set_null(s, "module");
}

static void set_damage(struct psc_analysis *a, struct psc_value *list,
		       const struct psc_damage *d)
{
	const struct psc_fault *f = d->f;
	struct psc_value *o = psc_add_object(list);

	psc_set_str(o, "rule", psc_rule_info(f->rule)->name);
	psc_set_str(o, "severity", d->corrupt ? "corrupt" : "suspect");
	psc_set_hex(o, "address", f->va);
	psc_set_str(o, "pool", psc_pool_kind_name(f->pool));
	if (f->tag)
		psc_set_tag(o, "tag", f->tag);
	else
		psc_set_null(o, "tag");
	if (f->bits)
		psc_set_hex(o, "expected", f->expected);
	else
		psc_set_null(o, "expected");
	psc_set_hex(o, "found", f->found);
	psc_set_bool(o, "bit_flip", d->bit_flip);
	psc_set_str(o, "cause", d->cause);
	set_suspect(a, o, d);
	psc_set_null(o, "process");
	psc_set_str(o, "confidence", d->confidence);
	if (d->hardware < 0)
		psc_set_null(o, "hardware");
	else
		psc_set_bool(o, "hardware", d->hardware);
	evidence(o, d);
}

struct verdict {
	uint64_t corrupt, suspect, flips, software;
	uint64_t first_flip_page;
	bool flips_apart;	/**< On different pages. */
};

static void count(struct verdict *v, const struct psc_damage *d)
{
	uint64_t page = d->f->va >> PSC_PAGE_SHIFT;

	v->corrupt += d->corrupt;
	v->suspect += !d->corrupt;
	if (!d->corrupt)
		return;
	v->software += d->hardware == 0;
	if (!d->bit_flip)
		return;
	if (v->flips++ && page != v->first_flip_page)
		v->flips_apart = true;
	else if (v->flips == 1)
		v->first_flip_page = page;
}

/** Hardware or software: one sentence, with how sure it is. */
static void set_verdict(struct psc_analysis *a, const struct verdict *v)
{
	const char *text;

	if (!v->corrupt)
		return;
	if (v->flips_apart && !v->software)
		text = "single bits flipped at unrelated places: failing "
		       "memory is likely; test the RAM";
	else if (v->flips && !v->software)
		text = "one bit differs from what it must be: memory that "
		       "fails, or a driver that sets a flag in freed memory; "
		       "test the RAM, then use Driver Verifier";
	else if (v->software)
		text = "data of a block was written over a header: a driver "
		       "wrote outside its block; see the suspects, and use "
		       "Driver Verifier with special pool for their drivers";
	else
		text = "pool structures contradict each other, and the bytes "
		       "do not tell whether a driver or the memory did it";
	psc_finding_add(a, "pool-corrupt", PSC_CRITICAL, "/corruption",
			"%" PRIu64 " corrupted pool header%s: %s", v->corrupt,
			v->corrupt == 1 ? "" : "s", text);
}

static bool systematic(const struct psc_faults *f, const struct psc_walk *w)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < w->n; i++)
		pages += w->v[i].pages_read;
	return f->dropped || (f->v.n > SYSTEMATIC_MIN &&
			      f->v.n > pages / SYSTEMATIC_SHARE);
}

static void fill(struct psc_analysis *a, const struct psc_faults *f,
		 const struct psc_walk *w)
{
	struct psc_value *list = psc_set_array(a->root, "corruption");
	struct verdict v = { 0 };

	if (systematic(f, w)) {
		psc_finding_add(a, "misread", PSC_WARNING, NULL,
				"%" PRIu64 " headers break rules: that many "
				"are one misreading, not damage; none is "
				"listed", f->v.n + f->dropped);
		a->lower_bound = true;
		return;
	}
	for (size_t i = 0, end; i < f->v.n; i = end) {
		struct psc_damage d = { .f = &f->v.v[i] };

		for (end = i + 1; end < f->v.n &&
		     f->v.v[end].va - d.f->va < TOGETHER &&
		     is_table(&f->v.v[end]) == is_table(d.f) &&
		     !is_table(d.f); end++)
			;
		d.n = end - i;
		read_around(a, &d);
		psc_damage_judge(&d, named_by_bugcheck(a, d.f->va));
		count(&v, &d);
		if (d.corrupt || a->req->suspect || a->req->all)
			set_damage(a, list, &d);
	}
	set_verdict(a, &v);
}

struct psc_error *psc_analyse_check(struct psc_analysis *a)
{
	struct psc_faults f = { 0 };
	struct psc_walk walk = { 0 };
	struct psc_known_tags known;
	struct psc_error *err = psc_known_tags_read(a, &known);

	if (!err)
		err = collect(a, &known, &f, &walk);
	free(known.v);
	if (!err) {
		fill(a, &f, &walk);
		if (!walk.complete)
			a->lower_bound = true;
	}
	psc_vec_free(&f.v);
	psc_walk_free(&walk);
	return err;
}
