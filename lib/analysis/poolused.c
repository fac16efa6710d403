// SPDX-License-Identifier: MIT
// The poolused section: which tag holds how much of each pool
// (vm-and-windbg-output 5, pool 4).
#include "analysis/poolused.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/pooltag.h"
#include "base/bytes.h"
#include "base/str.h"
#include "base/vec.h"

/** Rows that the request selects. */
struct selection {
	const struct psc_tag_table *table;
	PSC_VEC(const struct psc_tag_row *) rows;
};

// Without '*' a pattern is exactly four characters, padded with blanks.
static bool tag_matches(const char *pattern, uint32_t tag)
{
	char text[5], padded[64];

	if (!pattern)
		return true;
	psc_put32(text, tag);
	text[4] = '\0';
	for (int i = 0; i < 4; i++) {
		if (!text[i])
			text[i] = '\x01';	// only a wildcard matches it
	}
	if (!strchr(pattern, '*') && strlen(pattern) < 4) {
		snprintf(padded, sizeof(padded), "%-4s", pattern);
		pattern = padded;
	}
	return psc_glob_match(pattern, text);
}

static bool counts_visible(const struct psc_tag_table *t,
			   const struct psc_tag_counts *c, bool history)
{
	return psc_tag_outstanding(t, c) || c->bytes || (history && c->allocs);
}

// The short form leaves out tags with nothing outstanding, a whole report
// none.
static bool visible(const struct psc_analysis *a, const struct psc_tag_table *t,
		    const struct psc_tag_row *row)
{
	bool history = a->req->poolused_flags & PSC_POOLUSED_VERBOSE;

	return a->req->all || counts_visible(t, &row->nonpaged, history) ||
	       counts_visible(t, &row->paged, history);
}

static int by_tag(const void *a, const void *b)
{
	const struct psc_tag_row *x = *(const struct psc_tag_row *const *)a;
	const struct psc_tag_row *y = *(const struct psc_tag_row *const *)b;
	int order = memcmp(&x->tag, &y->tag, sizeof(x->tag));

	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

// Bytes are signed: a negative one is small, not huge.
static int by_bytes(uint64_t x, uint64_t y, const void *a, const void *b)
{
	if ((int64_t)x != (int64_t)y)
		return (int64_t)x < (int64_t)y ? 1 : -1;
	return by_tag(a, b);
}

static int by_nonpaged(const void *a, const void *b)
{
	return by_bytes((*(const struct psc_tag_row *const *)a)->nonpaged.bytes,
			(*(const struct psc_tag_row *const *)b)->nonpaged.bytes,
			a, b);
}

static int by_paged(const void *a, const void *b)
{
	return by_bytes((*(const struct psc_tag_row *const *)a)->paged.bytes,
			(*(const struct psc_tag_row *const *)b)->paged.bytes, a,
			b);
}

static void sort_rows(struct selection *s, uint32_t flags)
{
	int (*order)(const void *, const void *) =
		flags & PSC_POOLUSED_BY_NONPAGED ? by_nonpaged :
		flags & PSC_POOLUSED_BY_PAGED ? by_paged : by_tag;

	if (s->rows.n)
		qsort(s->rows.v, s->rows.n, sizeof(*s->rows.v), order);
}

static bool select_rows(const struct psc_analysis *a, struct selection *s)
{
	for (size_t i = 0; i < s->table->n; i++) {
		const struct psc_tag_row *row = &s->table->v[i];

		if (tag_matches(a->req->tag_pattern, row->tag) &&
		    !psc_vec_push(&s->rows, row))
			return false;
	}
	return true;
}

static void drop_invisible(const struct psc_analysis *a, struct selection *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->rows.n; i++) {
		if (visible(a, s->table, s->rows.v[i]))
			s->rows.v[kept++] = s->rows.v[i];
	}
	s->rows.n = kept;
}

// Keep the n largest of each pool: what a short report shows.
static bool keep_largest(struct selection *s, uint64_t n)
{
	struct selection kept = { .table = s->table };
	bool ok = true;

	for (int pass = 0; pass < 2; pass++) {
		sort_rows(s, pass ? PSC_POOLUSED_BY_PAGED
				  : PSC_POOLUSED_BY_NONPAGED);
		for (size_t i = 0; ok && i < s->rows.n && i < n; i++) {
			bool seen = false;

			for (size_t j = 0; j < kept.rows.n; j++)
				seen |= kept.rows.v[j] == s->rows.v[i];
			ok = seen || psc_vec_push(&kept.rows, s->rows.v[i]);
		}
	}
	psc_vec_free(&s->rows);
	s->rows.v = kept.rows.v;
	s->rows.n = kept.rows.n;
	s->rows.cap = kept.rows.cap;
	return ok;
}

static void set_signed(struct psc_value *o, const char *key, int64_t v)
{
	if (v < 0)
		psc_set_int(o, key, v);
	else
		psc_set_uint(o, key, (uint64_t)v);
}

static void fill_counts(struct psc_value *o, uint64_t allocs, uint64_t frees,
			int64_t diff, uint64_t bytes)
{
	psc_set_uint(o, "allocs", allocs);
	psc_set_uint(o, "frees", frees);
	set_signed(o, "diff", diff);
	set_signed(o, "bytes", (int64_t)bytes);
}

