// SPDX-License-Identifier: MIT
// Wrappers: functions that pass their own arguments on to an allocator, and
// who calls them (callsites 4.8).
#include "code/sites.h"

#include <stdlib.h>

enum { NEED_STACK = 64 };

struct needs {
	struct psc_map index;	/**< Function to index + 1. */
	PSC_VEC(struct psc_need) v;
	PSC_VEC(uint32_t) fn;
};

static bool add_need(struct needs *n, uint32_t fn, uint32_t loc, bool *fresh)
{
	bool added = false;
	uint64_t *slot = psc_map_put(&n->index, fn, &added);
	uint64_t bit = (uint64_t)1 << (loc & 63);
	struct psc_need *need;

	if (!slot)
		return false;
	if (added) {
		*slot = n->v.n + 1;
		if (!psc_vec_push(&n->v, (struct psc_need){ 0 }) ||
		    !psc_vec_push(&n->fn, fn))
			return false;
	}
	need = &n->v.v[*slot - 1];
	uint64_t *mask = loc < NEED_STACK ? &need->regs : &need->stack;
	*fresh |= !(*mask & bit);
	*mask |= bit;
	return true;
}

// Arguments among the alternatives of @p v are needed from fn's callers.
static bool need_args(struct psc_engine *e, struct needs *n, uint32_t fn,
		      psc_vid v, bool *fresh)
{
	unsigned int count;
	const struct psc_atom *a = psc_vals_get(&e->vals, v, &count);

	for (unsigned int i = 0; i < count; i++) {
		if (a[i].kind != PSC_A_ARG && a[i].kind != PSC_A_ARGMEM)
			continue;
		if (a[i].aux < 2 * NEED_STACK &&
		    !add_need(n, fn, a[i].aux, fresh))
			return false;
	}
	return true;
}

struct psc_triple psc_triple_at(struct psc_engine *e, const struct psc_call *c)
{
	const struct psc_api *api = &e->apis.v[c->api];
	struct psc_triple t = { 0 };

	if (api->tag != PSC_LOC_NONE)
		t.tag = psc_vals_trunc(&e->vals,
				       psc_call_value(e, c, api->tag), 4);
	if (api->type != PSC_LOC_NONE)
		t.type = psc_vals_trunc(&e->vals,
			psc_call_value(e, c, api->type),
			api->flavour == PSC_FLAVOUR_FLAGS ? 8 : 4);
	if (api->size != PSC_LOC_NONE)
		t.size = psc_call_value(e, c, api->size);
	return t;
}

// Only an unknown tag sends us up to the callers; type and size then come
// along.
static bool need_of_sites(struct psc_engine *e, struct needs *n, bool *fresh)
{
	for (size_t i = 0; i < e->fn.n; i++) {
		const struct psc_fn *f = e->fn.v[i];
		for (size_t k = 0; k < f->calls.n && !f->limited; k++) {
			if (f->calls.v[k].api < 0)
				continue;
			if (!need_args(e, n, f->begin,
				       psc_triple_at(e, &f->calls.v[k]).tag,
				       fresh))
				return false;
		}
	}
	return true;
}

static bool need_of_caller(struct psc_engine *e, struct needs *n,
			   const struct psc_fn *f, const struct psc_call *c,
			   bool *fresh)
{
	const uint64_t *slot = psc_map_get(&n->index, c->target);

	if (!slot || f->limited)
		return true;
	struct psc_need need = n->v.v[*slot - 1];
	for (unsigned int loc = 0; loc < 2 * NEED_STACK; loc++) {
		uint64_t mask = loc < NEED_STACK ? need.regs : need.stack;
		if (!(mask >> (loc & 63) & 1))
			continue;
		if (!need_args(e, n, f->begin,
			       psc_call_value(e, c, (uint8_t)loc), fresh))
			return false;
	}
	return true;
}

