// SPDX-License-Identifier: MIT
// One walk of all pages for every section that wants one: blocks are added up
// by tag, faults are kept.
#include <stdlib.h>
#include <unistd.h>

#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/cleanup.h"

#define MAX_THREADS 16u

struct psc_error *psc_analysis_view(struct psc_analysis *a,
				    struct psc_pool_view **ret)
{
	struct psc_error *err = NULL;
	const char *wanted = psc_kernel_wanted(a->kernel);

	if (!a->view)
		err = psc_pool_view_open(a->kernel, &a->view);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return psc_error_new(PSC_ERR_ABSENT, "%s: the pool cannot be "
				     "read: %s", psc_dump_path(a->dump),
				     wanted ? wanted
					    : "the kernel's layouts are not "
					      "known");
	if (!err)
		*ret = a->view;
	return err;
}

/** What one thread of the walk adds to. */
struct part {
	struct psc_tagsum tags;
	struct psc_faults faults, unbilled, hidden;
	const struct psc_known *known;
};

static void see_block(void *ctx, const struct psc_block *b)
{
	struct part *p = ctx;

	psc_tagsum_add(&p->tags, b);
	if (b->process)
		psc_known_payer(p->known, b, &p->faults);
	else if (b->unbilled)
		psc_known_unbilled(p->known, b, &p->unbilled);
}

static void keep_fault(void *ctx, const struct psc_fault *f)
{
	struct part *p = ctx;
	struct psc_sink s = psc_faults_sink(f->rule == PSC_L16 ? &p->hidden
							      : &p->faults);

	s.fault(s.ctx, f);
}

/** Without @p known: only counted, which costs less. */
static struct psc_sink part_sink(struct part *p, const struct psc_known *known)
{
	p->known = known;
	return known ? (struct psc_sink){ .ctx = p, .block = see_block,
					  .fault = keep_fault }
		     : psc_tagsum_sink(&p->tags);
}

static unsigned int n_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > (long)MAX_THREADS ? MAX_THREADS
						 : (unsigned int)n;
}

static void join(struct psc_walked *w, struct part *p)
{
	psc_tagsum_join(&w->tags, &p->tags);
	psc_tagsum_free(&p->tags);
	psc_faults_join(&w->faults, &p->faults);
	psc_faults_free(&p->faults);
	psc_faults_join(&w->unbilled, &p->unbilled);
	psc_faults_free(&p->unbilled);
	psc_faults_join(&w->hidden, &p->hidden);
	psc_faults_free(&p->hidden);
}

static struct psc_error *walk(struct psc_analysis *a, struct psc_walked *w)
{
	unsigned int n = n_threads();
	struct part part[MAX_THREADS] = { 0 };
	struct psc_sink sinks[MAX_THREADS];
	struct psc_pool_view *view;
	struct psc_error *err = psc_analysis_view(a, &view);

	if (!err && a->req->sections & PSC_SECTION_CORRUPTION)
		err = psc_known_new(a, &w->known);
	if (err)
		return err;
	for (unsigned int i = 0; i < n; i++)
		sinks[i] = part_sink(&part[i], w->known);
	err = psc_pool_walk(view, sinks, n, a->progress, &w->cover);
	for (unsigned int i = 0; i < n; i++)
		join(w, &part[i]);
	if (!err && (w->tags.nomem || w->faults.nomem))
		err = &psc_nomem;
	psc_tagsum_sort(&w->tags);
	return err;
}

static void walked_guard(struct psc_walked **w)
{
	psc_walked_free(*w);
}

struct psc_error *psc_analysis_walked(struct psc_analysis *a,
				      const struct psc_walked **ret)
{
	if (!a->walked) {
		PSC_CLEANUP(walked_guard) struct psc_walked *w =
			calloc(1, sizeof(*w));
		struct psc_error *err = w ? walk(a, w) : &psc_nomem;

		if (err)
			return err;
		a->walked = PSC_TAKE(w);
	}
	*ret = a->walked;
	return NULL;
}

void psc_walked_free(struct psc_walked *w)
{
	if (!w)
		return;
	psc_known_free(w->known);
	psc_tagsum_free(&w->tags);
	psc_faults_free(&w->faults);
	psc_faults_free(&w->unbilled);
	psc_faults_free(&w->hidden);
	psc_walk_free(&w->cover);
	free(w);
}
