// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/partial.h"
#include "pool/view_impl.h"

/** Notes kept; a damaged dump could give one per segment. */
#define MAX_NOTES 100u

void psc_view_note(struct psc_pool_view *v, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (v->notes.n >= MAX_NOTES)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		v->nomem = true;
	} else if (!psc_vec_push(&v->notes, text)) {
		free(text);
		v->nomem = true;
	}
}

void psc_view_incomplete(struct psc_pool_view *v, const char *what,
			 struct psc_error *err)
{
	v->info.complete = false;
	psc_view_note(v, "%s: %s", what, err->message);
	psc_error_free(err);
}

void psc_view_fault(struct psc_pool_view *v, const struct psc_fault *f)
{
	if (v->faults.n < PSC_MAX_OPEN_FAULTS && !psc_vec_push(&v->faults, *f))
		v->nomem = true;
}

static void keep_fault(void *ctx, const struct psc_fault *f)
{
	psc_view_fault(ctx, f);
}

struct psc_sink psc_view_sink(struct psc_pool_view *v)
{
	return (struct psc_sink){ .ctx = v, .fault = keep_fault };
}

// --- big allocations ---------------------------------------------------------

static bool keep_big(void *ctx, const struct psc_big *b)
{
	struct psc_pool_view *v = ctx;

	if (b->free)
		return true;
	if (!psc_vec_push(&v->big, *b))
		v->nomem = true;
	return !v->nomem;
}

static int by_va(const void *a, const void *b)
{
	const struct psc_big *x = a, *y = b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

/** Longest believable allocation: a quarter of the kernel's half. */
#define MAX_BIG (UINT64_C(1) << 46)

static bool is_believable(const struct psc_pool_view *v,
			  const struct psc_big *b)
{
	return !(b->va & (PSC_PAGE_SIZE - 1)) &&
	       psc_mem_is_kernel_va(psc_kernel_mem(v->k), b->va) && b->bytes &&
	       b->bytes <= MAX_BIG && b->bytes <= UINT64_MAX - b->va;
}

/** Entries that cannot be true are put aside: psc_pool_check_big(). */
static void judge_big(struct psc_pool_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->big.n; i++) {
		struct psc_big b = v->big.v[i];

		if (is_believable(v, &b))
			v->big.v[n++] = b;
		else if (!psc_vec_push(&v->bad_big, b))
			v->nomem = true;
	}
	v->big.n = n;
}

static void read_big(struct psc_pool_view *v)
{
	struct psc_error *err = psc_big_scan(v->k, keep_big, v, &v->info.big);

	if (err)
		psc_view_incomplete(v, "big-page table", err);
	else if (!v->info.big.complete)
		v->info.complete = false;
	if (v->info.big.assumed_bits)
		psc_view_note(v, "big-page table: the widths of its type word "
			      "(8, 12, 12 bits) are those of older kernels");
	v->spaces.v[0].big = v->info.big;
}

/** A session has a table of its own (pool 4.6). */
static void read_session_big(struct psc_pool_view *v)
{
	for (size_t i = 1; i < v->spaces.n; i++) {
		struct psc_big_table t = { 0 };
		size_t first = v->big.n;
		struct psc_error *err = psc_big_session_scan(
			v->k, v->spaces.v[i].mem, v->spaces.v[i].session,
			keep_big, v, &t);

		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			return;		// the kernel's types do not tell
		if (err)
			psc_view_incomplete(v, "big-page table of a session",
					    err);
		else if (!t.complete)
			v->info.complete = false;
		v->spaces.v[i].big = t;
		for (size_t j = first; j < v->big.n; j++) {
			v->big.v[j].space = (uint16_t)i;
			v->big.v[j].pool = PSC_POOL_SESSION;
		}
	}
}

static void settle_big(struct psc_pool_view *v)
{
	if (v->big.n)
		qsort(v->big.v, v->big.n, sizeof(*v->big.v), by_va);
	judge_big(v);
}

