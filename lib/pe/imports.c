// SPDX-License-Identifier: MIT
// Import and delay-import directories. In memory the import address table
// holds addresses, so names come from the import name table alone, and its
// pages (INIT) are often gone: slots are reported without names then.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "pe/window.h"

enum {
	DIR_IMPORT = 1,
	DIR_IAT = 12,
	DIR_DELAY = 13,
	IMPORT_BYTES = 20,
	DELAY_BYTES = 32,
	DELAY_RVAS = 1,			// attribute: fields are RVAs, not VAs
	MODULES_MAX = 1024,
	SLOTS_MAX = 1 << 16,
	NAME_MAX_BYTES = 1024,
};

struct import_reader {
	struct psc_pe_window names, slots;
	const struct psc_pe *pe;
	PSC_VEC(struct psc_pe_import) out;
	unsigned int word;		// bytes of one slot
	bool incomplete;
	bool oom;
};

// One descriptor of either directory, as RVAs.
struct descriptor {
	uint32_t name, names, slots;
};

static char *read_text(struct import_reader *x, uint64_t rva)
{
	bool oom;
	char *s = psc_pe_window_text(&x->names, rva, NAME_MAX_BYTES, &oom);

	x->oom |= oom;
	if (!s)
		x->incomplete = true;
	return s;
}

static bool read_word(struct import_reader *x, struct psc_pe_window *w,
		      uint64_t rva, uint64_t *v)
{
	uint8_t b[8];

	if (!psc_pe_window_get(w, rva, b, x->word))
		return false;
	*v = psc_le_uint(b, x->word);
	return true;
}

static void name_slot(struct import_reader *x, uint64_t thunk,
		      struct psc_pe_import *slot)
{
	if (thunk >> (x->word * 8 - 1))
		slot->ordinal = (uint16_t)thunk;
	else
		slot->name = read_text(x, (uint32_t)thunk + 2ull); // past hint
}

static void add_slot(struct import_reader *x, const char *module,
		     const uint64_t *thunk, uint32_t slot_rva)
{
	struct psc_pe_import s = { .slot_rva = slot_rva };

	if (module && !(s.module = strdup(module)))
		x->oom = true;
	if (thunk)
		name_slot(x, *thunk, &s);
	else
		x->incomplete = true;
	if (!psc_vec_push(&x->out, s)) {
		x->oom = true;
		free(s.module);
		free(s.name);
	}
}

// Names and slots run in parallel; whichever is readable says where they end.
static void read_module(struct import_reader *x, const struct descriptor *d)
{
	// Images without a name table keep the names in the slots, on disk.
	uint32_t names = d->names ? d->names
		       : x->pe->unbound ? d->slots : 0;
	PSC_CLEANUP(psc_free_ptr) char *module = read_text(x, d->name);

	for (uint32_t i = 0; x->out.n < SLOTS_MAX && !x->oom; i++) {
		uint64_t at = (uint64_t)i * x->word, thunk, value;
		bool named = names && read_word(x, &x->names, names + at,
						&thunk);
		bool there = read_word(x, &x->slots, d->slots + at, &value);

		if (named ? !thunk : !there || !value) {
			x->incomplete |= !named;
			return;
		}
		if (d->slots + at > UINT32_MAX)
			return;
		add_slot(x, module, named ? &thunk : NULL,
			 (uint32_t)(d->slots + at));
	}
	x->incomplete = true;
}

// @return false when the table has ended or cannot be read.
static bool read_import(struct import_reader *x, uint64_t at,
			struct descriptor *d)
{
	uint8_t e[IMPORT_BYTES];

	if (!psc_pe_window_get(&x->names, at, e, sizeof(e))) {
		x->incomplete = true;
		return false;
	}
	*d = (struct descriptor){ .names = psc_le32(e),
				  .name = psc_le32(e + 12),
				  .slots = psc_le32(e + 16) };
	return d->slots != 0;
}

static bool read_delay(struct import_reader *x, uint64_t at,
		       struct descriptor *d)
{
	uint8_t e[DELAY_BYTES];
	uint32_t bias;

	if (!psc_pe_window_get(&x->names, at, e, sizeof(e))) {
		x->incomplete = true;
		return false;
	}
	bias = psc_le32(e) & DELAY_RVAS ? 0 : (uint32_t)x->pe->image_base;
	*d = (struct descriptor){ .name = psc_le32(e + 4) - bias,
				  .slots = psc_le32(e + 12) - bias,
				  .names = psc_le32(e + 16) - bias };
	return psc_le32(e + 12) != 0;
}

static void read_directory(struct import_reader *x, unsigned int dir,
			   unsigned int bytes,
			   bool (*next)(struct import_reader *, uint64_t,
					struct descriptor *))
{
	uint64_t rva = x->pe->dir[dir].rva;
	struct descriptor d;

	if (!rva)
		return;
	for (unsigned int i = 0; i < MODULES_MAX && !x->oom; i++) {
		if (!next(x, rva + (uint64_t)i * bytes, &d))
			return;
		read_module(x, &d);
	}
	x->incomplete = true;
}

// The descriptors are gone (INIT): the address table alone says which slots
// exist.
static void read_bare_slots(struct import_reader *x)
{
	const struct psc_pe_dir *d = &x->pe->dir[DIR_IAT];
	uint32_t n = PSC_MIN(d->size / x->word, (uint32_t)SLOTS_MAX);

	for (uint32_t i = 0; d->rva && i < n && !x->oom; i++) {
		uint64_t value, at = d->rva + (uint64_t)i * x->word;

		if (read_word(x, &x->slots, at, &value) && value &&
		    at <= UINT32_MAX)
			add_slot(x, NULL, NULL, (uint32_t)at);
	}
}

static int by_slot(const void *a, const void *b)
{
	const struct psc_pe_import *x = a, *y = b;

	return (x->slot_rva > y->slot_rva) - (x->slot_rva < y->slot_rva);
}

struct psc_error *psc_pe_imports(const struct psc_pe *pe,
				 struct psc_pe_imports *ret)
{
	struct import_reader x = { .pe = pe, .word = pe->is64 ? 8 : 4 };
	struct psc_pe_imports all;

	if (!pe->dir[DIR_IMPORT].rva && !pe->dir[DIR_DELAY].rva)
		return &psc_absent;
	psc_pe_window_init(&x.names, pe);
	psc_pe_window_init(&x.slots, pe);
	read_directory(&x, DIR_IMPORT, IMPORT_BYTES, read_import);
	if (x.incomplete && !x.out.n)
		read_bare_slots(&x);
	read_directory(&x, DIR_DELAY, DELAY_BYTES, read_delay);
	all = (struct psc_pe_imports){ x.out.v, x.out.n, x.incomplete };
	if (x.oom) {
		psc_pe_imports_free(&all);
		return &psc_nomem;
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_slot);
	*ret = all;
	return NULL;
}

void psc_pe_imports_free(struct psc_pe_imports *i)
{
	for (size_t k = 0; k < i->n; k++) {
		free(i->v[k].module);
		free(i->v[k].name);
	}
	free(i->v);
	*i = (struct psc_pe_imports){ 0 };
}
