// SPDX-License-Identifier: MIT
#include "kernel/kernel.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/kernel_impl.h"

static void kernel_cleanup(struct psc_kernel **k)
{
	psc_kernel_free(*k);
}

void psc_kernel_add_note(struct psc_kernel *k, const char *fmt, ...)
{
	va_list ap;
	char *note;

	va_start(ap, fmt);
	int n = vasprintf(&note, fmt, ap);
	va_end(ap);
	if (n >= 0 && !psc_vec_push(&k->notes, note))
		free(note);
}

struct psc_error *psc_kernel_open(const struct psc_dump *dump,
				  struct psc_mem *mem,
				  const struct psc_kernel_options *opt,
				  struct psc_kernel **ret)
{
	PSC_CLEANUP(kernel_cleanup) struct psc_kernel *k =
		calloc(1, sizeof(*k));
	struct psc_error *err;

	if (!k || !(k->fields = calloc(1, sizeof(*k->fields))))
		return &psc_nomem;
	k->dump = dump;
	k->h = psc_dump_header(dump);
	k->mem = mem;
	k->ptr = k->h->is64 ? 8 : 4;
	if (opt)
		k->opt = *opt;
	if ((err = psc_mem_clone(mem, &k->probe)))
		return err;
	psc_kdbg_find(k);
	psc_identity_find(k);
	psc_kdbg_search(k);
	psc_root_set_pte_format(k);	// as far as KDBG says
	if ((err = psc_source_choose(k)))
		return err;
	psc_kdbg_decode(k);
	psc_root_set_pte_format(k);
	psc_root_check(k);
	*ret = PSC_TAKE(k);
	return NULL;
}

void psc_kernel_free(struct psc_kernel *k)
{
	if (!k)
		return;
	psc_modules_free(k->modules);
	psc_field_cache_free(k->fields);
	psc_sym_free(k->sym);
	psc_recovered_free(k->recovered);
	psc_symstore_free(k->store);
	free(k->wanted);
	for (size_t i = 0; i < k->notes.n; i++)
		free(k->notes.v[i]);
	psc_vec_free(&k->notes);
	psc_mem_free(k->probe);
	free(k);
}

const struct psc_dump *psc_kernel_dump(const struct psc_kernel *k)
{
	return k->dump;
}

struct psc_mem *psc_kernel_mem(const struct psc_kernel *k)
{
	return k->mem;
}

uint64_t psc_kernel_base(const struct psc_kernel *k)
{
	return k->base;
}

uint64_t psc_kernel_size(const struct psc_kernel *k)
{
	return k->size;
}

const struct psc_pe *psc_kernel_pe(const struct psc_kernel *k)
{
	return k->has_pe ? &k->pe : NULL;
}

const struct psc_pdb_id *psc_kernel_pdb(const struct psc_kernel *k)
{
	return &k->pdb;
}

// Builds that run a kernel of another number (pool 0.3).
static const struct {
	uint32_t first, last, family;
} families[] = {
	{ 7600, 7601, 7601 },
	{ 18326, 18363, 18362 },
	{ 19041, 19045, 19041 },
	{ 22621, 22631, 22621 },
	{ 26100, 26200, 26100 },
};

uint32_t psc_kernel_family_of(uint32_t build)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(families); i++) {
		if (build >= families[i].first && build <= families[i].last)
			return families[i].family;
	}
	return build;
}

uint32_t psc_kernel_family(const struct psc_kernel *k)
{
	uint32_t build = k->h->build;

	// The image's own version, where known, is surer than the header.
	if (*k->version)
		sscanf(k->version, "%*u.%*u.%" SCNu32, &build);
	return psc_kernel_family_of(build);
}

const char *psc_kernel_version(const struct psc_kernel *k)
{
	return *k->version ? k->version : NULL;
}

const struct psc_sym *psc_kernel_sym(const struct psc_kernel *k)
{
	return k->sym;
}

const char *psc_kernel_wanted(const struct psc_kernel *k)
{
	return k->wanted;
}

size_t psc_kernel_n_proofs(const struct psc_kernel *k)
{
	return k->recovered ? k->recovered->n_proofs : 0;
}

const struct psc_proof *psc_kernel_proof(const struct psc_kernel *k, size_t i)
{
	return &k->recovered->proofs[i];
}

size_t psc_kernel_n_notes(const struct psc_kernel *k)
{
	return k->notes.n;
}

const char *psc_kernel_note(const struct psc_kernel *k, size_t i)
{
	return k->notes.v[i];
}
