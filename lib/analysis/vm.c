// SPDX-License-Identifier: MIT
// The vm section: every counter with its source, page files, failures, nodes,
// processes; sessions and regions when asked for.
#include "analysis/vm.h"

#include <inttypes.h>
#include <stdlib.h>

void psc_vm_free(struct psc_vm *vm)
{
	if (!vm)
		return;
	for (unsigned int i = 0; i < vm->n_files; i++)
		free(vm->file[i].name);
	free(vm);
}

static void fill_pages(struct psc_value *o, enum psc_vm_counter c,
		       uint64_t pages)
{
	uint64_t bytes;

	if (c == PSC_VM_MISC_TRANSIENT && pages >> 63) {
		psc_set_int(o, "pages", (int64_t)pages);
		psc_set_int(o, "bytes", (int64_t)(pages * PSC_PAGE_SIZE));
		return;
	}
	psc_set_uint(o, "pages", pages);
	if (__builtin_mul_overflow(pages, (uint64_t)PSC_PAGE_SIZE, &bytes))
		psc_set_null(o, "bytes");
	else
		psc_set_uint(o, "bytes", bytes);
}

static void fill_counter(struct psc_value *vm, enum psc_vm_counter c,
			 const struct psc_vm_value *v)
{
	const char *name = psc_vm_counter_name(c);

	if (v->state == PSC_VM_NONE) {
		psc_set_null(vm, name);
		psc_set_str(psc_set_object(vm, "reasons"), name, *v->text
			    ? v->text : "this kernel has no such counter, or its layout is not known");
		return;
	}
	struct psc_value *o = psc_set_object(vm, name);
	if (v->state == PSC_VM_UNREADABLE) {
		psc_set_null(o, "pages");
		psc_set_null(o, "bytes");
		psc_set_null(o, "from");
		psc_set_str(o, "error", v->text);
		return;
	}
	fill_pages(o, c, v->pages);
	psc_set_str(o, "from", v->text);
	if (v->approximate)
		psc_set_bool(o, "approximate", true);
}

static void fill_usage(const struct psc_vm *vm, struct psc_value *o)
{
	const struct psc_pool_usage *u = &vm->usage;
	struct psc_value *nodes = psc_set_array(o, "nodes");

	for (unsigned int i = 0; i < u->n_nodes; i++) {
		struct psc_value *n = psc_add_object(nodes);

		psc_set_uint(n, "node", i);
		psc_set_uint(n, "nonpaged_pages", u->node[i].nonpaged);
		if (u->has_nx)
			psc_set_uint(n, "nonpaged_nx_pages",
				     u->node[i].nonpaged_nx);
		else
			psc_set_null(n, "nonpaged_nx_pages");
		// Classic paged pool is split by descriptor, not by node.
		if (u->design == PSC_POOL_SEGMENT)
			psc_set_uint(n, "paged_pages", u->node[i].paged);
		else
			psc_set_null(n, "paged_pages");
	}
	for (unsigned int i = 0; i < u->n_paged; i++)
		psc_set_uint(psc_add_object(psc_set_array(o, "paged_pools")),
			     "pages", u->paged_line[i]);
	if (!u->complete)
		psc_set_str(o, "pool_usage_incomplete", u->why);
}

