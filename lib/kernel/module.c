// SPDX-License-Identifier: MIT
#include "kernel/module.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/kernel_impl.h"
#include "kernel/ldr.h"
#include "kernel/list.h"
#include "kernel/unloaded.h"

#define MAX_MODULES 10000

void psc_modules_free(struct psc_modules *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].name);
		free(m->v[i].path);
		psc_pe_version_free(&m->v[i].version);
	}
	for (size_t i = 0; i < m->n_unloaded; i++)
		free(m->unloaded[i].name);
	free(m->v);
	free(m->unloaded);
	free(m->why_incomplete);
	free(m);
}

static void modules_cleanup(struct psc_modules **m)
{
	psc_modules_free(*m);
}

void psc_modules_incomplete(struct psc_modules *m, const char *fmt, ...)
{
	va_list ap;

	m->complete = false;
	if (m->why_incomplete)
		return;		// the first reason is the best one
	va_start(ap, fmt);
	if (vasprintf(&m->why_incomplete, fmt, ap) < 0)
		m->why_incomplete = NULL;
	va_end(ap);
}

// --- images ----------------------------------------------------------------

static size_t image_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct psc_module_image *img = ctx;
	uint64_t va;

	if (rva >= img->size || !psc_add_ok(img->base, rva, &va))
		return 0;
	n = (size_t)PSC_MIN(n, img->size - rva);
	return psc_mem_read(psc_kernel_mem(img->k), va, buf, n, NULL);
}

struct psc_image_source psc_module_source(struct psc_module_image *img,
					  const struct psc_kernel *k,
					  const struct psc_module *mod)
{
	*img = (struct psc_module_image){ k, mod->base, mod->size };
	return (struct psc_image_source){ .ctx = img, .read = image_read };
}

// Images are looked at through the probe: their discarded pages are nothing
// that a report misses.
static size_t quiet_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct psc_module_image *img = ctx;
	uint64_t va;

	if (rva >= img->size || !psc_add_ok(img->base, rva, &va))
		return 0;
	n = (size_t)PSC_MIN(n, img->size - rva);
	return psc_mem_read(img->k->probe, va, buf, n, NULL);
}

// Time stamp for lists that have none; with details also PDB and version.
static struct psc_error *look_at_image(const struct psc_kernel *k,
				       struct psc_module *mod, bool details)
{
	struct psc_module_image img = { k, mod->base, mod->size };
	struct psc_image_source src = { .ctx = &img, .read = quiet_read };
	PSC_FREE struct psc_pe *pe = malloc(sizeof(*pe));

	if (!pe)
		return &psc_nomem;
	struct psc_error *err = psc_pe_open(&src, mod->name, pe);
	if (!err && !mod->has_timestamp) {
		mod->timestamp = pe->timestamp;
		mod->has_timestamp = true;
	}
	if (!err && details) {
		err = psc_pe_pdb(pe, &mod->pdb);
		mod->has_pdb = !err;
		psc_error_free(err);
		err = psc_pe_version(pe, &mod->version);
		mod->has_version = !err;
	}
	if (err == &psc_nomem)
		return err;
	psc_error_free(err);	// pages that are not there say nothing
	return NULL;
}

// --- the list --------------------------------------------------------------

// A name that cannot be read is no reason to lose the module.
static char *optional_text(const struct psc_kernel *k, uint64_t va)
{
	char *text = NULL;
	struct psc_error *err = psc_kernel_unicode(k, va, "module name", &text);

	// A page that is absent has been counted, a string that lies not.
	if (err && (err->code == PSC_ERR_DAMAGED ||
		    err->code == PSC_ERR_NOT_MAPPED))
		psc_mem_count_unreadable(k->mem);
	psc_error_free(err);
	if (text && *text)
		return text;
	free(text);
	return NULL;
}

static char *name_of(const char *path, uint64_t base)
{
	char *name;

	if (path && *psc_path_base(path))
		return strdup(psc_path_base(path));
	return asprintf(&name, "0x%" PRIx64, base) < 0 ? NULL : name;
}

