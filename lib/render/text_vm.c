// SPDX-License-Identifier: MIT
// WinDbg's `!vm`, the newest layout for every target (vm-and-windbg-output
// 1.2, 1.3). The values come from the report; widths are measured columns.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "psc/psc.h"
#include "render/text.h"

#define LABEL_WIDTH 19		// of labels that leave room for 14 digits
#define VALUE_COLUMN 33		// where the page count ends

/** One line of the counter block, or a step that prints several. */
struct vm_row {
	const char *label;
	const char *counter;
	bool only_if_present;	/**< Left out where the target has none. */
	void (*step)(const struct text *t, const struct psc_value *vm);
};

// Kb = pages * 4 modulo 2^64, as the original prints it.
static void put_pages(const struct text *t, const char *label, uint64_t pages)
{
	int width = VALUE_COLUMN - LABEL_WIDTH;
	int label_len = (int)strlen(label);

	if (label_len > LABEL_WIDTH)
		width = VALUE_COLUMN - label_len;
	fprintf(t->out, "%-*s%*" PRIu64 " (%11" PRIu64 " Kb)\n", LABEL_WIDTH,
		label, width, pages, pages * 4);
}

static void put_unknown(const struct text *t, const char *label)
{
	int width = VALUE_COLUMN - LABEL_WIDTH;
	int label_len = (int)strlen(label);

	if (label_len > LABEL_WIDTH)
		width = VALUE_COLUMN - label_len;
	fprintf(t->out, "%-*s%*s (%11s Kb)\n", LABEL_WIDTH, label, width, "?",
		"?");
}

static bool pages_of(const struct psc_value *vm, const char *counter,
		     uint64_t *ret)
{
	return psc_get_uint(psc_get(vm, counter), "pages", ret);
}

// A counter that the target lacks prints as 0, as the original does; one that
// could not be read prints as a question mark.
static void put_counter(const struct text *t, const struct psc_value *vm,
			const struct vm_row *row)
{
	const struct psc_value *c = psc_get(vm, row->counter);
	uint64_t pages = 0;

	if (pages_of(vm, row->counter, &pages))
		put_pages(t, row->label, pages);
	else if (psc_kind(c) == PSC_OBJECT)
		put_unknown(t, row->label);
	else if (!row->only_if_present)
		put_pages(t, row->label, 0);
}

static uint64_t kb(const struct psc_value *obj, const char *key)
{
	uint64_t bytes = 0;

	psc_get_uint(obj, key, &bytes);
	return bytes / 1024;
}

static void page_files(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *files = psc_get(vm, "page_files");

	for (size_t i = 0; i < psc_count(files); i++) {
		const struct psc_value *f = psc_at(files, i, NULL);
		const char *name = psc_get_str(f, "name");

		if (name)
			fprintf(t->out, "Page File: %s\n", name);
		else
			fputs("No Name for Paging File\n", t->out);
		fprintf(t->out, "  Current: %9" PRIu64 " Kb  Free Space: %9"
			PRIu64 " Kb\n  Minimum: %9" PRIu64
			" Kb  Maximum:    %9" PRIu64 " Kb\n",
			kb(f, "current_bytes"), kb(f, "free_bytes"),
			kb(f, "minimum_bytes"), kb(f, "maximum_bytes"));
	}
	if (psc_count(files))
		fputc('\n', t->out);
}

static void failure(const struct text *t, const struct psc_value *vm,
		    const char *name, const char *fmt_stars, const char *what)
{
	uint64_t n;

	if (psc_get_uint(psc_get(vm, "failures"), name, &n) && n)
		fprintf(t->out, "\n%s %" PRIu64 " %s\n\n", fmt_stars, n, what);
}

static void stack_failures(const struct text *t, const struct psc_value *vm)
{
	failure(t, vm, "kernel_stack_ptes", "*******",
		"kernel stack PTE allocations have failed ******");
	failure(t, vm, "kernel_stack_growths", "*******",
		"kernel stack growth attempts have failed ******");
}

static void pool_failures(const struct text *t, const struct psc_value *vm)
{
	failure(t, vm, "pool_allocations", "**********",
		"pool allocations have failed **********");
}

static void node_line(const struct text *t, const char *pool, size_t node,
		      uint64_t pages)
{
	char label[40];

	snprintf(label, sizeof(label), "%s %2zu:", pool, node);
	put_pages(t, label, pages);
}

