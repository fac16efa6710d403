// SPDX-License-Identifier: MIT
// Page files (vm-and-windbg-output 3). Sizes are in pages in every era.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/str.h"

#define MAX_SANE_PAGES (1ull << 36)

// The array of pointers and how many are used.
static struct psc_error *find_array(const struct psc_kernel *k, uint64_t *array,
				    uint64_t *n)
{
	uint64_t partition;
	struct psc_field f;
	struct psc_error *err = psc_kernel_symbol(k, "MiSystemPartition",
						  &partition);

	if (!err)
		err = psc_kernel_field(k, "_MI_PARTITION.Vp.PagingFile", &f);
	if (!err) {
		*array = partition + f.offset;
		return psc_kernel_get(k, partition,
				      "_MI_PARTITION.Vp.NumberOfPagingFiles",
				      n);
	}
	if (!psc_error_catch(&err, PSC_ERR_ABSENT))
		return err;
	if ((err = psc_kernel_symbol(k, "MmPagingFile", array)))
		return err;
	return psc_kernel_global(k, "MmNumberOfPagingFiles", 4, n);
}

// Bits of the unit that begins with the file's number: absent ones are 0.
static bool flag(const struct psc_kernel *k, uint64_t va, const char *path)
{
	uint64_t v = 0;
	struct psc_error *err = psc_kernel_get(k, va, path, &v);

	psc_error_free(err);
	return v;
}

static struct psc_error *read_name(const struct psc_kernel *k, uint64_t va,
				   char **ret)
{
	struct psc_field f;
	struct psc_error *err =
		psc_kernel_field(k, "_MMPAGING_FILE.PageFileName", &f);

	if (!err)
		err = psc_kernel_unicode(k, va + f.offset, "page file name",
					 ret);
	if (!err && !**ret) {
		free(*ret);
		*ret = NULL;
	}
	return err;
}

static struct psc_error *check(const struct psc_page_file *f, uint64_t va)
{
	if (f->free <= f->current && f->current <= f->maximum &&
	    f->minimum <= f->maximum && f->maximum <= MAX_SANE_PAGES)
		return NULL;
	return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, va,
			    "page file at 0x%" PRIx64 ": size %" PRIu64
			    ", free %" PRIu64 ", minimum %" PRIu64
			    ", maximum %" PRIu64 " pages", va, f->current,
			    f->free, f->minimum, f->maximum);
}

static struct psc_error *read_file(const struct psc_kernel *k, uint64_t va,
				   struct psc_page_file *ret)
{
	struct psc_page_file f = { 0 };
	struct psc_error *err;

	if ((err = psc_kernel_get(k, va, "_MMPAGING_FILE.Size", &f.current)) ||
	    (err = psc_kernel_get(k, va, "_MMPAGING_FILE.MaximumSize",
				  &f.maximum)) ||
	    (err = psc_kernel_get(k, va, "_MMPAGING_FILE.MinimumSize",
				  &f.minimum)) ||
	    (err = psc_kernel_get(k, va, "_MMPAGING_FILE.FreeSpace",
				  &f.free)) ||
	    (err = check(&f, va)))
		return err;
	// A name that cannot be read is no reason to lose the file's sizes, and
	// not the empty name of the virtual store.
	err = read_name(k, va, &f.name);
	if (err && (err->code == PSC_ERR_DAMAGED ||
		    err->code == PSC_ERR_NOT_MAPPED))
		psc_mem_count_unreadable(psc_kernel_mem(k));
	if (err && err != &psc_nomem) {
		psc_error_free(err);
		f.name = strdup("(name not readable)");
		err = f.name ? NULL : &psc_nomem;
	}
	if (err)
		return err;
	// Older kernels have no flags: there the name tells.
	f.is_swap = flag(k, va, "_MMPAGING_FILE.WsSwapPagefile") ||
		    (f.name && strcasecmp(psc_path_base(f.name),
					  "swapfile.sys") == 0);
	f.is_virtual_store = !f.name ||
		flag(k, va, "_MMPAGING_FILE.VirtualStorePagefile");
	err = psc_kernel_get(k, va, "_MMPAGING_FILE.PageHashPages", &f.hash);
	f.has_hash = !err;
	psc_error_free(err);	// 7601 has none
	*ret = f;
	return NULL;
}

// Keep the first reason. Frees err.
static void incomplete(const struct psc_analysis *a, struct psc_vm *vm,
		       struct psc_error *err)
{
	vm->files_known = false;
	if (!*vm->files_why)
		snprintf(vm->files_why, sizeof(vm->files_why), "%s",
			 err->code == PSC_ERR_ABSENT
			 ? "where this kernel keeps them is not known"
			 : err->message);
	if (err->code == PSC_ERR_DAMAGED)
		psc_mem_count_unreadable(a->mem);
	psc_error_free(err);
}

void psc_vm_read_page_files(const struct psc_analysis *a, struct psc_vm *vm)
{
	const struct psc_kernel *k = a->kernel;
	uint64_t array, n, va;
	struct psc_error *err = find_array(k, &array, &n);

	if (err) {
		incomplete(a, vm, err);
		return;
	}
	vm->files_known = true;
	if (n > PSC_ARRAY_SIZE(vm->file))
		incomplete(a, vm, psc_error_new(PSC_ERR_DAMAGED, "%" PRIu64
						" page files are more than "
						"there can be", n));
	for (uint64_t i = 0; i < n && i < PSC_ARRAY_SIZE(vm->file); i++) {
		err = psc_kernel_pointer(k, array +
					 i * psc_kernel_pointer_size(k),
					 "page file", &va);
		if (!err)
			err = read_file(k, va, &vm->file[vm->n_files]);
		if (!err) {
			vm->n_files++;
			continue;
		}
		incomplete(a, vm, err);
	}
}

void psc_vm_fill_page_files(const struct psc_vm *vm, struct psc_value *o)
{
	struct psc_value *list = psc_set_array(o, "page_files");

	if (*vm->files_why)
		psc_set_str(o, "page_files_error", vm->files_why);
	for (unsigned int i = 0; i < vm->n_files; i++) {
		const struct psc_page_file *f = &vm->file[i];
		struct psc_value *e = psc_add_object(list);

		psc_set_str(e, "name", f->name);
		psc_set_uint(e, "current_bytes", f->current * PSC_PAGE_SIZE);
		psc_set_uint(e, "free_bytes", f->free * PSC_PAGE_SIZE);
		psc_set_uint(e, "minimum_bytes", f->minimum * PSC_PAGE_SIZE);
		psc_set_uint(e, "maximum_bytes", f->maximum * PSC_PAGE_SIZE);
	}
}
