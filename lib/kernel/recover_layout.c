// SPDX-License-Identifier: MIT
// Which known kernels may lend their layouts, and the source that speaks for
// them: a field is given when every candidate that no proof refuted agrees on
// its place, and when the proof of its group succeeded.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/kernel.h"
#include "kernel/recover_impl.h"

/** Of an unknown kernel: later than all, as customers' kernels are. */
static uint32_t revision_of(const char *version)
{
	unsigned int revision;
	if (version && sscanf(version, "%*u.%*u.%*u.%u", &revision) == 1)
		return revision;
	return UINT16_MAX;
}

static int compare_distance(const void *a, const void *b)
{
	const struct rec_candidate *x = a, *y = b;
	return (x->distance > y->distance) - (x->distance < y->distance);
}

/**
 * A kernel whose names stand for the family's: which globals exist is known
 * for the builds with addresses; newer kernels have what the newest has.
 */
static struct psc_error *open_names(struct rec_layouts *l)
{
	size_t best = SIZE_MAX;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].kernel->has_symbols)
			return NULL;
	for (size_t i = 0; i < psc_builtin_count(); i++) {
		const struct psc_builtin_kernel *k = psc_builtin_at(i);
		if (k->has_symbols && k->build <= l->v[0].kernel->build &&
		    (best == SIZE_MAX ||
		     k->build >= psc_builtin_at(best)->build))
			best = i;
	}
	return best == SIZE_MAX ? NULL : psc_builtin_open(best, &l->names);
}

struct psc_error *rec_layouts_open(const struct psc_recover_input *in,
				   struct rec_layouts **ret)
{
	struct psc_error *err = NULL;
	uint32_t revision = revision_of(in->version);
	struct rec_layouts *l = calloc(1, sizeof(*l));
	if (l)
		l->v = calloc(psc_builtin_count() + 1, sizeof(*l->v));
	if (!l || !l->v) {
		rec_layouts_free(l);
		return &psc_nomem;
	}
	for (size_t i = 0; !err && i < psc_builtin_count(); i++) {
		const struct psc_builtin_kernel *k = psc_builtin_at(i);
		if (strcmp(k->arch, in->arch) ||
		    psc_kernel_family_of(k->build) != in->family)
			continue;
		struct rec_candidate *c = &l->v[l->n];
		c->kernel = k;
		c->distance = k->revision > revision ? k->revision - revision
						     : revision - k->revision;
		err = psc_builtin_open(i, &c->sym);
		l->n += !err;
	}
	if (!err && !l->n)
		err = &psc_absent;
	if (!err) {
		qsort(l->v, l->n, sizeof(*l->v), compare_distance);
		err = open_names(l);
	}
	if (err)
		rec_layouts_free(l);
	else
		*ret = l;
	return err;
}

void rec_layouts_free(struct rec_layouts *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		psc_sym_free(l->v[i].sym);
	psc_sym_free(l->names);
	free(l->v);
	free(l);
}

bool rec_in(const struct rec_candidate *c, enum rec_group g)
{
	return !(c->out >> g & 1);
}

void rec_refute(struct rec_candidate *c, enum rec_group g)
{
	c->out = (uint16_t)(c->out | 1u << g);
}

size_t rec_n_in(const struct rec *r, enum rec_group g)
{
	size_t n = 0;
	for (size_t i = 0; i < r->layouts->n; i++)
		n += rec_in(&r->layouts->v[i], g);
	return n;
}

bool rec_field(const struct rec_candidate *c, const char *path,
	       struct psc_field *ret)
{
	PSC_ERROR_GUARD struct psc_error *err =
		psc_sym_field(c->sym, path, ret);
	return !err;
}

uint64_t rec_offset(const struct rec_candidate *c, const char *path)
{
	struct psc_field f;
	return rec_field(c, path, &f) ? f.offset : 0;
}

bool rec_has(const struct rec_candidate *c, const char *path)
{
	struct psc_field f;
	return rec_field(c, path, &f);
}

uint64_t rec_sizeof(const struct rec_candidate *c, const char *type)
{
	uint64_t size = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_sym_sizeof(c->sym, type, &size);
	return err ? 0 : size;
}

