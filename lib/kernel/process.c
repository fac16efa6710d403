// SPDX-License-Identifier: MIT
#include "kernel/process.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/kernel_impl.h"
#include "kernel/list.h"

// 250 MB of EPROCESSes: more cannot be real.
#define MAX_PROCESSES 100000

void psc_processes_free(struct psc_processes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i].name);
	free(p->v);
	free(p->why_incomplete);
	free(p);
}

static void processes_cleanup(struct psc_processes **p)
{
	psc_processes_free(*p);
}

// A field that this kernel has and the dump holds.
static bool get(const struct psc_kernel *k, uint64_t va, const char *path,
		uint64_t *ret)
{
	struct psc_error *err = psc_kernel_get(k, va, path, ret);

	psc_error_free(err);
	return !err;
}

// --- name ------------------------------------------------------------------

// SeAuditProcessCreationInfo.ImageFileName → OBJECT_NAME_INFORMATION.Name:
// the whole path, where the field of EPROCESS is cut at 15 bytes.
static char *long_name(const struct psc_kernel *k, uint64_t va)
{
	uint64_t info;
	char *path = NULL;
	struct psc_field f;

	if (!get(k, va, "_EPROCESS.SeAuditProcessCreationInfo.ImageFileName",
		 &info) || !psc_mem_is_kernel_va(k->mem, info))
		return NULL;
	struct psc_error *err =
		psc_kernel_field(k, "_OBJECT_NAME_INFORMATION.Name", &f);
	if (!err)
		err = psc_kernel_unicode(k, info + f.offset, "image path",
					 &path);
	psc_error_free(err);
	char *name = path && *psc_path_base(path)
		? strdup(psc_path_base(path)) : NULL;
	free(path);
	return name;
}

static char *short_name(const struct psc_kernel *k, uint64_t va)
{
	struct psc_field f;
	char text[16] = { 0 };
	struct psc_error *err =
		psc_kernel_field(k, "_EPROCESS.ImageFileName", &f);

	if (!err)
		err = psc_mem_read_all(k->mem, va + f.offset, text, 15,
				       "ImageFileName");
	psc_error_free(err);
	return psc_text_escape(err || !*text ? "?" : text,
			       err || !*text ? 1 : strlen(text));
}

// --- handles ---------------------------------------------------------------

#define TAG_HANDLE_TABLE 0x6274624fu	// 'Obtb'

// How many free lists follow the fixed part: as many as fit into the pool
// block that holds the table, else no more than there are processors.
static uint64_t n_free_lists(const struct psc_kernel *k, uint64_t table,
			     uint64_t first, uint64_t stride)
{
	uint64_t header, tag, units, limit = PSC_MAX(k->h->processors, 1u);
	struct psc_error *err = psc_kernel_sizeof(k, "_POOL_HEADER", &header);

	psc_error_free(err);
	if (!err && get(k, table - header, "_POOL_HEADER.PoolTag", &tag) &&
	    (uint32_t)tag == TAG_HANDLE_TABLE &&
	    get(k, table - header, "_POOL_HEADER.BlockSize", &units)) {
		uint64_t bytes = units * 2 * k->ptr;
		uint64_t fixed = header + first;
		if (bytes >= fixed + stride)
			limit = PSC_MIN(limit, (bytes - fixed) / stride);
	}
	return limit;
}

// Handles in use by one free list; entries behind the last one hold anything.
static bool list_count(const struct psc_kernel *k, uint64_t list, int32_t *ret)
{
	uint64_t first, last, count;

	if (!get(k, list, "_HANDLE_TABLE_FREE_LIST.FirstFreeHandleEntry",
		 &first) ||
	    !get(k, list, "_HANDLE_TABLE_FREE_LIST.LastFreeHandleEntry",
		 &last) ||
	    !get(k, list, "_HANDLE_TABLE_FREE_LIST.HandleCount", &count))
		return false;
	*ret = (int32_t)count;
	return (!first || psc_mem_is_kernel_va(k->mem, first)) &&
	       (!last || psc_mem_is_kernel_va(k->mem, last)) &&
	       *ret > -(1 << 24) && *ret <= 1 << 24;
}

static bool sum_free_lists(const struct psc_kernel *k, uint64_t table,
			   uint64_t *ret)
{
	struct psc_field f;
	uint64_t stride;
	int64_t sum = 0;
	int32_t count;

	struct psc_error *err =
		psc_kernel_field(k, "_HANDLE_TABLE.FreeLists", &f);
	if (!err)
		err = psc_kernel_sizeof(k, "_HANDLE_TABLE_FREE_LIST", &stride);
	psc_error_free(err);
	if (err || !stride)
		return false;
	uint64_t n = n_free_lists(k, table, f.offset, stride), i = 0;
	for (; i < n && list_count(k, table + f.offset + i * stride, &count);
	     i++)
		sum += count;
	if (!i || sum < 0)
		return false;
	*ret = (uint64_t)sum;
	return true;
}