static void fill_row(const struct psc_analysis *a, const struct psc_tag_table *t,
		     const struct psc_tag_row *row, struct psc_value *o)
{
	const struct psc_tag_counts *n = &row->nonpaged, *p = &row->paged;
	struct psc_pooltag meaning = { 0 };

	psc_set_tag(o, "tag", row->tag);
	psc_set_hex(o, "tag_hex", row->tag);
	fill_counts(psc_set_object(o, "nonpaged"), n->allocs, n->frees,
		    psc_tag_outstanding(t, n), n->bytes);
	fill_counts(psc_set_object(o, "paged"), p->allocs, p->frees,
		    psc_tag_outstanding(t, p), p->bytes);
	if (row->overflow)
		meaning.description = "tags that found no place in the table";
	else if (a->tags)
		psc_pooltag_find(a->tags, row->tag, &meaning);
	psc_set_str(o, "binary", meaning.binary);
	psc_set_str(o, "description", meaning.description);
	if (row->overflow)
		psc_set_bool(o, "overflow", true);
}

static void fill_total(const struct selection *s, const char *pool,
		       struct psc_value *totals)
{
	uint64_t allocs = 0, frees = 0, bytes = 0;
	int64_t diff = 0;
	bool nonpaged = strcmp(pool, "nonpaged") == 0;

	for (size_t i = 0; i < s->rows.n; i++) {
		const struct psc_tag_counts *c = nonpaged
			? &s->rows.v[i]->nonpaged : &s->rows.v[i]->paged;

		allocs += c->allocs;
		frees += c->frees;
		// Wraps like the counters themselves.
		diff = (int64_t)((uint64_t)diff +
				 (uint64_t)psc_tag_outstanding(s->table, c));
		bytes += c->bytes;
	}
	fill_counts(psc_set_object(totals, pool), allocs, frees, diff, bytes);
}

struct psc_error *psc_poolused_fill(const struct psc_analysis *a,
				    const struct psc_tag_table *t,
				    struct psc_value *o)
{
	struct selection s = { .table = t };
	struct psc_value *tags = psc_set_array(o, "tags");
	struct psc_value *totals = psc_set_object(o, "totals");
	bool ok = select_rows(a, &s);

	fill_total(&s, "nonpaged", totals);
	fill_total(&s, "paged", totals);
	drop_invisible(a, &s);
	if (ok && a->req->top_each)
		ok = keep_largest(&s, a->req->top_each);
	sort_rows(&s, a->req->poolused_flags);
	size_t n = s.rows.n;
	if (a->req->top && n > a->req->top)
		n = (size_t)a->req->top;
	for (size_t i = 0; i < n; i++)
		fill_row(a, t, s.rows.v[i], psc_add_object(tags));
	psc_vec_free(&s.rows);
	return ok ? NULL : &psc_nomem;
}

static void fill_coverage(struct psc_analysis *a, const struct psc_tag_table *t,
			  struct psc_value *o)
{
	psc_set_uint(o, "missing_pages", t->pages_missing + t->pages_paged_out);
	psc_set_bool(o, "complete", t->complete);
	if (t->note)
		psc_set_str(o, "note", t->note);
	if (!t->complete)
		psc_analysis_lacks(a, t->note ? t->note
				   : "tag tables: pages of them are missing");
}

static struct psc_error *fill_system(struct psc_analysis *a,
				     struct psc_value *o)
{
	const struct psc_tag_table *t;
	struct psc_error *err = psc_analysis_tag_table(a, &t);

	if (err)
		return err;
	psc_set_uint(o, "counter_bits", t->counter_bits);
	psc_set_uint(o, "tables", t->processors);
	if ((err = psc_poolused_fill(a, t, o)))
		return err;
	fill_coverage(a, t, o);
	return NULL;
}

// Asked for by flag 8 it must be there; in a whole report it may be missing.
static struct psc_error *fill_session(struct psc_analysis *a,
				      struct psc_value *o)
{
	struct psc_tag_table *t;
	unsigned int n = 0;
	bool asked = a->req->poolused_flags & PSC_POOLUSED_SESSION;
	struct psc_error *err = psc_poolused_sessions(a, &n, &t);

	if (err && asked)
		return psc_error_prefix(err, "session pool");
	struct psc_value *s = psc_set_object(o, "session");
	if (err) {
		psc_set_str(s, "error", err->message);
		psc_error_free(err);
		return NULL;
	}
	psc_set_uint(s, "sessions", n);
	err = psc_poolused_fill(a, t, s);
	if (!err)
		fill_coverage(a, t, s);
	psc_tag_table_free(t);
	return err;
}

static struct psc_error *check_request(const struct psc_request *req)
{
	uint32_t both = PSC_POOLUSED_BY_NONPAGED | PSC_POOLUSED_BY_PAGED;

	if ((req->poolused_flags & both) == both)
		return psc_error_new(PSC_ERR_USAGE, "poolused flags 2 and 4 "
				     "exclude each other");
	if (req->tag_pattern && !strchr(req->tag_pattern, '*') &&
	    strlen(req->tag_pattern) > 4)
		return psc_error_new(PSC_ERR_USAGE, "a tag has at most four "
				     "characters: \"%s\"", req->tag_pattern);
	return NULL;
}

struct psc_error *psc_analyse_poolused(struct psc_analysis *a)
{
	bool session = a->req->poolused_flags & PSC_POOLUSED_SESSION;
	struct psc_error *err;

	if ((err = check_request(a->req)) ||
	    (err = psc_analysis_need_pages(a, "tag tables")))
		return err;
	struct psc_value *o = psc_set_object(a->root, "poolused");
	psc_set_hex(o, "flags", a->req->poolused_flags);
	if (a->req->tag_pattern)
		psc_set_str(o, "pattern", a->req->tag_pattern);
	if (a->tags)
		psc_set_str(o, "descriptions", psc_pooltags_from(a->tags));
	err = fill_system(a, o);
	if (!err && (session || a->req->all))
		err = fill_session(a, o);
	return err;
}
