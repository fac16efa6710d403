// SPDX-License-Identifier: MIT
// Which functions have to be looked at: those that refer to an allocator.
#include "code/sites.h"

#include <stdlib.h>

struct place {
	uint32_t fn, rva;
};

static int by_fn(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->fn != y->fn)
		return x->fn < y->fn ? -1 : 1;
	return (x->rva > y->rva) - (x->rva < y->rva);
}

static bool covers(const struct psc_fn *f, uint32_t rva)
{
	for (uint32_t back = 0; back < 8 && back <= rva; back++) {
		const uint64_t *i = psc_map_get(&f->insn_at, rva - back);
		if (i && f->reached.v[*i - 1])
			return true;
	}
	return false;
}

// Start of the function around @p rva. What only jumps or pointers lead to
// may be a case of a switch: then the called function before it reaches it.
static uint32_t function_of(struct psc_engine *e, uint32_t rva)
{
	uint32_t near = psc_bounds_function(e, rva);
	uint32_t called = psc_bounds_called(e, rva);
	const struct psc_fn *f;

	if (near == called)
		return near;
	f = psc_flow_function(e, called, NULL, 0);
	return f && covers(f, rva) ? called : near;
}

bool psc_sites_analyse(struct psc_engine *e, const struct psc_refs *refs)
{
	PSC_VEC(struct place) p = { 0 };
	PSC_VEC(uint32_t) wanted = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < refs->v.n; i++) {
		uint32_t rva = refs->v.v[i];
		struct place at = { function_of(e, rva), rva };
		ok = psc_vec_push(&p, at);
	}
	if (p.n)
		qsort(p.v, p.n, sizeof(*p.v), by_fn);
	for (size_t i = 0; ok && i < p.n; ) {
		uint32_t fn = p.v[i].fn;
		wanted.n = 0;
		for (; ok && i < p.n && p.v[i].fn == fn; i++)
			ok = psc_vec_push(&wanted, p.v[i].rva);
		ok = ok && psc_flow_function(e, fn, wanted.v, wanted.n);
	}
	psc_vec_free(&p);
	psc_vec_free(&wanted);
	return ok;
}

// Slots and own entry points whose target passes @p pick.
static bool want_targets(const struct psc_map *m, struct psc_wanted *w,
			 bool (*pick)(struct psc_target))
{
	struct psc_map_slot s;

	for (size_t i = 0; psc_map_next(m, &i, &s); ) {
		if (pick(psc_target_unpack(s.value)) &&
		    !psc_wanted_add(w, (int64_t)s.key))
			return false;
	}
	return true;
}

static bool is_api(struct psc_target t)
{
	return t.api >= 0;
}

static bool is_get_routine(struct psc_target t)
{
	return t.helper == PSC_HELPER_GET_ROUTINE;
}

static bool want_routines(const struct psc_engine *e, struct psc_wanted *w)
{
	struct psc_map_slot s;

	for (size_t i = 0; psc_map_next(&e->routines, &i, &s); ) {
		if (!psc_wanted_add(w, (int64_t)s.key))
			return false;
	}
	return true;
}

static bool want_kmdf(const struct psc_engine *e, struct psc_wanted *w)
{
	static const unsigned int rows[] = { 192, 198 };

	if (!e->wdf_table)
		return true;
	// The variable points to the table, or the table lies there.
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		if (!psc_wanted_add(w, e->wdf_table +
				    (int64_t)rows[i] * e->flat->ptr))
			return false;
	}
	return psc_wanted_add(w, e->wdf_table);
}

static bool analyse_wanted(struct psc_engine *e, struct psc_wanted *w)
{
	struct psc_refs refs = { 0 };
	bool ok = psc_scan_refs(e, w, &refs) && psc_sites_analyse(e, &refs);

	psc_vec_free(&refs.v);
	return ok;
}

// In a dump: variables that hold the address of an allocator now.
static bool routines_now(struct psc_engine *e)
{
	const struct psc_flat *f = e->flat;
	const char *module, *name;

	for (unsigned int i = 0; f->memory && e->names &&
	     i < f->pe.n_sections; i++) {
		const struct psc_pe_section *s = &f->pe.section[i];
		uint64_t end = PSC_MIN((uint64_t)s->rva + s->virtual_size,
				       (uint64_t)f->size);
		if (!psc_flat_writable(f, s->rva))
			continue;
		for (uint64_t at = s->rva; at + f->ptr <= end; at += f->ptr) {
			uint64_t v = psc_le_uint(f->bytes + at, f->ptr);
			if (v >> (f->ptr * 8 - 1) == 0 ||
			    psc_map_get(&e->slots, at) ||
			    !(name = e->names->at(e->names->ctx, v, &module)))
				continue;
			int api = psc_engine_named(e, module, name).api;
			uint64_t *slot = api < 0 ? NULL
				: psc_map_put(&e->routines, at, NULL);
			if (slot)
				*slot = (uint64_t)api;
		}
	}
	return true;
}

