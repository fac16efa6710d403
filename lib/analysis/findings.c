// SPDX-License-Identifier: MIT
// What stands out, by the thresholds of published guides
// (vm-and-windbg-output 9), and what to do next.
#include <inttypes.h>
#include <string.h>

#include "analysis/finding.h"
#include "analysis/tag_findings.h"
#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/str.h"
#include "kernel/recover.h"

#define MANY_HANDLES 5000
#define TOO_MANY_HANDLES 20000
#define MAX_PROCESS_FINDINGS 3
#define MB (1024ull * 1024)

static void pool_exhausted(struct psc_analysis *a, const char *pool,
			   const char *evidence, unsigned int event,
			   uint64_t used, uint64_t max)
{
	unsigned int percent = (unsigned int)(used * 100 / max);
	char u[PSC_BYTES_TEXT], m[PSC_BYTES_TEXT];

	psc_bytes_text(used * PSC_PAGE_SIZE, u);
	psc_bytes_text(max * PSC_PAGE_SIZE, m);
	if (percent >= 80)
		psc_finding_add(a, "pool-exhausted", PSC_CRITICAL, evidence,
				"%s pool is at %u %% of its maximum (%s of %s):"
				" the state that Event %u reports", pool,
				percent, u, m, event);
	else if (percent >= 60)
		psc_finding_add(a, "pool-high", PSC_WARNING, evidence,
				"%s pool is at %u %% of its maximum (%s of %s)",
				pool, percent, u, m);
}

// Where the maximum is larger than the machine it warns of nothing.
static void pool_large(struct psc_analysis *a, const char *pool,
		       const char *evidence, uint64_t used, uint64_t ram)
{
	char u[PSC_BYTES_TEXT];

	psc_bytes_text(used * PSC_PAGE_SIZE, u);
	if (used > ram / 10)
		psc_finding_add(a, "pool-large", PSC_WARNING, evidence,
				"%s pool holds %s, %u %% of physical memory",
				pool, u, (unsigned int)(used * 100 / ram));
	else if (used * PSC_PAGE_SIZE >= 1024 * MB)
		psc_finding_add(a, "pool-large", PSC_INFO, evidence,
				"%s pool holds %s: above 1 GB it is worth "
				"looking at the largest tags", pool, u);
}

static void check_pool(struct psc_analysis *a, const char *pool,
		       const char *evidence, unsigned int event, uint64_t used,
		       uint64_t max)
{
	uint64_t ram = psc_vm_pages(a->vm, PSC_VM_PHYSICAL_MEMORY);

	if (max && (!ram || max <= ram))
		pool_exhausted(a, pool, evidence, event, used, max);
	else if (ram)
		pool_large(a, pool, evidence, used, ram);
}

static void check_pools(struct psc_analysis *a)
{
	const struct psc_vm *vm = a->vm;

	if (psc_vm_known(vm, PSC_VM_NONPAGED_USAGE))
		check_pool(a, "nonpaged", "/vm/nonpaged_pool_usage", 2019,
			   psc_vm_pages(vm, PSC_VM_NONPAGED_USAGE) +
			   psc_vm_pages(vm, PSC_VM_NONPAGED_NX_USAGE),
			   psc_vm_pages(vm, PSC_VM_NONPAGED_MAX));
	if (psc_vm_known(vm, PSC_VM_PAGED_USAGE))
		check_pool(a, "paged", "/vm/paged_pool_usage", 2020,
			   psc_vm_pages(vm, PSC_VM_PAGED_USAGE),
			   psc_vm_pages(vm, PSC_VM_PAGED_MAX));
}

static void check_failures(struct psc_analysis *a)
{
	static const struct {
		const char *name, *what, *evidence;
	} watched[] = {
		{ "pool_allocations", "pool allocations have failed since boot",
		  "/vm/failures/pool_allocations" },
		{ "commit_requests", "requests for commit have failed since "
		  "boot", "/vm/failures/commit_requests" },
		{ "system_ptes", "requests for system PTEs have failed since "
		  "boot", "/vm/failures/system_ptes" },
	};
	const struct psc_value *f = psc_get(a->root, "vm.failures");
	char count[PSC_COUNT_TEXT];
	uint64_t n;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(watched); i++) {
		if (!psc_get_uint(f, watched[i].name, &n) || !n)
			continue;
		psc_count_text(n, count);
		psc_finding_add(a, "failures", PSC_WARNING,
				watched[i].evidence, "%s %s", count,
				watched[i].what);
	}
}

static void check_commit(struct psc_analysis *a)
{
	uint64_t used = psc_vm_pages(a->vm, PSC_VM_COMMITTED);
	uint64_t limit = psc_vm_pages(a->vm, PSC_VM_COMMIT_LIMIT);

	if (!limit || used < limit / 100 * 80)
		return;
	psc_finding_add(a, "commit-high", used >= limit / 100 * 90
			? PSC_CRITICAL : PSC_WARNING, "/vm/committed",
			"committed memory is at %u %% of the commit limit",
			(unsigned int)(used * 100 / limit));
}

