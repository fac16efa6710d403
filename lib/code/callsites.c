// SPDX-License-Identifier: MIT
// All images: names of their exports, one analysis each on all processors,
// and a second one for callers of other modules' wrappers.
#include "code/callsites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "code/engine.h"
#include "code/tagindex.h"

enum { THREADS_MAX = 64, WRAPPERS_MAX = 1000 };

/** An exported function that hands its argument to an allocator. */
struct wrapper {
	char *module, *name;
	struct psc_api api;	/**< through points at name. */
};

/** Export of a loaded image by address. */
struct named {
	uint64_t address;
	const char *name, *module;
};

struct job {
	const struct psc_code_image *image;
	struct psc_code_module *out;
	struct psc_flat flat;
	bool loaded;
	struct psc_pe_exports exports;	/**< Of memory images. */
	PSC_VEC(struct wrapper) wrappers;
	bool again;			/**< Calls another module's wrapper. */
};

struct run {
	struct job *jobs;
	size_t n;
	PSC_VEC(struct named) names;
	struct psc_names lookup;
	struct psc_api *extra;		/**< Wrappers of all modules. */
	size_t n_extra;
	const struct psc_code_options *options;
	atomic_size_t next, done;
	pthread_mutex_t progress_lock;
	bool second;
};

// --- names -------------------------------------------------------------------

static int by_address(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static const char *name_at(const void *ctx, uint64_t address,
			   const char **module)
{
	const struct run *r = ctx;
	size_t lo = 0, hi = r->names.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (r->names.v[mid].address < address)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == r->names.n || r->names.v[lo].address != address)
		return NULL;
	*module = r->names.v[lo].module;
	return r->names.v[lo].name;
}

static bool collect_names(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		if (!j->loaded || !j->image->memory)
			continue;
		struct psc_error *err = psc_pe_exports(&j->flat.pe,
						       &j->exports);
		psc_error_free(err);
		for (size_t k = 0; k < j->exports.n; k++) {
			const struct psc_pe_export *x = &j->exports.v[k];
			struct named at = { j->flat.base + x->rva, x->name,
					    j->image->name };
			if (x->name && x->rva && !psc_vec_push(&r->names, at))
				return false;
		}
	}
	if (r->names.n)
		qsort(r->names.v, r->names.n, sizeof(*r->names.v), by_address);
	return true;
}

// --- one image ---------------------------------------------------------------

static void count_pages(const struct psc_flat *f, struct psc_code_module *m)
{
	m->code_pages = m->code_pages_missing = 0;
	for (uint32_t rva = 0; rva < f->size; rva += PSC_FLAT_PAGE) {
		if (!psc_flat_executable(f, rva))
			continue;
		m->code_pages++;
		m->code_pages_missing += !f->present[rva / PSC_FLAT_PAGE];
	}
}

static bool keep_wrappers(struct job *j, const struct psc_site_list *list)
{
	for (size_t i = 0; i < list->wrappers.n; i++) {
		struct wrapper w = { .api = list->wrappers.v[i].api };

		w.name = strdup(list->wrappers.v[i].export);
		w.module = strdup(j->image->name);
		if (!w.name || !w.module || !psc_vec_push(&j->wrappers, w)) {
			free(w.name);
			free(w.module);
			return false;
		}
	}
	return true;
}

static bool calls_wrapper(const struct psc_engine *e, const struct run *r,
			  const struct job *j)
{
	for (size_t i = 0; i < e->imports.n; i++) {
		const struct psc_pe_import *im = &e->imports.v[i];
		const char *name = im->name, *module = NULL;

		if (!name && j->image->memory &&
		    psc_flat_has(e->flat, im->slot_rva, e->flat->ptr))
			name = name_at(r, psc_le_uint(e->flat->bytes +
				im->slot_rva, e->flat->ptr), &module);
		for (size_t k = 0; name && k < r->n_extra; k++) {
			if (!strcmp(name, r->extra[k].through))
				return true;
		}
	}
	return false;
}

static struct psc_error *find_sites(struct run *r, struct job *j,
				    struct psc_engine *e)
{
	struct psc_site_list list = { 0 };
	struct psc_hit_list hits = { 0 };
	struct psc_code_module *m = j->out;
	bool ok;

	psc_sites_find(e, &list);
	ok = !list.oom && psc_tag_index(e, r->options->index_tags,
					r->options->n_index_tags, &hits) &&
	     (r->second || keep_wrappers(j, &list));
	psc_vec_free(&list.wrappers);
	free(m->v);
	free(m->hits);
	m->v = list.v.v;
	m->n = list.v.n;
	m->hits = hits.v.v;
	m->n_hits = hits.v.n;
	m->limited = e->limited;
	return ok ? NULL : &psc_nomem;
}

static void work_on(struct run *r, struct job *j)
{
	struct psc_engine e;
	struct psc_error *err;
	const struct psc_names *names = j->image->memory ? &r->lookup : NULL;

	err = psc_engine_open(&e, &j->flat, names, r->extra,
			      r->second ? r->n_extra : 0);
	if (!err) {
		if (!r->second || calls_wrapper(&e, r, j))
			err = find_sites(r, j, &e);
		psc_engine_close(&e);
	}
	if (err)
		j->out->error = err;
}

