// SPDX-License-Identifier: MIT
// The walk section: what lies in the pool's pages, and whether the counters
// agree with it.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/finding.h"
#include "analysis/tagsum.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "pool/tagtable.h"

/** Blocks that other processors can have had in hand at the crash. */
#define IN_FLIGHT 2u

// --- pools -------------------------------------------------------------------

static void set_pool(struct psc_value *list, const struct psc_span *s,
		     uint64_t big)
{
	struct psc_value *o = psc_add_object(list);

	psc_set_str(o, "pool", psc_pool_kind_name(s->pool));
	psc_set_uint(o, "node", s->node);
	psc_set_uint(o, "pages_total", s->pages_total);
	psc_set_uint(o, "pages_read", s->pages_read);
	psc_set_uint(o, "pages_missing", s->pages_missing);
	psc_set_uint(o, "pages_paged_out", s->pages_paged_out);
	psc_set_uint(o, "pages_big", s->pages_big);
	psc_set_uint(o, "pages_stale", s->pages_stale);
	psc_set_uint(o, "blocks", s->st.blocks);
	psc_set_uint(o, "bytes_in_use", s->st.in_use + big);
	psc_set_uint(o, "bytes_big", big);
	psc_set_uint(o, "bytes_free", s->st.free);
	psc_set_uint(o, "bytes_cached", s->st.cached);
	psc_set_uint(o, "bytes_overhead", s->st.overhead);
	psc_set_uint(o, "bytes_unattributed", s->st.unattributed);
	psc_set_uint(o, "bytes_skipped", s->st.skipped);
	psc_set_uint(o, "bytes_on_missing_pages", s->st.missing);
	psc_set_uint(o, "faults", s->st.faults);
}

static void set_pools(struct psc_value *o, const struct psc_walk *w,
		      const struct psc_tagsum *sum)
{
	struct psc_value *list = psc_set_array(o, "pools");
	bool given[PSC_ARRAY_SIZE(sum->big_bytes)] = { false };

	for (size_t i = 0; i < w->n; i++) {
		enum psc_pool_kind k = w->v[i].pool;

		// The table does not tell nodes: its bytes go to the first.
		set_pool(list, &w->v[i], given[k] ? 0 : sum->big_bytes[k]);
		given[k] = true;
	}
	// Pools whose only blocks are big allocations have a row too.
	for (unsigned int i = 0; i < PSC_ARRAY_SIZE(sum->big_bytes); i++) {
		if (!given[i] && sum->big_bytes[i])
			set_pool(list, &(struct psc_span){ .pool = i },
				 sum->big_bytes[i]);
	}
}

// --- tags --------------------------------------------------------------------

static void set_sum(struct psc_value *o, const char *key,
		    const struct psc_sum *s)
{
	struct psc_value *c = psc_set_object(o, key);

	psc_set_uint(c, "blocks", s->blocks);
	psc_set_uint(c, "bytes", s->bytes);
}

static void set_tags(struct psc_value *o, const struct psc_tagsum *sum)
{
	struct psc_value *list = psc_set_array(o, "tags");

	for (size_t i = 0; i < sum->n; i++) {
		const struct psc_tagsum_row *r = &sum->v[i];

		if (!r->nonpaged.blocks && !r->paged.blocks &&
		    !r->session.blocks && !r->special.blocks)
			continue;
		struct psc_value *t = psc_add_object(list);
		psc_set_tag(t, "tag", r->tag);
		psc_set_hex(t, "tag_hex", r->tag);
		set_sum(t, "nonpaged", &r->nonpaged);
		set_sum(t, "paged", &r->paged);
		if (r->session.blocks)
			set_sum(t, "session", &r->session);
		if (r->special.blocks)
			set_sum(t, "special", &r->special);
	}
}

// --- reconciliation ----------------------------------------------------------

/** What is known to be missing of one kind of pool. */
struct gaps {
	bool missing, paged_out, skipped;
};

