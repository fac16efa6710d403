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
#include "code/result.h"
#include "code/tagindex.h"

enum { THREADS_MAX = 64, WRAPPERS_MAX = 1000, SAMPLE_BYTES = 32 };

/** Export of a loaded image by address. */
struct named {
	uint64_t address;
	const char *name, *module;
};

struct job {
	const struct psc_code_image *image;
	struct psc_code_module *out;
	struct psc_cache_key key;
	struct psc_code_result res;
	struct psc_flat flat;
	bool usable;		/**< Headers are fine. */
	bool loaded;		/**< flat is there. */
	bool due;		/**< Has work in this stage. */
	struct psc_pe_exports exports;	/**< Of memory images. */
};

enum stage {
	STAGE_SITES,		/**< Each image by itself. */
	STAGE_WRAPPED,		/**< Callers of other modules' wrappers. */
	STAGE_INDEX,		/**< Tags that no call explains. */
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
	enum stage stage;
	bool memory_loaded;
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
		if (!j->loaded)
			continue;
		psc_error_free(psc_pe_exports(&j->flat.pe, &j->exports));
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

// --- identity ----------------------------------------------------------------

// Which pages a memory image has; of a file, some bytes of each page: time
// stamp and checksum are zero in many a home-made driver.
static uint64_t page_hash(const struct job *j, const struct psc_pe *pe)
{
	uint8_t buf[SAMPLE_BYTES + 1];
	uint64_t h = 0;

	for (uint64_t rva = 0; rva < pe->image_size && rva < PSC_FLAT_MAX;
	     rva += PSC_FLAT_PAGE) {
		size_t want = j->image->memory ? 1 : SAMPLE_BYTES;
		size_t got = psc_pe_read(pe, rva, buf, want);

		buf[j->image->memory ? 0 : got] = (uint8_t)got;
		h = psc_rotl64(h, 5) ^ psc_hash_bytes(
			buf, j->image->memory ? 1 : got + 1);
	}
	return h;
}

static void identify(struct job *j)
{
	struct psc_code_module *m = j->out;
	struct psc_pe pe;

	m->name = strdup(j->image->name);
	m->error = m->name ? psc_pe_open(&j->image->src, j->image->name, &pe)
			   : &psc_nomem;
	if (m->error)
		return;
	j->usable = true;
	m->machine = pe.machine;
	m->timestamp = pe.timestamp;
	m->image_size = pe.image_size;
	m->checksum = pe.checksum;
	j->key = (struct psc_cache_key){
		.timestamp = pe.timestamp, .image_size = pe.image_size,
		.checksum = pe.checksum, .machine = pe.machine,
		.memory = j->image->memory,
	};
	j->key.pages = page_hash(j, &pe);
}

// --- one image ---------------------------------------------------------------

static void load(struct job *j)
{
	const struct psc_code_image *im = j->image;

	if (!j->usable || j->loaded)
		return;
	j->out->error = psc_flat_load(&im->src, im->name, im->base, im->memory,
				      &j->flat);
	j->loaded = !j->out->error;
	j->usable = j->loaded;
}

static void count_pages(const struct psc_flat *f, struct psc_code_result *r)
{
	for (uint32_t rva = 0; rva < f->size; rva += PSC_FLAT_PAGE) {
		if (!psc_flat_executable(f, rva))
			continue;
		r->code_pages++;
		r->code_pages_missing += !f->present[rva / PSC_FLAT_PAGE];
	}
}

static bool keep_offers(struct psc_code_result *r,
			const struct psc_site_list *list)
{
	r->offers = calloc(list->wrappers.n + 1, sizeof(*r->offers));
	for (size_t i = 0; r->offers && i < list->wrappers.n; i++) {
		r->offers[i].api = list->wrappers.v[i].api;
		r->offers[i].name = strdup(list->wrappers.v[i].export);
		if (!r->offers[i].name)
			return false;
		r->n_offers = i + 1;
	}
	return r->offers != NULL;
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool keep_imports(struct psc_code_result *r, const struct psc_engine *e)
{
	const struct psc_flat *f = e->flat;

	r->imports = calloc(e->imports.n + 1, sizeof(*r->imports));
	for (size_t i = 0; r->imports && i < e->imports.n; i++) {
		const struct psc_pe_import *im = &e->imports.v[i];
		const char *name = im->name, *module;

		if (!name && f->memory &&
		    psc_flat_has(f, im->slot_rva, f->ptr))
			name = e->names->at(e->names->ctx, psc_le_uint(
				f->bytes + im->slot_rva, f->ptr), &module);
		if (name)
			r->imports[r->n_imports++] =
				psc_hash_bytes(name, strlen(name));
	}
	if (r->n_imports)
		qsort(r->imports, r->n_imports, sizeof(*r->imports), by_hash);
	return r->imports != NULL;
}

static bool find_sites(struct run *r, struct job *j, struct psc_engine *e)
{
	struct psc_site_list list = { 0 };
	bool ok;

	psc_sites_find(e, &list);
	ok = !list.oom;
	if (r->stage == STAGE_SITES) {
		count_pages(&j->flat, &j->res);
		ok = ok && keep_offers(&j->res, &list) &&
		     keep_imports(&j->res, e);
	}
	psc_vec_free(&list.wrappers);
	free(j->res.v);
	j->res.v = list.v.v;
	j->res.n = list.v.n;
	j->res.limited = e->limited;
	if (ok && r->options->cache_dir)
		psc_cache_store(r->options->cache_dir, &j->key, &j->res);
	return ok;
}

static bool find_index(struct run *r, struct job *j, struct psc_engine *e)
{
	struct psc_hit_list hits = { 0 };
	bool ok = psc_tag_index(e, r->options->index_tags,
				r->options->n_index_tags, &hits);

	j->out->hits = hits.v.v;
	j->out->n_hits = hits.v.n;
	return ok;
}

static void work_on(struct run *r, struct job *j)
{
	const struct psc_names *names = j->image->memory ? &r->lookup : NULL;
	struct psc_engine e;

	// Files are read here; what a dump holds was read before.
	if (!j->image->memory)
		load(j);
	if (!j->loaded)
		return;
	j->out->error = psc_engine_open(&e, &j->flat, names, r->extra,
					r->stage == STAGE_WRAPPED
					? r->n_extra : 0);
	if (!j->out->error) {
		bool ok = r->stage == STAGE_INDEX ? find_index(r, j, &e)
						  : find_sites(r, j, &e);
		psc_engine_close(&e);
		if (!ok)
			j->out->error = &psc_nomem;
	}
	j->usable = !j->out->error;
	if (!j->image->memory) {
		psc_flat_free(&j->flat);
		j->loaded = false;
	}
}

static void *worker(void *arg)
{
	struct run *r = arg;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->n) {
		if (r->jobs[i].due && r->jobs[i].usable)
			work_on(r, &r->jobs[i]);
		r->jobs[i].due = false;
		size_t done = atomic_fetch_add(&r->done, 1) + 1;
		pthread_mutex_lock(&r->progress_lock);
		psc_progress_update(&r->options->progress, "call sites", done,
				    r->n);
		pthread_mutex_unlock(&r->progress_lock);
	}
	return NULL;
}

// --- stages ------------------------------------------------------------------

// A dump's images name each other's exports: all of them or none.
static bool load_memory(struct run *r)
{
	if (r->memory_loaded)
		return true;
	r->memory_loaded = true;
	for (size_t i = 0; i < r->n; i++) {
		if (r->jobs[i].image->memory)
			load(&r->jobs[i]);
	}
	return collect_names(r);
}

static bool run_stage(struct run *r, enum stage stage)
{
	unsigned int n = r->options->threads, started = 0;
	pthread_t t[THREADS_MAX];
	size_t due = 0;

	for (size_t i = 0; i < r->n; i++)
		due += r->jobs[i].due;
	if (!due)
		return true;
	if (!load_memory(r))
		return false;
	r->stage = stage;
	if (!n)
		n = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	n = PSC_MIN(PSC_MAX(n, 1u), (unsigned int)THREADS_MAX);
	n = (unsigned int)PSC_MIN((size_t)n, due);
	atomic_store(&r->next, 0);
	atomic_store(&r->done, 0);
	while (started + 1 < n &&
	       !pthread_create(&t[started], NULL, worker, r))
		started++;
	worker(r);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(t[i], NULL);
	return true;
}

static bool from_cache(struct run *r, struct job *j)
{
	struct psc_code_result res;

	if (!r->options->cache_dir || !j->usable ||
	    !psc_cache_load(r->options->cache_dir, &j->key, r->extra,
			    r->n_extra, &res))
		return false;
	psc_code_result_free(&j->res);
	j->res = res;
	j->out->cached = true;
	return true;
}

static bool stage_sites(struct run *r, const struct psc_code_image *images,
			struct psc_callsites *c)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		j->image = &images[i];
		j->out = &c->v[i];
		identify(j);
		j->due = j->usable && !from_cache(r, j);
	}
	return run_stage(r, STAGE_SITES);
}

