// SPDX-License-Identifier: MIT
// The answer for one allocator call: a row per alternative tag, through
// wrappers' callers where the tag is an argument.
#include "code/sites.h"

#include <string.h>

enum {
	ROWS_OF_SITE_MAX = 4096,
	ROWS_MAX = 200000,
};
#define TAG_NONE 0x656e6f4eu	/* "None": what ExAllocatePool stands for */

struct emitter {
	struct psc_engine *e;
	const struct psc_callers *callers;
	struct psc_site_list *out;
	const struct psc_api *api;
	struct psc_callsite base;	// what all rows of the site share
	size_t first;			// rows before this site
};

static void push(struct emitter *m, const struct psc_callsite *row)
{
	if (m->out->v.n - m->first >= ROWS_OF_SITE_MAX ||
	    m->out->v.n >= ROWS_MAX) {
		m->e->limited = true;
		return;
	}
	if (!psc_vec_push(&m->out->v, *row))
		m->out->oom = true;
}

// --- type and size ----------------------------------------------------------

static bool global_value(const struct psc_engine *e, const struct psc_atom *g,
			 uint64_t *v)
{
	if (!psc_flat_has(e->flat, g->val, g->size))
		return false;
	*v = psc_le_uint(e->flat->bytes + g->val, g->size);
	return true;
}

static bool two_constants(const struct psc_vals *vals, psc_vid v,
			  struct psc_callsite *row)
{
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(vals, v, &n);

	if (n != 2 || a[0].kind != PSC_A_CONST || a[1].kind != PSC_A_CONST)
		return false;
	row->has_type = row->has_type_or = true;
	row->type = PSC_MIN(a[0].val, a[1].val);
	row->type_or = PSC_MAX(a[0].val, a[1].val);
	return true;
}

static void fill_type(struct emitter *m, psc_vid v, struct psc_callsite *row)
{
	const struct psc_vals *vals = &m->e->vals;
	const struct psc_atom *a;

	row->type_is_flags = m->api->flavour == PSC_FLAVOUR_FLAGS;
	if (m->api->flavour == PSC_FLAVOUR_NONPAGED ||
	    m->api->flavour == PSC_FLAVOUR_PAGED) {
		row->has_type = true;
		row->type = m->api->flavour == PSC_FLAVOUR_PAGED;
		return;
	}
	if (m->api->fixed_type) {
		row->has_type = true;
		row->type = m->api->type_value;
	} else if ((a = psc_vals_one(vals, v, PSC_A_CONST))) {
		row->has_type = true;
		row->type = a->val;
	} else if (two_constants(vals, v, row)) {
		return;
	} else if ((a = psc_vals_one(vals, v, PSC_A_GLOBAL))) {
		row->has_type = global_value(m->e, a, &row->type);
		row->type_global = (uint32_t)a->val;
	}
}

static void fill_size(struct emitter *m, psc_vid v, struct psc_callsite *row)
{
	const struct psc_atom *a = psc_vals_one(&m->e->vals, v, PSC_A_CONST);

	if (m->api->fixed_size) {
		row->has_size = true;
		row->size = m->api->size_value;
	} else if (a) {
		row->has_size = true;
		row->size = a->val;
	}
}

static struct psc_callsite row_for(struct emitter *m,
				   const struct psc_triple *t)
{
	struct psc_callsite row = m->base;

	fill_type(m, t->type, &row);
	fill_size(m, t->size, &row);
	return row;
}

// --- the tag's alternatives -------------------------------------------------

static enum psc_resolved_by how(struct emitter *m,
				const struct psc_callsite *row,
				enum psc_resolved_by by)
{
	return row->via ? PSC_BY_WRAPPER
	     : m->api->lookaside && by <= PSC_BY_PROPAGATED
	     ? PSC_BY_LOOKASIDE : by;
}

static void emit_tag(struct emitter *m, struct psc_callsite row, uint32_t tag,
		     uint32_t mask, enum psc_resolved_by by)
{
	row.has_tag = true;
	row.tag = tag & mask;
	row.tag_mask = mask;
	row.by = how(m, &row, by);
	push(m, &row);
}

static void emit_unknown(struct emitter *m, struct psc_callsite row,
			 enum psc_reason why)
{
	row.by = PSC_BY_UNRESOLVED;
	row.why = why;
	push(m, &row);
}

// Constants that code stores are alternatives; anything else is noted.
static void emit_stores(struct emitter *m, struct psc_callsite row,
			const struct psc_atom *g, bool *unknown)
{
	for (size_t i = 0; i < m->e->stores.n; i++) {
		const struct psc_store *s = &m->e->stores.v[i];
		const struct psc_atom *c;

		if (s->global + s->size <= g->val ||
		    s->global >= g->val + g->size)
			continue;
		row.rewritten_by = s->rva;
		c = s->global == g->val
			? psc_vals_one(&m->e->vals, s->v, PSC_A_CONST) : NULL;
		if (c)
			emit_tag(m, row, (uint32_t)c->val, UINT32_MAX,
				 PSC_BY_GLOBAL);
		else
			*unknown = true;
	}
}

