// SPDX-License-Identifier: MIT
// modules and unloaded_modules.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/analysis.h"

static void fill_pdb(struct psc_value *o, const struct psc_module *m)
{
	char guid[33];

	if (!m->has_pdb) {
		psc_set_null(o, "pdb");
		return;
	}
	struct psc_value *p = psc_set_object(o, "pdb");
	psc_guid_text(m->pdb.guid, guid);
	psc_set_str(p, "name", m->pdb.name);
	psc_set_str(p, "guid", guid);
	psc_set_uint(p, "age", m->pdb.age);
}

static void set_number(struct psc_value *o, const char *key,
		       const uint16_t v[4])
{
	psc_set_strf(o, key, "%u.%u.%u.%u", v[0], v[1], v[2], v[3]);
}

static void fill_version(struct psc_value *o, const struct psc_module *m)
{
	if (!m->has_version) {
		psc_set_null(o, "version");
		return;
	}
	struct psc_value *v = psc_set_object(o, "version");
	set_number(v, "file", m->version.file);
	psc_set_str(v, "product", m->version.product_name);
	set_number(v, "product_version", m->version.product);
	psc_set_str(v, "company", m->version.company);
	psc_set_str(v, "description", m->version.description);
}

static void fill_module(struct psc_value *o, const struct psc_module *m)
{
	psc_set_str(o, "name", m->name);
	psc_set_str(o, "path", m->path);
	psc_set_hex(o, "base", m->base);
	psc_set_uint(o, "size_bytes", m->size);
	if (m->has_timestamp)
		psc_set_hex(o, "timestamp", m->timestamp);
	else
		psc_set_null(o, "timestamp");
	fill_pdb(o, m);
	fill_version(o, m);
}

static void fill_unloaded(struct psc_value *o, const struct psc_unloaded *u)
{
	psc_set_str(o, "name", u->name);
	psc_set_hex(o, "start", u->start);
	psc_set_hex(o, "end", u->end);
	psc_set_time(o, "time", u->time);
}

static int by_start(const void *a, const void *b)
{
	const struct psc_unloaded *x = *(const struct psc_unloaded *const *)a;
	const struct psc_unloaded *y = *(const struct psc_unloaded *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

// What has an address is sorted by address (the report's contract).
static struct psc_error *fill_all_unloaded(struct psc_value *list,
					   const struct psc_modules *m)
{
	const struct psc_unloaded **v = calloc(m->n_unloaded + 1, sizeof(*v));

	if (!v)
		return &psc_nomem;
	for (size_t i = 0; i < m->n_unloaded; i++)
		v[i] = &m->unloaded[i];
	if (m->n_unloaded)
		qsort(v, m->n_unloaded, sizeof(*v), by_start);
	for (size_t i = 0; i < m->n_unloaded; i++)
		fill_unloaded(psc_add_object(list), v[i]);
	free(v);
	return NULL;
}

struct psc_error *psc_analyse_modules(struct psc_analysis *a)
{
	const struct psc_modules *m;
	struct psc_error *err = psc_analysis_modules(a, &m);

	if (err)
		return err;
	struct psc_value *list = psc_set_array(a->root, "modules");
	for (size_t i = 0; i < m->n; i++)
		fill_module(psc_add_object(list), &m->v[i]);
	err = fill_all_unloaded(psc_set_array(a->root, "unloaded_modules"), m);
	if (err)
		return err;
	if (!m->complete) {
		psc_analysis_lacks(a, m->why_incomplete ? m->why_incomplete
				   : "list of loaded modules");
		psc_set_str(a->root, "modules_incomplete", m->why_incomplete);
	}
	return NULL;
}