static bool handle_count(const struct psc_kernel *k, uint64_t process,
			 uint64_t *ret)
{
	uint64_t table;

	if (!get(k, process, "_EPROCESS.ObjectTable", &table))
		return false;
	if (!table) {		// an ended process
		*ret = 0;
		return true;
	}
	if (!psc_mem_is_kernel_va(k->mem, table))
		return false;
	return get(k, table, "_HANDLE_TABLE.HandleCount", ret) ||
	       sum_free_lists(k, table, ret);
}

// --- one process -----------------------------------------------------------

// ProcessQuotaUsage[PsNonPagedPool = 0, PsPagedPool = 1]; QuotaUsage before
// Windows 7.
static bool quota(const struct psc_kernel *k, uint64_t va,
		  struct psc_process *p)
{
	return (get(k, va, "_EPROCESS.ProcessQuotaUsage[0]",
		    &p->nonpaged_quota) &&
		get(k, va, "_EPROCESS.ProcessQuotaUsage[1]",
		    &p->paged_quota)) ||
	       (get(k, va, "_EPROCESS.QuotaUsage[0]", &p->nonpaged_quota) &&
		get(k, va, "_EPROCESS.QuotaUsage[1]", &p->paged_quota));
}

static struct psc_error *read_process(const struct psc_kernel *k, uint64_t va,
				      struct psc_process *p)
{
	*p = (struct psc_process){ .va = va };
	struct psc_error *err =
		psc_kernel_get(k, va, "_EPROCESS.UniqueProcessId", &p->pid);
	if (err)
		return err;
	p->has_commit =
		get(k, va, "_EPROCESS.CommitCharge", &p->commit_pages);
	p->has_shared_commit = get(k, va, "_EPROCESS.SharedCommitCharge",
				   &p->shared_commit_pages);
	p->has_quota = quota(k, va, p);
	p->has_handles = handle_count(k, va, &p->handles);
	get(k, va, "_EPROCESS.Pcb.DirectoryTableBase",
	    &p->directory_table_base);
	get(k, va, "_EPROCESS.Session", &p->session);
	p->name = long_name(k, va);
	if (!p->name)
		p->name = short_name(k, va);
	return p->name ? NULL : &psc_nomem;
}

// --- the list --------------------------------------------------------------

static uint64_t list_head(const struct psc_kernel *k)
{
	uint64_t head = k->h->active_process_head;

	if (!psc_mem_is_kernel_va(k->mem, head))
		psc_kernel_kdbg(k, 0x50, &head);
	return head;
}

static void add_process(const struct psc_kernel *k, uint64_t va,
			struct psc_processes *ps, struct psc_error **fatal)
{
	struct psc_error *err = read_process(k, va, &ps->v[ps->n]);

	if (!err) {
		ps->n++;
	} else if (err == &psc_nomem) {
		*fatal = err;
	} else {
		psc_mem_count_unreadable(k->mem);
		ps->complete = false;
		if (!ps->why_incomplete)
			ps->why_incomplete = strdup(err->message);
		psc_error_free(err);
	}
}

struct psc_error *psc_processes_read(const struct psc_kernel *k,
				     struct psc_processes **ret)
{
	PSC_CLEANUP(psc_list_free) struct psc_list list = { 0 };
	PSC_CLEANUP(processes_cleanup) struct psc_processes *ps =
		calloc(1, sizeof(*ps));
	struct psc_field links;

	if (!ps)
		return &psc_nomem;
	struct psc_error *err =
		psc_kernel_field(k, "_EPROCESS.ActiveProcessLinks", &links);
	if (!err)
		err = psc_list_read(k, list_head(k), "PsActiveProcessHead",
				    MAX_PROCESSES, &list);
	if (err)
		return err;
	ps->complete = list.complete;
	ps->why_incomplete = PSC_TAKE(list.why);
	ps->v = calloc(list.n ? list.n : 1, sizeof(*ps->v));
	if (!ps->v)
		return &psc_nomem;
	for (size_t i = 0; i < list.n && !err; i++)
		add_process(k, list.v[i] - links.offset, ps, &err);
	if (err)
		return err;
	*ret = PSC_TAKE(ps);
	return NULL;
}
