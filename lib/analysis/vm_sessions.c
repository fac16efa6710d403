// SPDX-License-Identifier: MIT
// Sessions: the pages of each, and Session Commit as their sum
// (vm-and-windbg-output 1.8).
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/vm.h"
#include "base/bytes.h"

#define SESSION "_MM_SESSION_SPACE."

/** A session object and the memory it is read in. */
struct place {
	const struct psc_kernel *k;
	struct psc_mem *mem;
	uint64_t va;
};

/** Fields of one session object that the report shows. */
struct session {
	uint64_t id, paged_pages, nonpaged_pages, commit_pages;
	const char *paged_from;	/**< NULL: this layout does not tell. */
};

/** Where the pages of a session's paged pool are counted, era by era. */
static const struct paged_rule {
	const char *from;
	const char *plus[2], *minus[2];
} paged_rules[] = {
	{ "PagedPool.TotalPages + TotalBigPages",
	  { SESSION "PagedPool.TotalPages", SESSION "PagedPool.TotalBigPages" },
	  { NULL } },
	{ "PagedPool, pages allocated - deallocated",
	  { SESSION "PagedPool.PagesAllocated",
	    SESSION "PagedPool.BigPagesAllocated" },
	  { SESSION "PagedPool.PagesDeallocated",
	    SESSION "PagedPool.BigPagesDeallocated" } },
	{ "PagedPoolInfo.AllocatedPagedPool",
	  { SESSION "PagedPoolInfo.AllocatedPagedPool" }, { NULL } },
};

static struct psc_error *field(const struct place *p, const char *path,
			       uint64_t *ret)
{
	struct psc_field f;
	uint8_t buf[8];
	struct psc_error *err = psc_kernel_field(p->k, path, &f);

	if (err)
		return err;
	if (!f.size || f.size > sizeof(buf))
		return psc_error_new(PSC_ERR_DAMAGED, "%s is not a number",
				     path);
	err = psc_mem_read_all(p->mem, p->va + f.offset, buf, f.size, path);
	if (err)
		return err;
	*ret = psc_field_extract(&f, buf);
	if (f.size == 4)	// LONGs that count pages
		*ret = (uint32_t)*ret;
	return NULL;
}

static struct psc_error *add_fields(const struct place *p,
				    const char *const paths[2], bool minus,
				    uint64_t *sum)
{
	for (int i = 0; i < 2 && paths[i]; i++) {
		uint64_t v;
		struct psc_error *err = field(p, paths[i], &v);

		if (err)
			return err;
		*sum += minus ? ~v + 1 : v;
	}
	return NULL;
}

// The first rule whose fields exist. One that gives 0 does not speak against
// the next: kernels with segment heaps carry descriptors that stay empty.
static struct psc_error *paged_pages(const struct place *p,
				     struct session *ret)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(paged_rules); i++) {
		const struct paged_rule *r = &paged_rules[i];
		uint64_t sum = 0;
		struct psc_error *err = add_fields(p, r->plus, false, &sum);

		if (!err)
			err = add_fields(p, r->minus, true, &sum);
		if (psc_error_catch(&err, PSC_ERR_ABSENT) ||
		    psc_error_catch(&err, PSC_ERR_UNSUPPORTED))
			continue;
		if (err)
			return err;
		if (!ret->paged_from || sum) {
			ret->paged_pages = sum;
			ret->paged_from = r->from;
		}
		if (sum)
			break;
	}
	return NULL;
}

static struct psc_error *read_session(const struct place *p,
				      struct session *ret)
{
	struct psc_error *err;

	*ret = (struct session){ 0 };
	if ((err = field(p, SESSION "SessionId", &ret->id)) ||
	    (err = field(p, SESSION "CommittedPages", &ret->commit_pages)) ||
	    (err = field(p, SESSION "NonPagablePages", &ret->nonpaged_pages)))
		return err;
	return paged_pages(p, ret);
}

// Session space is mapped in the processes of the session only; where the
// header's root does not show the object, the process's own does.
static struct psc_error *read_of_process(const struct psc_analysis *a,
					 const struct psc_process *process,
					 struct session *ret)
{
	struct place p = { a->kernel, a->mem, process->session };
	struct psc_mem *own;

