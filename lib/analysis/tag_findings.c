// SPDX-License-Identifier: MIT
#include "analysis/tag_findings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/finding.h"
#include "analysis/pooltag.h"
#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/str.h"
#include "pool/tagtable.h"

#define MB (1024ll * 1024)
// Below this much a share of the pool says nothing.
#define DOMINANT_BYTES (16 * MB)
#define NO_FREES_BYTES MB
#define NO_FREES_ALLOCS 1000
#define MAX_NO_FREES 3
// From here on a tag is worth a next step.
#define ACT_BYTES (64 * MB)
// Companions of one leaked object: this many blocks, in this many tags.
#define GROUP_BLOCKS 5000
#define GROUP_TAGS 3
#define MAX_GROUPS 2

/** One side of the table. */
struct pool {
	const char *name;
	bool paged;
};

static const struct pool pools[] = { { "nonpaged", false }, { "paged", true } };

static const struct psc_tag_counts *counts(const struct psc_tag_row *r,
					   const struct pool *p)
{
	return p->paged ? &r->paged : &r->nonpaged;
}

static int64_t used(const struct psc_tag_row *r, const struct pool *p)
{
	return (int64_t)counts(r, p)->bytes;
}

static int64_t total(const struct psc_tag_table *t, const struct pool *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n; i++)
		sum += counts(&t->v[i], p)->bytes;
	return (int64_t)sum;
}

// The tag that holds more than half of a pool, or NULL.
static const struct psc_tag_row *dominant(const struct psc_tag_table *t,
					  const struct pool *p)
{
	int64_t all = total(t, p);

	for (size_t i = 0; i < t->n; i++) {
		if (used(&t->v[i], p) >= DOMINANT_BYTES &&
		    used(&t->v[i], p) > all / 2)
			return &t->v[i];
	}
	return NULL;
}

static void check_dominant(struct psc_analysis *a, const struct pool *p)
{
	const struct psc_tag_table *t = a->tag_table;
	const struct psc_tag_row *r = dominant(t, p);
	char tag[PSC_TAG_TEXT], bytes[PSC_BYTES_TEXT];
	struct psc_pooltag meaning = { 0 };

	if (!r)
		return;
	psc_tag_text(r->tag, tag);
	psc_bytes_text((uint64_t)used(r, p), bytes);
	if (a->tags)
		psc_pooltag_find(a->tags, r->tag, &meaning);
	psc_finding_add(a, "dominant-tag", PSC_WARNING, "/poolused/tags",
			"tag %s holds %s, %d %% of what tags hold in %s pool%s%s",
			tag, bytes, (int)(used(r, p) * 100 / total(t, p)),
			p->name, meaning.binary ? ": " :
			": it is in no tag list",
			meaning.binary ? meaning.binary : "");
}

static bool never_freed(const struct psc_tag_row *r, const struct pool *p)
{
	const struct psc_tag_counts *c = counts(r, p);

	return !c->frees && c->allocs >= NO_FREES_ALLOCS &&
	       (int64_t)c->bytes >= NO_FREES_BYTES;
}

// The largest tag that was never freed and holds less than @p below, or NULL.
static const struct psc_tag_row *largest_unfreed(const struct psc_tag_table *t,
						 const struct pool *p,
						 int64_t below)
{
	const struct psc_tag_row *best = NULL;

	for (size_t i = 0; i < t->n; i++) {
		if (never_freed(&t->v[i], p) && used(&t->v[i], p) < below &&
		    (!best || used(&t->v[i], p) > used(best, p)))
			best = &t->v[i];
	}
	return best;
}

static bool is_listed(const struct psc_analysis *a, uint32_t tag)
{
	struct psc_pooltag meaning = { 0 };

	if (a->tags)
		psc_pooltag_find(a->tags, tag, &meaning);
	return meaning.binary;
}

static void check_no_frees(struct psc_analysis *a, const struct pool *p)
{
	int64_t below = INT64_MAX;

	for (int n = 0; n < MAX_NO_FREES; n++) {
		const struct psc_tag_row *best =
			largest_unfreed(a->tag_table, p, below);
		char tag[PSC_TAG_TEXT], bytes[PSC_BYTES_TEXT];
		char count[PSC_COUNT_TEXT];

		if (!best)
			return;
		below = used(best, p);
		psc_tag_text(best->tag, tag);
		psc_count_text(counts(best, p)->allocs, count);
		psc_bytes_text((uint64_t)below, bytes);
		// Windows itself keeps some blocks for good, registry hives
		// among them.
		psc_finding_add(a, "no-frees", is_listed(a, best->tag)
				? PSC_INFO : PSC_WARNING, "/poolused/tags",
				"tag %s was allocated %s times in %s pool and "
				"never freed (%s)", tag, count, p->name, bytes);
	}
}

struct by_count {
	int64_t n;
	uint32_t tag;
};

static int by_n(const void *a, const void *b)
{
	const struct by_count *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return memcmp(&x->tag, &y->tag, sizeof(x->tag));
}

