// SPDX-License-Identifier: MIT
#include "sym/coff_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define SYMBOL_BYTES 18
#define TYPE_FUNCTION 0x20
#define CLASS_EXTERNAL 2
#define CLASS_STATIC 3
#define MACHINE_X86 0x14c

/** The table and the strings behind it, both inside the file. */
struct table {
	const struct psc_pe_file *pe;
	const uint8_t *symbols;
	uint32_t n;
	const char *strings;
	size_t n_strings;
};

static bool find_table(const struct psc_pe_file *pe, struct table *t)
{
	uint64_t at = pe->pe.symbols_offset;
	uint64_t end = at + (uint64_t)pe->pe.n_symbols * SYMBOL_BYTES;

	if (!at || !pe->pe.n_symbols || end > pe->size)
		return false;
	*t = (struct table){
		.pe = pe, .symbols = pe->data + at, .n = pe->pe.n_symbols,
	};
	if (pe->size - end >= 4) {
		uint32_t n = psc_le32(pe->data + end);
		t->strings = (const char *)pe->data + end;
		t->n_strings = (size_t)PSC_MIN(n, pe->size - end);
	}
	return true;
}

// Eight bytes in place, or four zeros and an offset of the strings.
static size_t name_of(const struct table *t, const uint8_t *s,
		      const char **ret)
{
	if (psc_le32(s)) {
		*ret = (const char *)s;
		return strnlen(*ret, 8);
	}
	uint32_t at = psc_le32(s + 4);
	if (at < 4 || at >= t->n_strings)
		return 0;
	*ret = t->strings + at;
	return strnlen(*ret, t->n_strings - at);
}

static bool add(struct coff_names *c, const struct table *t, const uint8_t *s)
{
	uint16_t section = psc_le16(s + 12), type = psc_le16(s + 14);
	const char *name;
	size_t n = name_of(t, s, &name);

	if (!n || *name == '.' || !section ||
	    section > t->pe->pe.n_sections ||
	    (s[16] != CLASS_EXTERNAL && s[16] != CLASS_STATIC))
		return true;
	if (t->pe->pe.machine == MACHINE_X86)
		n = psc_name_undecorate(&name, n);
	const char *kept = psc_names_keep(&c->kept, name, n);
	uint64_t *slot = kept ? psc_strmap_put(&c->by_name, kept, n, NULL)
			      : NULL;
	const struct psc_pe_section *in = &t->pe->pe.section[section - 1];
	if (!slot || !psc_vec_push(&c->v, (struct coff_symbol){
		.rva = in->rva + psc_le32(s + 8),
		.limit = in->rva + in->virtual_size,
		.is_function = type == TYPE_FUNCTION, .name = kept,
	}))
		return false;
	*slot = c->v.v[c->v.n - 1].rva;
	return true;
}

// Functions last among those of one address: nearest takes the last.
static int by_rva(const void *a, const void *b)
{
	const struct coff_symbol *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	if (x->is_function != y->is_function)
		return x->is_function - y->is_function;
	return strcmp(y->name, x->name);
}

struct psc_error *coff_names_read(const struct psc_pe_file *pe,
				  struct coff_names **ret)
{
	struct table t;

	if (!find_table(pe, &t))
		return &psc_absent;
	struct coff_names *c = calloc(1, sizeof(*c));
	if (!c)
		return &psc_nomem;
	for (uint32_t i = 0; i < t.n; i++) {
		const uint8_t *s = t.symbols + (size_t)i * SYMBOL_BYTES;
		if (!add(c, &t, s)) {
			coff_names_free(c);
			return &psc_nomem;
		}
		i += s[17];	// auxiliary records
	}
	if (c->v.n)
		qsort(c->v.v, c->v.n, sizeof(*c->v.v), by_rva);
	*ret = c;
	return NULL;
}

void coff_names_free(struct coff_names *c)
{
	if (!c)
		return;
	psc_vec_free(&c->v);
	psc_strmap_free(&c->by_name);
	psc_names_free(&c->kept);
	free(c);
}

struct psc_error *coff_names_find(const struct coff_names *c, const char *name,
				  uint64_t *rva)
{
	uint64_t *slot = psc_strmap_get(&c->by_name, name, strlen(name));

	if (!slot)
		return &psc_absent;
	*rva = *slot;
	return NULL;
}

struct psc_error *coff_names_nearest(const struct coff_names *c, uint64_t rva,
				     struct psc_symname *ret)
{
	size_t lo = 0, hi = c->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->v.v[mid].rva <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return &psc_absent;
	const struct coff_symbol *s = &c->v.v[lo - 1];
	if (rva >= s->limit)
		return &psc_absent;
	*ret = (struct psc_symname){
		.name = s->name, .rva = s->rva, .is_function = s->is_function,
	};
	return NULL;
}
