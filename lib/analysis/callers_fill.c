// SPDX-License-Identifier: MIT
// callsites[] of the JSON contract: a row per site and alternative tag, the
// tag with most bytes outstanding first.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/callers.h"
#include "base/bytes.h"
#include "base/str.h"
#include "base/vec.h"
#include "pool/tagtable.h"

/** A row, before sorting. */
struct line {
	const struct psc_callsite *site; /**< Or a hit of the index: */
	const struct psc_tag_hit *hit;
	size_t image;
	int64_t blocks;
	uint64_t bytes;		/**< Outstanding of its tag. */
	bool counted;
};

struct lines {
	PSC_VEC(struct line) v;
};

bool psc_callers_tag_matches(const char *pattern, uint32_t tag)
{
	char text[PSC_TAG_TEXT], padded[64];

	if (!pattern)
		return true;
	psc_tag_debugger(tag, text);
	if (!strchr(pattern, '*') && strlen(pattern) < 4) {
		snprintf(padded, sizeof(padded), "%-4s", pattern);
		pattern = padded;
	}
	return psc_glob_match(pattern, text);
}

static void count(const struct psc_caller_list *list, struct line *l)
{
	const struct psc_tag_row *row;
	uint32_t tag = l->site ? l->site->tag : l->hit->tag;

	if (!list->counters || (l->site && (!l->site->has_tag ||
					    l->site->tag_mask != UINT32_MAX)))
		return;
	row = psc_tag_find(list->counters, tag);
	if (!row)
		return;
	l->counted = true;
	l->blocks = psc_tag_outstanding(list->counters, &row->nonpaged) +
		    psc_tag_outstanding(list->counters, &row->paged);
	l->bytes = row->nonpaged.bytes + row->paged.bytes;
}

bool psc_callers_wanted(const struct psc_caller_list *list,
			const struct psc_callsite *s)
{
	for (size_t i = 0; i < list->n_only; i++) {
		if (s->has_tag && s->tag_mask == UINT32_MAX &&
		    (s->tag & PSC_TAG_MASK) == (list->only[i] & PSC_TAG_MASK))
			return true;
	}
	if (list->only)
		return false;
	if (!list->tag_pattern)
		return true;
	return s->has_tag && psc_callers_tag_matches(list->tag_pattern, s->tag);
}

static int64_t sort_bytes(const struct line *l)
{
	return (int64_t)l->bytes > 0 ? (int64_t)l->bytes : 0;
}

static int by_weight(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	uint32_t xr, yr;

	if (sort_bytes(x) != sort_bytes(y))
		return sort_bytes(x) > sort_bytes(y) ? -1 : 1;
	if (!x->site != !y->site)	// call sites before mere numbers
		return x->site ? -1 : 1;
	if (x->site && x->site->has_tag != y->site->has_tag)
		return x->site->has_tag ? -1 : 1;
	if (x->site && x->site->tag != y->site->tag)
		return x->site->tag < y->site->tag ? -1 : 1;
	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	xr = x->site ? x->site->rva : x->hit->rva;
	yr = y->site ? y->site->rva : y->hit->rva;
	if (xr != yr)
		return xr < yr ? -1 : 1;
	return x->site ? (x->site->via > y->site->via) -
			 (x->site->via < y->site->via) : 0;
}

static bool collect_hits(const struct psc_caller_list *list,
			 struct lines *out)
{
	for (size_t i = 0; i < list->sites->n; i++) {
		const struct psc_code_module *m = &list->sites->v[i];
		for (size_t k = 0; k < m->n_hits; k++) {
			struct line l = { .hit = &m->hits[k], .image = i };
			count(list, &l);
			if (!psc_vec_push(&out->v, l))
				return false;
		}
	}
	return true;
}

static bool collect(const struct psc_caller_list *list, struct lines *out)
{
	for (size_t i = 0; i < list->sites->n; i++) {
		const struct psc_code_module *m = &list->sites->v[i];
		for (size_t k = 0; k < m->n; k++) {
			struct line l = { .site = &m->v[k], .image = i };
			if (!psc_callers_wanted(list, l.site))
				continue;
			count(list, &l);
			if (!psc_vec_push(&out->v, l))
				return false;
		}
	}
	// Numbers in code and data matter where no call explains the tag.
	if (!out->v.n && !collect_hits(list, out))
		return false;
	if (out->v.n)
		qsort(out->v.v, out->v.n, sizeof(*out->v.v), by_weight);
	return true;
}

// --- names -------------------------------------------------------------------