static uint32_t rewritten_by(const struct psc_engine *e,
			     const struct psc_atom *g)
{
	for (size_t i = 0; i < e->stores.n; i++) {
		const struct psc_store *s = &e->stores.v[i];
		if (s->global + s->size > g->val &&
		    s->global < g->val + g->size)
			return s->rva;
	}
	return 0;
}

static void emit_global(struct emitter *m, struct psc_callsite row,
			const struct psc_atom *g)
{
	uint64_t v = 0;
	bool unknown = false, there = global_value(m->e, g, &v);

	row.global = (uint32_t)g->val;
	row.rewritten_by = rewritten_by(m->e, g);
	if (!there) {
		emit_unknown(m, row, PSC_WHY_MISSING);
		return;
	}
	// Zero on disk that code fills later says nothing.
	if (v || m->e->flat->memory || !row.rewritten_by)
		emit_tag(m, row, (uint32_t)v, UINT32_MAX, PSC_BY_GLOBAL);
	if (m->e->flat->memory)
		return;
	emit_stores(m, row, g, &unknown);
	if (unknown && !v)
		emit_unknown(m, row, PSC_WHY_REWRITTEN);
}

static void emit_table(struct emitter *m, const struct psc_callsite *row,
		       const struct psc_atom *table)
{
	uint32_t tags[PSC_TABLE_TAGS];
	unsigned int n = psc_table_tags(m->e, table, tags);

	for (unsigned int i = 0; i < n; i++)
		emit_tag(m, *row, tags[i], UINT32_MAX, PSC_BY_TABLE);
	if (!n)
		emit_unknown(m, *row, PSC_WHY_MEMORY);
}

// Whole bytes count as known, others are shown as '?'.
static uint32_t byte_mask(uint64_t bits)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; i < 4; i++) {
		if ((bits >> 8 * i & 0xff) == 0xff)
			mask |= 0xffu << 8 * i;
	}
	return mask;
}

static void emit_bits(struct emitter *m, const struct psc_callsite *row,
		      const struct psc_atom *a)
{
	uint32_t mask = byte_mask(a->mask);

	// Known zero bytes alone are the width of a number, not a tag.
	if (!(mask & (uint32_t)a->val))
		emit_unknown(m, *row, a->reason ? a->reason
						: PSC_WHY_COMPUTED);
	else
		emit_tag(m, *row, (uint32_t)a->val, mask, PSC_BY_PROPAGATED);
}

static const char *export_at(const struct psc_engine *e, uint32_t rva)
{
	for (size_t i = 0; i < e->exports.n; i++) {
		if (e->exports.v[i].rva == rva && e->exports.v[i].name)
			return e->exports.v[i].name;
	}
	return NULL;
}

static uint8_t plain_arg(const struct psc_engine *e, psc_vid v)
{
	const struct psc_atom *a = psc_vals_one(&e->vals, v, PSC_A_ARG);

	return a && !a->val && !a->mask && a->aux < PSC_LOC_NONE
		? (uint8_t)a->aux : PSC_LOC_NONE;
}

// An exported function that passes its argument on as the tag.
static void note_wrapper(struct emitter *m, const char *name,
			 const struct psc_triple *t)
{
	struct psc_wrapper w = { .export = name, .api = *m->api };
	const struct psc_atom *c;

	w.api.tag = plain_arg(m->e, t->tag);
	if (w.api.tag == PSC_LOC_NONE)
		return;
	w.api.code = PSC_LOC_NONE;
	w.api.type = plain_arg(m->e, t->type);
	w.api.size = plain_arg(m->e, t->size);
	if ((c = psc_vals_one(&m->e->vals, t->type, PSC_A_CONST))) {
		w.api.fixed_type = true;
		w.api.type_value = c->val;
	}
	if ((c = psc_vals_one(&m->e->vals, t->size, PSC_A_CONST))) {
		w.api.fixed_size = true;
		w.api.size_value = c->val;
	}
	if (!psc_vec_push(&m->out->wrappers, w))
		m->out->oom = true;
}

// --- through callers ---------------------------------------------------------

/** One step of the climb: a function, and the values in its terms. */
struct level {
	const struct psc_fn *fn;
	struct psc_triple t;
	uint32_t via, via_fn, depth;
};

static void emit_atoms(struct emitter *m, const struct level *l, bool beside);