struct reconcile {
	struct psc_analysis *a;
	struct psc_value *list;
	const struct psc_view_info *info;
	const struct psc_tagsum *sum;
	bool counters_complete;
	unsigned int counter_bits;
	struct gaps nonpaged, paged;
	uint64_t equal, explained, unexplained;
	uint64_t one_sided, largest_bytes; /**< Unexplained, on one side. */
	uint32_t largest;
	bool largest_counted;
};

static void add_gaps(struct gaps *g, const struct psc_span *s)
{
	// Bytes that could not be read, of pages that are not in memory.
	g->missing |= s->pages_missing ||
		      (s->st.missing && !s->pages_paged_out);
	g->paged_out |= s->pages_paged_out;
	g->skipped |= s->st.skipped;
}

static void find_gaps(struct reconcile *r, const struct psc_walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		bool paged = w->v[i].pool == PSC_POOL_PAGED;

		add_gaps(paged ? &r->paged : &r->nonpaged, &w->v[i]);
	}
	bool keys = r->info->design == PSC_POOL_CLASSIC ||
		    (r->info->keys.has_heap && r->info->keys.has_lfh);

	// Without a key whole subsegments are as good as absent.
	if (!r->info->big.complete || r->info->segments_unreadable || !keys) {
		r->nonpaged.missing = true;
		r->paged.missing = true;
	}
}

/**
 * Can blocks that processors had in hand make this difference? Each of them
 * is less than a page, when the tag has no big allocations.
 */
static bool in_flight(const struct psc_tagsum_row *row, uint64_t counter,
		      uint64_t walked, int64_t block_diff)
{
	uint64_t blocks = (uint64_t)(block_diff < 0 ? -block_diff : block_diff);
	uint64_t bytes = counter < walked ? walked - counter
					  : counter - walked;

	if (!counter || !walked || blocks > IN_FLIGHT)
		return false;
	if (!blocks)		// one came, one went
		return bytes < PSC_PAGE_SIZE;
	return (block_diff > 0) == (counter > walked) &&
	       (bytes < blocks * PSC_PAGE_SIZE || (row && row->big.blocks));
}

/** The reasons that fit; @return how many. */
static unsigned int reasons(const struct reconcile *r,
			    const struct psc_tagsum_row *row, bool paged,
			    uint64_t counter, uint64_t walked,
			    int64_t block_diff, const char *why[8])
{
	const struct gaps *g = paged ? &r->paged : &r->nonpaged;
	unsigned int n = 0;

	if (walked < counter) {
		if (g->missing)
			why[n++] = "missing-pages";
		if (g->paged_out)
			why[n++] = "paged-out";
		if (row && row->session.bytes)
			why[n++] = "session";
	} else {
		if (!r->counters_complete)
			why[n++] = "missing-pages";
		// A cache that could not be read, or is not known, hides
		// which blocks were freed.
		if (!r->info->complete || r->info->newest)
			why[n++] = "cached-blocks";
	}
	if (row && row->special.bytes)
		why[n++] = "special";
	if (row && row->tag == 0x67617246)	// "Frag"
		why[n++] = "frag";
	if (!n && in_flight(row, counter, walked, block_diff))
		why[n++] = "in-flight";
	return n;
}

/** A tag that only the counters or only the pages know. */
static void one_side(struct reconcile *r, uint32_t tag, uint64_t counter,
		     uint64_t walked)
{
	uint64_t bytes = counter ? counter : walked;

	if (counter && walked)
		return;
	r->one_sided++;
	if (bytes > r->largest_bytes) {
		r->largest = tag;
		r->largest_bytes = bytes;
		r->largest_counted = counter;
	}
}