static const struct psc_pe_export *nearest(const struct psc_pe_exports *e,
					   uint32_t rva)
{
	const struct psc_pe_export *best = NULL;

	for (size_t i = 0; i < e->n && e->v[i].rva <= rva; i++) {
		if (e->v[i].name && e->v[i].rva)
			best = &e->v[i];
	}
	return best;
}

// Function, file and line of a call: the outermost frame, because inlined
// ones are the driver kit's own headers.
static void fill_place(const struct psc_caller_image *im, struct psc_value *o,
		       uint32_t rva, uint32_t function)
{
	const struct psc_pe_export *e;
	struct psc_lines lines = { 0 };
	struct psc_error *err = im->sym ? psc_sym_lines(im->sym, rva, &lines)
					: NULL;

	psc_error_free(err);
	if (!err && lines.n) {
		const struct psc_line *l = &lines.v[lines.n - 1];
		psc_set_str(o, "function", l->function);
		psc_set_str(o, "file", l->file);
		if (l->line)
			psc_set_uint(o, "line", l->line);
		else
			psc_set_null(o, "line");
		return;
	}
	struct psc_symname name;
	err = im->sym ? psc_sym_nearest(im->sym, rva, &name) : &psc_absent;
	e = err ? nearest(&im->exports, function) : NULL;
	if (!err)
		psc_set_str(o, "function", name.name);
	else if (e && e->rva == function)
		psc_set_str(o, "function", e->name);
	else if (e)
		psc_set_strf(o, "function", "%s+0x%x", e->name,
			     function - e->rva);
	else
		psc_set_null(o, "function");
	psc_error_free(err);
	psc_set_null(o, "file");
	psc_set_null(o, "line");
}

// --- one row -----------------------------------------------------------------

static void fill_tag(struct psc_value *o, const struct psc_callsite *s)
{
	char text[8];

	if (!s->has_tag) {
		psc_set_null(o, "tag");
	} else if (s->tag_mask == UINT32_MAX) {
		psc_set_tag(o, "tag", s->tag);
	} else {
		for (int i = 0; i < 4; i++) {
			int c = (int)(s->tag >> 8 * i & 0xff);
			text[i] = (char)(s->tag_mask >> 8 * i & 0xff &&
					 c >= 0x20 && c < 0x7f ? c : '?');
		}
		text[4] = '\0';
		psc_set_str(o, "tag", text);
	}
}

static void fill_type(struct psc_value *o, const struct psc_callsite *s)
{
	char text[PSC_POOL_TYPE_TEXT], other[PSC_POOL_TYPE_TEXT];

	if (!s->has_type) {
		psc_set_null(o, "type");
		psc_set_null(o, "pool_flags");
		return;
	}
	psc_pool_type_text(s->type, s->type_is_flags, text);
	if (!s->has_type_or) {
		psc_set_str(o, "type", text);
		psc_set_hex(o, "pool_flags", s->type);
		return;
	}
	psc_pool_type_text(s->type_or, s->type_is_flags, other);
	psc_set_strf(o, "type", "%s or %s", text, other);
	psc_set_hex(o, "pool_flags", s->type);
	psc_set_hex(o, "pool_flags_or", s->type_or);
}

static void fill_origin(const struct psc_caller_image *im, struct psc_value *o,
			const struct psc_callsite *s)
{
	if (s->via) {
		struct psc_value *v = psc_set_object(o, "via");
		psc_set_hex(v, "rva", s->via);
		psc_set_uint(v, "levels", s->levels);
		struct psc_value *w = psc_set_object(o, "wrapper");
		fill_place(im, w, s->rva, s->function);
	}
	if (s->through)
		psc_set_str(o, "through", s->through);
	if (s->global)
		psc_set_hex(o, "variable", s->global);
	if (s->type_global)
		psc_set_hex(o, "type_variable", s->type_global);
	if (s->rewritten_by)
		psc_set_hex(o, "rewritten_by", s->rewritten_by);
}

static void set_count(struct psc_value *o, const char *key, int64_t v)
{
	if (v < 0)
		psc_set_int(o, key, v);
	else
		psc_set_uint(o, key, (uint64_t)v);
}

static void fill_outstanding(struct psc_value *o, const struct line *l)
{
	if (!l->counted) {
		psc_set_null(o, "outstanding");
		return;
	}
	struct psc_value *c = psc_set_object(o, "outstanding");
	set_count(c, "blocks", l->blocks);
	set_count(c, "bytes", (int64_t)l->bytes);
}