// --- the source ------------------------------------------------------------

static const struct {
	const char *prefix;
	enum rec_group group;
} groups[] = {
	{ "_MI_SYSTEM_INFORMATION", REC_STATE },
	{ "_MI_VISIBLE_STATE", REC_VISIBLE },
	{ "_MI_VISIBLE_PARTITION", REC_PARTITION },
	{ "_MI_PARTITION", REC_PARTITION },
	{ "_MMPAGING_FILE", REC_PARTITION },
	{ "_EX_POOL_HEAP", REC_HEAP },
	{ "_EX_HEAP", REC_HEAP },
	{ "_SEGMENT_HEAP", REC_HEAP },
	{ "_HEAP_", REC_HEAP },
	{ "_RTL_DYNAMIC_LOOKASIDE", REC_HEAP },
	{ "_EPROCESS", REC_PROCESS },
	{ "_KPROCESS", REC_PROCESS },
	{ "_HANDLE_TABLE", REC_PROCESS },
	{ "_MM_SESSION_SPACE", REC_PROCESS },
	{ "_SE_AUDIT", REC_PROCESS },
	{ "_KPRCB", REC_PRCB },
	{ "_KPCR", REC_PRCB },
	{ "_ETHREAD", REC_THREAD },
	{ "_KTHREAD", REC_THREAD },
	{ "_POOL_TRACKER_TABLE", REC_TRACK },
	{ "_POOL_TRACKER_BIG", REC_BIG },
};

struct source {
	struct rec_layouts *layouts;
	struct psc_pe_exports exports;
	struct rec_symbol *symbols;
	size_t n_symbols;
	uint64_t base;
};

static enum rec_group group_of(const char *type)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!strncmp(type, groups[i].prefix,
			     strlen(groups[i].prefix)))
			return groups[i].group;
	return REC_COMMON;
}

static struct psc_error *not_proven(const char *what, const char *why)
{
	return psc_error_new(PSC_ERR_UNSUPPORTED, "layout not proven: %s%s",
			     what, why);
}

static void source_destroy(void *self)
{
	struct source *s = self;
	rec_layouts_free(s->layouts);
	psc_pe_exports_free(&s->exports);
	free(s->symbols);
	free(s);
}

/** Does this family have a global of that name? */
static bool family_has(const struct rec_layouts *l, const char *name)
{
	uint64_t rva;
	for (size_t i = 0; i <= l->n; i++) {
		const struct psc_sym *sym = i < l->n ? l->v[i].sym : l->names;
		PSC_ERROR_GUARD struct psc_error *err =
			sym ? psc_sym_rva(sym, name, &rva) : &psc_absent;
		if (!err)
			return true;
	}
	return false;
}

static struct psc_error *source_symbol(void *self, const char *name,
				       uint64_t *rva)
{
	struct source *s = self;
	for (size_t i = 0; i < s->n_symbols; i++) {
		if (!strcmp(s->symbols[i].name, name)) {
			*rva = s->symbols[i].va - s->base;
			return NULL;
		}
	}
	const struct psc_pe_export *e = psc_pe_export_find(&s->exports, name);
	if (e && !e->forward) {
		*rva = e->rva;
		return NULL;
	}
	if (!family_has(s->layouts, name))
		return &psc_absent;
	return psc_error_new(PSC_ERR_UNSUPPORTED,
			     "the address of %s is not proven", name);
}

static struct psc_error *source_nearest(void *self, uint64_t rva,
					struct psc_symname *ret)
{
	struct source *s = self;
	const struct rec_symbol *best = NULL;
	for (size_t i = 0; i < s->n_symbols; i++) {
		const struct rec_symbol *x = &s->symbols[i];
		if (x->va - s->base <= rva && (!best || x->va > best->va))
			best = x;
	}
	*ret = best ? (struct psc_symname){ .name = best->name,
					    .rva = best->va - s->base }
		    : (struct psc_symname){ 0 };
	for (size_t i = 0; i < s->exports.n && s->exports.v[i].rva <= rva; i++)
		if (s->exports.v[i].name && s->exports.v[i].rva >= ret->rva)
			*ret = (struct psc_symname){
				.name = s->exports.v[i].name,
				.rva = s->exports.v[i].rva,
			};
	return ret->name ? NULL : &psc_absent;
}