static void emit_callers(struct emitter *m, const struct level *l)
{
	struct psc_callsite row = row_for(m, &l->t);
	const char *name = export_at(m->e, l->fn->begin);
	const struct psc_caller *c = NULL;
	size_t n = psc_callers_of(m->callers, l->fn->begin, &c);

	row.via = l->via;
	row.via_function = l->via_fn;
	row.levels = l->depth;
	if (name)
		note_wrapper(m, name, &l->t);
	if (!n || l->depth >= PSC_LEVELS_MAX) {
		emit_unknown(m, row, n ? PSC_WHY_LEVELS :
			     name ? PSC_WHY_EXPORT : PSC_WHY_ARGUMENT);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct psc_fn *f = m->e->fn.v[c[i].fn];
		const struct psc_call *call = &f->calls.v[c[i].call];
		struct level up = {
			.fn = f, .via = call->rva, .via_fn = f->begin,
			.depth = l->depth + 1,
			.t = { psc_substitute(m->e, l->t.tag, call),
			       psc_substitute(m->e, l->t.type, call),
			       psc_substitute(m->e, l->t.size, call) },
		};
		// A function that calls itself passes its argument on.
		if (f == l->fn && up.t.tag == l->t.tag)
			continue;
		if (m->out->v.n - m->first >= ROWS_OF_SITE_MAX)
			return;
		emit_atoms(m, &up, call->beside);
	}
}

static void emit_atom(struct emitter *m, const struct level *l,
		      const struct psc_atom *a, bool beside)
{
	struct psc_callsite row = row_for(m, &l->t);

	row.via = l->via;
	row.via_function = l->via_fn;
	row.levels = l->depth;
	switch (a->kind) {
	case PSC_A_CONST:
		emit_tag(m, row, (uint32_t)a->val, UINT32_MAX,
			 beside ? PSC_BY_IMMEDIATE : PSC_BY_PROPAGATED);
		break;
	case PSC_A_BITS:
		emit_bits(m, &row, a);
		break;
	case PSC_A_GLOBAL:
		emit_global(m, row, a);
		break;
	case PSC_A_TABLE:
		emit_table(m, &row, a);
		break;
	case PSC_A_UNKNOWN:
		emit_unknown(m, row, a->reason);
		break;
	default:
		emit_unknown(m, row, PSC_WHY_COMPUTED);
		break;
	}
}

static void emit_atoms(struct emitter *m, const struct level *l, bool beside)
{
	struct psc_atom copy[PSC_ATOMS_MAX];
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(&m->e->vals, l->t.tag, &n);
	bool args = false;

	memcpy(copy, a, n * sizeof(*a));
	for (unsigned int i = 0; i < n; i++) {
		if (copy[i].kind == PSC_A_ARG || copy[i].kind == PSC_A_ARGMEM)
			args = true;
		else
			emit_atom(m, l, &copy[i], beside);
	}
	if (!args)
		return;
	// Climb with the arguments alone.
	struct level up = *l;
	up.t.tag = PSC_V_NONE;
	for (unsigned int i = 0; i < n; i++) {
		if (copy[i].kind == PSC_A_ARG || copy[i].kind == PSC_A_ARGMEM)
			up.t.tag = psc_vals_join(&m->e->vals, up.t.tag,
				psc_vals_atom(&m->e->vals, copy[i]));
	}
	emit_callers(m, &up);
}

// StorPort: function code 0 allocates, others are no business of ours.
static bool other_code(struct emitter *m, const struct psc_call *c,
		       bool *unknown)
{
	const struct psc_atom *a;
	psc_vid v;

	*unknown = false;
	if (m->api->code == PSC_LOC_NONE)
		return false;
	v = psc_vals_trunc(&m->e->vals, psc_call_value(m->e, c, m->api->code),
			   4);
	a = psc_vals_one(&m->e->vals, v, PSC_A_CONST);
	*unknown = !a;
	return a && a->val;
}

void psc_rows_of(struct psc_engine *e, const struct psc_callers *callers,
		 const struct psc_fn *f, const struct psc_call *c,
		 struct psc_site_list *out)
{
	struct emitter m = { .e = e, .callers = callers, .out = out,
			     .api = &e->apis.v[c->api], .first = out->v.n };
	struct level l = { .fn = f };
	bool unknown;

	m.base = (struct psc_callsite){ .rva = c->rva, .function = f->begin,
					.api = m.api->name,
					.through = m.api->through };
	if (other_code(&m, c, &unknown))
		return;
	l.t = psc_triple_at(e, c);
	if (f->limited) {
		emit_unknown(&m, m.base, PSC_WHY_LIMIT);
	} else if (unknown) {
		emit_unknown(&m, m.base, PSC_WHY_COMPUTED);
	} else if (m.api->tag == PSC_LOC_NONE) {
		struct psc_callsite row = row_for(&m, &l.t);
		row.no_tag = true;
		if (!strncmp(m.api->name, "ExAllocatePool", 14))
			emit_tag(&m, row, TAG_NONE, UINT32_MAX,
				 PSC_BY_IMMEDIATE);
		else
			push(&m, &row);
	} else {
		emit_atoms(&m, &l, c->beside);
	}
}