static void check_available(struct psc_analysis *a)
{
	uint64_t free = psc_vm_pages(a->vm, PSC_VM_AVAILABLE);
	uint64_t ram = psc_vm_pages(a->vm, PSC_VM_PHYSICAL_MEMORY);
	char text[PSC_BYTES_TEXT];
	bool critical = free < ram / 20 || free * PSC_PAGE_SIZE < 64 * MB;

	if (!psc_vm_known(a->vm, PSC_VM_AVAILABLE) || !ram ||
	    (!critical && free >= ram / 10))
		return;
	psc_bytes_text(free * PSC_PAGE_SIZE, text);
	psc_finding_add(a, "memory-low", critical ? PSC_CRITICAL : PSC_WARNING,
			"/vm/available", "%s of physical memory is available, "
			"%u %%", text, (unsigned int)(free * 100 / ram));
}

static void check_ptes(struct psc_analysis *a)
{
	uint64_t n = psc_vm_pages(a->vm, PSC_VM_FREE_SYSTEM_PTES);

	if (psc_vm_known(a->vm, PSC_VM_FREE_SYSTEM_PTES) && n < 20000)
		psc_finding_add(a, "ptes-low", n < 8000 ? PSC_CRITICAL
							: PSC_WARNING,
				"/vm/free_system_ptes", "about %" PRIu64
				" system PTEs are free", n);
}

static void check_page_files(struct psc_analysis *a)
{
	for (unsigned int i = 0; i < a->vm->n_files; i++) {
		const struct psc_page_file *f = &a->vm->file[i];

		if (f->is_swap || f->is_virtual_store || !f->current ||
		    f->current < f->maximum || f->free > f->current / 50)
			continue;
		psc_finding_add(a, "page-file-full", PSC_WARNING,
				"/vm/page_files", "page file %s is full and "
				"cannot grow", f->name ? f->name : "(no name)");
	}
}

// The process with most handles that is not above @p below.
static const struct psc_process *most_handles(const struct psc_processes *p,
					      uint64_t below)
{
	const struct psc_process *best = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct psc_process *c = &p->v[i];

		if (c->has_handles && c->handles < below &&
		    (!best || c->handles > best->handles))
			best = c;
	}
	return best;
}

static void check_handles(struct psc_analysis *a)
{
	const struct psc_process *p;
	uint64_t below = UINT64_MAX;
	char n[PSC_COUNT_TEXT];

	for (int i = 0; a->processes && i < MAX_PROCESS_FINDINGS; i++) {
		p = most_handles(a->processes, below);
		if (!p || p->handles < MANY_HANDLES)
			return;
		below = p->handles;
		psc_count_text(p->handles, n);
		psc_finding_add(a, "many-handles", p->handles >=
				TOO_MANY_HANDLES ? PSC_WARNING : PSC_INFO,
				"/vm/processes", "%s (pid %" PRIu64 ") holds %s "
				"handles: a leak of File, Even or Toke would be "
				"its own", p->name ? p->name : "a process",
				p->pid, n);
	}
}

static void check_vm(struct psc_analysis *a)
{
	check_pools(a);
	check_failures(a);
	check_commit(a);
	check_available(a);
	check_ptes(a);
	check_page_files(a);
	check_handles(a);
	psc_vm_check(a, a->vm);
}

/** Two things that exclude each other: the figures behind them are left out. */
static void check_proofs(struct psc_analysis *a)
{
	for (size_t i = 0; i < psc_kernel_n_proofs(a->kernel); i++) {
		const struct psc_proof *p = psc_kernel_proof(a->kernel, i);

		if (p->contradiction)
			psc_finding_add(a, "recovery-contradiction",
					PSC_WARNING, "/symbols/proofs",
					"%s was not recovered: %s; not given: "
					"%s", p->anchor, p->proof, p->figures);
	}
}

static void next_steps(struct psc_analysis *a)
{
	struct psc_value *list = psc_set_array(a->root, "next_steps");
	const char *why = psc_dump_why_no_pages(a->dump);
	const char *wanted = psc_kernel_wanted(a->kernel);

	if (why)
		psc_add_str(list, "ask for a kernel memory dump (or a complete "
			    "one): set CrashDumpEnabled to 2 (or 1) and let the "
			    "crash happen again");
	else if (wanted)
		psc_add_str(list, wanted);
	psc_tag_next_steps(a, list);
}

struct psc_error *psc_analyse_findings(struct psc_analysis *a)
{
	psc_set_array(a->root, "findings");
	if (psc_get(a->root, "vm") && !psc_get_str(a->root, "vm.error"))
		check_vm(a);
	if (a->tag_table)
		psc_tag_findings(a);
	check_proofs(a);
	next_steps(a);
	return NULL;
}