static struct psc_error *source_type(void *self, const char *name,
				     struct psc_type *ret)
{
	struct source *s = self;
	enum rec_group g = group_of(name);
	struct psc_type found = { .id = psc_builtin_type_id(name) };
	bool exists = false, any = false;
	for (size_t i = 0; i < s->layouts->n; i++) {
		const struct rec_candidate *c = &s->layouts->v[i];
		uint64_t size = rec_sizeof(c, name);
		exists |= size > 0;
		if (!size || !rec_in(c, g))
			continue;
		// Sizes may differ where members still agree.
		found.size = any && size != found.size ? 0 : size;
		any = true;
	}
	if (!exists)
		return &psc_absent;
	if (!any || !(s->layouts->proven >> g & 1))
		return not_proven(name, "");
	*ret = found;
	return NULL;
}

/**
 * Offsets in MiState are told from its Vs member, where the proof of its place
 * begins: revisions that grew in front of it agree on what they have in common.
 */
static uint64_t origin(const struct rec_candidate *c, const char *type)
{
	return strcmp(type, "_MI_SYSTEM_INFORMATION")
		? 0 : rec_offset(c, "_MI_SYSTEM_INFORMATION.Vs");
}

/** The same member, whatever moved around it. */
static bool same_member(const struct psc_field *a, uint64_t a_origin,
			const struct psc_field *b, uint64_t b_origin)
{
	return a->offset - a_origin == b->offset - b_origin &&
	       a->size == b->size && a->bit == b->bit && a->bits == b->bits &&
	       a->cls == b->cls && a->count == b->count;
}

static struct psc_error *source_member(void *self, uint64_t type_id,
				       const char *name,
				       struct psc_field *ret)
{
	struct source *s = self;
	char path[300];
	const char *type = psc_builtin_type_name(type_id);
	const struct rec_candidate *first = NULL;
	bool missing = false;
	if (!type)
		return &psc_absent;
	enum rec_group g = group_of(type);
	snprintf(path, sizeof(path), "%s.%s", type, name);
	for (size_t i = 0; i < s->layouts->n; i++) {
		const struct rec_candidate *c = &s->layouts->v[i];
		struct psc_field f;
		if (!rec_in(c, g) || !rec_sizeof(c, type))
			continue;
		if (!rec_field(c, path, &f)) {
			missing = true;
		} else if (!first) {
			first = c;
			*ret = f;
		} else if (!same_member(ret, origin(first, type), &f,
					origin(c, type))) {
			return not_proven(path, " differs between revisions");
		}
	}
	if (!first)
		return &psc_absent;
	return missing ? not_proven(path, " is not in every revision") : NULL;
}

static const struct psc_sym_ops source_ops = {
	.source = "recovered",
	.destroy = source_destroy,
	.symbol = source_symbol,
	.nearest = source_nearest,
	.type = source_type,
	.member = source_member,
};

struct psc_error *rec_source_new(struct rec *r, struct psc_sym **ret)
{
	char what[160];
	const struct psc_builtin_kernel *near = r->layouts->v[0].kernel;
	struct source *s = calloc(1, sizeof(*s));
	if (!s)
		return &psc_nomem;
	s->layouts = PSC_TAKE(r->layouts);
	s->exports = r->exports;
	r->exports = (struct psc_pe_exports){ 0 };
	s->symbols = PSC_TAKE(r->symbols.v);
	s->n_symbols = r->symbols.n;
	s->base = r->in.base;
	int n = snprintf(what, sizeof(what),
			 "recovered, layouts of %zu kernels, nearest %s",
			 s->layouts->n, near->version);
	if (r->in.version)
		snprintf(what + n, sizeof(what) - (size_t)n,
			 " (%u revisions away)", s->layouts->v[0].distance);
	return psc_sym_new(&source_ops, s, NULL, NULL, what, ret);
}