static void nonpaged_nodes(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *nodes = psc_get(vm, "nodes");
	size_t n = psc_count(nodes);
	uint64_t pages;

	for (size_t i = 0; n > 1 && i < n; i++) {
		const struct psc_value *node = psc_at(nodes, i, NULL);

		if (psc_get_uint(node, "nonpaged_pages", &pages))
			node_line(t, "NonPagedPool  ", i, pages);
		if (psc_get_uint(node, "nonpaged_nx_pages", &pages))
			node_line(t, "NonPagedPoolNx", i, pages);
	}
}

// Classic descriptors print always, segment heaps when nodes are several.
static void paged_lines(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *lines = psc_get(vm, "paged_pools");
	const struct psc_value *nodes = psc_get(vm, "nodes");
	uint64_t pages;

	for (size_t i = 0; i < psc_count(lines); i++) {
		if (psc_get_uint(psc_at(lines, i, NULL), "pages", &pages))
			node_line(t, "PagedPool", i, pages);
	}
	if (psc_count(lines) || psc_count(nodes) < 2)
		return;
	for (size_t i = 0; i < psc_count(nodes); i++) {
		if (psc_get_uint(psc_at(nodes, i, NULL), "paged_pages", &pages))
			node_line(t, "PagedPool", i, pages);
	}
}

// The original's own limit is not documented; 80 % is the published advice
// (vm-and-windbg-output 1.7).
static void nonpaged_excess(const struct text *t, const struct psc_value *vm)
{
	uint64_t usage = 0, nx = 0, max = 0;

	pages_of(vm, "nonpaged_pool_nx_usage", &nx);
	if (pages_of(vm, "nonpaged_pool_usage", &usage) &&
	    pages_of(vm, "nonpaged_pool_max", &max) && max &&
	    usage + nx >= max / 5 * 4)
		fputs("********** Excessive NonPaged Pool Usage *****\n",
		      t->out);
}

// Unsigned, as the original compares: a misread sum wraps and shows.
static void transient(const struct text *t, const struct psc_value *vm)
{
	uint64_t sum, private, committed;

	if (!pages_of(vm, "sum_system_commit", &sum) ||
	    !pages_of(vm, "total_private", &private) ||
	    !pages_of(vm, "committed", &committed)) {
		put_unknown(t, "Misc/Transient Commit:");
		return;
	}
	if (sum + private <= committed)
		put_pages(t, "Misc/Transient Commit:",
			  committed - sum - private);
	else
		fprintf(t->out, "\n********** Sum of individual system commit + "
			"Process commit exceeds overall commit by %" PRIu64
			" Kb ? ********\n", (sum + private - committed) * 4);
}

static const struct vm_row rows[] = {
	{ .step = page_files },
	{ "Physical Memory:", "physical_memory", false, NULL },
	{ "Available Pages:", "available", false, NULL },
	{ "ResAvail Pages:", "resident_available", false, NULL },
	{ "Locked IO Pages:", "locked_io", false, NULL },
	{ "Free System PTEs:", "free_system_ptes", false, NULL },
	{ .step = stack_failures },
	{ "Modified Pages:", "modified", false, NULL },
	{ "Modified PF Pages:", "modified_pagefile", false, NULL },
	{ "Modified No Write Pages:", "modified_no_write", false, NULL },
	{ .step = nonpaged_nodes },
	{ "NonPagedPool Usage:", "nonpaged_pool_usage", false, NULL },
	{ "NonPagedPoolNx Usage:", "nonpaged_pool_nx_usage", true, NULL },
	{ "NonPagedPool Max:", "nonpaged_pool_max", false, NULL },
	{ .step = nonpaged_excess },
	{ .step = paged_lines },
	{ "PagedPool Usage:", "paged_pool_usage", false, NULL },
	{ "PagedPool Maximum:", "paged_pool_max", false, NULL },
	{ .step = pool_failures },
	{ "Processor Commit:", "processor_commit", false, NULL },
	{ "Session Commit:", "session_commit", false, NULL },
	{ "Shared Commit:", "shared_commit", false, NULL },
	{ "Special Pool:", "special_pool", false, NULL },
	{ "Kernel Stacks:", "kernel_stacks", false, NULL },
	{ "Pages For MDLs:", "mdl_pages", false, NULL },
	{ "ContigMem Pages:", "contiguous_pages", true, NULL },
	{ "Partition Pages:", "partition_pages", true, NULL },
	{ "Pages For AWE:", "awe_pages", false, NULL },
	{ "NonPagedPool Commit:", "nonpaged_pool_commit", false, NULL },
	{ "PagedPool Commit:", "paged_pool_commit", false, NULL },
	{ "Driver Commit:", "driver_commit", false, NULL },
	{ "Boot Commit:", "boot_commit", false, NULL },
	{ "PFN Array Commit:", "pfn_array_commit", true, NULL },
	{ "SmallNonPagedPtesCommit:", "small_nonpaged_ptes_commit", true, NULL },
	{ "SlabAllocatorPages:", "slab_allocator_pages", true, NULL },
	{ "SkPagesInUnchargedSlabs:", "sk_pages_in_uncharged_slabs", true, NULL },
	{ "System PageTables:", "system_page_tables", false, NULL },
	{ "VAD/PageTable Bitmaps:", "vad_page_table_bitmaps", true, NULL },
	{ "ProcessLockedFilePages:", "process_locked_file_pages", false, NULL },
	{ "Pagefile Hash Pages:", "pagefile_hash_pages", false, NULL },
	{ "Sum System Commit:", "sum_system_commit", false, NULL },
	{ "Total Private:", "total_private", false, NULL },
	{ .step = transient },
	{ "Committed pages:", "committed", false, NULL },
	{ "Commit limit:", "commit_limit", false, NULL },
};

