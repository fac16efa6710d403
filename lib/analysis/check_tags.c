// SPDX-License-Identifier: MIT
// Rules on the tag tables (pool 7.4): a table whose keys or counters were
// written over.
#include <stdlib.h>

#include "analysis/check.h"
#include "base/cleanup.h"
#include "pool/header.h"
#include "pool/tagtable.h"

/** Unreachable keys above this share are another hash, not damage. */
#define SYSTEMATIC_PERCENT 5u

static void fault(struct psc_faults *out, const struct psc_tag_table *t,
		  const struct psc_tag_row *r, enum psc_rule rule,
		  enum psc_pool_kind pool, uint64_t found)
{
	uint64_t va = (r->expansion ? t->expansion : t->base) +
		      r->index * t->entry_bytes;

	psc_faults_add(out, &(struct psc_fault){
		.rule = rule, .tag = r->tag, .pool = pool, .found = found,
		.va = va, .field_va = va, .owner = PSC_OWNER_BIG });
}

static void check_counts(const struct psc_tag_table *t,
			 const struct psc_tag_row *r,
			 const struct psc_tag_counts *c,
			 enum psc_pool_kind pool, struct psc_faults *out)
{
	if (psc_tag_outstanding(t, c) < 0 || (int64_t)c->bytes < 0)
		fault(out, t, r, PSC_K1, pool, c->bytes);
	else if (c->bytes & 0xf)
		fault(out, t, r, PSC_K5, pool, c->bytes);
}

/** Is the row where a search for its tag would find it? */
static bool reachable(const bool *used, uint64_t mask,
		      const struct psc_tag_row *r)
{
	uint64_t i = psc_tag_hash(r->tag) & mask;

	for (uint64_t n = 0; n <= mask; n++, i = (i + 1) & mask) {
		if (i == r->index)
			return true;
		if (!used[i])
			return false;
	}
	return false;
}

static struct psc_error *check_places(const struct psc_tag_table *t,
				      struct psc_faults *out)
{
	PSC_FREE bool *used = calloc(t->entries, sizeof(*used));
	size_t bad = 0;

	if (!used)
		return &psc_nomem;
	for (size_t i = 0; i < t->n; i++) {
		if (!t->v[i].expansion && t->v[i].index < t->entries)
			used[t->v[i].index] = true;
	}
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < t->n; i++) {
			const struct psc_tag_row *r = &t->v[i];

			if (r->expansion || r->overflow ||
			    reachable(used, t->entries - 2, r))
				continue;
			if (pass)
				fault(out, t, r, PSC_K3, PSC_POOL_UNKNOWN,
				      r->index);
			else
				bad++;
		}
		if (bad * 100 > t->n * SYSTEMATIC_PERCENT)
			return NULL;
	}
	return NULL;
}

// --- tags of blocks ----------------------------------------------------------

static size_t place(const struct psc_known_tags *k, uint32_t tag)
{
	size_t i = psc_tag_hash(tag) & (k->cap - 1);

	while (k->v[i] && k->v[i] != tag)
		i = (i + 1) & (k->cap - 1);
	return i;
}

bool psc_known_tag(const struct psc_known_tags *k, uint32_t tag)
{
	return !k->cap || k->v[place(k, tag)] == tag;
}

uint32_t psc_known_tag_near(const struct psc_known_tags *k, uint32_t tag)
{
	uint32_t found = 0;

	for (unsigned int bit = 0; bit < 32; bit++) {
		uint32_t other = tag ^ UINT32_C(1) << bit;

		if (!other || !psc_known_tag(k, other))
			continue;
		if (found)
			return 0;
		found = other;
	}
	return found;
}

struct psc_error *psc_known_tags_read(struct psc_analysis *a,
				      struct psc_known_tags *ret)
{
	const struct psc_tag_table *t;
	struct psc_known_tags k = { .cap = 1024 };
	struct psc_error *err = psc_analysis_tag_table(a, &t);

	*ret = (struct psc_known_tags){ 0 };
	// A missing page hides tags; an overflowed table drops them.
	if (err || !t->complete) {
		psc_error_free(err);
		return NULL;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].overflow && t->v[i].nonpaged.allocs +
						t->v[i].paged.allocs)
			return NULL;
	}
	while (k.cap < t->n * 4)
		k.cap *= 2;
	if (!(k.v = calloc(k.cap, sizeof(*k.v))))
		return &psc_nomem;
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].tag && !t->v[i].overflow)
			k.v[place(&k, t->v[i].tag)] = t->v[i].tag;
	}
	k.n = t->n;
	*ret = k;
	return NULL;
}

struct psc_error *psc_check_tags(struct psc_analysis *a, struct psc_faults *f)
{
	const struct psc_tag_table *t;
	struct psc_error *err = psc_analysis_tag_table(a, &t);

	// No table: nothing to check. Missing pages make sums meaningless.
	if (err || !t->complete) {
		psc_error_free(err);
		return NULL;
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct psc_tag_row *r = &t->v[i];

		check_counts(t, r, &r->nonpaged, PSC_POOL_NONPAGED, f);
		check_counts(t, r, &r->paged, PSC_POOL_PAGED, f);
		if (!r->overflow && !psc_tag_is_text(r->tag))
			fault(f, t, r, PSC_K2, PSC_POOL_UNKNOWN, r->tag);
	}
	return check_places(t, f);
}
