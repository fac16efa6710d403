// SPDX-License-Identifier: MIT
#include "kernel/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/kernel_impl.h"

struct psc_symstore *psc_kernel_symstore(const struct psc_kernel *k)
{
	return k->store;
}

struct psc_symwant psc_kernel_symwant(const struct psc_kernel *k)
{
	return (struct psc_symwant){
		.id = k->pdb, .image = "ntoskrnl.exe",
		.timestamp = k->timestamp, .image_size = k->image_size,
	};
}

struct psc_symwant psc_module_symwant(const struct psc_module *m)
{
	struct psc_symwant w = {
		.image = m->name,
		.timestamp = m->has_timestamp ? m->timestamp : 0,
		.image_size = (uint32_t)m->size,
	};

	if (m->has_pdb) {
		w.id.known = true;
		w.id.age = m->pdb.age;
		memcpy(w.id.guid, m->pdb.guid, sizeof(w.id.guid));
		snprintf(w.id.name, sizeof(w.id.name), "%s", m->pdb.name);
	}
	return w;
}

struct psc_error *psc_module_symbols(const struct psc_kernel *k,
				     const struct psc_module *m,
				     struct psc_symlog *log,
				     struct psc_sym **ret)
{
	struct psc_symwant want = psc_module_symwant(m);
	struct psc_symlog own = { 0 };

	if (!k->store)
		return &psc_absent;
	struct psc_error *err = psc_symstore_find(k->store, &want,
						  log ? log : &own, ret);
	psc_symlog_free(&own);
	return err;
}

struct psc_error *psc_symbols_open_store(struct psc_kernel *k)
{
	struct psc_symstore_options opt = {
		.path = k->opt.symbol_path, .environment = true,
		.force = k->opt.force_symbols, .fetch = k->opt.fetch_symbols,
	};
	struct psc_error *err = psc_symstore_new(&opt, &k->store);

	if (err)
		return err;
	for (size_t i = 0; i < psc_symstore_n_notices(k->store); i++)
		psc_kernel_add_note(k, "symbol path: %s",
				    psc_symstore_notice(k->store, i));
	if (psc_symstore_is_empty(k->store)) {
		psc_symstore_free(k->store);
		k->store = NULL;
	}
	return NULL;
}

// The build number in memory must be the one of the dump's header: a last
// guard against symbols that are plausible and wrong (symbols 4.4).
static bool build_agrees(struct psc_kernel *k, const struct psc_sym *sym)
{
	uint32_t build;
	uint64_t rva;
	struct psc_error *err = psc_sym_rva(sym, "NtBuildNumber", &rva);

	if (!err)
		err = psc_mem_u32(k->probe ? k->probe : k->mem, k->base + rva,
				  "NtBuildNumber", &build);
	if (err) {
		psc_error_free(err);	// nothing to compare
		return true;
	}
	if ((build & 0xffff) == (k->h->build & 0xffff))
		return true;
	psc_kernel_add_note(k, "%s: NtBuildNumber reads %" PRIu32
			    " through it, the dump's header says %" PRIu32,
			    psc_sym_what(sym), build & 0xffff,
			    k->h->build & 0xffff);
	return false;
}

// Refusals are worth a note: the user has put the file there.
static void note_refusals(struct psc_kernel *k, const struct psc_symlog *log)
{
	for (size_t i = 0; i < log->v.n; i++) {
		const struct psc_attempt *a = &log->v.v[i];
		if (strncmp(a->result, "refused", 7) == 0)
			psc_kernel_add_note(k, "%s: %s", a->place, a->result);
	}
}

struct psc_error *psc_symbols_of_user(struct psc_kernel *k,
				      struct psc_sym **ret)
{
	struct psc_symwant want = psc_kernel_symwant(k);
	struct psc_symlog log = { 0 };
	struct psc_sym *sym;

	if (!k->store)
		return &psc_absent;
	struct psc_error *err = psc_symstore_find(k->store, &want, &log,
						  &sym);
	note_refusals(k, &log);
	psc_symlog_free(&log);
	if (err)
		return err;
	if (k->base && !build_agrees(k, sym) && !k->opt.force_symbols) {
		psc_sym_free(sym);
		return &psc_absent;
	}
	*ret = sym;
	return NULL;
}

bool psc_symbols_are_whole(const struct psc_sym *sym)
{
	uint64_t v;
	struct psc_error *names = psc_sym_rva(sym, "PsLoadedModuleList", &v);
	struct psc_error *types = psc_sym_sizeof(sym, "_LIST_ENTRY", &v);
	bool whole = !names && !types;

	psc_error_free(names);
	psc_error_free(types);
	return whole;
}
