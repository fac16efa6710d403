// SPDX-License-Identifier: MIT
// Counters that the debugger adds up: processors, threads, processes, pool
// descriptors or heaps, and the sums over sums.
#include <inttypes.h>

#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/processor.h"

// More than any machine's memory and page files have.
#define MAX_SANE_PAGES (UINT64_C(1) << 36)

static struct psc_error *cached_commit(const struct psc_kernel *k,
				       const struct psc_processors *p,
				       uint64_t *sum)
{
	if (!p->n)
		return psc_error_new(PSC_ERR_DAMAGED, "neither the header nor "
				     "KiProcessorBlock names a processor");
	for (size_t i = 0; i < p->n; i++) {
		uint64_t v;

		if (!p->prcb[i])
			return psc_error_new(PSC_ERR_DAMAGED, "KiProcessorBlock "
					     "has no KPRCB of processor %zu",
					     i);
		struct psc_error *err = psc_kernel_get(
			k, p->prcb[i], "_KPRCB.CachedCommit", &v);
		if (err)
			return err;
		*sum += (uint32_t)v;
	}
	return NULL;
}

static void read_processors(const struct psc_analysis *a, struct psc_vm *vm)
{
	PSC_CLEANUP(psc_processors_free) struct psc_processors p = { 0 };
	uint64_t sum = 0;
	struct psc_error *err = psc_processors_read(a->kernel, &p);

	if (!err)
		err = cached_commit(a->kernel, &p, &sum);
	if (err)
		psc_vm_fail(vm, PSC_VM_PROCESSOR_COMMIT, err);
	else
		psc_vm_set(vm, PSC_VM_PROCESSOR_COMMIT, sum,
			   "sum of _KPRCB.CachedCommit over %zu processors",
			   p.n);
}

static void read_usage(const struct psc_analysis *a, struct psc_vm *vm)
{
	const struct psc_pool_usage *u = &vm->usage;
	struct psc_error *err = psc_pool_usage_read(a->kernel, &vm->usage);

	if (err) {
		psc_vm_fail(vm, PSC_VM_NONPAGED_USAGE, err);
		psc_vm_fail(vm, PSC_VM_PAGED_USAGE, &psc_absent);
		vm->v[PSC_VM_PAGED_USAGE] = vm->v[PSC_VM_NONPAGED_USAGE];
		return;
	}
	vm->has_usage = true;
	const char *from = u->design == PSC_POOL_SEGMENT
		? "committed pages of the segment heaps"
		: "pages of the pool descriptors";
	psc_vm_set(vm, PSC_VM_NONPAGED_USAGE, u->total.nonpaged, "%s", from);
	if (u->has_nx)
		psc_vm_set(vm, PSC_VM_NONPAGED_NX_USAGE, u->total.nonpaged_nx,
			   "%s", from);
	psc_vm_set(vm, PSC_VM_PAGED_USAGE, u->total.paged, "%s", from);
	if (u->has_special && !psc_vm_known(vm, PSC_VM_SPECIAL_POOL))
		psc_vm_set(vm, PSC_VM_SPECIAL_POOL, u->special,
			   "committed pages of the special heaps");
}

// A counter that holds an address is one dereference short
// (vm-and-windbg-output 1.6): what it points to, else the pool's own figure.
static void mend_paged_commit(const struct psc_analysis *a, struct psc_vm *vm)
{
	struct psc_vm_value *v = &vm->v[PSC_VM_PAGED_COMMIT];
	uint64_t pages = UINT64_MAX;

	if (v->state != PSC_VM_KNOWN || !psc_mem_is_kernel_va(a->mem, v->pages))
		return;
	if (psc_mem_translate(a->mem, v->pages).status == PSC_VA_OK)
		psc_error_free(psc_kernel_pointer(a->kernel, v->pages,
						  "PagedPool Commit", &pages));
	if (pages < MAX_SANE_PAGES)
		psc_vm_set(vm, PSC_VM_PAGED_COMMIT, pages, "the counter holds "
			   "an address: what lies at 0x%" PRIx64, v->pages);
	else if (psc_vm_known(vm, PSC_VM_PAGED_USAGE))
		psc_vm_set(vm, PSC_VM_PAGED_COMMIT,
			   psc_vm_pages(vm, PSC_VM_PAGED_USAGE),
			   "paged_pool_usage (the counter holds an address)");
	else
		psc_vm_fail(vm, PSC_VM_PAGED_COMMIT, psc_error_new(
			PSC_ERR_DAMAGED, "the counter holds the address 0x%"
			PRIx64, v->pages));
}

static void read_private(struct psc_vm *vm, const struct psc_processes *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!p->v[i].has_commit) {
			psc_vm_fail(vm, PSC_VM_TOTAL_PRIVATE,
				    psc_error_new(PSC_ERR_NOT_IN_DUMP,
						  "the commit charge of a "
						  "process is not readable"));
			return;
		}
		sum += p->v[i].commit_pages;
	}
	psc_vm_set(vm, PSC_VM_TOTAL_PRIVATE, sum,
		   "sum of _EPROCESS.CommitCharge over %zu processes", p->n);
}