static bool analyse_callers(struct psc_engine *e, const struct needs *n,
			    size_t from)
{
	struct psc_wanted w;
	struct psc_refs refs = { 0 };
	bool ok = psc_wanted_init(&w);

	for (size_t i = from; ok && i < n->fn.n; i++)
		ok = psc_wanted_add(&w, n->fn.v[i]);
	ok = ok && psc_scan_refs(e, &w, &refs) && psc_sites_analyse(e, &refs);
	psc_vec_free(&refs.v);
	psc_wanted_free(&w);
	return ok;
}

static bool climb(struct psc_engine *e, struct needs *n)
{
	bool fresh = false;
	size_t from = 0;

	if (!need_of_sites(e, n, &fresh))
		return false;
	for (int level = 0; fresh && level <= PSC_LEVELS_MAX; level++) {
		size_t known = n->fn.n;

		if (!analyse_callers(e, n, from))
			return false;
		from = known;
		fresh = false;
		for (size_t i = 0; i < e->fn.n; i++) {
			const struct psc_fn *f = e->fn.v[i];
			for (size_t k = 0; k < f->calls.n; k++) {
				if (f->calls.v[k].target &&
				    !need_of_caller(e, n, f, &f->calls.v[k],
						    &fresh))
					return false;
			}
		}
	}
	return true;
}

static int by_target(const void *a, const void *b)
{
	const struct psc_caller *x = a, *y = b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	if (x->fn != y->fn)
		return x->fn < y->fn ? -1 : 1;
	return (x->call > y->call) - (x->call < y->call);
}

bool psc_callers_find(struct psc_engine *e, struct psc_callers *ret)
{
	struct needs n = { 0 };
	bool ok = climb(e, &n);

	for (size_t i = 0; ok && i < e->fn.n; i++) {
		const struct psc_fn *f = e->fn.v[i];
		for (size_t k = 0; ok && k < f->calls.n; k++) {
			struct psc_caller c = { f->calls.v[k].target,
						(uint32_t)i, (uint32_t)k };
			if (c.target && psc_map_get(&n.index, c.target))
				ok = psc_vec_push(&ret->v, c);
		}
	}
	if (ret->v.n)
		qsort(ret->v.v, ret->v.n, sizeof(*ret->v.v), by_target);
	psc_map_free(&n.index);
	psc_vec_free(&n.v);
	psc_vec_free(&n.fn);
	return ok;
}

size_t psc_callers_of(const struct psc_callers *c, uint32_t target,
		      const struct psc_caller **ret)
{
	size_t lo = 0, hi = c->v.n, n = 0;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (c->v.v[mid].target < target)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo + n < c->v.n && c->v.v[lo + n].target == target)
		n++;
	*ret = n ? &c->v.v[lo] : NULL;
	return n;
}

static psc_vid substitute_atom(struct psc_engine *e, struct psc_atom a,
			       const struct psc_call *c)
{
	psc_vid v;

	if (a.kind == PSC_A_ARG) {
		v = psc_call_value(e, c, (uint8_t)a.aux);
		if (a.val)
			v = psc_vals_arith(&e->vals, PSC_ADD, v,
				psc_vals_const(&e->vals, a.val), e->flat->ptr);
		if (a.mask)
			v = psc_vals_arith(&e->vals, PSC_OR, v,
				psc_vals_const(&e->vals, a.mask), 8);
		return v;
	}
	if (a.kind == PSC_A_ARGMEM)
		return psc_call_memory(e, c,
				       psc_call_value(e, c, (uint8_t)a.aux),
				       (int64_t)a.val, a.size);
	return psc_vals_atom(&e->vals, a);
}

psc_vid psc_substitute(struct psc_engine *e, psc_vid v,
		       const struct psc_call *c)
{
	struct psc_atom copy[PSC_ATOMS_MAX];
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(&e->vals, v, &n);
	psc_vid out = PSC_V_NONE;

	memcpy(copy, a, n * sizeof(*a));
	for (unsigned int i = 0; i < n; i++)
		out = psc_vals_join(&e->vals, out,
				    substitute_atom(e, copy[i], c));
	return out;
}