static uint64_t uint_of(const struct psc_value *obj, const char *key)
{
	uint64_t v = 0;

	psc_get_uint(obj, key, &v);
	return v;
}

// Falling commit; equal ones stay in the order of the kernel's list.
static int by_commit(const void *a, const void *b)
{
	const struct psc_value *x = *(const struct psc_value *const *)a;
	const struct psc_value *y = *(const struct psc_value *const *)b;
	uint64_t cx = uint_of(x, "commit_pages"), cy = uint_of(y, "commit_pages");

	if (cx != cy)
		return cx < cy ? 1 : -1;
	uint64_t ix = uint_of(x, "list_index"), iy = uint_of(y, "list_index");
	return ix < iy ? -1 : ix > iy;
}

static void process_row(const struct text *t, const struct psc_value *p)
{
	fprintf(t->out, " %4" PRIx64 " %-26s%10" PRIu64 " Kb%12" PRIu64
		" Kb%9u Kb\n", uint_of(p, "pid"), text_str(p, "name"),
		uint_of(p, "commit_pages") * 4,
		uint_of(p, "shared_commit_pages") * 4, 0u);
}

static void processes(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *list = psc_get(vm, "processes");
	size_t n = psc_count(list);
	const struct psc_value **sorted = calloc(n ? n : 1, sizeof(*sorted));

	fputs("\n  Pid ImageName                        Commit   SharedCommit"
	      "        Debt\n\n", t->out);
	for (size_t i = 0; sorted && i < n; i++)
		sorted[i] = psc_at(list, i, NULL);
	if (sorted)
		qsort(sorted, n, sizeof(*sorted), by_commit);
	for (size_t i = 0; sorted && i < n; i++) {
		if (uint_of(sorted[i], "commit_pages"))
			process_row(t, sorted[i]);
	}
	free(sorted);
}

static void put_kb(const struct text *t, const struct psc_value *obj,
		   const char *key)
{
	uint64_t bytes;

	if (psc_get_uint(obj, key, &bytes))
		fprintf(t->out, "%10" PRIu64 " Kb", bytes / 1024);
	else
		fprintf(t->out, "%10s Kb", "?");
}

// Our own table: the original has none.
static void quota(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *list = psc_get(vm, "processes");

	fputs("\n  Pid ImageName                  NonPagedQuota   PagedQuota"
	      "    Handles\n\n", t->out);
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *p = psc_at(list, i, NULL);
		uint64_t handles;

		fprintf(t->out, " %4" PRIx64 " %-26s", uint_of(p, "pid"),
			text_str(p, "name"));
		put_kb(t, p, "nonpaged_quota_bytes");
		put_kb(t, p, "paged_quota_bytes");
		if (psc_get_uint(p, "handles", &handles))
			fprintf(t->out, "%11" PRIu64 "\n", handles);
		else
			fprintf(t->out, "%11s\n", "?");
	}
}

static void session_usage(const struct text *t, uint64_t paged,
			  uint64_t nonpaged, uint64_t commit)
{
	fprintf(t->out, "Paged Pool Usage: %8" PRIu64 " Kb\n"
		"NonPaged Usage:   %8" PRIu64 " Kb\n"
		"Commit Usage:     %8" PRIu64 " Kb\n", paged, nonpaged, commit);
}