static void fill_site(const struct psc_caller_image *im, struct psc_value *o,
		      const struct line *l)
{
	const struct psc_callsite *s = l->site;

	fill_tag(o, s);
	psc_set_str(o, "module", im->name);
	psc_set_hex(o, "rva", s->rva);
	psc_set_str(o, "api", s->api);
	fill_type(o, s);
	if (s->has_size)
		psc_set_uint(o, "bytes", s->size);
	else
		psc_set_null(o, "bytes");
	fill_place(im, o, s->via ? s->via : s->rva,
		   s->via ? s->via_function : s->function);
	psc_set_str(o, "resolved_by", psc_resolved_by_name(s->by));
	if (s->by == PSC_BY_UNRESOLVED && !s->no_tag)
		psc_set_str(o, "reason", psc_reason_text(s->why));
	else if (s->no_tag)
		psc_set_str(o, "reason", "this allocator takes no tag");
	else
		psc_set_null(o, "reason");
	fill_outstanding(o, l);
	fill_origin(im, o, s);
}

static void fill_hit(const struct psc_caller_image *im, struct psc_value *o,
		     const struct line *l)
{
	const struct psc_tag_hit *h = l->hit;

	psc_set_tag(o, "tag", h->tag);
	psc_set_str(o, "module", im->name);
	psc_set_hex(o, "rva", h->rva);
	psc_set_null(o, "api");
	if (h->in_code)
		fill_place(im, o, h->rva, h->function);
	else
		psc_set_null(o, "function");
	psc_set_str(o, "resolved_by", "index");
	psc_set_str(o, "reason", h->in_code
		    ? "weaker evidence: the tag is a number in this function"
		    : "weaker evidence: the tag is a word of its data");
	fill_outstanding(o, l);
}

// --- modules -----------------------------------------------------------------

static void fill_version(struct psc_value *o,
			 const struct psc_pe_version *v)
{
	if (!v) {
		psc_set_null(o, "version");
		psc_set_null(o, "company");
		return;
	}
	psc_set_strf(o, "version", "%u.%u.%u.%u", v->file[0], v->file[1],
		     v->file[2], v->file[3]);
	psc_set_str(o, "company", v->company);
}

static void fill_module(struct psc_value *o, const struct psc_code_module *m,
			const struct psc_caller_image *im)
{
	size_t sites = 0, known = 0;

	for (size_t i = 0; i < m->n; i++) {
		sites += !i || m->v[i].rva != m->v[i - 1].rva;
		known += m->v[i].by != PSC_BY_UNRESOLVED;
	}
	psc_set_str(o, "name", im->name);
	if (m->error) {
		psc_set_str(o, "error", m->error->message);
		return;
	}
	fill_version(o, im->version);
	psc_set_hex(o, "timestamp", m->timestamp);
	psc_set_str(o, "signer", im->signer);
	psc_set_uint(o, "sites", sites);
	psc_set_uint(o, "rows", m->n);
	psc_set_uint(o, "rows_resolved", known);
	psc_set_uint(o, "code_pages_missing", m->code_pages_missing);
	psc_set_bool(o, "limit_hit", m->limited);
}

static bool shown(const struct psc_caller_list *list,
		  const struct psc_code_module *m)
{
	for (size_t k = 0; k < m->n; k++) {
		if (psc_callers_wanted(list, &m->v[k]))
			return true;
	}
	return false;
}

void psc_callers_fill(struct psc_value *root, struct psc_caller_list *list)
{
	struct lines all = { 0 };
	struct psc_value *rows, *modules;

	for (size_t i = 0; i < list->sites->n; i++) {
		struct psc_caller_image *im = &list->image[i];
		if (im->pe)
			psc_error_free(psc_pe_exports(im->pe, &im->exports));
	}
	rows = psc_set_array(root, "callsites");
	if (collect(list, &all)) {
		for (size_t i = 0; i < all.v.n; i++) {
			const struct line *l = &all.v.v[i];
			struct psc_value *o = psc_add_object(rows);
			if (l->site)
				fill_site(&list->image[l->image], o, l);
			else
				fill_hit(&list->image[l->image], o, l);
		}
	}
	psc_vec_free(&all.v);
	modules = psc_set_array(root, "callsite_modules");
	for (size_t i = 0; i < list->sites->n; i++) {
		// A summary is about the drivers that it names.
		if (!list->only || shown(list, &list->sites->v[i]))
			fill_module(psc_add_object(modules),
				    &list->sites->v[i], &list->image[i]);
	}
	for (size_t i = 0; i < list->sites->n; i++)
		psc_pe_exports_free(&list->image[i].exports);
}

char *psc_callers_cache_dir(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct psc_str s = { 0 };

	if (base && *base == '/')
		psc_str_addf(&s, "%s/poolscope/callsites", base);
	else if (home && *home == '/')
		psc_str_addf(&s, "%s/.cache/poolscope/callsites", home);
	else
		return NULL;
	return psc_str_take(&s);
}
