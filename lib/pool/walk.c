// SPDX-License-Identifier: MIT
// Walking: units are shared by threads, each page is touched once.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/lfh.h"
#include "pool/links.h"
#include "pool/partial.h"
#include "pool/special.h"
#include "pool/view_impl.h"
#include "pool/vs.h"

/** Units that a thread takes at once: neighbours share page tables. */
#define BATCH 16u
#define MAX_THREADS 64u
/** Blocks of one subsegment: 256 units of 64 KB at most. */
#define MAX_UNIT_PAGES 4096u

struct psc_span *psc_walk_span(struct psc_walk *w, enum psc_pool_kind pool,
			       unsigned int node)
{
	for (size_t i = w->n; i-- > 0;) {
		if (w->v[i].pool == pool && w->v[i].node == node)
			return &w->v[i];
	}
	struct psc_span *v = realloc(w->v, (w->n + 1) * sizeof(*v));
	if (!v)
		return NULL;
	w->v = v;
	v[w->n] = (struct psc_span){ .pool = pool, .node = node };
	return &v[w->n++];
}

void psc_walk_free(struct psc_walk *w)
{
	free(w->v);
	*w = (struct psc_walk){ 0 };
}

struct psc_error *psc_worker_init(struct psc_worker *w,
				  struct psc_pool_view *v,
				  const struct psc_sink *sink)
{
	*w = (struct psc_worker){ .v = v, .sink = sink };
	w->mem = calloc(v->spaces.n, sizeof(struct psc_mem *));
	w->scratch = malloc(PSC_PAGE_SIZE);
	w->n_pages = 1;
	if (!w->mem || !w->scratch)
		return &psc_nomem;
	for (size_t i = 0; i < v->spaces.n; i++) {
		struct psc_error *err = psc_mem_clone(v->spaces.v[i].mem,
						      &w->mem[i]);
		if (err)
			return err;
	}
	return NULL;
}

void psc_worker_deinit(struct psc_worker *w)
{
	for (size_t i = 0; w->mem && i < w->v->spaces.n; i++) {
		if (!w->mem[i])
			continue;
		psc_mem_absorb(w->v->spaces.v[0].mem, w->mem[i]);
		psc_mem_free(w->mem[i]);
	}
	free(w->mem);
	free(w->pages);
	free(w->scratch);
	psc_walk_free(&w->walk);
}

static bool room(struct psc_worker *w, size_t n)
{
	if (n <= w->n_pages && w->pages)
		return true;
	free(w->pages);
	free(w->scratch);
	w->pages = malloc(n * sizeof(*w->pages));
	w->scratch = malloc(n * PSC_PAGE_SIZE);
	w->n_pages = n;
	return w->pages && w->scratch;
}

/** Look all pages of a subsegment up; count them in its span. */
static bool load_pages(struct psc_worker *w, const struct psc_unit *u,
		       struct psc_span *s)
{
	if (u->pages > MAX_UNIT_PAGES || !room(w, u->pages))
		return false;
	w->not_mapped = 0;
	for (uint32_t i = 0; i < u->pages; i++) {
		enum psc_va_status st = psc_mem_page(
			w->mem[u->space], u->va + (uint64_t)i * PSC_PAGE_SIZE,
			w->scratch + (size_t)i * PSC_PAGE_SIZE, &w->pages[i]);

		if (st != PSC_VA_OK)
			w->pages[i] = NULL;
		// Decommitted parts of a range are no pages at all.
		if (st == PSC_VA_NOT_MAPPED || st == PSC_VA_DEMAND_ZERO) {
			w->not_mapped |= i < 64 ? UINT64_C(1) << i : 0;
			continue;
		}
		s->pages_total++;
		s->pages_read += st == PSC_VA_OK;
		s->pages_paged_out += st == PSC_VA_PAGED_OUT;
		s->pages_missing += st != PSC_VA_OK && st != PSC_VA_PAGED_OUT;
	}
	return true;
}

/** The part of the cached addresses that lies in the unit. */
static size_t cached_in(const struct psc_pool_view *v, const struct psc_unit *u,
			const uint64_t **first)
{
	const struct psc_space *s = &v->spaces.v[u->space];
	uint64_t end = u->va + ((uint64_t)u->pages << PSC_PAGE_SHIFT);
	size_t lo = 0, hi = s->cached.n, n = 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->cached.v[mid] < u->va)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo + n < s->cached.n && s->cached.v[lo + n] < end)
		n++;
	*first = n ? s->cached.v + lo : NULL;
	return n;
}

/** Whose big allocations a unit's chunks may be. */
struct big_owner {
	const struct psc_pool_view *v;
	uint16_t space;
};

static uint64_t big_bytes(void *ctx, uint64_t va)
{
	const struct big_owner *o = ctx;
	const struct psc_big *b = psc_pool_big_at(o->v, o->space, va);

	return b && b->va == va ? b->bytes : 0;
}