static void forget_functions(struct psc_engine *e)
{
	for (size_t i = 0; i < e->fn.n; i++)
		psc_flow_free(e->fn.v[i]);
	e->fn.n = 0;
	psc_map_free(&e->fns);
	e->fns = (struct psc_map){ 0 };
}

// On disk: variables filled through MmGetSystemRoutineAddress. What was seen
// before they were known is looked at again.
static bool routines_on_disk(struct psc_engine *e)
{
	struct psc_wanted w;
	bool ok = psc_wanted_init(&w) &&
		  want_targets(&e->slots, &w, is_get_routine) &&
		  want_targets(&e->direct, &w, is_get_routine);

	ok = ok && (!w.set.n || analyse_wanted(e, &w));
	psc_wanted_free(&w);
	if (e->routines.n)
		forget_functions(e);
	return ok;
}

static bool analyse_allocators(struct psc_engine *e)
{
	struct psc_wanted w;
	bool ok = psc_wanted_init(&w) &&
		  want_targets(&e->slots, &w, is_api) &&
		  want_targets(&e->slots, &w, is_get_routine) &&
		  want_targets(&e->direct, &w, is_api) &&
		  want_routines(e, &w) && want_kmdf(e, &w);

	ok = ok && (!w.set.n || analyse_wanted(e, &w));
	psc_wanted_free(&w);
	return ok;
}

static bool want_globals(struct psc_engine *e, psc_vid v, struct psc_wanted *w)
{
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(&e->vals, v, &n);

	for (unsigned int i = 0; i < n; i++) {
		// A relative field may be followed by an immediate.
		static const int8_t after[] = { 0, 1, 2, 4 };
		for (size_t k = 0; a[i].kind == PSC_A_GLOBAL &&
		     k < PSC_ARRAY_SIZE(after); k++) {
			if (!psc_wanted_add(w, (int64_t)a[i].val - after[k]))
				return false;
		}
	}
	return true;
}

// Variables that hold tags or types: who writes them?
static bool analyse_stores(struct psc_engine *e)
{
	struct psc_wanted w;
	bool ok = psc_wanted_init(&w);

	for (size_t i = 0; ok && i < e->fn.n; i++) {
		const struct psc_fn *f = e->fn.v[i];
		for (size_t k = 0; ok && k < f->calls.n; k++) {
			struct psc_triple t;
			// Arguments of wrappers may be variables as well.
			if (f->calls.v[k].api < 0)
				continue;
			t = psc_triple_at(e, &f->calls.v[k]);
			ok = want_globals(e, t.tag, &w) &&
			     want_globals(e, t.type, &w);
		}
	}
	ok = ok && (!w.set.n || analyse_wanted(e, &w));
	psc_wanted_free(&w);
	return ok;
}

static int by_place(const void *a, const void *b)
{
	const struct psc_callsite *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	if (x->via != y->via)
		return x->via < y->via ? -1 : 1;
	if (x->has_tag != y->has_tag)
		return x->has_tag ? -1 : 1;
	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->why > y->why) - (x->why < y->why);
}

static bool same_row(const struct psc_callsite *a, const struct psc_callsite *b)
{
	return by_place(a, b) == 0 && a->api == b->api &&
	       a->has_type == b->has_type && a->type == b->type &&
	       a->type_or == b->type_or &&
	       a->has_size == b->has_size && a->size == b->size;
}

static void sort_rows(struct psc_site_list *out)
{
	size_t m = 0;

	if (out->v.n)
		qsort(out->v.v, out->v.n, sizeof(*out->v.v), by_place);
	for (size_t i = 0; i < out->v.n; i++) {
		if (!m || !same_row(&out->v.v[m - 1], &out->v.v[i]))
			out->v.v[m++] = out->v.v[i];
	}
	out->v.n = m;
}

// The jump of a thunk is no site: its callers are.
static bool is_site(const struct psc_engine *e, const struct psc_fn *f,
		    const struct psc_call *c)
{
	return c->api >= 0 &&
	       !(c->tail && (psc_map_get(&e->direct, f->begin) ||
			     psc_map_get(&e->direct, c->rva)));
}

void psc_sites_find(struct psc_engine *e, struct psc_site_list *out)
{
	struct psc_callers callers = { 0 };
	bool ok = routines_now(e) && routines_on_disk(e) &&
		  analyse_allocators(e) && analyse_stores(e) &&
		  psc_callers_find(e, &callers);

	for (size_t i = 0; ok && i < e->fn.n; i++) {
		const struct psc_fn *f = e->fn.v[i];
		for (size_t k = 0; k < f->calls.n; k++) {
			if (is_site(e, f, &f->calls.v[k]))
				psc_rows_of(e, &callers, f, &f->calls.v[k],
					    out);
		}
	}
	psc_vec_free(&callers.v);
	sort_rows(out);
	e->oom |= e->vals.oom;
	out->oom |= !ok || e->oom;
}
