// SPDX-License-Identifier: MIT
// Identities between the numbers of `vm` that can fail on a real dump
// (vm-and-windbg-output 1.5): a failed one is a finding, not hidden.
#include <inttypes.h>

#include "analysis/finding.h"
#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/str.h"

// A processor keeps at most this much commit in reserve.
#define MAX_CACHED_COMMIT 256

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

// Ordinary page files raise the limit; swapfile.sys and the nameless one not.
static void check_limit(struct psc_analysis *a, const struct psc_vm *vm)
{
	uint64_t want = psc_vm_pages(vm, PSC_VM_PHYSICAL_MEMORY);
	uint64_t limit = psc_vm_pages(vm, PSC_VM_COMMIT_LIMIT);

	if (!vm->files_known || !psc_vm_known(vm, PSC_VM_PHYSICAL_MEMORY) ||
	    !psc_vm_known(vm, PSC_VM_COMMIT_LIMIT))
		return;
	for (unsigned int i = 0; i < vm->n_files; i++) {
		if (!vm->file[i].is_swap && !vm->file[i].is_virtual_store)
			want += vm->file[i].current;
	}
	uint64_t off = distance(want, limit);
	if (!off)
		return;
	psc_finding_add(a, "vm-commit-limit",
			off < 1024 || off <= limit / 100 ? PSC_INFO
							 : PSC_WARNING,
			"/vm/commit_limit", "the commit limit differs by %"
			PRIu64 " pages from physical memory plus page files",
			off);
}

static void check_processors(struct psc_analysis *a, const struct psc_vm *vm)
{
	uint64_t n = psc_dump_header(a->dump)->processors;
	uint64_t sum = psc_vm_pages(vm, PSC_VM_PROCESSOR_COMMIT);

	if (n && sum > n * MAX_CACHED_COMMIT)
		psc_finding_add(a, "vm-processor-commit", PSC_WARNING,
				"/vm/processor_commit", "processor commit of %"
				PRIu64 " pages is more than %" PRIu64
				" processors can cache: likely misread", sum,
				n);
}

static void check_transient(struct psc_analysis *a, const struct psc_vm *vm)
{
	uint64_t misc = psc_vm_pages(vm, PSC_VM_MISC_TRANSIENT);

	if (misc >> 63)
		psc_finding_add(a, "vm-commit-sum", PSC_WARNING,
				"/vm/misc_transient", "system and process "
				"commit together exceed the overall commit by "
				"%" PRIu64 " pages", ~misc + 1);
}

// What the pool says against what the memory manager counts for it.
static void check_usage(struct psc_analysis *a, const struct psc_vm *vm,
			const char *pool, const char *evidence, uint64_t usage,
			enum psc_vm_counter counter)
{
	uint64_t counted = psc_vm_pages(vm, counter);
	uint64_t off = distance(usage, counted);

	if (!psc_vm_known(vm, counter) || off <= 64 || off <= counted / 50)
		return;
	psc_finding_add(a, "vm-pool-usage", off > counted / 10 ? PSC_WARNING
							       : PSC_INFO,
			evidence, "%s pool usage is %" PRIu64 " pages by its "
			"own bookkeeping, %" PRIu64 " by the memory manager's "
			"counter", pool, usage, counted);
}

static void check_physical(struct psc_analysis *a, const struct psc_vm *vm,
			   const char *pool, const char *evidence,
			   uint64_t usage)
{
	uint64_t ram = psc_vm_pages(vm, PSC_VM_PHYSICAL_MEMORY);

	if (ram && usage > ram)
		psc_finding_add(a, "vm-pool-misread", PSC_WARNING, evidence,
				"%s pool usage of %" PRIu64 " pages is more "
				"than the machine's %" PRIu64 ": likely "
				"misread", pool, usage, ram);
}

void psc_vm_check(struct psc_analysis *a, const struct psc_vm *vm)
{
	uint64_t nonpaged = psc_vm_pages(vm, PSC_VM_NONPAGED_USAGE) +
			    psc_vm_pages(vm, PSC_VM_NONPAGED_NX_USAGE);
	uint64_t paged = psc_vm_pages(vm, PSC_VM_PAGED_USAGE);

	check_limit(a, vm);
	check_processors(a, vm);
	check_transient(a, vm);
	if (!vm->has_usage || !vm->usage.complete)
		return;
	check_usage(a, vm, "nonpaged", "/vm/nonpaged_pool_usage", nonpaged,
		    PSC_VM_ALLOCATED_NONPAGED);
	check_usage(a, vm, "paged", "/vm/paged_pool_usage", paged,
		    PSC_VM_ALLOCATED_PAGED);
	check_physical(a, vm, "nonpaged", "/vm/nonpaged_pool_usage", nonpaged);
}
