// SPDX-License-Identifier: MIT
#include "code/state.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 512 };

struct psc_state *psc_state_new(void)
{
	return calloc(1, sizeof(struct psc_state));
}

void psc_state_free(struct psc_state *s)
{
	if (!s)
		return;
	psc_vec_free(&s->cells);
	free(s);
}

bool psc_state_assign(struct psc_state *to, const struct psc_state *from)
{
	if (!psc_vec_reserve(&to->cells, from->cells.n))
		return false;
	memcpy(to->reg, from->reg, sizeof(to->reg));
	memcpy(to->vec, from->vec, sizeof(to->vec));
	if (from->cells.n)
		memcpy(to->cells.v, from->cells.v,
		       from->cells.n * sizeof(*from->cells.v));
	to->cells.n = from->cells.n;
	return true;
}

struct psc_state *psc_state_copy(const struct psc_state *s)
{
	struct psc_state *c = psc_state_new();

	if (c && !psc_state_assign(c, s)) {
		psc_state_free(c);
		return NULL;
	}
	return c;
}

// First cell that ends after off.
static size_t cell_at(const struct psc_state *s, int64_t off)
{
	size_t lo = 0, hi = s->cells.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct psc_cell *c = &s->cells.v[mid];
		if ((int64_t)c->off + c->size <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static psc_vid part_of(struct psc_vals *v, const struct psc_cell *c,
		       int32_t off, uint32_t size)
{
	uint32_t shift = (uint32_t)(off - c->off);

	if (shift + size > c->size)
		return v->why[PSC_WHY_MEMORY];
	psc_vid whole = c->v;
	if (shift)
		whole = psc_vals_arith(v, PSC_SHR, whole,
				       psc_vals_const(v, 8 * shift), 8);
	return psc_vals_trunc(v, whole, size);
}

psc_vid psc_state_load(struct psc_vals *v, const struct psc_state *s,
		       int32_t off, uint32_t size, psc_initial_cell initial,
		       void *ctx)
{
	size_t i = cell_at(s, off);

	if (i == s->cells.n || (int64_t)s->cells.v[i].off >=
	    (int64_t)off + size)
		return initial(ctx, off, size);
	const struct psc_cell *c = &s->cells.v[i];
	if (c->off <= off)
		if (off - c->off + (int64_t)size <= c->size || size != 8)
			return part_of(v, c, off, size);
	// Two halves written one by one.
	if (size == 8 && i + 1 < s->cells.n && c->off == off && c->size == 4 &&
	    c[1].off == off + 4 && c[1].size == 4) {
		psc_vid hi = psc_vals_arith(v, PSC_SHL, c[1].v,
					    psc_vals_const(v, 32), 8);
		return psc_vals_arith(v, PSC_OR, c->v, hi, 8);
	}
	return v->why[PSC_WHY_MEMORY];
}

static void remove_cells(struct psc_state *s, size_t i, size_t n)
{
	memmove(&s->cells.v[i], &s->cells.v[i + n],
		(s->cells.n - i - n) * sizeof(*s->cells.v));
	s->cells.n -= n;
}

static bool insert_cell(struct psc_state *s, size_t i, struct psc_cell c)
{
	if (!psc_vec_push(&s->cells, c))
		return false;
	memmove(&s->cells.v[i + 1], &s->cells.v[i],
		(s->cells.n - 1 - i) * sizeof(*s->cells.v));
	s->cells.v[i] = c;
	return true;
}

// Cut what lies in [off, end) out of the cells; halves at the edges stay.
static void cut(struct psc_vals *v, struct psc_state *s, int64_t off,
		int64_t end)
{
	size_t i = cell_at(s, off), n = 0;
	struct psc_cell before = { 0 }, after = { 0 };

	while (i + n < s->cells.n && s->cells.v[i + n].off < end) {
		const struct psc_cell *c = &s->cells.v[i + n];
		int64_t c_end = (int64_t)c->off + c->size;
		if (c->off < off) {
			before = *c;
			before.size = (uint32_t)(off - c->off);
			before.v = part_of(v, c, c->off, before.size);
		}
		if (c_end > end) {
			after.off = (int32_t)end;
			after.size = (uint32_t)(c_end - end);
			after.v = part_of(v, c, after.off, after.size);
		}
		n++;
	}
	if (n)
		remove_cells(s, i, n);
	if (after.size)
		insert_cell(s, i, after);
	if (before.size)
		insert_cell(s, i, before);
}

void psc_state_store(struct psc_vals *v, struct psc_state *s, int32_t off,
		     uint32_t size, psc_vid value)
{
	cut(v, s, off, (int64_t)off + size);
	if (s->cells.n >= CELLS_MAX)
		return;
	struct psc_cell c = { off, size, value };
	if (!insert_cell(s, cell_at(s, off), c))
		v->oom = true;
}

void psc_state_kill(struct psc_vals *v, struct psc_state *s, int32_t off,
		    int32_t end)
{
	if (end <= off)
		return;
	cut(v, s, off, end);
	struct psc_cell c = { off, (uint32_t)(end - off),
			      v->why[PSC_WHY_MEMORY] };
	if (s->cells.n < CELLS_MAX)
		insert_cell(s, cell_at(s, off), c);
}

// Cells of both sides, each against what the other has at its place.
static bool join_cells(struct psc_vals *v, struct psc_state *to,
		       const struct psc_state *from, psc_merge merge,
		       psc_initial_cell initial, void *ctx)
{
	bool changed = false;

	for (size_t i = 0; i < to->cells.n; i++) {
		struct psc_cell *c = &to->cells.v[i];
		psc_vid other = psc_state_load(v, from, c->off, c->size,
					       initial, ctx);
		psc_vid both = merge(v, c->v, other);
		changed |= both != c->v;
		c->v = both;
	}
	for (size_t i = 0; i < from->cells.n; i++) {
		const struct psc_cell *c = &from->cells.v[i];
		size_t k = cell_at(to, c->off);
		if (k < to->cells.n &&
		    to->cells.v[k].off < (int64_t)c->off + c->size)
			continue;
		psc_vid mine = initial(ctx, c->off, c->size);
		psc_vid both = merge(v, mine, c->v);
		if (both == mine)
			continue;
		psc_state_store(v, to, c->off, c->size, both);
		changed = true;
	}
	return changed;
}

bool psc_state_join(struct psc_vals *v, struct psc_state *to,
		    const struct psc_state *from, psc_merge merge, uint8_t sp,
		    psc_initial_cell initial, void *ctx)
{
	bool changed = false;

	for (unsigned int i = 0; i < PSC_REGS; i++) {
		// Paths may disagree about the stack pointer only where a
		// callee's clean-up was not known: the first path stands.
		if (i == sp && psc_vals_one(v, to->reg[i], PSC_A_SP))
			continue;
		psc_vid both = merge(v, to->reg[i], from->reg[i]);
		changed |= both != to->reg[i];
		to->reg[i] = both;
	}
	for (unsigned int i = 0; i < PSC_VECS; i++) {
		for (unsigned int k = 0; k < 4; k++) {
			psc_vid both = merge(v, to->vec[i][k],
					     from->vec[i][k]);
			changed |= both != to->vec[i][k];
			to->vec[i][k] = both;
		}
	}
	return join_cells(v, to, from, merge, initial, ctx) || changed;
}
