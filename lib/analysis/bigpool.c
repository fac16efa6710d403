// SPDX-License-Identifier: MIT
// The bigpool section: allocations of whole pages, from the big-page table.
#include <stdlib.h>

#include "analysis/analysis.h"
#include "base/vec.h"
#include "pool/bigpage.h"

struct entries {
	PSC_VEC(struct psc_big) v;
	bool oom, all;
};

static bool keep(void *ctx, const struct psc_big *b)
{
	struct entries *e = ctx;

	if (b->free && !e->all)
		return true;
	e->oom = !psc_vec_push(&e->v, *b);
	return !e->oom;
}

static int by_va(const void *a, const void *b)
{
	const struct psc_big *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void fill(struct psc_value *list, const struct psc_big *b)
{
	struct psc_value *o = psc_add_object(list);

	psc_set_hex(o, "address", b->va);
	psc_set_tag(o, "tag", b->tag);
	psc_set_uint(o, "bytes", b->bytes);
	psc_set_str(o, "pool", psc_pool_kind_name(b->pool));
	psc_set_bool(o, "free", b->free);
	if (b->process)
		psc_set_hex(o, "process", b->process);
}

struct psc_error *psc_analyse_bigpool(struct psc_analysis *a)
{
	struct entries e = { .all = a->req->all };
	struct psc_big_table table;
	struct psc_error *err = psc_analysis_need_pages(a, "big-page table");

	if (!err)
		err = psc_big_scan(a->kernel, keep, &e, &table);
	if (!err && e.oom)
		err = &psc_nomem;
	if (err) {
		psc_vec_free(&e.v);
		return err;
	}
	if (e.v.n)
		qsort(e.v.v, e.v.n, sizeof(*e.v.v), by_va);
	struct psc_value *list = psc_set_array(a->root, "bigpool");
	for (size_t i = 0; i < e.v.n; i++)
		fill(list, &e.v.v[i]);
	if (!table.complete)
		psc_analysis_lacks(a, "big-page table: pages of it are missing");
	psc_vec_free(&e.v);
	return NULL;
}
