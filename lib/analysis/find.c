// SPDX-License-Identifier: MIT
#include "analysis/find.h"

#include <string.h>

#include "analysis/walk.h"
#include "base/str.h"

struct find {
	const struct psc_find *q;
	psc_found_fn fn;
	void *ctx;
	struct psc_find_result *ret;
	bool small;		/**< Big allocations were given already. */
	bool stop;
};

static bool wanted(const struct find *f, const struct psc_block *b)
{
	const struct psc_find *q = f->q;
	char tag[5];

	if (b->state != PSC_BLOCK_IN_USE &&
	    !(b->state == PSC_BLOCK_UNATTRIBUTED && b->has_header) &&
	    !(q->freed && b->tag))
		return false;
	if (b->bytes < q->min_bytes ||
	    (q->pool && strcmp(q->pool, psc_pool_kind_name(b->pool)) != 0))
		return false;
	psc_tag_debugger(b->tag, tag);
	return !q->pattern || psc_glob_match(q->pattern, tag);
}

static void take(void *ctx, const struct psc_block *b)
{
	struct find *f = ctx;

	if (f->stop || (f->small && (b->owner == PSC_OWNER_BIG ||
				      b->owner == PSC_OWNER_LARGE)) ||
	    !wanted(f, b))
		return;
	const struct psc_found found = {
		.address = b->va, .bytes = b->bytes, .tag = b->tag,
		.header = b->has_header, .process = b->process,
		.pool = psc_pool_kind_name(b->pool),
		.state = psc_block_state_name(b->state),
		.kind = psc_block_owner_name(b->owner),
	};
	f->ret->blocks++;
	f->ret->bytes += b->bytes;
	if (!f->fn(f->ctx, &found) ||
	    (f->q->limit && f->ret->blocks >= f->q->limit)) {
		f->ret->stopped = true;
		f->stop = true;
	}
}

static void take_big(struct find *f, const struct psc_pool_view *view)
{
	size_t n;
	const struct psc_big *v = psc_pool_view_big(view, &n);

	for (size_t i = 0; i < n && !f->stop; i++) {
		const struct psc_block b = psc_pool_big_block(view, &v[i]);

		take(f, &b);
	}
	f->small = true;
}

struct psc_error *psc_analysis_find(struct psc_analysis *a,
				    const struct psc_find *q, psc_found_fn fn,
				    void *ctx, struct psc_find_result *ret)
{
	struct find f = { .q = q, .fn = fn, .ctx = ctx, .ret = ret };
	struct psc_sink sink = { .ctx = &f, .block = take, .stop = &f.stop };
	struct psc_pool_view *view;
	struct psc_walk walk = { 0 };
	struct psc_error *err = psc_analysis_view(a, &view);

	if (err)
		return err;
	const struct psc_big_table *t = &psc_pool_view_info(view)->big;
	ret->table_start = t->va;
	ret->table_end = t->va + t->entries * t->entry_bytes;
	take_big(&f, view);
	if (!f.stop)
		err = psc_pool_walk(view, &sink, 1, a->progress, &walk);
	ret->complete = !err && !f.stop && walk.complete;
	psc_walk_free(&walk);
	return err;
}
