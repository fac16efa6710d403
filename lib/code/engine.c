// SPDX-License-Identifier: MIT
// What the addresses of one image mean: import slots, own exports, thunks,
// the KMDF function table.
#include "code/engine.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	DIR_LOAD_CONFIG = 10,
	GUARD_DISPATCH_OFFSET = 0x78,	// GuardCFDispatchFunctionPointer, x64
	ALIAS_ROUNDS = 4,		// thunks of thunks
};
// Instructions visited per image: about 20 s of work.
#define BUDGET 30000000u

struct psc_target psc_engine_named(const struct psc_engine *e,
				   const char *module, const char *name)
{
	struct psc_target t = { .api = -1, .external = true };

	t.helper = (uint8_t)psc_helper_of(name);
	for (unsigned int i = 0; i < e->n_named; i++) {
		if (!strcmp(e->apis.v[i].name, name)) {
			t.api = (int16_t)i;
			return t;
		}
	}
	// Wrappers of other modules follow the KMDF rows.
	for (size_t i = e->n_named + 2; i < e->apis.n; i++) {
		const struct psc_api *a = &e->apis.v[i];
		if (!strcmp(a->through, name) && module &&
		    !strcasecmp(a->module, module))
			t.api = (int16_t)i;
	}
	return t;
}

struct psc_target psc_engine_direct(const struct psc_engine *e, int64_t to)
{
	const uint64_t *known = psc_map_get(&e->direct, (uint64_t)to);
	struct psc_target t = { .api = -1 };
	const char *module, *name;

	if (known)
		return psc_target_unpack(*known);
	if (to >= 0 && to < e->flat->size)
		return t;
	t.external = true;
	if (!e->names)
		return t;
	name = e->names->at(e->names->ctx, e->flat->base + (uint64_t)to,
			    &module);
	return name ? psc_engine_named(e, module, name) : t;
}

static bool put(struct psc_map *m, uint64_t key, struct psc_target t)
{
	uint64_t *v = psc_map_put(m, key, NULL);

	if (v)
		*v = psc_target_pack(t);
	return v != NULL;
}

// In memory a slot's value says what it is, even when the names are gone.
static struct psc_target slot_target(const struct psc_engine *e,
				     const struct psc_pe_import *i)
{
	struct psc_target t = { .api = -1, .external = true };
	const char *module = i->module, *name = i->name;
	uint32_t ptr = e->flat->ptr;

	if (!name && e->flat->memory && e->names &&
	    psc_flat_has(e->flat, i->slot_rva, ptr))
		name = e->names->at(e->names->ctx, psc_le_uint(
			e->flat->bytes + i->slot_rva, ptr), &module);
	return name ? psc_engine_named(e, module, name) : t;
}

static bool add_slots(struct psc_engine *e)
{
	for (size_t i = 0; i < e->imports.n; i++) {
		const struct psc_pe_import *im = &e->imports.v[i];
		if (!put(&e->slots, im->slot_rva, slot_target(e, im)))
			return false;
	}
	return true;
}

// A module may call what it exports itself (the kernel, win32k).
static bool add_exports(struct psc_engine *e)
{
	for (size_t i = 0; i < e->exports.n; i++) {
		const struct psc_pe_export *x = &e->exports.v[i];
		struct psc_target t;

		if (!x->name || !x->rva)
			continue;
		t = psc_engine_named(e, e->exports.module, x->name);
		// Its own wrappers are analysed, not believed.
		if (t.api >= (int)e->n_named)
			t.api = -1;
		t.external = false;
		if ((t.api >= 0 || t.helper == PSC_HELPER_NORETURN) &&
		    !put(&e->direct, x->rva, t))
			return false;
	}
	return true;
}

// A jump to @p field's target that is a whole function: its start, else 0.
static uint32_t thunk_x86(const struct psc_engine *e, uint32_t field)
{
	const uint8_t *p = e->flat->bytes;
	uint32_t start = 0;

	if (field >= 3 && p[field - 3] == 0x48 && p[field - 2] == 0xff &&
	    p[field - 1] == 0x25)
		start = field - 3;
	else if (field >= 2 && p[field - 2] == 0xff && p[field - 1] == 0x25)
		start = field - 2;
	else if (field >= 1 && (p[field - 1] == 0xe9 || p[field - 1] == 0xeb))
		start = field - 1;
	return start;
}

