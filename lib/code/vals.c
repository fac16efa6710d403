// SPDX-License-Identifier: MIT
// Sets of atoms: interning, joining, widening. Arithmetic: arith.c.
#include "code/vals.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { SETS_MAX = 1 << 20 };

static const struct psc_atom *set_atoms(const struct psc_vals *v, psc_vid id)
{
	return v->atoms.v + (v->sets.v[id] >> 8);
}

static unsigned int set_count(const struct psc_vals *v, psc_vid id)
{
	return (unsigned int)(v->sets.v[id] & 0xff);
}

const struct psc_atom *psc_vals_get(const struct psc_vals *v, psc_vid id,
				    unsigned int *n)
{
	*n = set_count(v, id);
	return set_atoms(v, id);
}

// Whole words: sets are looked up on every step of the analysis.
static uint64_t hash_atoms(const struct psc_atom *a, unsigned int n)
{
	uint64_t h = n;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t head = psc_le64(&a[i]);
		h = (h ^ head) * 0x9e3779b97f4a7c15u;
		h = (psc_rotl64(h, 29) ^ a[i].val) * 0xbf58476d1ce4e5b9u;
		h = psc_rotl64(h, 31) ^ a[i].mask;
	}
	h *= 0x94d049bb133111ebu;
	return h ^ h >> 32;
}

static bool grow_hash(struct psc_vals *v)
{
	uint32_t cap = v->hash_cap ? v->hash_cap * 2 : 1024;
	uint32_t *h = calloc(cap, sizeof(*h));

	if (!h)
		return false;
	for (psc_vid id = 0; id < v->sets.n; id++) {
		uint64_t k = hash_atoms(set_atoms(v, id), set_count(v, id));
		while (h[k & (cap - 1)])
			k++;
		h[k & (cap - 1)] = id + 1;
	}
	free(v->hash);
	v->hash = h;
	v->hash_cap = cap;
	return true;
}

// Atoms are sorted, without duplicates, and have no padding bytes.
static psc_vid intern(struct psc_vals *v, const struct psc_atom *a,
		      unsigned int n)
{
	uint64_t k = hash_atoms(a, n);

	if (v->sets.n * 2 >= v->hash_cap && !grow_hash(v))
		goto full;
	for (; v->hash[k & (v->hash_cap - 1)]; k++) {
		psc_vid id = v->hash[k & (v->hash_cap - 1)] - 1;
		if (set_count(v, id) == n &&
		    !memcmp(set_atoms(v, id), a, n * sizeof(*a)))
			return id;
	}
	if (v->sets.n >= SETS_MAX ||
	    !psc_vec_reserve(&v->atoms, v->atoms.n + n))
		goto full;
	memcpy(v->atoms.v + v->atoms.n, a, n * sizeof(*a));
	if (!psc_vec_push(&v->sets, (uint64_t)v->atoms.n << 8 | n))
		goto full;
	v->atoms.n += n;
	v->hash[k & (v->hash_cap - 1)] = (uint32_t)v->sets.n;
	return (psc_vid)v->sets.n - 1;
full:
	v->oom = true;
	return v->why[PSC_WHY_LIMIT];
}

bool psc_vals_init(struct psc_vals *v, unsigned int ptr)
{
	struct psc_atom none = { 0 };

	memset(v, 0, sizeof(*v));
	v->ptr = ptr;
	if (!grow_hash(v) || !psc_vec_reserve(&v->atoms, 64))
		return false;
	intern(v, &none, 0);
	for (unsigned int i = 0; i <= PSC_WHY_MISSING; i++) {
		struct psc_atom a = { .kind = PSC_A_UNKNOWN,
				      .reason = (uint8_t)i };
		v->why[i] = intern(v, &a, 1);
	}
	return !v->oom;
}

void psc_vals_free(struct psc_vals *v)
{
	psc_vec_free(&v->atoms);
	psc_vec_free(&v->sets);
	free(v->hash);
	v->hash = NULL;
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct psc_atom));
}