// Names of wrappers go to the result: rows point at them.
static bool gather_wrappers(struct run *r, struct psc_callsites *c)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->jobs[i].res.n_offers;
	n = PSC_MIN(n, (size_t)WRAPPERS_MAX);
	char **names = calloc(n + 1, sizeof(*names));
	r->extra = calloc(n + 1, sizeof(*r->extra));
	c->names = names;
	if (!names || !r->extra)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		const struct psc_code_result *res = &r->jobs[i].res;
		for (size_t k = 0; k < res->n_offers && at < n; k++) {
			names[at] = strdup(res->offers[k].name);
			if (!names[at])
				return false;
			r->extra[at] = res->offers[k].api;
			r->extra[at].through = names[at];
			r->extra[at].module = c->v[i].name;
			at++;
		}
	}
	r->n_extra = at;
	return true;
}

// Hash of the wrappers that the image imports; 0: none.
static uint64_t imported_wrappers(const struct run *r, const struct job *j)
{
	uint64_t h = 0;

	for (size_t k = 0; k < r->n_extra; k++) {
		const struct psc_api *x = &r->extra[k];
		uint64_t name = psc_hash_bytes(x->through,
					       strlen(x->through));
		uint64_t parts[] = { name, psc_hash_bytes(x->module,
			strlen(x->module)), psc_hash_bytes(x->name,
			strlen(x->name)), x->tag, x->type, x->size,
			x->fixed_type, x->type_value, x->fixed_size,
			x->size_value };

		if (j->res.n_imports &&
		    bsearch(&name, j->res.imports, j->res.n_imports,
			    sizeof(name), by_hash))
			h = psc_rotl64(h, 7) ^
			    (psc_hash_bytes(parts, sizeof(parts)) | 1);
	}
	return h;
}