static void *worker(void *arg)
{
	struct run *r = arg;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->n) {
		if (r->jobs[i].loaded && !r->jobs[i].out->error)
			work_on(r, &r->jobs[i]);
		size_t done = atomic_fetch_add(&r->done, 1) + 1;
		pthread_mutex_lock(&r->progress_lock);
		psc_progress_update(&r->options->progress, "call sites", done,
				    r->n);
		pthread_mutex_unlock(&r->progress_lock);
	}
	return NULL;
}

static void run_all(struct run *r)
{
	unsigned int n = r->options->threads;
	pthread_t t[THREADS_MAX];
	unsigned int started = 0;

	if (!n)
		n = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	n = PSC_MIN(PSC_MAX(n, 1u), (unsigned int)THREADS_MAX);
	n = (unsigned int)PSC_MIN((size_t)n, r->n);
	atomic_store(&r->next, 0);
	atomic_store(&r->done, 0);
	while (started + 1 < n &&
	       !pthread_create(&t[started], NULL, worker, r))
		started++;
	worker(r);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(t[i], NULL);
}

// --- stages ------------------------------------------------------------------

static void load(struct run *r, const struct psc_code_image *images,
		 struct psc_callsites *c)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		struct psc_code_module *m = &c->v[i];

		j->image = &images[i];
		j->out = m;
		m->name = strdup(images[i].name);
		m->error = m->name ? psc_flat_load(&images[i].src,
						   images[i].name,
						   images[i].base,
						   images[i].memory, &j->flat)
				   : &psc_nomem;
		if (m->error)
			continue;
		j->loaded = true;
		m->machine = j->flat.pe.machine;
		m->timestamp = j->flat.pe.timestamp;
		m->image_size = j->flat.pe.image_size;
		m->checksum = j->flat.pe.checksum;
		count_pages(&j->flat, m);
	}
}

// Names of wrappers go to the result: rows point at them.
static bool gather_wrappers(struct run *r, struct psc_callsites *c)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->jobs[i].wrappers.n;
	n = PSC_MIN(n, (size_t)WRAPPERS_MAX);
	char **names = calloc(n + 1, sizeof(*names));
	r->extra = calloc(n + 1, sizeof(*r->extra));
	c->names = names;
	if (!names || !r->extra)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		for (size_t k = 0; k < r->jobs[i].wrappers.n && at < n; k++) {
			struct wrapper *w = &r->jobs[i].wrappers.v[k];
			names[at] = w->name;
			w->name = NULL;
			r->extra[at] = w->api;
			r->extra[at].through = names[at];
			at++;
		}
	}
	r->n_extra = at;
	return true;
}

static void end_run(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		for (size_t k = 0; k < j->wrappers.n; k++) {
			free(j->wrappers.v[k].name);
			free(j->wrappers.v[k].module);
		}
		psc_vec_free(&j->wrappers);
		psc_pe_exports_free(&j->exports);
		psc_flat_free(&j->flat);
	}
	free(r->jobs);
	free(r->extra);
	psc_vec_free(&r->names);
	pthread_mutex_destroy(&r->progress_lock);
}

struct psc_error *psc_callsites_find(const struct psc_code_image *images,
				     size_t n,
				     const struct psc_code_options *options,
				     struct psc_callsites **ret)
{
	static const struct psc_code_options defaults;
	struct psc_callsites *c = calloc(1, sizeof(*c));
	struct run r = { .n = n, .options = options ? options : &defaults };
	bool ok;

	pthread_mutex_init(&r.progress_lock, NULL);
	r.lookup = (struct psc_names){ name_at, &r };
	r.jobs = calloc(n + 1, sizeof(*r.jobs));
	if (c && r.jobs)
		c->v = calloc(n + 1, sizeof(*c->v));
	ok = c && r.jobs && c->v;
	if (ok) {
		c->n = n;
		load(&r, images, c);
		ok = collect_names(&r);
	}
	if (ok) {
		run_all(&r);
		ok = gather_wrappers(&r, c);
		r.second = true;
		if (ok && r.n_extra)
			run_all(&r);
	}
	if (r.jobs)
		end_run(&r);
	if (!ok) {
		psc_callsites_free(c);
		return &psc_nomem;
	}
	*ret = c;
	return NULL;
}

void psc_callsites_free(struct psc_callsites *c)
{
	char **names = c ? c->names : NULL;

	for (size_t i = 0; c && c->v && i < c->n; i++) {
		free(c->v[i].name);
		free(c->v[i].v);
		free(c->v[i].hits);
		psc_error_free(c->v[i].error);
	}
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
	if (c)
		free(c->v);
	free(c);
}

const char *psc_resolved_by_name(enum psc_resolved_by by)
{
	static const char *const names[] = {
		"unresolved", "immediate", "propagated", "wrapper",
		"lookaside", "table", "global",
	};

	return names[by];
}

const char *psc_reason_text(enum psc_reason why)
{
	static const char *const texts[] = {
		"", "read from memory", "computed", "result of a call",
		"changes in a loop", "too many alternatives",
		"argument of a function without a direct caller",
		"argument of an exported function",
		"passed down through more than five callers",
		"no path from the function's start was found",
		"function or image too large",
		"variable that code fills at run time",
		"page not in the dump",
	};

	return texts[why];
}