static void find_one_sided(const struct reconcile *r)
{
	char text[PSC_TAG_TEXT];

	if (!r->one_sided)
		return;
	psc_tag_text(r->largest, text);
	psc_finding_add(r->a, "tag-on-one-side", PSC_WARNING,
			r->list ? "/walk/reconciliation" : "/walk",
			"%" PRIu64 " tag%s %s counted "
			"without blocks, or found without counters; the largest "
			"is %s: %" PRIu64 " bytes %s", r->one_sided,
			r->one_sided == 1 ? "" : "s",
			r->one_sided == 1 ? "is" : "are", text,
			r->largest_bytes, r->largest_counted
			? "counted, no block found" : "found, none counted");
}

static void compare(struct reconcile *r, uint32_t tag,
		    const struct psc_tag_counts *c,
		    const struct psc_tagsum_row *row, bool paged,
		    int64_t outstanding)
{
	static const struct psc_sum none;
	const struct psc_sum *w = !row ? &none : paged ? &row->paged
						       : &row->nonpaged;
	const char *why[8];

	if (c->bytes == w->bytes) {
		r->equal += c->bytes != 0;
		return;
	}
	unsigned int n = reasons(r, row, paged, c->bytes, w->bytes,
				 outstanding - (int64_t)w->blocks, why);
	struct psc_value *o = psc_add_object(r->list);
	psc_set_tag(o, "tag", tag);
	psc_set_str(o, "pool", paged ? "paged" : "nonpaged");
	psc_set_int(o, "counter_bytes", (int64_t)c->bytes);
	psc_set_uint(o, "walked_bytes", w->bytes);
	psc_set_int(o, "counter_blocks", outstanding);
	psc_set_uint(o, "walked_blocks", w->blocks);
	struct psc_value *list = psc_set_array(o, "explained_by");
	for (unsigned int i = 0; i < n; i++)
		psc_add_str(list, why[i]);
	if (n) {
		r->explained++;
		return;
	}
	psc_add_str(list, "unexplained");
	r->unexplained++;
	one_side(r, tag, c->bytes, w->bytes);
}

/** A tag can stand in the table and in its expansion: both count. */
static void add_counts(struct psc_tag_counts *to,
		       const struct psc_tag_counts *from)
{
	to->allocs += from->allocs;
	to->frees += from->frees;
	to->bytes += from->bytes;
}

static int row_by_tag(const void *a, const void *b)
{
	const struct psc_tag_row *x = a, *y = b;
	uint32_t p = __builtin_bswap32(x->tag), q = __builtin_bswap32(y->tag);

	return p < q ? -1 : p > q;
}

/** Rows sorted by tag, each tag once. The overflow bucket has no tag. */
static size_t merged_rows(const struct psc_tag_table *t,
			  struct psc_tag_row *v)
{
	size_t n = 0, out = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (!t->v[i].overflow)
			v[n++] = t->v[i];
	}
	if (n)
		qsort(v, n, sizeof(*v), row_by_tag);
	for (size_t i = 0; i < n; i++) {
		if (out && v[out - 1].tag == v[i].tag) {
			add_counts(&v[out - 1].nonpaged, &v[i].nonpaged);
			add_counts(&v[out - 1].paged, &v[i].paged);
		} else {
			v[out++] = v[i];
		}
	}
	return out;
}

static void compare_both(struct reconcile *r, const struct psc_tag_table *t,
			 const struct psc_tag_row *c,
			 const struct psc_tagsum_row *w)
{
	uint32_t tag = c ? c->tag : w->tag;
	static const struct psc_tag_counts none;
	const struct psc_tag_counts *nonpaged = c ? &c->nonpaged : &none;
	const struct psc_tag_counts *paged = c ? &c->paged : &none;

	compare(r, tag, nonpaged, w, false, psc_tag_outstanding(t, nonpaged));
	compare(r, tag, paged, w, true, psc_tag_outstanding(t, paged));
}

