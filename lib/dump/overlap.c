// SPDX-License-Identifier: MIT
#include "dump/overlap.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"

// A run with its place in the file.
struct entry {
	struct psc_run run;
	size_t order;
};

// Runs that cover the sweep position; the earliest in the file on top.
struct heap {
	const struct entry **v;
	size_t n;
};

static void heap_push(struct heap *h, const struct entry *e)
{
	size_t i = h->n++;

	for (; i && h->v[(i - 1) / 2]->order > e->order; i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = e;
}

static void heap_pop(struct heap *h)
{
	const struct entry *last = h->v[--h->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < h->n &&
		    h->v[child + 1]->order < h->v[child]->order)
			child++;
		if (child >= h->n || h->v[child]->order > last->order)
			break;
		h->v[i] = h->v[child];
		i = child;
	}
	h->v[i] = last;
}

static uint64_t end_of(const struct psc_run *r)
{
	return r->base + r->count;
}

static int by_base(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->run.base != y->run.base)
		return x->run.base < y->run.base ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool ascending(const struct psc_run *r, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (r[i].base < end_of(&r[i - 1]))
			return false;
	}
	return true;
}

static void add_piece(struct psc_run *out, size_t *n, const struct psc_run *r,
		      uint64_t from, uint64_t to)
{
	out[*n] = (struct psc_run){
		.base = from,
		.count = to - from,
		.offset = r->offset + (from - r->base) * PSC_DUMP_PAGE,
	};
	if (*n && end_of(&out[*n - 1]) == from &&
	    out[*n - 1].offset + out[*n - 1].count * PSC_DUMP_PAGE ==
	    out[*n].offset)
		out[*n - 1].count += to - from;
	else
		(*n)++;
}

static void warn_pairs(const struct entry *e, size_t n, struct psc_warnings *w)
{
	size_t reach = 0;	// the run that ends last so far

	for (size_t i = 1; i < n; i++) {
		if (e[i].run.base < end_of(&e[reach].run))
			psc_warn(w, "run %zu overlaps run %zu at frame 0x%" PRIx64
				 "; the first in the file is used",
				 e[i].order, e[reach].order, e[i].run.base);
		if (end_of(&e[i].run) > end_of(&e[reach].run))
			reach = i;
	}
}

// Sweep over the frames: between two borders the top of the heap is mapped.
static size_t sweep(const struct entry *e, size_t n, struct heap *h,
		    struct psc_run *out)
{
	size_t i = 0, n_out = 0;
	uint64_t at = 0;

	while (i < n || h->n) {
		if (!h->n)
			at = e[i].run.base;
		while (i < n && e[i].run.base == at)
			heap_push(h, &e[i++]);
		uint64_t to = end_of(&h->v[0]->run);
		if (i < n && e[i].run.base < to)
			to = e[i].run.base;
		add_piece(out, &n_out, &h->v[0]->run, at, to);
		at = to;
		while (h->n && end_of(&h->v[0]->run) <= at)
			heap_pop(h);
	}
	return n_out;
}

struct psc_error *psc_runs_disjoint(struct psc_run **runs, size_t *n,
				    struct psc_warnings *w)
{
	if (ascending(*runs, *n))
		return NULL;
	PSC_FREE struct entry *e = calloc(*n, sizeof(*e));
	// Each run starts one piece and uncovers at most one more.
	PSC_FREE struct psc_run *out = calloc(2 * *n, sizeof(*out));
	PSC_FREE const struct entry **top = calloc(*n, sizeof(*top));
	if (!e || !out || !top)
		return &psc_nomem;
	for (size_t i = 0; i < *n; i++)
		e[i] = (struct entry){ .run = (*runs)[i], .order = i };
	qsort(e, *n, sizeof(*e), by_base);
	warn_pairs(e, *n, w);
	*n = sweep(e, *n, &(struct heap){ .v = top }, out);
	free(*runs);
	*runs = PSC_TAKE(out);
	return NULL;
}