static bool stage_wrapped(struct run *r, struct psc_callsites *c)
{
	if (!gather_wrappers(r, c))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		if (!j->usable)
			continue;
		j->key.wrappers = imported_wrappers(r, j);
		j->due = j->key.wrappers && !from_cache(r, j);
		if (j->due)
			j->out->cached = false;
	}
	return run_stage(r, STAGE_WRAPPED);
}

static bool explained(const struct run *r, uint32_t tag)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct psc_code_result *res = &r->jobs[i].res;
		for (size_t k = 0; k < res->n; k++) {
			if (res->v[k].has_tag && res->v[k].tag == tag)
				return true;
		}
	}
	return false;
}

static bool stage_index(struct run *r)
{
	bool all = true;

	for (size_t i = 0; i < r->options->n_index_tags; i++)
		all = all && explained(r, r->options->index_tags[i]);
	for (size_t i = 0; i < r->n; i++)
		r->jobs[i].due = !all && r->jobs[i].usable;
	return run_stage(r, STAGE_INDEX);
}

// A kept row knows which variable holds its tag; what it holds is this
// dump's affair.
static void refresh(struct job *j)
{
	for (size_t i = 0; i < j->res.n; i++) {
		struct psc_callsite *s = &j->res.v[i];
		uint8_t b[4];
		bool there;

		if (s->global) {
			there = j->image->src.read(j->image->src.ctx,
						   s->global, b, 4) == 4;
			s->has_tag = there;
			s->tag = there ? psc_le32(b) : 0;
			s->by = there ? PSC_BY_GLOBAL : PSC_BY_UNRESOLVED;
			s->why = there ? PSC_WHY_NONE : PSC_WHY_MISSING;
		}
		if (s->type_global) {
			s->has_type = j->image->src.read(j->image->src.ctx,
				s->type_global, b, 4) == 4;
			s->type = s->has_type ? psc_le32(b) : 0;
		}
	}
}

static void hand_out(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];

		if (j->out->cached && j->image->memory)
			refresh(j);
		j->out->v = j->res.v;
		j->out->n = j->res.n;
		j->out->limited = j->res.limited;
		j->out->code_pages = j->res.code_pages;
		j->out->code_pages_missing = j->res.code_pages_missing;
		j->res.v = NULL;
		j->res.n = 0;
	}
}

static void end_run(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct job *j = &r->jobs[i];
		psc_code_result_free(&j->res);
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
		ok = stage_sites(&r, images, c) && stage_wrapped(&r, c) &&
		     stage_index(&r);
		hand_out(&r);
	} else {
		r.n = 0;
	}
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
