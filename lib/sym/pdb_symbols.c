// SPDX-License-Identifier: MIT
#include "sym/pdb_symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MACHINE_X86 0x14c

/** Which of several records of one name counts. */
enum rank {
	RANK_NONE,
	RANK_REFERENCE,		// to a function record in a module stream
	RANK_DATA,
	RANK_PUBLIC,
};

static enum rank rank_of(uint16_t kind)
{
	switch (kind) {
	case PDB_S_PUB32:
	case PDB_S_PUB32_ST:
		return RANK_PUBLIC;
	case PDB_S_GDATA32:
	case PDB_S_LDATA32:
		return RANK_DATA;
	case PDB_S_PROCREF:
	case PDB_S_LPROCREF:
		return RANK_REFERENCE;
	default:
		return RANK_NONE;
	}
}

static bool put_name(struct pdb_symbols *s, const char *name, size_t n,
		     uint64_t value)
{
	uint64_t *slot = psc_strmap_put(&s->names, name, n, NULL);

	if (slot && value >> 32 > *slot >> 32)
		*slot = value;
	return slot != NULL;
}

static bool index_names(struct pdb_symbols *s)
{
	struct pdb_raw raw;
	struct pdb_symbol sym;

	for (size_t at = 0; pdb_record_next(s->s.data, s->s.size, &at, &raw);
	     ) {
		enum rank rank = rank_of(raw.kind);
		if (!rank || !pdb_symbol_parse(&raw, &sym))
			continue;
		uint64_t value = (uint64_t)rank << 32 | (uint32_t)raw.at;
		if (!put_name(s, sym.name, sym.name_len, value))
			return false;
		const char *plain = sym.name;
		size_t n = s->x86 ? psc_name_undecorate(&plain, sym.name_len)
				  : sym.name_len;
		if (plain != sym.name && !put_name(s, plain, n, value))
			return false;
	}
	return true;
}

struct psc_error *pdb_symbols_read(const struct psc_msf *m,
				   const struct pdb_dbi *d,
				   struct pdb_symbols **ret)
{
	struct pdb_symbols *s = calloc(1, sizeof(*s));
	struct psc_error *err;

	if (!s)
		return &psc_nomem;
	s->x86 = d->machine == MACHINE_X86;
	err = psc_msf_read(m, d->records, "symbol records", &s->s);
	(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	if (!err && !index_names(s))
		err = &psc_nomem;
	if (err) {
		pdb_symbols_free(s);
		return err;
	}
	*ret = s;
	return NULL;
}

void pdb_symbols_free(struct pdb_symbols *s)
{
	if (!s)
		return;
	psc_strmap_free(&s->names);
	psc_names_free(&s->kept);
	psc_vec_free(&s->near);
	pdb_bounds_free(&s->bounds);
	psc_msf_stream_free(&s->s);
	free(s);
}

static bool symbol_at(const struct pdb_symbols *s, uint32_t at,
		      struct pdb_symbol *ret)
{
	struct pdb_raw raw;
	size_t pos = at;

	return pdb_record_next(s->s.data, s->s.size, &pos, &raw) &&
	       pdb_symbol_parse(&raw, ret);
}

bool pdb_symbols_find(const struct pdb_symbols *s, const char *name,
		      struct pdb_symbol *ret)
{
	uint64_t *slot = psc_strmap_get(&s->names, name, strlen(name));