	if (psc_mem_translate(a->mem, p.va).status == PSC_VA_OK ||
	    !process->directory_table_base)
		return read_session(&p, ret);
	struct psc_error *err = psc_mem_with_root(
		a->mem, process->directory_table_base, &own);
	if (err)
		return err;
	p.mem = own;
	err = read_session(&p, ret);
	psc_mem_absorb(a->mem, own);
	psc_mem_free(own);
	return err;
}

static void fill_unreadable(struct psc_value *o, const char *why)
{
	static const char *const keys[] = {
		"paged_pool_bytes", "nonpaged_bytes", "commit_bytes",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(keys); i++)
		psc_set_null(o, keys[i]);
	psc_set_str(o, "error", why);
}

static void fill_session(struct psc_value *o, const struct session *s)
{
	psc_set_uint(o, "id", s->id);
	if (s->paged_from) {
		psc_set_uint(o, "paged_pool_bytes",
			     s->paged_pages * PSC_PAGE_SIZE);
		psc_set_str(o, "paged_pool_from", s->paged_from);
	} else {
		psc_set_null(o, "paged_pool_bytes");
	}
	psc_set_uint(o, "nonpaged_bytes", s->nonpaged_pages * PSC_PAGE_SIZE);
	psc_set_uint(o, "commit_bytes", s->commit_pages * PSC_PAGE_SIZE);
}

static int by_session(const void *a, const void *b)
{
	const struct psc_process *x = *(const struct psc_process *const *)a;
	const struct psc_process *y = *(const struct psc_process *const *)b;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

// One process of each session, ascending by session. Caller frees.
static const struct psc_process **session_list(const struct psc_processes *p,
					       size_t *n)
{
	const struct psc_process **v = calloc(p->n ? p->n : 1, sizeof(*v));
	size_t count = 0, kept = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].session)
			v[count++] = &p->v[i];
	}
	qsort(v, count, sizeof(*v), by_session);
	for (size_t i = 0; i < count; i++) {
		if (!kept || v[kept - 1]->session != v[i]->session)
			v[kept++] = v[i];
	}
	*n = kept;
	return v;
}

// What can be read goes to list; the first reason why one cannot is returned.
static struct psc_error *read_list(struct psc_analysis *a,
				   const struct psc_process *const *v, size_t n,
				   struct psc_value *list, uint64_t *commit)
{
	struct psc_error *first = NULL;

	for (size_t i = 0; i < n; i++) {
		struct session s;
		struct psc_error *err = read_of_process(a, v[i], &s);
		struct psc_value *o = psc_add_object(list);

		psc_set_null(o, "id");
		psc_set_hex(o, "address", v[i]->session);
		if (!err) {
			fill_session(o, &s);
			*commit += s.commit_pages;
			continue;
		}
		fill_unreadable(o, err->message);
		if (first)
			psc_error_free(err);
		else
			first = err;
	}
	return first;
}

void psc_vm_fill_sessions(struct psc_analysis *a, struct psc_vm *vm,
			  struct psc_value *o)
{
	const struct psc_processes *p;
	const struct psc_process **v = NULL;
	uint64_t sum = 0;
	size_t n = 0;
	struct psc_field f;
	// The newest kernels keep sessions where no published type tells.
	struct psc_error *err = psc_kernel_field(
		a->kernel, SESSION "CommittedPages", &f);

	if (!err)
		err = psc_analysis_processes(a, &p);
	if (!err && !(v = session_list(p, &n)))
		err = &psc_nomem;
	if (!err)
		err = read_list(a, v, n, psc_set_array(o, "sessions"), &sum);
	else
		psc_set_str(o, "sessions_error", err->code == PSC_ERR_ABSENT
			    ? "where this kernel keeps its sessions is not "
			      "known" : err->message);
	free(v);
	if (err)
		psc_vm_fail(vm, PSC_VM_SESSION_COMMIT, err);
	else
		psc_vm_set(vm, PSC_VM_SESSION_COMMIT, sum, "sum of "
			   "_MM_SESSION_SPACE.CommittedPages over %zu sessions",
			   n);
}