// adrp x16, page; ldr x16, [x16, #n]; br x16 — or a plain b.
static uint32_t thunk_arm64(const struct psc_engine *e, uint32_t at,
			    int64_t *to, bool *canonical)
{
	const uint8_t *p = e->flat->bytes + at;
	uint32_t a = psc_le32(p), l, b;

	if (a >> 26 == 5) {
		*to = at + (int64_t)((int32_t)(a << 6) >> 6) * 4;
		return at;
	}
	if (!psc_flat_has(e->flat, at, 12) || (a & 0x9f000000) != 0x90000000)
		return 0;
	l = psc_le32(p + 4);
	b = psc_le32(p + 8);
	*canonical = (a & 31) == 16;
	if ((l & 0xffc00000) != 0xf9400000 || (b & 0xfffffc1f) != 0xd61f0000 ||
	    (l & 31) != (b >> 5 & 31) || (l >> 5 & 31) != (a & 31))
		return 0;
	int64_t page = (int64_t)(at & ~0xfffu) +
		((int64_t)((int32_t)(a << 8) >> 13) * 4 + (a >> 29 & 3)) *
		0x1000;
	*to = page + (int64_t)(l >> 10 & 0xfff) * 8;
	return at;
}

// A thunk that nothing refers to is known by its looks: x16 is the linker's,
// and "jmp [slot]" after the end of something else begins a function.
static bool target_of_thunk(struct psc_engine *e, uint32_t ref,
			    uint32_t *start, struct psc_target *t)
{
	bool known = false;
	const uint64_t *v;
	int64_t to;

	if (e->flat->pe.machine == 0xaa64) {
		*start = thunk_arm64(e, ref, &to, &known);
	} else {
		const uint8_t *p = e->flat->bytes + ref;
		*start = thunk_x86(e, ref);
		to = *start && *(p - 1) == 0xeb
			? (int64_t)ref + 1 + (int8_t)*p
			: (int64_t)ref + 4 + (int32_t)psc_le32(p);
		if (e->flat->ptr == 4 && *start == ref - 2)
			to = psc_le32(e->flat->bytes + ref) -
			     (uint32_t)e->flat->base;
	}
	if (!*start)
		return false;
	if (e->flat->pe.machine != 0xaa64)
		known = e->flat->bytes[*start] == 0xff &&
			psc_bounds_after_end(e->flat, *start);
	known = known && !psc_bounds_entry(e, *start);
	if (!known && psc_bounds_function(e, *start) != *start)
		return false;
	v = psc_map_get(&e->slots, (uint64_t)to);
	if (!v)
		v = psc_map_get(&e->direct, (uint64_t)to);
	if (!v)
		return false;
	*t = psc_target_unpack(*v);
	return t->api >= 0 || t->helper;
}

static bool want_known(const struct psc_map *m, struct psc_wanted *w)
{
	struct psc_map_slot s;

	for (size_t i = 0; psc_map_next(m, &i, &s); ) {
		struct psc_target t = psc_target_unpack(s.value);
		if ((t.api >= 0 || t.helper) &&
		    !psc_wanted_add(w, (int64_t)s.key))
			return false;
	}
	return true;
}

// Thunks stand for what they jump to. @return how many are new; -1: memory.
static int add_thunks(struct psc_engine *e)
{
	struct psc_wanted w;
	struct psc_refs refs = { 0 };
	int added = 0;

	if (!psc_wanted_init(&w) || !want_known(&e->slots, &w) ||
	    !want_known(&e->direct, &w) || !psc_scan_refs(e, &w, &refs))
		added = -1;
	for (size_t i = 0; added >= 0 && i < refs.v.n; i++) {
		uint32_t start;
		struct psc_target t;

		if (!target_of_thunk(e, refs.v.v[i], &start, &t) ||
		    psc_map_get(&e->direct, start))
			continue;
		added = put(&e->direct, start, t) ? added + 1 : -1;
	}
	psc_vec_free(&refs.v);
	psc_wanted_free(&w);
	return added;
}

