// SPDX-License-Identifier: MIT
// Where functions begin: .pdata, and outside of it what is called, jumped to
// or pointed at (callsites 3).
#include "code/engine.h"

#include <stdlib.h>

const struct psc_pe_function *psc_bounds_entry(const struct psc_engine *e,
					       uint32_t rva)
{
	size_t lo = 0, hi = e->pdata.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->pdata.v[mid].begin <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && rva < e->pdata.v[lo - 1].end ? &e->pdata.v[lo - 1] : NULL;
}

// A place that follows the end of something: padding, a return, a jump.
static bool follows_end(const struct psc_flat *f, uint32_t rva)
{
	const uint8_t *p = f->bytes + rva;

	if (rva < 8)
		return false;
	return p[-1] == 0xcc || p[-1] == 0x90 || p[-1] == 0xc3 || !p[-1] ||
	       (p[-3] == 0xc2 && !p[-1]) || p[-5] == 0xe9 || p[-5] == 0xe8 ||
	       p[-2] == 0xeb || (p[-6] == 0xff && p[-5] == 0x25) ||
	       !(rva & 15);
}

static bool plausible(const struct psc_engine *e, int64_t rva)
{
	const struct psc_flat *f = e->flat;

	if (rva < 0 || !psc_flat_has(f, (uint64_t)rva, 1) ||
	    !psc_flat_executable(f, (uint64_t)rva) ||
	    psc_bounds_entry(e, (uint32_t)rva))
		return false;
	if (f->pe.machine == 0xaa64)
		return !(rva & 3);
	return follows_end(f, (uint32_t)rva);
}

static void add(struct psc_engine *e, int64_t rva, bool weak)
{
	struct psc_start s = { (uint32_t)rva, weak };

	if (!psc_vec_push(&e->starts, s))
		e->oom = true;
}

static void from_calls(struct psc_engine *e, const struct psc_pe_section *s)
{
	const uint8_t *p = e->flat->bytes;
	uint32_t end = (uint32_t)PSC_MIN((uint64_t)s->rva + s->virtual_size,
					 (uint64_t)e->flat->size);
	bool arm = e->flat->pe.machine == 0xaa64;

	for (uint32_t i = s->rva; end > 5 && i < end - 5; i += arm ? 4 : 1) {
		bool weak = false;
		int64_t to;
		if (arm) {
			uint32_t w = psc_le32(p + i);
			if (w >> 26 != 0x25)	// bl
				continue;
			to = i + (int64_t)((int32_t)(w << 6) >> 6) * 4;
		} else {
			if (p[i] != 0xe8 && p[i] != 0xe9)
				continue;
			weak = p[i] == 0xe9;
			to = (int64_t)i + 5 + (int32_t)psc_le32(p + i + 1);
		}
		if (to < e->flat->size && plausible(e, to))
			add(e, to, weak);
	}
}

// Pointers in data, and immediates of 32-bit code.
static void from_pointers(struct psc_engine *e, const struct psc_pe_section *s)
{
	const struct psc_flat *f = e->flat;
	bool code = psc_flat_executable(f, s->rva);
	uint32_t step = f->ptr == 4 && code ? 1 : f->ptr, rva;
	uint32_t end = (uint32_t)PSC_MIN((uint64_t)s->rva + s->virtual_size,
					 (uint64_t)f->size);

	if (f->ptr == 8 && code)
		return;
	for (uint32_t i = s->rva; i < end && end - i >= f->ptr; i += step) {
		if (psc_flat_rva(f, psc_le_uint(f->bytes + i, f->ptr), &rva) &&
		    plausible(e, rva))
			add(e, rva, true);
	}
}

// Of two notes about one place the call comes first.
static int by_start(const void *a, const void *b)
{
	const struct psc_start *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->weak - y->weak;
}

static void find_starts(struct psc_engine *e)
{
	const struct psc_pe *pe = &e->flat->pe;
	size_t m = 0;

	e->starts_known = true;
	for (unsigned int i = 0; i < pe->n_sections; i++) {
		if (psc_flat_executable(e->flat, pe->section[i].rva))
			from_calls(e, &pe->section[i]);
		from_pointers(e, &pe->section[i]);
	}
	for (size_t i = 0; i < e->exports.n; i++) {
		uint32_t rva = e->exports.v[i].rva;
		if (psc_flat_executable(e->flat, rva) &&
		    !psc_bounds_entry(e, rva))
			add(e, rva, false);
	}
	if (psc_flat_executable(e->flat, pe->entry_rva) &&
	    !psc_bounds_entry(e, pe->entry_rva))
		add(e, pe->entry_rva, false);
	if (e->starts.n)
		qsort(e->starts.v, e->starts.n, sizeof(*e->starts.v),
		      by_start);
	for (size_t i = 0; i < e->starts.n; i++) {
		if (!m || e->starts.v[m - 1].rva != e->starts.v[i].rva)
			e->starts.v[m++] = e->starts.v[i];
	}
	e->starts.n = m;
}

static size_t starts_upto(struct psc_engine *e, uint32_t rva)
{
	size_t lo = 0, hi;

	if (!e->starts_known)
		find_starts(e);
	hi = e->starts.n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->starts.v[mid].rva <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

// End of the .pdata entry, or start of the section, before @p rva.
static uint32_t gap_begin(const struct psc_engine *e, uint32_t rva)
{
	const struct psc_pe_section *s = psc_pe_section_of(&e->flat->pe, rva);
	uint32_t begin = s ? s->rva : 0;
	size_t lo = 0, hi = e->pdata.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (e->pdata.v[mid].begin <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo)
		begin = PSC_MAX(begin, e->pdata.v[lo - 1].end);
	while (begin < rva && (e->flat->bytes[begin] == 0xcc ||
			       e->flat->bytes[begin] == 0x90))
		begin++;
	return begin;
}

static uint32_t nearest(struct psc_engine *e, uint32_t rva, bool weak)
{
	const struct psc_pe_function *p = psc_bounds_entry(e, rva);
	uint32_t begin;
	size_t n;

	if (p)
		return p->parent;
	begin = gap_begin(e, rva);
	for (n = starts_upto(e, rva); n && e->starts.v[n - 1].rva >= begin;
	     n--) {
		if (weak || !e->starts.v[n - 1].weak)
			return e->starts.v[n - 1].rva;
	}
	return begin;
}

uint32_t psc_bounds_function(struct psc_engine *e, uint32_t rva)
{
	return nearest(e, rva, true);
}

uint32_t psc_bounds_called(struct psc_engine *e, uint32_t rva)
{
	return nearest(e, rva, false);
}

bool psc_bounds_after_end(const struct psc_flat *f, uint32_t rva)
{
	const uint8_t *p = f->bytes + rva;

	return rva >= 8 && (p[-1] == 0xcc || p[-1] == 0xc3 ||
			    (p[-3] == 0xc2 && !p[-1]) ||
			    (p[-6] == 0xff && p[-5] == 0x25));
}

bool psc_bounds_is_called(struct psc_engine *e, uint32_t rva)
{
	const struct psc_pe_function *p = psc_bounds_entry(e, rva);
	size_t n;

	if (p)
		return p->begin == rva && p->parent == rva;
	n = starts_upto(e, rva);
	return n && e->starts.v[n - 1].rva == rva && !e->starts.v[n - 1].weak;
}

bool psc_bounds_is_start(struct psc_engine *e, uint32_t rva)
{
	// Where .pdata is, code outside of it is small leaf functions: a jump
	// there is worth following in place.
	if (e->pdata.n && !psc_bounds_entry(e, rva))
		return false;
	return psc_bounds_is_called(e, rva);
}