static void tell_group(struct psc_analysis *a, const struct by_count *v,
		       size_t n)
{
	struct psc_str tags = { 0 };
	char count[PSC_COUNT_TEXT], tag[PSC_TAG_TEXT];

	for (size_t i = 0; i < n; i++) {
		psc_tag_text(v[i].tag, tag);
		psc_str_addf(&tags, "%s%s", i ? ", " : "", tag);
	}
	psc_count_text((uint64_t)v->n, count);
	if (!tags.oom)
		psc_finding_add(a, "equal-counts", PSC_INFO, "/poolused/tags",
				"tags %s have %s blocks each outstanding: "
				"likely parts of one object", tags.s, count);
	psc_str_free(&tags);
}

// Objects come with companions: a leaked file shows as several tags with the
// same number of blocks.
static void check_groups(struct psc_analysis *a)
{
	const struct psc_tag_table *t = a->tag_table;
	struct by_count *v = calloc(2 * t->n + 1, sizeof(*v));
	size_t n = 0;
	int told = 0;

	for (size_t i = 0; v && i < t->n; i++) {
		for (int p = 0; p < 2; p++) {
			int64_t d = psc_tag_outstanding(
				t, counts(&t->v[i], &pools[p]));
			if (d >= GROUP_BLOCKS)
				v[n++] = (struct by_count){ d, t->v[i].tag };
		}
	}
	if (n)
		qsort(v, n, sizeof(*v), by_n);
	for (size_t i = 0, j; i < n && told < MAX_GROUPS; i = j) {
		for (j = i + 1; j < n && v[j].n == v[i].n;)
			j++;
		if (j - i >= GROUP_TAGS) {
			tell_group(a, v + i, j - i);
			told++;
		}
	}
	free(v);
}

static void check_negative(struct psc_analysis *a, const struct pool *p)
{
	const struct psc_tag_table *t = a->tag_table;
	char tag[PSC_TAG_TEXT];

	// With tables missing, one processor's frees outweigh its allocations.
	for (size_t i = 0; t->complete && i < t->n; i++) {
		int64_t diff = psc_tag_outstanding(t, counts(&t->v[i], p));

		if (diff >= 0 && used(&t->v[i], p) >= 0)
			continue;
		psc_tag_text(t->v[i].tag, tag);
		psc_finding_add(a, "negative-counter", PSC_WARNING,
				"/poolused/tags", "tag %s has %" PRId64
				" blocks and %" PRId64 " bytes outstanding in "
				"%s pool: more was freed than allocated", tag,
				diff, used(&t->v[i], p), p->name);
	}
}

// Pages hold more than the tags' bytes, never less.
static void check_sum(struct psc_analysis *a, const struct pool *p)
{
	const struct psc_vm *vm = a->vm;
	uint64_t pages;

	if (!vm || !vm->has_usage || !vm->usage.complete ||
	    !a->tag_table->complete)
		return;
	pages = p->paged ? psc_vm_pages(vm, PSC_VM_PAGED_USAGE)
			 : psc_vm_pages(vm, PSC_VM_NONPAGED_USAGE) +
			   psc_vm_pages(vm, PSC_VM_NONPAGED_NX_USAGE);
	int64_t sum = total(a->tag_table, p);
	if (sum <= (int64_t)(pages * PSC_PAGE_SIZE))
		return;
	psc_finding_add(a, "tags-exceed-pool", PSC_WARNING, "/poolused/totals",
			"tags hold %" PRId64 " bytes of %s pool, more than its "
			"%" PRIu64 " pages", sum, p->name, pages);
}

void psc_tag_findings(struct psc_analysis *a)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(pools); i++) {
		check_dominant(a, &pools[i]);
		check_no_frees(a, &pools[i]);
		check_negative(a, &pools[i]);
		check_sum(a, &pools[i]);
	}
	check_groups(a);
}

// Driver whose code allocates with @tag, or NULL (section callsites).
static const char *allocating_driver(const struct psc_analysis *a,
				     uint32_t tag)
{
	const struct psc_value *rows = psc_get(a->root, "callsites");
	uint32_t other;

	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);

		if (psc_get_tag(r, "tag", &other) && other == tag &&
		    psc_get_str(r, "api"))
			return psc_get_str(r, "module");
	}
	return NULL;
}

void psc_tag_next_steps(struct psc_analysis *a, struct psc_value *list)
{
	char tag[PSC_TAG_TEXT];

	for (size_t i = 0; a->tag_table && i < PSC_ARRAY_SIZE(pools); i++) {
		const struct psc_tag_row *r = dominant(a->tag_table, &pools[i]);
		struct psc_pooltag meaning;

		if (!r)
			r = largest_unfreed(a->tag_table, &pools[i], INT64_MAX);
		if (!r || used(r, &pools[i]) < ACT_BYTES)
			continue;
		psc_tag_text(r->tag, tag);
		if (a->tags && psc_pooltag_find(a->tags, r->tag, &meaning) &&
		    meaning.binary)
			psc_add_strf(list, "look at what uses %s, the owner of "
				     "tag %s; a second dump hours later shows "
				     "whether it grows", meaning.binary, tag);
		else if (allocating_driver(a, r->tag))
			psc_add_strf(list, "ask the maker of %s for a fix, or "
				     "go back to the version before: what is "
				     "said of tag %s here is the evidence",
				     allocating_driver(a, r->tag), tag);
		else
			psc_add_strf(list, "find the driver that allocates tag "
				     "%s: poolscope callers '%s' '%s'", tag,
				     psc_dump_path(a->dump), tag);
	}
}
