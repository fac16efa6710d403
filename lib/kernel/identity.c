// SPDX-License-Identifier: MIT
// Where the kernel image lies and which one it is.
#include <string.h>

#include "base/bytes.h"
#include "kernel/kernel_impl.h"
#include "kernel/ldr.h"

// The list head lies in the image: its header is at most this far below.
#define SCAN_PAGES (64u << 8)

// Of a probing image: what is missing is not missed by a report.
static size_t probe_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct psc_module_image *img = ctx;
	uint64_t va;

	if (!psc_add_ok(img->base, rva, &va))
		return 0;
	return psc_mem_read(img->k->probe, va, buf, n, NULL);
}

bool psc_identity_is_image(const struct psc_kernel *k, uint64_t va)
{
	uint8_t mz[2];

	return psc_mem_read(k->probe, va, mz, 2, NULL) == 2 &&
	       mz[0] == 'M' && mz[1] == 'Z';
}

static bool open_image(struct psc_kernel *k, uint64_t base)
{
	struct psc_image_source src = { .ctx = &k->image, .read = probe_read };

	k->image = (struct psc_module_image){ .k = k, .base = base };
	struct psc_error *err = psc_pe_open(&src, "kernel", &k->pe);
	psc_error_free(err);
	return !err;
}

// First entry of PsLoadedModuleList: the kernel itself (dump-format 5.1).
static uint64_t base_from_list(struct psc_kernel *k)
{
	struct psc_ldr_entry e;
	uint64_t first = 0, head = k->h->loaded_module_list;

	if (psc_mem_read(k->probe, head, &first, k->ptr, NULL) != k->ptr ||
	    first == head || !psc_ldr_entry(k, k->probe, first, &e) ||
	    !psc_mem_is_kernel_va(k->mem, e.base) ||
	    e.base % PSC_PAGE_SIZE)
		return 0;
	k->size = e.size;
	return e.base;
}

// Down from the list head, which is one of the kernel's variables.
static uint64_t base_from_scan(struct psc_kernel *k)
{
	uint64_t head = k->h->loaded_module_list;
	uint64_t va = head & ~0xfffull;

	for (unsigned int i = 0; i < SCAN_PAGES; i++, va -= PSC_PAGE_SIZE) {
		if (!psc_mem_is_kernel_va(k->mem, va))
			return 0;
		if (psc_identity_is_image(k, va) && open_image(k, va) &&
		    head - va < k->pe.image_size)
			return va;
	}
	return 0;
}

static uint64_t find_base(struct psc_kernel *k)
{
	const struct psc_triage *t = psc_dump_triage(k->dump);
	uint64_t base;

	if (psc_kernel_kdbg(k, 0x18, &base))	// KernBase
		return base;
	if (t && t->n_drivers)
		return t->drivers[0].base;
	if (k->base)
		return k->base;			// a deep search found it
	if ((base = base_from_list(k)))
		return base;
	return base_from_scan(k);
}

// Size and time stamp without the image: triage list, module list.
static void from_lists(struct psc_kernel *k)
{
	const struct psc_triage *t = psc_dump_triage(k->dump);
	struct psc_ldr_entry e;
	uint64_t first = 0;

	for (size_t i = 0; t && i < t->n_drivers; i++) {
		if (t->drivers[i].base != k->base)
			continue;
		k->size = t->drivers[i].size;
		k->timestamp = t->drivers[i].timestamp;
		k->image_size = (uint32_t)t->drivers[i].size;
		return;
	}
	if (psc_mem_read(k->probe, k->h->loaded_module_list, &first, k->ptr,
			 NULL) != k->ptr ||
	    !psc_ldr_entry(k, k->probe, first, &e) || e.base != k->base)
		return;
	k->size = e.size;
	if (e.has_timestamp) {
		k->timestamp = e.timestamp;
		k->image_size = (uint32_t)e.size;
	}
}

static void from_image(struct psc_kernel *k)
{
	struct psc_pe_pdb pdb;

	k->has_pe = open_image(k, k->base);
	if (!k->has_pe)
		return;
	k->size = k->pe.image_size;
	k->timestamp = k->pe.timestamp;
	k->image_size = k->pe.image_size;
	struct psc_error *err = psc_pe_pdb(&k->pe, &pdb);
	if (!err) {
		memcpy(k->pdb.name, pdb.name, sizeof(k->pdb.name));
		memcpy(k->pdb.guid, pdb.guid, sizeof(k->pdb.guid));
		k->pdb.age = pdb.age;
		k->pdb.known = true;
	}
	psc_error_free(err);
}

void psc_identity_find(struct psc_kernel *k)
{
	k->base = find_base(k);
	if (!k->base)
		return;
	from_lists(k);
	from_image(k);
}