static bool no_session(const struct psc_pool_view *v, const struct psc_unit *u)
{
	return v->session_apart && u->pool == PSC_POOL_PAGED;
}

static void walk_vs(struct psc_worker *w, const struct psc_unit *u,
		    struct psc_span *s)
{
	const struct psc_pool_view *v = w->v;
	struct big_owner owner = { v, u->space };
	struct psc_vs vs = {
		.layout = &v->layout,
		.pages = { u->va, w->pages, u->pages, NULL },
		.heap_key = v->info.keys.heap_key, .cookie = v->cookie,
		.pool = (enum psc_pool_kind)u->pool, .paged = u->paged,
		.node = u->node, .no_session = no_session(v, u),
		.big_bytes = big_bytes, .big_ctx = &owner,
		.weak_previous = v->info.keys.heap_mask != UINT64_MAX,
	};

	vs.n_cached = cached_in(v, u, &vs.cached);
	struct psc_links links = { w->mem[u->space], w->sink, &s->st };
	struct psc_sink sink = w->sink->fault && !v->layout.newest
		? psc_links_sink(&links) : *w->sink;
	// Paged pool may lack any page; nonpaged pool none that it committed.
	vs.not_mapped = u->paged ? 0 : w->not_mapped;
	psc_vs_walk(&vs, &sink, &s->st);
}

static void walk_lfh(struct psc_worker *w, const struct psc_unit *u,
		     struct psc_span *s)
{
	const struct psc_pool_view *v = w->v;
	struct psc_lfh lfh = {
		.layout = &v->layout,
		.pages = { u->va, w->pages, u->pages, NULL },
		.lfh_key = v->info.keys.lfh_key, .cookie = v->cookie,
		.pool = (enum psc_pool_kind)u->pool, .paged = u->paged,
		.node = u->node, .no_session = no_session(v, u),
		.find_owner = psc_lfh_find_owner, .owner_ctx = w,
	};

	w->space = u->space;
	lfh.n_cached = cached_in(v, u, &lfh.cached);
	psc_lfh_walk(&lfh, w->sink, &s->st);
}

static void walk_special(struct psc_worker *w, const struct psc_unit *u)
{
	struct psc_span *s = psc_walk_span(&w->walk, PSC_POOL_SPECIAL,
					   u->node);

	for (uint32_t i = 0; s && i < u->pages; i++) {
		uint64_t va = u->va + (uint64_t)i * PSC_PAGE_SIZE;
		const uint8_t *page;
		enum psc_va_status st = psc_mem_page(w->mem[u->space], va,
						     w->scratch, &page);

		if (st == PSC_VA_NOT_MAPPED || st == PSC_VA_DEMAND_ZERO)
			continue;	// guard pages
		s->pages_total++;
		s->pages_read += st == PSC_VA_OK;
		s->pages_paged_out += st == PSC_VA_PAGED_OUT;
		s->pages_missing += st != PSC_VA_OK && st != PSC_VA_PAGED_OUT;
		if (st == PSC_VA_OK)
			psc_special_walk(page, va, u->node, w->sink, &s->st);
	}
}

static bool has_key(const struct psc_pool_view *v, const struct psc_unit *u)
{
	return u->kind == PSC_UNIT_VS ? v->info.keys.has_heap
				      : v->info.keys.has_lfh;
}

struct psc_error *psc_worker_unit(struct psc_worker *w,
				  const struct psc_unit *u)
{
	if (u->kind == PSC_UNIT_CHAIN) {
		psc_walk_chain_unit(w, u);
		return NULL;
	}
	if (u->kind == PSC_UNIT_SPECIAL) {
		walk_special(w, u);
		return NULL;
	}
	struct psc_span *s = psc_walk_span(&w->walk,
					   (enum psc_pool_kind)u->pool,
					   u->node);
	if (!s || !load_pages(w, u, s))
		return &psc_nomem;
	if (!has_key(w->v, u))
		s->st.skipped += (uint64_t)u->pages << PSC_PAGE_SHIFT;
	else if (u->kind == PSC_UNIT_VS)
		walk_vs(w, u, s);
	else
		walk_lfh(w, u, s);
	return NULL;
}

// --- threads -----------------------------------------------------------------

struct job {
	struct psc_pool_view *v;
	atomic_size_t next;
	atomic_uint_fast64_t pages;
	const struct psc_progress *progress;
	uint64_t total_pages;
};

struct thread {
	pthread_t id;
	bool started, reports;
	struct job *job;
	struct psc_worker w;
	struct psc_error *err;
};