psc_vid psc_vals_set(struct psc_vals *v, const struct psc_atom *a,
		     unsigned int n)
{
	struct psc_atom out[2 * PSC_ATOMS_MAX];
	unsigned int m = 0;
	bool unknown = false;

	if (n > PSC_ARRAY_SIZE(out))
		return v->why[PSC_WHY_MANY];
	memcpy(out, a, n * sizeof(*a));
	if (n > 1)
		qsort(out, n, sizeof(*out), by_value);
	for (unsigned int i = 0; i < n; i++) {
		// One reason for not knowing is enough.
		if (out[i].kind == PSC_A_UNKNOWN) {
			if (out[i].reason == PSC_WHY_MANY)
				return v->why[PSC_WHY_MANY];
			if (unknown)
				continue;
			unknown = true;
		}
		if (m && !memcmp(&out[m - 1], &out[i], sizeof(out[i])))
			continue;
		out[m++] = out[i];
	}
	return m > PSC_ATOMS_MAX ? v->why[PSC_WHY_MANY] : intern(v, out, m);
}

psc_vid psc_vals_atom(struct psc_vals *v, struct psc_atom a)
{
	return intern(v, &a, 1);
}

psc_vid psc_vals_const(struct psc_vals *v, uint64_t c)
{
	return psc_vals_atom(v, (struct psc_atom){ .kind = PSC_A_CONST,
						   .val = c });
}

const struct psc_atom *psc_vals_one(const struct psc_vals *v, psc_vid id,
				    enum psc_atom_kind kind)
{
	if (set_count(v, id) != 1 || set_atoms(v, id)->kind != kind)
		return NULL;
	return set_atoms(v, id);
}

psc_vid psc_vals_join(struct psc_vals *v, psc_vid a, psc_vid b)
{
	struct psc_atom all[2 * PSC_ATOMS_MAX];
	unsigned int na = set_count(v, a), nb = set_count(v, b);

	if (a == b || !nb)
		return a;
	if (!na)
		return b;
	memcpy(all, set_atoms(v, a), na * sizeof(*all));
	memcpy(all + na, set_atoms(v, b), nb * sizeof(*all));
	return psc_vals_set(v, all, na + nb);
}

static bool step_apart(uint64_t a, uint64_t b, uint32_t step)
{
	return (a > b ? a - b : b - a) % step == 0;
}

// A pointer that advances by a fixed step through the image's data.
static bool stepped(const struct psc_vals *v, psc_vid old, psc_vid new_id,
		    struct psc_atom *ret)
{
	const struct psc_atom *a = psc_vals_one(v, old, PSC_A_IMG);
	const struct psc_atom *b = psc_vals_one(v, new_id, PSC_A_IMG);
	const struct psc_atom *t = psc_vals_one(v, old, PSC_A_TABPTR);
	const struct psc_atom *u = psc_vals_one(v, new_id, PSC_A_TABPTR);
	uint64_t first, second;

	if ((!a && !t) || (!b && !u))
		return false;
	first = a ? a->val : t->val;
	second = b ? b->val : u->val;
	*ret = t ? *t : u ? *u
	     : (struct psc_atom){ .kind = PSC_A_TABPTR, .aux = (uint32_t)
			(first > second ? first - second : second - first) };
	ret->val = PSC_MIN(first, second);
	return ret->aux && ret->aux <= 0x1000 &&
	       (!u || u->aux == ret->aux) &&
	       step_apart(first, second, ret->aux);
}

psc_vid psc_vals_step(struct psc_vals *v, psc_vid old, psc_vid new_id)
{
	struct psc_atom step;

	if (old != new_id && stepped(v, old, new_id, &step))
		return psc_vals_atom(v, step);
	return psc_vals_join(v, old, new_id);
}

psc_vid psc_vals_widen(struct psc_vals *v, psc_vid old, psc_vid new_id)
{
	psc_vid both = psc_vals_join(v, old, new_id);
	struct psc_atom step;

	if (both == old)
		return old;
	if (stepped(v, old, new_id, &step))
		return psc_vals_atom(v, step);
	return psc_vals_join(v, old, v->why[PSC_WHY_LOOP]);
}