static void read_stacks(const struct psc_analysis *a, struct psc_vm *vm,
			const struct psc_processes *p)
{
	uint64_t pages = 0, threads = 0;
	struct psc_error *err = psc_vm_stack_pages(a->kernel, p, &pages,
						   &threads);

	// A broken list still gives the stacks before the break.
	if (err && !threads) {
		psc_vm_fail(vm, PSC_VM_KERNEL_STACKS, err);
		return;
	}
	psc_vm_set(vm, PSC_VM_KERNEL_STACKS, pages, "stacks of %" PRIu64
		   " threads%s%s", threads, err ? ", then " : "",
		   err ? err->message : "");
	vm->v[PSC_VM_KERNEL_STACKS].approximate = true;
	if (err && err->code == PSC_ERR_DAMAGED)
		psc_mem_count_unreadable(a->mem);
	psc_error_free(err);
}

// 8.1 keeps the pages of page-file hashes with each file.
static void read_hash(struct psc_vm *vm)
{
	uint64_t sum = 0;
	bool has_hash = false;

	if (vm->v[PSC_VM_PAGEFILE_HASH].state != PSC_VM_NONE || !vm->files_known)
		return;
	for (unsigned int i = 0; i < vm->n_files; i++) {
		sum += vm->file[i].hash;
		has_hash |= vm->file[i].has_hash;
	}
	if (has_hash)
		psc_vm_set(vm, PSC_VM_PAGEFILE_HASH, sum,
			   "sum of _MMPAGING_FILE.PageHashPages");
}

// Every kernel has these; where the layout at hand lacks one, a sum without it
// is a lower bound.
static bool always_there(int c)
{
	return c == PSC_VM_PROCESSOR_COMMIT || c == PSC_VM_SHARED_COMMIT ||
	       c == PSC_VM_KERNEL_STACKS || c == PSC_VM_MDL_PAGES ||
	       c == PSC_VM_PAGED_COMMIT || c == PSC_VM_DRIVER_COMMIT;
}

// The counter that keeps the sum from being made, or PSC_VM_N_COUNTERS.
static int unreadable_part(const struct psc_vm *vm)
{
	for (int c = PSC_VM_PROCESSOR_COMMIT; c <= PSC_VM_PAGEFILE_HASH; c++) {
		if (vm->v[c].state == PSC_VM_UNREADABLE)
			return c;
	}
	return PSC_VM_N_COUNTERS;
}

// Processor Commit to Pagefile Hash Pages without the slab allocator's pages
// (vm-and-windbg-output 1.5, newest generation).
static void add_up_system(struct psc_vm *vm)
{
	uint64_t sum = 0;
	const char *without = NULL;
	int bad = unreadable_part(vm);

	if (bad != PSC_VM_N_COUNTERS) {
		psc_vm_fail(vm, PSC_VM_SUM_SYSTEM_COMMIT, psc_error_new(
			PSC_ERR_NOT_IN_DUMP, "%s is not readable",
			psc_vm_counter_name((enum psc_vm_counter)bad)));
		return;
	}
	for (int c = PSC_VM_PROCESSOR_COMMIT; c <= PSC_VM_PAGEFILE_HASH; c++) {
		if (c != PSC_VM_SLAB_PAGES)
			sum += psc_vm_pages(vm, (enum psc_vm_counter)c);
		if (always_there(c) && !psc_vm_known(vm, (enum psc_vm_counter)c))
			without = psc_vm_counter_name((enum psc_vm_counter)c);
	}
	psc_vm_set(vm, PSC_VM_SUM_SYSTEM_COMMIT, sum, "processor_commit to "
		   "pagefile_hash_pages, without slab_allocator_pages%s%s",
		   without ? " and the unknown " : "", without ? without : "");
	vm->v[PSC_VM_SUM_SYSTEM_COMMIT].approximate = without;
}

static void add_up(struct psc_vm *vm)
{
	struct psc_vm_value *misc = &vm->v[PSC_VM_MISC_TRANSIENT];

	add_up_system(vm);
	if (!psc_vm_known(vm, PSC_VM_SUM_SYSTEM_COMMIT) ||
	    !psc_vm_known(vm, PSC_VM_COMMITTED) ||
	    !psc_vm_known(vm, PSC_VM_TOTAL_PRIVATE)) {
		psc_vm_fail(vm, PSC_VM_MISC_TRANSIENT, psc_error_new(
			PSC_ERR_NOT_IN_DUMP, "one of committed, "
			"sum_system_commit and total_private is not known"));
		return;
	}
	psc_vm_set(vm, PSC_VM_MISC_TRANSIENT,
		   psc_vm_pages(vm, PSC_VM_COMMITTED) -
		   psc_vm_pages(vm, PSC_VM_SUM_SYSTEM_COMMIT) -
		   psc_vm_pages(vm, PSC_VM_TOTAL_PRIVATE),
		   "committed - sum_system_commit - total_private");
	misc->approximate = vm->v[PSC_VM_SUM_SYSTEM_COMMIT].approximate;
}

void psc_vm_read_sums(struct psc_analysis *a, struct psc_vm *vm)
{
	const struct psc_processes *p;
	struct psc_error *err = psc_analysis_processes(a, &p);

	read_processors(a, vm);
	read_usage(a, vm);
	mend_paged_commit(a, vm);
	if (!err) {
		read_private(vm, p);
		read_stacks(a, vm, p);
	} else {
		psc_vm_fail(vm, PSC_VM_TOTAL_PRIVATE, err);
		vm->v[PSC_VM_KERNEL_STACKS] = vm->v[PSC_VM_TOTAL_PRIVATE];
	}
	read_hash(vm);
	psc_vm_fill_sessions(a, vm, NULL);
	add_up(vm);
}