static void *run(void *arg)
{
	struct thread *t = arg;
	struct job *j = t->job;

	while (!t->err && !psc_sink_stopped(t->w.sink)) {
		size_t i = atomic_fetch_add(&j->next, BATCH);
		size_t end = PSC_MIN(i + BATCH, j->v->units.n);
		uint64_t pages = 0;

		if (i >= j->v->units.n)
			break;
		for (; i < end && !t->err && !psc_sink_stopped(t->w.sink);
		     i++) {
			pages += j->v->units.v[i].pages;
			t->err = psc_worker_unit(&t->w, &j->v->units.v[i]);
		}
		pages += atomic_fetch_add(&j->pages, pages);
		if (t->reports)
			psc_progress_update(j->progress, "walking the pool",
					    pages * PSC_PAGE_SIZE,
					    j->total_pages * PSC_PAGE_SIZE);
	}
	return NULL;
}

static void add_stats(struct psc_span_stats *a, const struct psc_span_stats *b)
{
	a->blocks += b->blocks;
	a->in_use += b->in_use;
	a->free += b->free;
	a->cached += b->cached;
	a->unattributed += b->unattributed;
	a->overhead += b->overhead;
	a->skipped += b->skipped;
	a->missing += b->missing;
	a->faults += b->faults;
}

static bool merge(struct psc_walk *into, const struct psc_walk *part)
{
	for (size_t i = 0; i < part->n; i++) {
		const struct psc_span *p = &part->v[i];
		struct psc_span *s = psc_walk_span(into, p->pool, p->node);

		if (!s)
			return false;
		s->pages_total += p->pages_total;
		s->pages_read += p->pages_read;
		s->pages_missing += p->pages_missing;
		s->pages_paged_out += p->pages_paged_out;
		s->pages_big += p->pages_big;
		s->pages_stale += p->pages_stale;
		add_stats(&s->st, &p->st);
		into->blocks += p->st.blocks;
	}
	return true;
}

/** Big allocations have no header in their pages: they come from the table. */
static void give_big(struct psc_pool_view *v, const struct psc_sink *sink,
		     struct psc_walk *total)
{
	for (size_t i = 0; i < v->big.n && !psc_sink_stopped(sink); i++) {
		struct psc_block k = psc_pool_big_block(v, &v->big.v[i]);

		total->blocks++;
		if (sink->block)
			sink->block(sink->ctx, &k);
	}
	for (size_t i = 0; i < v->faults.n && sink->fault; i++)
		sink->fault(sink->ctx, &v->faults.v[i]);
}

static int by_pool(const void *a, const void *b)
{
	const struct psc_span *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void finish(struct psc_pool_view *v, struct psc_walk *w)
{
	w->complete = v->info.complete;
	for (size_t i = 0; i < w->n; i++) {
		const struct psc_span *s = &w->v[i];

		if (s->pages_missing || s->pages_paged_out || s->st.skipped)
			w->complete = false;
	}
	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), by_pool);
}

static struct psc_error *start(struct job *j, struct thread *t,
			       const struct psc_sink *sinks, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct psc_error *err = psc_worker_init(&t[i].w, j->v,
							&sinks[i]);
		t[i].job = j;
		if (err)
			return err;
	}
	t[0].reports = true;
	// A thread that cannot start leaves its share to the others.
	for (unsigned int i = 1; i < n; i++)
		t[i].started = !pthread_create(&t[i].id, NULL, run, &t[i]);
	run(&t[0]);
	return NULL;
}

struct psc_error *psc_pool_walk(struct psc_pool_view *v,
				const struct psc_sink *sinks,
				unsigned int n_sinks,
				const struct psc_progress *progress,
				struct psc_walk *ret)
{
	unsigned int n = PSC_MIN(n_sinks, MAX_THREADS);
	struct job job = { .v = v, .progress = progress };
	struct psc_walk total = { 0 };
	PSC_FREE struct thread *t = calloc(n, sizeof(*t));
	struct psc_error *err;

	if (!t)
		return &psc_nomem;
	if (v->info.partial) {
		err = psc_partial_walk(v, 0, UINT64_MAX, &sinks[0], &total);
		finish(v, &total);
		*ret = total;
		return err;
	}
	for (size_t i = 0; i < v->units.n; i++)
		job.total_pages += v->units.v[i].pages;
	err = start(&job, t, sinks, n);
	for (unsigned int i = 0; i < n; i++) {
		if (t[i].started)
			pthread_join(t[i].id, NULL);
		if (!err)
			err = PSC_TAKE(t[i].err);
		psc_error_free(t[i].err);
		if (!err && !merge(&total, &t[i].w.walk))
			err = &psc_nomem;
		if (t[i].w.v)
			psc_worker_deinit(&t[i].w);
	}
	if (err) {
		psc_walk_free(&total);
		return err;
	}
	give_big(v, &sinks[0], &total);
	finish(v, &total);
	*ret = total;
	return NULL;
}
