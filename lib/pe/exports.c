// SPDX-License-Identifier: MIT
// Export directory.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/vec.h"
#include "pe/window.h"

enum {
	DIR_EXPORT = 0,
	HEAD_BYTES = 40,
	ORDINALS_MAX = 0x10000,		// ordinals are 16 bits
	NAME_MAX_BYTES = 4096,
	NAMES_MAX_BYTES = 16 << 20,	// all names of one image
};

struct export_reader {
	struct psc_pe_window win;
	struct psc_pe_dir dir;
	uint32_t base, n_functions, n_names, functions, names, ordinals;
	size_t text_left;
	PSC_VEC(struct psc_pe_export) out;
	bool *named;			// by function index
	bool incomplete;
	bool oom;
};

static char *read_text(struct export_reader *x, uint64_t rva)
{
	size_t max = PSC_MIN((size_t)NAME_MAX_BYTES, x->text_left);
	bool oom;
	char *s = psc_pe_window_text(&x->win, rva, max, &oom);

	x->oom |= oom;
	if (s)
		x->text_left -= strlen(s);
	else
		x->incomplete = true;
	return s;
}

static void add_export(struct export_reader *x, uint32_t index, char *name)
{
	struct psc_pe_export e = { .name = name, .ordinal = x->base + index };
	uint32_t rva;

	if (!psc_pe_window_u32(&x->win, x->functions + 4ull * index, &rva)) {
		x->incomplete = true;
		free(name);
		return;
	}
	// An address inside the export directory is a forwarder's text.
	if (rva - x->dir.rva < x->dir.size)
		e.forward = read_text(x, rva);
	else
		e.rva = rva;
	if ((!e.rva && !e.forward) || !psc_vec_push(&x->out, e)) {
		x->oom |= e.rva || e.forward;
		free(e.name);
		free(e.forward);
	}
}

static void read_named(struct export_reader *x)
{
	for (uint32_t i = 0; i < x->n_names && !x->oom; i++) {
		uint32_t name_rva;
		uint8_t ord[2];
		char *name;

		if (!psc_pe_window_u32(&x->win, x->names + 4ull * i,
				       &name_rva) ||
		    !psc_pe_window_get(&x->win, x->ordinals + 2ull * i, ord,
				       sizeof(ord))) {
			x->incomplete = true;
			continue;
		}
		uint32_t index = psc_le16(ord);
		if (index >= x->n_functions) {
			x->incomplete = true;
			continue;
		}
		if (!(name = read_text(x, name_rva)))
			continue;
		x->named[index] = true;
		add_export(x, index, name);
	}
}

static int by_rva(const void *a, const void *b)
{
	const struct psc_pe_export *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

static void read_head(struct export_reader *x, const uint8_t *h)
{
	x->base = psc_le32(h + 16);
	x->n_functions = psc_le32(h + 20);
	x->n_names = psc_le32(h + 24);
	x->functions = psc_le32(h + 28);
	x->names = psc_le32(h + 32);
	x->ordinals = psc_le32(h + 36);
	if (x->n_functions > ORDINALS_MAX || x->n_names > ORDINALS_MAX)
		x->incomplete = true;
	x->n_functions = PSC_MIN(x->n_functions, ORDINALS_MAX);
	x->n_names = PSC_MIN(x->n_names, ORDINALS_MAX);
}

struct psc_error *psc_pe_exports(const struct psc_pe *pe,
				 struct psc_pe_exports *ret)
{
	struct export_reader x = { .dir = pe->dir[DIR_EXPORT],
				   .text_left = NAMES_MAX_BYTES };
	uint8_t head[HEAD_BYTES];
	struct psc_pe_exports all = { 0 };

	if (!x.dir.rva || !x.dir.size)
		return &psc_absent;
	psc_pe_window_init(&x.win, pe);
	if (!psc_pe_window_get(&x.win, x.dir.rva, head, sizeof(head)))
		return psc_error_at(PSC_ERR_NOT_IN_DUMP, PSC_WHERE_OFFSET,
				    x.dir.rva,
				    "export directory is not readable");
	read_head(&x, head);
	x.named = calloc(x.n_functions + 1u, sizeof(*x.named));
	if (!x.named)
		return &psc_nomem;
	all.module = read_text(&x, psc_le32(head + 12));
	read_named(&x);
	for (uint32_t i = 0; i < x.n_functions && !x.oom; i++) {
		if (!x.named[i])
			add_export(&x, i, NULL);
	}
	free(x.named);
	all.v = x.out.v;
	all.n = x.out.n;
	all.incomplete = x.incomplete;
	if (x.oom) {
		psc_pe_exports_free(&all);
		return &psc_nomem;
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_rva);
	*ret = all;
	return NULL;
}

void psc_pe_exports_free(struct psc_pe_exports *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->v[i].name);
		free(e->v[i].forward);
	}
	free(e->v);
	free(e->module);
	*e = (struct psc_pe_exports){ 0 };
}

const struct psc_pe_export *
psc_pe_export_find(const struct psc_pe_exports *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++) {
		if (e->v[i].name && !strcmp(e->v[i].name, name))
			return &e->v[i];
	}
	return NULL;
}