static struct psc_error *add(struct psc_modules *m, struct psc_module *mod)
{
	if (!mod->name)
		mod->name = name_of(mod->path, mod->base);
	if (!mod->name) {
		free(mod->path);
		return &psc_nomem;
	}
	m->v[m->n++] = *mod;
	return NULL;
}

static struct psc_error *from_entry(const struct psc_kernel *k, uint64_t va,
				    struct psc_modules *m)
{
	struct psc_ldr_entry e;

	if (!psc_ldr_entry(k, k->mem, va, &e)) {
		psc_mem_count_unreadable(k->mem);
		psc_modules_incomplete(m, "the module entry at 0x%" PRIx64
				       " cannot be read", va);
		return NULL;
	}
	struct psc_module mod = {
		.base = e.base, .size = e.size, .timestamp = e.timestamp,
		.has_timestamp = e.has_timestamp,
		.path = optional_text(k, e.full_name),
		.name = optional_text(k, e.base_name),
	};
	return add(m, &mod);
}

static uint64_t list_head(const struct psc_kernel *k)
{
	uint64_t head = k->h->loaded_module_list;

	if (!psc_mem_is_kernel_va(k->mem, head))
		psc_kernel_kdbg(k, 0x48, &head);
	return head;
}

static struct psc_error *from_list(const struct psc_kernel *k,
				   struct psc_modules *m)
{
	PSC_CLEANUP(psc_list_free) struct psc_list list = { 0 };
	struct psc_error *err = psc_list_read(k, list_head(k),
					      "PsLoadedModuleList",
					      MAX_MODULES, &list);

	if (err)
		return err;
	if (!list.complete)
		psc_modules_incomplete(m, "%s", list.why ? list.why
				       : "PsLoadedModuleList is broken");
	m->v = calloc(list.n ? list.n : 1, sizeof(*m->v));
	if (!m->v)
		return &psc_nomem;
	for (size_t i = 0; i < list.n && !err; i++)
		err = from_entry(k, list.v[i], m);
	return err;
}

static struct psc_error *from_triage(const struct psc_triage *t,
				     struct psc_modules *m)
{
	struct psc_error *err = NULL;

	m->v = calloc(t->n_drivers ? t->n_drivers : 1, sizeof(*m->v));
	if (!m->v)
		return &psc_nomem;
	for (size_t i = 0; i < t->n_drivers && !err; i++) {
		const struct psc_triage_driver *d = &t->drivers[i];
		struct psc_module mod = {
			.base = d->base, .size = d->size,
			.timestamp = d->timestamp, .has_timestamp = true,
			.path = *d->name ? strdup(d->name) : NULL,
		};
		err = add(m, &mod);
	}
	return err;
}

static int by_base(const void *a, const void *b)
{
	const struct psc_module *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

struct psc_error *psc_modules_read(const struct psc_kernel *k, bool details,
				   struct psc_modules **ret)
{
	const struct psc_triage *t = psc_dump_triage(k->dump);
	PSC_CLEANUP(modules_cleanup) struct psc_modules *m =
		calloc(1, sizeof(*m));

	if (!m)
		return &psc_nomem;
	m->complete = true;
	struct psc_error *err = t ? from_triage(t, m) : from_list(k, m);
	if (!err)
		err = t ? psc_unloaded_from_triage(t, m)
			: psc_unloaded_read(k, m);
	for (size_t i = 0; i < m->n && !err; i++) {
		if (details || !m->v[i].has_timestamp)
			err = look_at_image(k, &m->v[i], details);
	}
	if (err)
		return err;
	qsort(m->v, m->n, sizeof(*m->v), by_base);
	*ret = PSC_TAKE(m);
	return NULL;
}

const struct psc_module *psc_module_at(const struct psc_modules *m,
				       uint64_t va)
{
	size_t lo = 0, hi = m->n;

	// First module above va.
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->v[mid].base <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || va - m->v[lo - 1].base >= m->v[lo - 1].size)
		return NULL;
	return &m->v[lo - 1];
}