// The string L"KmdfLibrary", then the WDF_BIND_INFO that points to it:
// Size, Component, Version (3 words), FuncCount, FuncTable (callsites 1).
static void find_kmdf(struct psc_engine *e)
{
	static const char name[] = "K\0m\0d\0f\0L\0i\0b\0r\0a\0r\0y\0";
	const struct psc_flat *f = e->flat;
	uint32_t ptr = f->ptr, rva;
	const uint8_t *p = memmem(f->bytes, f->size, name, sizeof(name));

	if (!p)
		return;
	uint64_t va = f->base + (uint64_t)(p - f->bytes);
	for (uint32_t i = ptr; f->size > 0x40 && i < f->size - 0x40; i += ptr) {
		// Component, the version and the count, then the table.
		uint32_t table = i + ptr + 16;
		if (psc_le_uint(f->bytes + i, ptr) == va &&
		    psc_flat_rva(f, psc_le_uint(f->bytes + table, ptr),
				 &rva)) {
			e->wdf_table = rva;
			return;
		}
	}
}

static void find_guard(struct psc_engine *e)
{
	const struct psc_pe_dir *d = &e->flat->pe.dir[DIR_LOAD_CONFIG];
	uint64_t at = d->rva + (uint64_t)GUARD_DISPATCH_OFFSET;
	uint32_t rva;

	if (d->rva && e->flat->pe.machine == 0x8664 &&
	    psc_flat_has(e->flat, d->rva, 4) &&
	    psc_le32(e->flat->bytes + d->rva) > GUARD_DISPATCH_OFFSET &&
	    psc_flat_has(e->flat, at, 8) &&
	    psc_flat_rva(e->flat, psc_le64(e->flat->bytes + at), &rva))
		e->guard_dispatch = rva;
}

// A table that is missing costs names or bounds, not the analysis.
static struct psc_error *tables(struct psc_engine *e)
{
	struct psc_error *errs[] = {
		psc_pe_functions(&e->flat->pe, &e->pdata),
		psc_pe_imports(&e->flat->pe, &e->imports),
		psc_pe_exports(&e->flat->pe, &e->exports),
	};
	struct psc_error *first = NULL;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(errs); i++) {
		if (errs[i] && errs[i]->code == PSC_ERR_NOMEM)
			first = errs[i];
		else
			psc_error_free(errs[i]);
	}
	return first;
}

static bool add_apis(struct psc_engine *e, const struct psc_api *extra,
		     size_t n)
{
	struct psc_api table[PSC_ALLOCATORS_MAX];

	e->n_named = psc_allocators_fill(e->flat->pe.machine, table);
	if (n > 1000 || !psc_vec_reserve(&e->apis, e->n_named + 2 + n))
		return false;
	memcpy(e->apis.v, table, (e->n_named + 2) * sizeof(*table));
	if (n)
		memcpy(e->apis.v + e->n_named + 2, extra, n * sizeof(*extra));
	e->apis.n = e->n_named + 2 + n;
	return true;
}

struct psc_error *psc_engine_open(struct psc_engine *e,
				  const struct psc_flat *flat,
				  const struct psc_names *names,
				  const struct psc_api *extra, size_t n_extra)
{
	struct psc_error *err;
	int added = 1;

	*e = (struct psc_engine){ .flat = flat, .names = names,
				  .budget = BUDGET };
	if ((err = psc_decoder_open(&e->dec, flat)) || (err = tables(e))) {
		psc_engine_close(e);
		return err;
	}
	if (!psc_vals_init(&e->vals, flat->ptr) ||
	    !add_apis(e, extra, n_extra) ||
	    !add_slots(e) || !add_exports(e)) {
		psc_engine_close(e);
		return &psc_nomem;
	}
	for (int i = 0; added > 0 && i < ALIAS_ROUNDS; i++)
		added = add_thunks(e);
	if (added < 0) {
		psc_engine_close(e);
		return &psc_nomem;
	}
	find_kmdf(e);
	find_guard(e);
	return NULL;
}

void psc_engine_close(struct psc_engine *e)
{
	for (size_t i = 0; i < e->fn.n; i++)
		psc_flow_free(e->fn.v[i]);
	psc_vec_free(&e->fn);
	psc_vec_free(&e->apis);
	psc_vec_free(&e->starts);
	psc_vec_free(&e->summary);
	psc_vec_free(&e->stores);
	psc_map_free(&e->slots);
	psc_map_free(&e->direct);
	psc_map_free(&e->routines);
	psc_map_free(&e->fns);
	psc_map_free(&e->summaries);
	psc_map_free(&e->store_seen);
	psc_pe_functions_free(&e->pdata);
	psc_pe_imports_free(&e->imports);
	psc_pe_exports_free(&e->exports);
	psc_vals_free(&e->vals);
	psc_decoder_close(&e->dec);
}
