// SPDX-License-Identifier: MIT
#include "analysis/faults.h"

#include "mem/mem.h"

/** Below that many pages damage is damage, whatever its share. */
#define MANY_PAGES 16u
/** A chunk header, and the pool header behind it (pool 3.6). */
#define CHUNK_AND_HEADER 0x20u

static void keep(void *ctx, const struct psc_fault *fault)
{
	struct psc_faults *f = ctx;

	f->total++;
	if (f->list.n < PSC_MAX_FAULTS && !psc_vec_push(&f->list, *fault))
		f->nomem = true;
}

struct psc_sink psc_faults_sink(struct psc_faults *f)
{
	return (struct psc_sink){ .ctx = f, .fault = keep };
}

void psc_faults_join(struct psc_faults *f, const struct psc_faults *part)
{
	for (size_t i = 0; i < part->list.n; i++)
		keep(f, &part->list.v[i]);
	f->total += part->total - part->list.n;
	f->nomem |= part->nomem;
}

static int by_place(const void *a, const void *b)
{
	const struct psc_fault *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	if (x->field_va != y->field_va)
		return x->field_va < y->field_va ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

void psc_faults_sort(struct psc_faults *f)
{
	size_t n = 0;

	if (f->list.n)
		qsort(f->list.v, f->list.n, sizeof(*f->list.v), by_place);
	for (size_t i = 0; i < f->list.n; i++) {
		if (!n || by_place(&f->list.v[n - 1], &f->list.v[i]) != 0)
			f->list.v[n++] = f->list.v[i];
	}
	f->total -= f->list.n - n;
	f->list.n = n;
}

void psc_faults_free(struct psc_faults *f)
{
	psc_vec_free(&f->list);
}

static bool is_one_bit(const struct psc_fault *f)
{
	return f->bits && __builtin_popcountll(f->expected ^ f->found) == 1;
}

/** Does @p b belong to what happened at @p a, the fault before it? */
static bool same_place(const struct psc_fault *a, const struct psc_fault *b)
{
	if (a->va == b->va)
		return true;
	if (a->owner != b->owner || is_one_bit(a))
		return false;
	if (b->owner == PSC_OWNER_VS && b->va - a->va <= CHUNK_AND_HEADER)
		return true;
	return b->previous_va == a->va && !is_one_bit(b);
}

size_t psc_faults_place(const struct psc_faults *f, size_t from)
{
	size_t end = from + 1;

	while (end < f->list.n &&
	       same_place(&f->list.v[end - 1], &f->list.v[end]))
		end++;
	return end;
}

bool psc_faults_systematic(const struct psc_faults *f, uint64_t pages)
{
	const struct psc_fault *v = f->list.v;
	uint64_t last = 0, bad = 0, alike = 0;

	for (size_t i = 0; i < f->list.n; i++) {
		uint64_t page = v[i].va >> PSC_PAGE_SHIFT;

		if (bad && page == last)
			continue;
		last = page;
		bad++;
		alike += v[i].rule == v[0].rule &&
			 !((v[i].va ^ v[0].va) & (PSC_PAGE_SIZE - 1));
	}
	if (bad < MANY_PAGES)
		return false;
	return bad > pages / 100 || alike == bad;
}