const struct psc_big *psc_pool_big_at(const struct psc_pool_view *v,
				      uint16_t space, uint64_t va)
{
	size_t lo = 0, hi = v->big.n;
	const struct psc_big key = { .space = space, .va = va };

	while (lo < hi) {	// last entry at or below va
		size_t mid = (lo + hi) / 2;

		if (by_va(&v->big.v[mid], &key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct psc_big *b = &v->big.v[lo - 1];
	return b->space == space && va - b->va < b->bytes ? b : NULL;
}

const struct psc_big *psc_pool_view_big(const struct psc_pool_view *v,
					size_t *n)
{
	*n = v->big.n;
	return v->big.v;
}

// --- open and free -----------------------------------------------------------

static void read_cookie(struct psc_pool_view *v)
{
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(v->k, "ExpPoolQuotaCookie",
						  &va);

	// Windows 7 has none: pointers are stored plainly.
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return;
	v->has_cookie = true;
	if (!err)
		err = psc_kernel_global(v->k, "ExpPoolQuotaCookie", 8,
					&v->cookie);
	if (err) {		// only payers of quota stay unknown
		psc_view_note(v, "ExpPoolQuotaCookie: %s", err->message);
		psc_error_free(err);
		return;
	}
	v->info.keys.has_cookie = v->cookie;
	v->info.keys.cookie = v->cookie;
}

static int by_place(const void *a, const void *b)
{
	const struct psc_unit *x = a, *y = b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int by_segment(const void *a, const void *b)
{
	const struct psc_segment_ref *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/** Sort what later code searches; damaged lists can name a unit twice. */
static void settle(struct psc_pool_view *v)
{
	size_t n = 0;

	if (v->units.n)
		qsort(v->units.v, v->units.n, sizeof(*v->units.v), by_place);
	for (size_t i = 0; i < v->units.n; i++) {
		const struct psc_unit *u = &v->units.v[i];
		const struct psc_unit *last = n ? &v->units.v[n - 1] : NULL;

		if (last && last->space == u->space &&
		    u->va - last->va < (uint64_t)last->pages << PSC_PAGE_SHIFT)
			continue;
		v->units.v[n++] = *u;
	}
	v->units.n = n;
	v->info.n_cached = 0;
	for (size_t i = 0; i < v->spaces.n; i++) {
		struct psc_space *s = &v->spaces.v[i];

		if (s->cached.n)
			qsort(s->cached.v, s->cached.n, sizeof(*s->cached.v),
			      by_number);
		v->info.n_cached += s->cached.n;
	}
	if (v->segments.n)
		qsort(v->segments.v, v->segments.n, sizeof(*v->segments.v),
		      by_segment);
	v->info.n_units = v->units.n;
	v->info.n_big = v->big.n;
	v->info.n_heaps = v->heaps.n;
	v->info.n_segments = v->segments.n;
}

static struct psc_error *gather(struct psc_pool_view *v)
{
	struct psc_error *err;

	if (!psc_vec_push(&v->spaces,
			  (struct psc_space){ .mem = psc_kernel_mem(v->k) }))
		return &psc_nomem;
	if (psc_mem_is_sparse(psc_kernel_mem(v->k)))
		return psc_view_partial(v);
	if ((err = psc_pool_design(v->k, &v->info.design)))
		return err;
	read_cookie(v);
	read_big(v);
	if ((err = psc_view_sessions(v)))
		return err;
	read_session_big(v);
	settle_big(v);
	return v->info.design == PSC_POOL_CLASSIC ? psc_view_classic(v)
						  : psc_view_segheap(v);
}

static void view_guard(struct psc_pool_view **v)
{
	psc_pool_view_free(*v);
}

struct psc_error *psc_pool_view_open(const struct psc_kernel *k,
				     struct psc_pool_view **ret)
{
	PSC_CLEANUP(view_guard) struct psc_pool_view *v =
		calloc(1, sizeof(*v));
	struct psc_error *err;

	if (!v)
		return &psc_nomem;
	if (psc_kernel_pointer_size(k) != 8)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "the pool of 32-bit "
				     "kernels is not walked");
	v->k = k;
	v->info.complete = true;
	if ((err = gather(v)))
		return err;
	settle(v);
	if (v->nomem)
		return &psc_nomem;
	*ret = PSC_TAKE(v);
	return NULL;
}

void psc_pool_view_free(struct psc_pool_view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->spaces.n; i++) {
		if (v->spaces.v[i].owned)
			psc_mem_free(v->spaces.v[i].mem);
		psc_vec_free(&v->spaces.v[i].cached);
	}
	for (size_t i = 0; i < v->notes.n; i++)
		free(v->notes.v[i]);
	psc_vec_free(&v->spaces);
	psc_vec_free(&v->units);
	psc_vec_free(&v->big);
	psc_vec_free(&v->bad_big);
	psc_vec_free(&v->heaps);
	psc_vec_free(&v->segments);
	psc_vec_free(&v->unlisted);
	psc_vec_free(&v->parts);
	psc_vec_free(&v->faults);
	psc_vec_free(&v->notes);
	free(v);
}

const struct psc_view_info *psc_pool_view_info(const struct psc_pool_view *v)
{
	return &v->info;
}

size_t psc_pool_view_n_notes(const struct psc_pool_view *v)
{
	return v->notes.n;
}

const char *psc_pool_view_note(const struct psc_pool_view *v, size_t i)
{
	return v->notes.v[i];
}