static int by_pid(const void *a, const void *b)
{
	const struct psc_process *x = *(const struct psc_process *const *)a;
	const struct psc_process *y = *(const struct psc_process *const *)b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

static void set_known(struct psc_value *o, const char *key, bool has,
		      uint64_t v)
{
	if (has)
		psc_set_uint(o, key, v);
	else
		psc_set_null(o, key);
}

// list_index keeps the order of PsActiveProcessHead, which sorting by pid loses.
static void fill_process(struct psc_value *o, const struct psc_process *p,
			 uint64_t list_index)
{
	psc_set_uint(o, "pid", p->pid);
	psc_set_str(o, "name", p->name);
	set_known(o, "commit_pages", p->has_commit, p->commit_pages);
	set_known(o, "shared_commit_pages", p->has_shared_commit,
		  p->shared_commit_pages);
	set_known(o, "nonpaged_quota_bytes", p->has_quota, p->nonpaged_quota);
	set_known(o, "paged_quota_bytes", p->has_quota, p->paged_quota);
	set_known(o, "handles", p->has_handles, p->handles);
	psc_set_uint(o, "list_index", list_index);
}

static struct psc_error *fill_processes(struct psc_analysis *a,
					struct psc_value *o)
{
	const struct psc_processes *p;
	struct psc_error *err = psc_analysis_processes(a, &p);

	if (err) {
		psc_set_str(o, "processes_error", err->message);
		psc_error_free(err);
		return NULL;
	}
	const struct psc_process **v = calloc(p->n ? p->n : 1, sizeof(*v));
	if (!v)
		return &psc_nomem;
	for (size_t i = 0; i < p->n; i++)
		v[i] = &p->v[i];
	qsort(v, p->n, sizeof(*v), by_pid);
	struct psc_value *list = psc_set_array(o, "processes");
	for (size_t i = 0; i < p->n; i++)
		fill_process(psc_add_object(list), v[i],
			     (uint64_t)(v[i] - p->v));
	free(v);
	if (!p->complete) {
		psc_analysis_lacks(a, p->why_incomplete ? p->why_incomplete
				   : "list of processes");
		psc_set_str(o, "processes_incomplete", p->why_incomplete);
	}
	return NULL;
}

static void read_triage(const struct psc_triage *t, struct psc_vm *vm)
{
	static const char from[] = "DUMP_MM_STORAGE";

	psc_vm_set(vm, PSC_VM_NONPAGED_MAX, t->max_nonpaged, from);
	psc_vm_set(vm, PSC_VM_NONPAGED_USAGE, t->nonpaged, from);
	psc_vm_set(vm, PSC_VM_PAGED_MAX, t->max_paged, from);
	psc_vm_set(vm, PSC_VM_PAGED_USAGE, t->paged, from);
	psc_vm_set(vm, PSC_VM_COMMITTED, t->committed, from);
	psc_vm_set(vm, PSC_VM_PEAK_COMMIT, t->committed_peak, from);
	psc_vm_set(vm, PSC_VM_COMMIT_LIMIT, t->commit_limit, from);
}

static void read_all(struct psc_analysis *a, struct psc_vm *vm)
{
	psc_vm_read_counters(a, vm);
	psc_vm_read_page_files(a, vm);
	psc_vm_read_sums(a, vm);
	psc_vm_read_ptes(a, vm);
	if (vm->has_usage && !vm->usage.complete)
		psc_analysis_lacks(a, vm->usage.why);
}

// A triage dump has seven figures at most; a kernel without names has those
// of its debugger block.
static struct psc_error *read_vm(struct psc_analysis *a, struct psc_vm *vm)
{
	const struct psc_triage *t = psc_dump_triage(a->dump);
	struct psc_error *err = psc_analysis_need_pages(a, "memory counters");

	if (t && t->has_mm && !(a->req->required & PSC_SECTION_VM)) {
		psc_error_free(err);
		read_triage(t, vm);
		return NULL;
	}
	if (err && t && t->has_mm) {
		psc_error_free(err);
		return psc_error_new(PSC_ERR_ABSENT, "%s: a triage dump; of the "
				     "memory counters it holds usage and limit "
				     "of both pools and of commit, which "
				     "`poolscope report' shows: ask for a "
				     "kernel or automatic memory dump "
				     "(MEMORY.DMP)",
				     psc_dump_path(a->dump));
	}
	if (err && psc_dump_why_no_pages(a->dump))
		return err;
	read_all(a, vm);
	if (err && (psc_vm_known(vm, PSC_VM_PHYSICAL_MEMORY) ||
		    psc_vm_known(vm, PSC_VM_COMMITTED))) {
		psc_analysis_lacks(a, err->message);
		psc_error_free(err);
		return NULL;
	}
	return err;
}

struct psc_error *psc_analyse_vm(struct psc_analysis *a)
{
	if (!a->vm && !(a->vm = calloc(1, sizeof(*a->vm))))
		return &psc_nomem;
	struct psc_error *err = read_vm(a, a->vm);
	if (err)
		return err;

	struct psc_value *o = psc_set_object(a->root, "vm");
	psc_set_hex(o, "flags", a->req->vm_flags);
	if (a->req->quota)
		psc_set_bool(o, "quota", true);
	psc_set_object(o, "reasons");
	for (int c = 0; c < PSC_VM_N_COUNTERS; c++)
		fill_counter(o, (enum psc_vm_counter)c, &a->vm->v[c]);
	psc_vm_fill_page_files(a->vm, o);
	psc_vm_fill_failures(a, o);
	if (a->vm->has_usage)
		fill_usage(a->vm, o);
	if (a->req->all || (a->req->vm_flags & PSC_VM_REGIONS))
		psc_vm_fill_regions(a, o);
	if (a->req->all || (a->req->vm_flags & PSC_VM_SESSIONS))
		psc_vm_fill_sessions(a, a->vm, o);
	return fill_processes(a, o);
}
