// SPDX-License-Identifier: MIT
// Call sites of a dump: every loaded module, out of its pages.
#include "analysis/callers.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "kernel/symbols.h"
#include "pool/tagtable.h"

struct dump_images {
	size_t n;
	struct psc_code_image *code;
	struct psc_module_image *source;
	struct psc_caller_image *named;
	struct psc_pe *pe;
};

static void free_images(struct dump_images *d)
{
	for (size_t i = 0; d->named && i < d->n; i++)
		psc_sym_free(d->named[i].sym);
	free(d->code);
	free(d->source);
	free(d->named);
	free(d->pe);
}

static bool make_images(const struct psc_analysis *a,
			const struct psc_modules *m, struct dump_images *d)
{
	d->n = m->n;
	d->code = calloc(m->n + 1, sizeof(*d->code));
	d->source = calloc(m->n + 1, sizeof(*d->source));
	d->named = calloc(m->n + 1, sizeof(*d->named));
	d->pe = calloc(m->n + 1, sizeof(*d->pe));
	if (!d->code || !d->source || !d->named || !d->pe)
		return false;
	for (size_t i = 0; i < m->n; i++) {
		d->code[i] = (struct psc_code_image){
			.name = m->v[i].name, .base = m->v[i].base,
			.memory = true,
			.src = psc_module_source(&d->source[i], a->kernel,
						 &m->v[i]),
		};
		d->named[i].name = m->v[i].name;
		if (m->v[i].has_version)
			d->named[i].version = &m->v[i].version;
	}
	return true;
}

// Does the pattern name one tag? Then its number is worth a search as well.
static bool single_tag(const char *pattern, uint32_t *tag)
{
	return pattern && !strpbrk(pattern, "*?") &&
	       psc_tag_parse(pattern, tag);
}

// Symbols are looked for only where a row will be shown.
static void open_names(const struct psc_analysis *a,
		       const struct psc_modules *m, struct dump_images *d,
		       const struct psc_caller_list *list)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct psc_code_module *cm = &list->sites->v[i];
		bool shown = cm->n_hits > 0;

		for (size_t k = 0; k < cm->n && !shown; k++)
			shown = psc_callers_wanted(list, &cm->v[k]);
		if (!shown)
			continue;
		psc_error_free(psc_module_symbols(a->kernel, &m->v[i], NULL,
						  &d->named[i].sym));
		struct psc_error *err = psc_pe_open(&d->code[i].src,
						    m->v[i].name, &d->pe[i]);
		if (!err)
			d->named[i].pe = &d->pe[i];
		psc_error_free(err);
	}
}

/** Found once per analysis, whichever section asks first. */
struct psc_dump_callers {
	struct dump_images images;
	struct psc_callsites *sites;
	bool failed;
};

void psc_dump_callers_free(struct psc_dump_callers *d)
{
	if (!d)
		return;
	psc_callsites_free(d->sites);
	free_images(&d->images);
	free(d);
}

static struct psc_error *find(struct psc_analysis *a, const uint32_t *tags,
			      size_t n_tags)
{
	struct psc_dump_callers *d = calloc(1, sizeof(*d));
	char *cache = psc_callers_cache_dir();
	struct psc_code_options opt = {
		.cache_dir = cache,
		.index_tags = tags,
		.n_index_tags = n_tags,
	};
	const struct psc_modules *m;
	struct psc_error *err = d ? psc_analysis_modules(a, &m) : &psc_nomem;

	if (a->progress)
		opt.progress = *a->progress;
	if (!err)
		err = make_images(a, m, &d->images)
			? psc_callsites_find(d->images.code, d->images.n, &opt,
					     &d->sites)
			: &psc_nomem;
	free(cache);
	// A failure is kept as well: the next one who asks need not try.
	if (d && err)
		d->failed = true;
	psc_dump_callers_free(a->callers);
	a->callers = d;
	return err;
}

static void fill(struct psc_analysis *a, bool summary, const uint32_t *tags,
		 size_t n_tags, const struct psc_tag_table *counters)
{
	struct psc_dump_callers *d = a->callers;
	struct psc_caller_list list = {
		.sites = d->sites, .image = d->images.named,
		.tag_pattern = a->req->tag_pattern, .counters = counters,
		.only = summary ? tags : NULL,
		.n_only = summary ? n_tags : 0,
	};

	open_names(a, a->modules, &d->images, &list);
	psc_callers_fill(a->root, &list);
	if (summary) {
		psc_callers_findings(a, tags, n_tags);
	} else if (n_tags) {
		char *text = psc_callers_sentence(a->root, tags[0]);
		psc_set_str(a->root, "ticket", text);
		free(text);
	}
}

struct psc_error *psc_analyse_callers(struct psc_analysis *a)
{
	const struct psc_tag_table *counters = NULL;
	bool summary = !a->req->all &&
		       !(a->req->required & PSC_SECTION_CALLSITES);
	uint32_t tags[PSC_CALLERS_TOP];
	size_t n = 0;
	struct psc_error *err = psc_analysis_need_pages(a, "driver code");

	// The other sections say what the dump lacks; a summary adds nothing.
	if (err && summary && err->code == PSC_ERR_ABSENT) {
		psc_error_free(err);
		return NULL;
	}
	if (err)
		return err;
	// Without counters rows lack what is outstanding.
	psc_error_free(psc_analysis_tag_table(a, &counters));
	if (summary && counters)
		n = psc_callers_top_tags(a, counters, tags);
	else if (single_tag(a->req->tag_pattern, &tags[0]))
		n = 1;
	// The short report pays only when there is something to explain.
	if (summary && !n)
		return NULL;
	if (!a->callers || a->callers->failed)
		err = find(a, tags, n);
	if (!err)
		fill(a, summary, tags, n, counters);
	return err;
}

const char *psc_callers_driver(struct psc_analysis *a, uint32_t tag)
{
	if (!a->callers)
		psc_error_free(find(a, NULL, 0));
	if (!a->callers || a->callers->failed)
		return NULL;
	for (size_t i = 0; i < a->callers->sites->n; i++) {
		const struct psc_code_module *m = &a->callers->sites->v[i];
		for (size_t k = 0; k < m->n; k++) {
			const struct psc_callsite *s = &m->v[k];
			if (s->has_tag && s->tag_mask == UINT32_MAX &&
			    (s->tag & PSC_TAG_MASK) == (tag & PSC_TAG_MASK))
				return m->name;
		}
	}
	return NULL;
}