	return slot && symbol_at(s, (uint32_t)*slot, ret);
}

// --- by address ------------------------------------------------------------

static int by_rva(const void *a, const void *b)
{
	const struct pdb_near *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool noise(const struct pdb_addr *a, const struct pdb_symbol *sym)
{
	char head[16];
	size_t n = PSC_MIN(sym->name_len, sizeof(head) - 1);

	if (!pdb_addr_is_code(a, sym->section))
		return false;
	memcpy(head, sym->name, n);
	head[n] = 0;
	return psc_name_is_noise(head);
}

static struct psc_error *sort_addresses(struct pdb_symbols *s,
					const struct pdb_addr *a)
{
	struct pdb_raw raw;
	struct pdb_symbol sym;
	uint32_t rva;

	for (size_t at = 0; pdb_record_next(s->s.data, s->s.size, &at, &raw);
	     ) {
		if (rank_of(raw.kind) < RANK_DATA ||
		    !pdb_symbol_parse(&raw, &sym) || noise(a, &sym) ||
		    !pdb_addr_rva(a, sym.section, sym.offset, &rva))
			continue;
		if (!psc_vec_push(&s->near, (struct pdb_near){
			.rva = rva, .at = (uint32_t)raw.at,
		}))
			return &psc_nomem;
	}
	if (s->near.n)
		qsort(s->near.v, s->near.n, sizeof(*s->near.v), by_rva);
	return NULL;
}

static struct psc_error *prepare(struct pdb_symbols *s,
				 const struct psc_msf *m,
				 const struct pdb_dbi *d,
				 const struct pdb_addr *a)
{
	struct psc_error *err;

	if (s->sorted)
		return NULL;
	psc_vec_free(&s->near);
	pdb_bounds_free(&s->bounds);
	if ((err = sort_addresses(s, a)) ||
	    (err = pdb_bounds_read(m, d, &s->bounds)))
		return err;
	s->sorted = true;
	return NULL;
}

// Of the names of one address take a function, then a public, then the first.
static bool best_at(const struct pdb_symbols *s, size_t last,
		    struct pdb_symbol *ret)
{
	int best = -1;

	for (size_t i = last + 1; i-- > 0 &&
	     s->near.v[i].rva == s->near.v[last].rva; ) {
		struct pdb_symbol sym;
		if (!symbol_at(s, s->near.v[i].at, &sym))
			continue;
		int score = (sym.flags & PDB_PUB_FUNCTION ? 2 : 0) +
			    (rank_of(sym.kind) == RANK_PUBLIC);
		if (score >= best) {
			best = score;
			*ret = sym;
		}
	}
	return best >= 0;
}

// A different section, or a different piece of an object file: another thing.
static bool belongs(const struct pdb_symbols *s, const struct pdb_dbi *d,
		    const struct pdb_addr *a, const struct pdb_symbol *sym,
		    uint32_t symbol_rva, uint32_t rva)
{
	uint16_t section;
	uint32_t offset;

	if (!pdb_addr_place(a, rva, &section, &offset))
		return symbol_rva == rva || !a->n_sections;
	if (section != sym->section)
		return false;
	const struct pdb_contribution *x =
		pdb_dbi_contribution(d, section, offset);
	const struct pdb_contribution *y =
		pdb_dbi_contribution(d, sym->section, sym->offset);
	if (x && y && x != y)
		return false;
	return !pdb_addr_is_code(a, section) ||
	       pdb_bounds_same(&s->bounds, symbol_rva, rva);
}

static struct psc_error *answer(struct pdb_symbols *s,
				const struct pdb_addr *a,
				const struct pdb_symbol *sym, uint32_t rva,
				struct psc_symname *ret)
{
	const char *name = sym->name;
	size_t n = sym->name_len;

	if (s->x86 && rank_of(sym->kind) == RANK_PUBLIC)
		n = psc_name_undecorate(&name, n);
	// A name that is whole and ends in NUL can stay where it is.
	if (sym->kind == PDB_S_PUB32_ST || n != strlen(name))
		name = psc_names_keep(&s->kept, name, n);
	if (!name)
		return &psc_nomem;
	*ret = (struct psc_symname){
		.name = name, .rva = rva,
		.is_function = (sym->flags & PDB_PUB_FUNCTION) ||
			(!(sym->flags & PDB_PUB_CODE) &&
			 rank_of(sym->kind) == RANK_PUBLIC &&
			 pdb_addr_is_code(a, sym->section)),
	};
	return NULL;
}

struct psc_error *pdb_symbols_nearest(struct pdb_symbols *s,
				      const struct psc_msf *m,
				      const struct pdb_dbi *d,
				      const struct pdb_addr *a, uint64_t rva,
				      struct psc_symname *ret)
{
	struct psc_error *err = prepare(s, m, d, a);
	struct pdb_symbol sym = { 0 };

	if (err)
		return err;
	if (rva > UINT32_MAX)
		return &psc_absent;
	size_t lo = 0, hi = s->near.n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->near.v[mid].rva <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || !best_at(s, lo - 1, &sym))
		return &psc_absent;
	uint32_t at = s->near.v[lo - 1].rva;
	if (!belongs(s, d, a, &sym, at, (uint32_t)rva))
		return &psc_absent;
	return answer(s, a, &sym, at, ret);
}