static void sessions(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *list = psc_get(vm, "sessions");
	uint64_t sum[3] = { 0 };
	bool unreadable = false;

	if (psc_kind(list) != PSC_ARRAY)
		return;		// the remarks say why
	fputs("\nTerminal Server Memory Usage By Session:\n", t->out);
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *s = psc_at(list, i, NULL);
		uint64_t paged = kb(s, "paged_pool_bytes");
		uint64_t nonpaged = kb(s, "nonpaged_bytes");
		uint64_t commit = kb(s, "commit_bytes"), address = 0;

		psc_get_hex(s, "address", &address);
		if (psc_get_str(s, "error")) {
			fprintf(t->out, "\nSession @ %016" PRIx64 ":\n"
				"poolscope: not readable, %s\n", address,
				psc_get_str(s, "error"));
			unreadable = true;
			continue;
		}
		fprintf(t->out, "\nSession ID %" PRIu64 " @ %016" PRIx64 ":\n",
			uint_of(s, "id"), address);
		session_usage(t, paged, nonpaged, commit);
		sum[0] += paged;
		sum[1] += nonpaged;
		sum[2] += commit;
	}
	fprintf(t->out, "\nSession Summary%s\n", unreadable
		? " (of those that are readable)" : "");
	session_usage(t, sum[0], sum[1], sum[2]);
}

static void regions(const struct text *t, const struct psc_value *vm)
{
	const struct psc_value *list = psc_get(vm, "regions");

	if (psc_get_str(vm, "regions_error"))
		return;		// the remarks say why
	fputs("\nSystem Region               Base Address    NumberOfBytes\n\n",
	      t->out);
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *r = psc_at(list, i, NULL);
		uint64_t base = 0;

		psc_get_hex(r, "base", &base);
		fprintf(t->out, "%-22s: %016" PRIx64 " %16" PRIx64 "\n",
			text_str(r, "name"), base, uint_of(r, "bytes"));
	}
}

/** A remark below the figures, which are the debugger's. */
static void remark(const struct text *t, bool *first, const char *what,
		   const char *why)
{
	fprintf(t->out, "%spoolscope: %s%s%s\n", *first ? "\n" : "", what,
		why ? ": " : "", why ? why : "");
	*first = false;
}

// Figures whose formula is not published, or that no counter holds.
static void approximate_remark(const struct text *t,
			       const struct psc_value *vm, bool *first)
{
	char names[200] = "";
	size_t n = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		const struct psc_value *c =
			rows[i].counter ? psc_get(vm, rows[i].counter) : NULL;
		bool is = false;

		if (!psc_get_bool(c, "approximate", &is) || !is)
			continue;
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%.*s",
			 n++ ? ", " : "", (int)strlen(rows[i].label) - 1,
			 rows[i].label);
	}
	if (n)
		remark(t, first, "approximate", names);
}

// Not the debugger's: what is missing or stands out.
static void remarks(const struct text *t, const struct psc_value *vm)
{
	static const struct {
		const char *key, *what;
	} holes[] = {
		{ "page_files_error", "page files are missing" },
		{ "pool_usage_incomplete", "pool usage is a lower bound" },
		{ "processes_incomplete", "processes are missing" },
		{ "processes_error", "no processes" },
		{ "regions_error", "no regions" },
		{ "sessions_error", "no sessions" },
	};
	const struct psc_value *list = psc_get(t->root, "findings");
	bool first = true;

	approximate_remark(t, vm, &first);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(holes); i++) {
		const char *why = psc_get_str(vm, holes[i].key);

		if (why)
			remark(t, &first, holes[i].what, why);
	}
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);
		const struct psc_value *e = psc_get(f, "evidence");

		if (psc_count(e) && strncmp(psc_value_str(psc_at(e, 0, NULL)),
					    "/vm/", 4) == 0)
			remark(t, &first, text_str(f, "text"), NULL);
	}
}

void text_view_vm(const struct text *t)
{
	const struct psc_value *vm = psc_get(t->root, "vm");
	uint64_t flags = 0;
	bool show_quota = false;

	psc_get_hex(vm, "flags", &flags);
	psc_get_bool(vm, "quota", &show_quota);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		if (rows[i].step)
			rows[i].step(t, vm);
		else
			put_counter(t, vm, &rows[i]);
	}
	if (!(flags & PSC_VM_NO_PROCESSES))
		processes(t, vm);
	if (show_quota)
		quota(t, vm);
	if (flags & PSC_VM_SESSIONS)
		sessions(t, vm);
	if (flags & PSC_VM_REGIONS)
		regions(t, vm);
	remarks(t, vm);
}
