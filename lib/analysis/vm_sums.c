// SPDX-License-Identifier: MIT
// Counters that the debugger adds up: processors, sessions, threads,
// processes, pool descriptors or heaps, and the sums over sums.
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/vm.h"
#include "base/bytes.h"
#include "base/map.h"

// Slots of KiProcessorBlock in the largest kernels.
#define MAX_PROCESSORS 2048

static struct psc_error *cached_commit(const struct psc_kernel *k, uint64_t n,
				       uint64_t *sum)
{
	uint64_t block, prcb, v;
	struct psc_error *err = psc_kernel_symbol(k, "KiProcessorBlock", &block);

	for (uint64_t i = 0; !err && i < n; i++) {
		err = psc_kernel_pointer(k, block +
					 i * psc_kernel_pointer_size(k),
					 "KiProcessorBlock", &prcb);
		if (!err)
			err = psc_kernel_get(k, prcb, "_KPRCB.CachedCommit",
					     &v);
		if (!err)
			*sum += (uint32_t)v;
	}
	return err;
}

static void read_processors(const struct psc_analysis *a, struct psc_vm *vm)
{
	uint64_t n = psc_dump_header(a->dump)->processors, sum = 0;
	struct psc_error *err = NULL;

	if (n > MAX_PROCESSORS)
		err = psc_error_new(PSC_ERR_DAMAGED, "the header names %" PRIu64
				    " processors", n);
	if (!err)
		err = cached_commit(a->kernel, n, &sum);
	if (err)
		psc_vm_fail(vm, PSC_VM_PROCESSOR_COMMIT, err);
	else
		psc_vm_set(vm, PSC_VM_PROCESSOR_COMMIT, sum,
			   "sum of _KPRCB.CachedCommit over %" PRIu64
			   " processors", n);
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

// A counter that holds an address is a misread (vm-and-windbg-output 1.6).
static void mend_paged_commit(const struct psc_analysis *a, struct psc_vm *vm)
{
	struct psc_vm_value *v = &vm->v[PSC_VM_PAGED_COMMIT];

	if (v->state != PSC_VM_KNOWN || !psc_mem_is_kernel_va(a->mem, v->pages))
		return;
	psc_vm_set(vm, PSC_VM_PAGED_COMMIT,
		   psc_vm_pages(vm, PSC_VM_PAGED_USAGE),
		   "paged_pool_usage (the counter holds an address)");
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

	if (vm->v[PSC_VM_PAGEFILE_HASH].state != PSC_VM_NONE || !vm->files_known)
		return;
	for (unsigned int i = 0; i < vm->n_files; i++)
		sum += vm->file[i].hash;
	if (sum)
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

/** Fields of one session object that the report shows. */
struct session {
	uint64_t id, paged_pages, nonpaged_pages, commit_pages;
	bool has_paged;		/**< Borrowed layouts may not tell. */
};

// Where the session pool's pages are counted differs by era.
static struct psc_error *session_paged(const struct psc_kernel *k, uint64_t va,
				       uint64_t *ret)
{
	static const char *const paths[] = {
		"_MM_SESSION_SPACE.PagedPoolInfo.AllocatedPagedPool",
		"_MM_SESSION_SPACE.PagedPool.PagesAllocated",
		"_MM_SESSION_SPACE.PagedPool.TotalPages",
	};
	struct psc_error *err = &psc_absent;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++) {
		err = psc_kernel_get(k, va, paths[i], ret);
		if (!psc_error_catch(&err, PSC_ERR_ABSENT))
			return err;
		err = &psc_absent;
	}
	return err;
}

static struct psc_error *read_session(const struct psc_kernel *k, uint64_t va,
				      struct session *ret)
{
	struct psc_error *err;

	if ((err = psc_kernel_get(k, va, "_MM_SESSION_SPACE.SessionId",
				  &ret->id)) ||
	    (err = psc_kernel_get(k, va, "_MM_SESSION_SPACE.CommittedPages",
				  &ret->commit_pages)) ||
	    (err = psc_kernel_get(k, va, "_MM_SESSION_SPACE.NonPagablePages",
				  &ret->nonpaged_pages)))
		return err;
	err = session_paged(k, va, &ret->paged_pages);
	ret->has_paged = !err;
	if (psc_error_catch(&err, PSC_ERR_UNSUPPORTED) ||
	    psc_error_catch(&err, PSC_ERR_ABSENT))
		return NULL;
	return err;
}

static void fill_session(struct psc_value *list, uint64_t va,
			 const struct session *s)
{
	struct psc_value *o = psc_add_object(list);

	psc_set_uint(o, "id", s->id);
	psc_set_hex(o, "address", va);
	if (s->has_paged)
		psc_set_uint(o, "paged_pool_bytes",
			     s->paged_pages * PSC_PAGE_SIZE);
	else
		psc_set_null(o, "paged_pool_bytes");
	psc_set_uint(o, "nonpaged_bytes", s->nonpaged_pages * PSC_PAGE_SIZE);
	psc_set_uint(o, "commit_bytes", s->commit_pages * PSC_PAGE_SIZE);
}

static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// The distinct sessions of all processes, ascending. Caller frees.
static uint64_t *session_list(const struct psc_processes *p, size_t *n)
{
	uint64_t *v = calloc(p->n ? p->n : 1, sizeof(*v));
	size_t count = 0, kept = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].session)
			v[count++] = p->v[i].session;
	}
	qsort(v, count, sizeof(*v), by_u64);
	for (size_t i = 0; i < count; i++) {
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	*n = kept;
	return v;
}

void psc_vm_fill_sessions(struct psc_analysis *a, struct psc_vm *vm,
			  struct psc_value *o)
{
	const struct psc_processes *p;
	uint64_t sum = 0, *list;
	size_t n = 0;
	struct psc_field f;
	// The newest kernels keep sessions where no published type tells.
	struct psc_error *err = psc_kernel_field(
		a->kernel, "_MM_SESSION_SPACE.CommittedPages", &f);

	if (!err)
		err = psc_analysis_processes(a, &p);
	if (err) {
		psc_vm_fail(vm, PSC_VM_SESSION_COMMIT, err);
		return;
	}
	struct psc_value *arr = o ? psc_set_array(o, "sessions") : NULL;
	if (!(list = session_list(p, &n)))
		err = &psc_nomem;
	for (size_t i = 0; !err && i < n; i++) {
		struct session s;

		err = read_session(a->kernel, list[i], &s);
		if (err)
			break;
		fill_session(arr, list[i], &s);
		sum += s.commit_pages;
	}
	free(list);
	if (err)
		psc_vm_fail(vm, PSC_VM_SESSION_COMMIT, err);
	else
		psc_vm_set(vm, PSC_VM_SESSION_COMMIT, sum, "sum of "
			   "_MM_SESSION_SPACE.CommittedPages over %zu sessions",
			   n);
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