/** Merge the two sorted lists: counters and walk. */
static void compare_all(struct reconcile *r, const struct psc_tag_table *t,
			const struct psc_tag_row *rows, size_t n)
{
	size_t i = 0, j = 0;

	while (i < n || j < r->sum->n) {
		const struct psc_tag_row *c = i < n ? &rows[i] : NULL;
		const struct psc_tagsum_row *w = j < r->sum->n
			? &r->sum->v[j] : NULL;
		uint32_t p = c ? __builtin_bswap32(c->tag) : UINT32_MAX;
		uint32_t q = w ? __builtin_bswap32(w->tag) : UINT32_MAX;

		compare_both(r, t, p <= q ? c : NULL, q <= p ? w : NULL);
		i += p <= q;
		j += q <= p;
	}
}

// Only the largest of each pool were asked for.
static bool is_brief(const struct psc_analysis *a)
{
	return a->req->top_each;
}

static struct psc_error *reconcile(struct psc_analysis *a,
				   struct psc_value *o,
				   const struct psc_tagsum *sum,
				   const struct psc_walk *walk)
{
	const struct psc_tag_table *t;
	struct psc_error *err = psc_analysis_tag_table(a, &t);
	struct reconcile r = {
		.a = a, .sum = sum, .info = psc_pool_view_info(a->view),
	};

	if (err) {		// no counters: nothing to compare with
		psc_set_str(o, "reconciliation_error", err->message);
		psc_error_free(err);
		return NULL;
	}
	PSC_FREE struct psc_tag_row *rows = calloc(t->n + 1, sizeof(*rows));
	if (!rows)
		return &psc_nomem;
	r.counters_complete = t->complete;
	r.counter_bits = t->counter_bits;
	// The short form has the counts alone; rows to NULL go nowhere.
	if (!is_brief(a))
		r.list = psc_set_array(o, "reconciliation");
	find_gaps(&r, walk);
	compare_all(&r, t, rows, merged_rows(t, rows));
	find_one_sided(&r);
	psc_set_uint(o, "tags_equal", r.equal);
	psc_set_uint(o, "tags_explained", r.explained);
	psc_set_uint(o, "tags_unexplained", r.unexplained);
	return NULL;
}

static void set_head(struct psc_analysis *a, struct psc_value *o,
		     const struct psc_walk *w)
{
	const struct psc_view_info *i = psc_pool_view_info(a->view);

	psc_set_str(o, "design", i->design == PSC_POOL_CLASSIC
		    ? "classic" : "segment-heap");
	psc_set_bool(o, "complete", w->complete);
	psc_set_bool(o, "partial", i->partial);
	psc_set_uint(o, "blocks", w->blocks);
	psc_set_str(o, "keys_from", i->keys.has_heap ? i->keys.from : NULL);
	struct psc_value *notes = psc_set_array(o, "notes");
	for (size_t n = 0; n < psc_pool_view_n_notes(a->view); n++)
		psc_add_str(notes, psc_pool_view_note(a->view, n));
}

void psc_walk_lacks(struct psc_analysis *a)
{
	struct psc_coverage c = psc_mem_coverage(a->mem);
	size_t n = psc_pool_view_n_notes(a->view);

	for (size_t i = 0; i < n; i++)
		psc_analysis_lacks(a, psc_pool_view_note(a->view, i));
	a->lower_bound = true;
	if (!n && !c.pages_not_in_file && !c.pages_paged_out &&
	    !c.structures_unreadable)
		psc_analysis_lacks(a, "pool: a list of it was not read to its "
				   "end");
}

struct psc_error *psc_analyse_walk(struct psc_analysis *a)
{
	const struct psc_walked *w;
	struct psc_error *err = psc_analysis_walked(a, &w);

	if (err)
		return err;
	struct psc_value *o = psc_set_object(a->root, "walk");
	set_head(a, o, &w->cover);
	set_pools(o, &w->cover, &w->tags);
	if (!is_brief(a))
		set_tags(o, &w->tags);
	if (!w->cover.complete)
		psc_walk_lacks(a);
	return psc_pool_view_info(a->view)->partial
		? NULL : reconcile(a, o, &w->tags, &w->cover);
}
