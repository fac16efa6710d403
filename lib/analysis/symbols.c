// SPDX-License-Identifier: MIT
// symbol_search: for the kernel and every driver, which symbols its image asks
// for, where they were looked for, what was found, and what depends on them.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/cleanup.h"
#include "kernel/symbols.h"

#define KERNEL_FIGURES                                                     \
	"every figure of vm, poolused, bigpool, walk and check: they are " \
	"read by the kernel's names and layouts"
#define DRIVER_FIGURES                                                     \
	"function names and source lines of this driver's call sites"

// What to ask for, where to put it, and the address of the public server.
static void fill_wanted(struct psc_value *o, const struct psc_symwant *w)
{
	char guid[33], key[PSC_STORE_KEY_TEXT];

	if (!w->id.known) {
		psc_set_null(o, "pdb");
		psc_set_null(o, "store_path");
	} else {
		struct psc_value *p = psc_set_object(o, "pdb");
		psc_guid_text(w->id.guid, guid);
		psc_set_str(p, "name", w->id.name);
		psc_set_str(p, "guid", guid);
		psc_set_uint(p, "age", w->id.age);
		psc_store_key(&w->id, key);
		psc_set_strf(o, "store_path", "%s/%s/%s", w->id.name, key,
			     w->id.name);
	}
	if (w->timestamp)
		psc_set_strf(o, "image_path", "%s/%08" PRIX32 "%" PRIx32 "/%s",
			     w->image, w->timestamp, w->image_size, w->image);
	else
		psc_set_null(o, "image_path");
}

static void fill_found(struct psc_value *o, const struct psc_sym *sym)
{
	psc_set_str(o, "source", sym ? psc_sym_source(sym) : NULL);
	psc_set_str(o, "file", sym ? psc_sym_file(sym) : NULL);
	psc_set_str(o, "what", sym ? psc_sym_what(sym) : NULL);
}

static void fill_log(struct psc_value *o, const struct psc_symlog *log)
{
	struct psc_value *list = psc_set_array(o, "looked_at");

	for (size_t i = 0; i < log->v.n; i++) {
		struct psc_value *row = psc_add_object(list);
		psc_set_str(row, "place", log->v.v[i].place);
		psc_set_str(row, "result", log->v.v[i].result);
	}
}

// The search is repeated for its log; the kernel keeps the symbols it has.
static struct psc_error *fill_kernel(struct psc_analysis *a,
				     struct psc_value *o)
{
	struct psc_symstore *store = psc_kernel_symstore(a->kernel);
	struct psc_symwant want = psc_kernel_symwant(a->kernel);
	struct psc_symlog log = { 0 };
	struct psc_sym *sym = NULL;
	struct psc_error *err = store
		? psc_symstore_find(store, &want, &log, &sym) : &psc_absent;

	psc_sym_free(sym);
	psc_set_str(o, "module", want.image);
	fill_wanted(o, &want);
	fill_found(o, psc_kernel_sym(a->kernel));
	psc_set_str(o, "figures", KERNEL_FIGURES);
	fill_log(o, &log);
	psc_symlog_free(&log);
	(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	return err;
}

static struct psc_error *fill_module(struct psc_analysis *a,
				     const struct psc_module *m,
				     struct psc_value *o)
{
	struct psc_symwant want = psc_module_symwant(m);
	struct psc_symlog log = { 0 };
	struct psc_sym *sym = NULL;
	struct psc_error *err = psc_module_symbols(a->kernel, m, &log, &sym);

	psc_set_str(o, "module", m->name);
	fill_wanted(o, &want);
	fill_found(o, sym);
	psc_set_str(o, "figures", DRIVER_FIGURES);
	fill_log(o, &log);
	psc_sym_free(sym);
	psc_symlog_free(&log);
	(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	return err;
}

struct psc_error *psc_analyse_symbols(struct psc_analysis *a)
{
	const struct psc_modules *m;
	struct psc_error *err = psc_analysis_modules(a, &m);

	if (err)
		return err;
	struct psc_value *list = psc_set_array(a->root, "symbol_search");
	if ((err = fill_kernel(a, psc_add_object(list))))
		return err;
	for (size_t i = 0; i < m->n; i++) {
		// The kernel is in the list of modules too.
		if (m->v[i].base == psc_kernel_base(a->kernel))
			continue;
		if ((err = fill_module(a, &m->v[i], psc_add_object(list))))
			return err;
	}
	return NULL;
}
