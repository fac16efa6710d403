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
	struct psc_sink sink = psc_faults_sink(out);

	sink.fault(sink.ctx, &(struct psc_fault){
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

struct psc_error *psc_check_tags(struct psc_check *c)
{
	struct psc_faults *f = &c->faults;
	const struct psc_tag_table *t;
	struct psc_error *err = psc_analysis_tag_table(c->a, &t);

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
