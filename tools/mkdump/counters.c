// SPDX-License-Identifier: MIT
/** @file
 * The counters of `!vm` (vm 2.1 to 2.5): where each family keeps them, in
 * one table, and the sums that hold between them (vm 1.5).
 */
#include "counters.h"

#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "processes.h"

enum { NO_SUM, SUM };

struct counter {
	const char *name;	/**< As in the report. */
	uint64_t normal;	/**< Pages when the recipe is silent. */
	int in_sum;		/**< A line of "Sum System Commit". */
	/** Where it may live; the first that this kernel has is used:
	 *  P: in MiSystemPartition, S: in MiState, G: a global variable
	 *  (with /4 when it has four bytes). */
	const char *places[4];
};

#define IN_VS "S:Vs."

static const struct counter table[] = {
	{"physical_memory", 0, NO_SUM,
	 {"P:Vp.NumberOfPhysicalPages", "G:MmNumberOfPhysicalPages"}},
	{"available", 120345, NO_SUM,
	 {"P:Vp.AvailablePages", "G:MmAvailablePages"}},
	{"resident_available", 118201, NO_SUM,
	 {"P:Vp.ResidentAvailablePages", "G:MmResidentAvailablePages"}},
	{"modified", 8123, NO_SUM,
	 {"P:Vp.ModifiedPageListHead.Total", "G:MmModifiedPageListHead"}},
	{"modified_pagefile", 8001, NO_SUM,
	 {"P:Vp.TotalPagesForPagingFile", "G:MmTotalPagesForPagingFile"}},
	{"modified_no_write", 17, NO_SUM,
	 {"P:Vp.ModifiedNoWritePageListHead.Total",
	  "G:MmModifiedNoWritePageListHead"}},
	{"nonpaged_pool_usage", 1234, NO_SUM, {NULL}},
	{"nonpaged_pool_nx_usage", 33612, NO_SUM, {NULL}},
	{"nonpaged_pool_max", 0, NO_SUM,
	 {IN_VS "MaximumNonPagedPoolInPages",
	  "G:MmMaximumNonPagedPoolInPages"}},
	{"paged_pool_usage", 54321, NO_SUM, {NULL}},
	{"paged_pool_max", 0, NO_SUM,
	 {IN_VS "SizeOfPagedPoolInPages", "G:MmSizeOfPagedPoolInPages"}},
	{"processor_commit", 0, SUM, {NULL}},
	{"session_commit", 0, SUM, {NULL}},
	{"shared_commit", 25001, SUM,
	 {"P:Vp.SharedCommit", IN_VS "SharedCommit", "G:MmSharedCommit"}},
	{"special_pool", 3, SUM,
	 {IN_VS "SpecialPagesInUse", "G:MmSpecialPagesInUse"}},
	{"kernel_stacks", 0, SUM, {"G:MmKernelStackResident"}},
	{"mdl_pages", 2077, SUM,
	 {"P:Vp.MdlPagesAllocated", IN_VS "MdlPagesAllocated",
	  "G:MmMdlPagesAllocated"}},
	{"contiguous_pages", 515, SUM,
	 {"P:Vp.ContiguousPagesAllocated", IN_VS "ContiguousPagesAllocated"}},
	{"partition_pages", 0, SUM,
	 {"S:Partitions.TotalPagesInChildPartitions"}},
	{"awe_pages", 0, SUM, {"P:Vp.VadPhysicalPages", "G:MmVadPhysicalPages"}},
	{"nonpaged_pool_commit", 36001, SUM, {IN_VS "NonPagedPoolCommit"}},
	{"paged_pool_commit", 0, SUM,
	 {IN_VS "PagedPoolInfo.AllocatedPagedPool", "G:MmPagedPoolCommit",
	  "I:AllocatedPagedPool"}},
	{"driver_commit", 12001, SUM,
	 {IN_VS "DriverCommit", "G:MmDriverCommit/4"}},
	{"boot_commit", 2501, SUM, {IN_VS "BootCommit"}},
	{"pfn_array_commit", 49697, SUM, {IN_VS "PfnDatabaseCommit"}},
	{"small_nonpaged_ptes_commit", 211, SUM,
	 {IN_VS "SmallNonPagedPtesCommit"}},
	{"slab_allocator_pages", 4608, NO_SUM, {"P:Vp.SlabAllocatorPages"}},
	{"sk_pages_in_uncharged_slabs", 7380, SUM,
	 {"P:Core.NonChargedSecurePages",
	  "P:Vp.SecureKernelPagesFromNonChargedSlabs"}},
	{"system_page_tables", 1601, SUM, {IN_VS "SystemPageTableCommit"}},
	{"vad_page_table_bitmaps", 401, SUM,
	 {IN_VS "WsOverheadPages", "G:MiWsOverheadPages"}},
	{"process_locked_file_pages", 23, SUM,
	 {"P:Vp.ProcessLockedFilePages"}},
	{"pagefile_hash_pages", 31, SUM, {IN_VS "PagefileHashPages"}},
	{"misc_transient", 605, NO_SUM, {NULL}},
	{"committed", 0, NO_SUM,
	 {"P:Vp.TotalCommittedPages", "G:MmTotalCommittedPages"}},
	{"commit_limit", 0, NO_SUM,
	 {"P:Vp.TotalCommitLimit", "G:MmTotalCommitLimit"}},
	{"peak_commit", 0, NO_SUM,
	 {"P:Commit.PeakCommitment", "G:MmPeakCommitment"}},
	{"sum_system_commit", 0, NO_SUM, {NULL}},
	{"total_private", 0, NO_SUM, {NULL}},
};

static size_t index_of(const struct mk *m, const char *name)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(table); i++) {
		if (!strcmp(table[i].name, name))
			return i;
	}
	mk_fail(m, "no counter '%s'", name);
}

uint64_t mk_counter(const struct mk *m, const char *name)
{
	size_t i = index_of(m, name);

	return m->counters->set[i] ? m->counters->value[i] : table[i].normal;
}

static void set(struct mk *m, const char *name, uint64_t value)
{
	size_t i = index_of(m, name);

	m->counters->value[i] = value;
	m->counters->set[i] = true;
}

void mk_counter_default(struct mk *m, const char *name, uint64_t value)
{
	if (!m->counters->set[index_of(m, name)])
		set(m, name, value);
}

void mk_do_vm(struct mk *m, struct mk_args *a)
{
	for (size_t i = 0; i < a->v.n; i++) {
		struct mk_arg *arg = &a->v.v[i];

		if (!arg->key)
			mk_fail(m, "vm takes counter=pages");
		set(m, arg->key, mk_number(m, arg->value));
		arg->used = true;
	}
}

/** Write a counter to one place. @return false: not in this kernel. */
static bool put_place(struct mk *m, const char *place, uint64_t value)
{
	char path[160];

	switch (place[0]) {
	case 'P':
		if (!mk_has_symbol(m, "MiSystemPartition"))
			return false;
		snprintf(path, sizeof(path), "_MI_PARTITION.%s", place + 2);
		return mk_field_opt(m, mk_symbol(m, "MiSystemPartition"), path,
				    value);
	case 'S':
		if (!mk_has_symbol(m, "MiState"))
			return false;
		snprintf(path, sizeof(path), "_MI_SYSTEM_INFORMATION.%s",
			 place + 2);
		return mk_field_opt(m, mk_symbol(m, "MiState"), path, value);
	case 'I':
		if (!mk_has_symbol(m, "MmPagedPoolInfo"))
			return false;
		snprintf(path, sizeof(path), "_MM_PAGED_POOL_INFO.%s",
			 place + 2);
		return mk_field_opt(m, mk_symbol(m, "MmPagedPoolInfo"), path,
				    value);
	}
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(place + 2, "/"),
		 place + 2);
	return mk_global_opt(m, path, value, strchr(place, '/') ? 4 : 8);
}

/** @return whether this kernel keeps the counter. */
static bool put_counter(struct mk *m, const struct counter *c, uint64_t value)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(c->places) && c->places[i]; i++) {
		if (put_place(m, c->places[i], value))
			return true;
	}
	return false;
}

static void truth_counter(struct mk *m, const char *name, int64_t pages)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "pages", json_object_new_int64(pages));
	json_object_object_add(o, "bytes",
			       json_object_new_int64(pages * (int64_t)MK_PAGE));
	json_object_object_add(mk_truth(m, "vm"), name, o);
}

/** Spread the processors' cached commit, at most 256 pages each. */
static void processor_commit(struct mk *m)
{
	uint64_t seed = m->seed ^ 0xcc, sum = 0;
	uint64_t want = mk_counter(m, "processor_commit");

	// _KPRCB is cut short in the newest published types.
	if (!mk_has(m, "_KPRCB.CachedCommit")) {
		set(m, "processor_commit", 0);
		return;
	}
	for (unsigned int i = 0; i < m->n_cpus; i++) {
		uint64_t v = want ? want / m->n_cpus +
				    (i < want % m->n_cpus)
				  : 120 + mk_random_below(&seed, 136);

		mk_field(m, mk_prcb(m, i), "_KPRCB.CachedCommit", v);
		mk_field_opt(m, mk_prcb(m, i),
			     "_KPRCB.CachedResidentAvailable", 200 + i);
		sum += v;
	}
	set(m, "processor_commit", sum);
}

/** Counters that follow from the rest of the recipe. */
static void derive(struct mk *m)
{
	const struct mk_counters *c = m->counters;
	bool ten = m->family >= 10240;

	set(m, "physical_memory", m->phys.n_pages);
	mk_counter_default(m, "nonpaged_pool_max",
		    ten ? 0x100000000 : m->phys.n_pages / 4 * 3);
	mk_counter_default(m, "paged_pool_max", ten ? 0x100000000 : 0x2000000);
	processor_commit(m);
	set(m, "session_commit", m->processes->session_commit);
	set(m, "kernel_stacks", m->processes->stack_pages);
	mk_counter_default(m, "paged_pool_commit",
		    mk_counter(m, "paged_pool_usage"));
	if (m->family == 7601)
		set(m, "nonpaged_pool_nx_usage", 0);
	set(m, "total_private", m->processes->total_commit);
	mk_counter_default(m, "commit_limit",
		    m->phys.n_pages + c->pagefile_pages);
}

// Counters that the contract gives although no variable holds them.
static bool is_computed(struct mk *m, const char *name)
{
	static const char *const names[] = {
		"kernel_stacks", "sum_system_commit", "total_private",
		"misc_transient",
	};

	if (!strcmp(name, "processor_commit"))
		return mk_has(m, "_KPRCB.CachedCommit");
	if (!strcmp(name, "session_commit"))
		return mk_has(m, "_MM_SESSION_SPACE.CommittedPages");
	for (size_t i = 0; i < PSC_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

static bool is_usage(const char *name)
{
	return strstr(name, "_usage");
}

/** Write everything but the totals. @return "Sum System Commit". */
static uint64_t put_lines(struct mk *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(table); i++) {
		const struct counter *c = &table[i];
		uint64_t value = mk_counter(m, c->name);
		bool kept = put_counter(m, c, value);

		if (!strcmp(c->name, "pagefile_hash_pages") && !kept) {
			value = m->counters->pagefile_hash_pages;
			kept = value;
		}
		if (!kept && !is_computed(m, c->name) && !is_usage(c->name))
			continue;
		truth_counter(m, c->name, (int64_t)value);
		if (c->in_sum)
			sum += value;
	}
	return sum;
}

static void put_total(struct mk *m, const char *name, uint64_t value)
{
	put_counter(m, &table[index_of(m, name)], value);
	truth_counter(m, name, (int64_t)value);
}

static void put_totals(struct mk *m, uint64_t sum)
{
	uint64_t private = mk_counter(m, "total_private");

	mk_counter_default(m, "committed",
		    sum + private + mk_counter(m, "misc_transient"));
	uint64_t committed = mk_counter(m, "committed");

	mk_counter_default(m, "peak_commit", committed + 1000);
	put_total(m, "sum_system_commit", sum);
	put_total(m, "total_private", private);
	put_total(m, "committed", committed);
	put_total(m, "commit_limit", mk_counter(m, "commit_limit"));
	put_total(m, "peak_commit", mk_counter(m, "peak_commit"));
	truth_counter(m, "misc_transient",
		      (int64_t)(committed - sum - private));
	put_place(m, "P:Commit.TotalCommitLimitMaximum",
		  mk_counter(m, "commit_limit") + 5000);
	put_place(m, "G:MmTotalCommitLimitMaximum",
		  mk_counter(m, "commit_limit") + 5000);
}

/** Facts that stand beside the counters. */
static void put_companions(struct mk *m)
{
	static const char *const lists[] = {
		"ModifiedPageListHead", "ModifiedNoWritePageListHead",
	};
	static const char *const free_lists[] = {
		"ZeroedPageListHead", "FreePageListHead", "StandbyPageListHead",
	};
	char path[96];

	for (uint64_t i = 0; i < PSC_ARRAY_SIZE(free_lists); i++) {
		snprintf(path, sizeof(path), "P:PageLists.%s.ListName",
			 free_lists[i]);
		put_place(m, path, i);		// _MMLISTS, vm 2.1
	}
	for (uint64_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "P:Vp.%s.ListName", lists[i]);
		put_place(m, path, 3 + i);
		snprintf(path, sizeof(path), "Mm%s", lists[i]);
		if (mk_has_symbol(m, path))
			mk_field(m, mk_symbol(m, path), "_MMPFNLIST.ListName",
				 3 + i);
	}
	mk_global_opt(m, "MmSizeOfPagedPoolInBytes",
		      mk_counter(m, "paged_pool_max") * MK_PAGE, 8);
	mk_global_opt(m, "MmMaximumNonPagedPoolInBytes",
		      mk_counter(m, "nonpaged_pool_max") * MK_PAGE, 8);
	put_place(m, "I:AllocatedPagedPool",
		  mk_counter(m, "paged_pool_usage"));
	put_place(m, "S:Vs.PagedPoolInfo.MaximumSize",
		  mk_counter(m, "paged_pool_max"));
	put_place(m, "S:Hardware.InvalidPteMask", m->pte_mask);
	put_place(m, "G:MiInvalidPteMask", m->pte_mask);
	if (mk_has_symbol(m, "MiVisibleState"))
		mk_global(m, "MiVisibleState", mk_symbol(m, "MiState") +
			  mk_offset(m, "_MI_SYSTEM_INFORMATION.Vs"), 8);
}

static void put_system_ptes(struct mk *m)
{
	put_place(m, "S:Vs.SystemPteInfo.TotalSystemPtes", 500000);
	put_place(m, "S:Vs.SystemPteInfo.TotalFreeSystemPtes", 109751);
	put_place(m, "S:SystemPtes.SystemViewPteInfo.TotalFreeSystemPtes",
		  20011);
	put_place(m, "S:SystemPtes.KernelStackPteInfo.TotalFreeSystemPtes",
		  3007);
	if (!mk_has_symbol(m, "MiSystemPteInfo"))
		return;
	uint64_t va = mk_symbol(m, "MiSystemPteInfo");

	mk_field(m, va, "_MI_SYSTEM_PTE_TYPE.TotalSystemPtes", 69661);
	mk_field(m, va, "_MI_SYSTEM_PTE_TYPE.TotalFreeSystemPtes", 41001);
}

struct failure {
	const char *name;
	const char *places[4];
};

static const struct failure failures[] = {
	{"pool_allocations", {"G:ExPoolFailures/4"}},
	{"commit_requests", {"P:Vp.ChargeCommitmentFailures[0]",
			     "G:MiChargeCommitmentFailures/4"}},
	{"kernel_stack_ptes", {"S:SystemPtes.KernelStackPteInfo.PteFailures"}},
	{"kernel_stack_growths", {"S:SystemPtes.StackGrowthFailures",
				  "G:MiStackGrowthFailures/4"}},
};

void mk_do_failures(struct mk *m, struct mk_args *a)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(failures); i++) {
		const struct failure *f = &failures[i];
		uint64_t v = mk_key_num(a, f->name, 0);
		bool kept = false;

		for (size_t k = 0; k < 4 && f->places[k] && v && !kept; k++)
			kept = put_place(m, f->places[k], v);
		if (kept)
			json_object_object_add(mk_truth(m, "vm.failures"),
					       f->name,
					       json_object_new_uint64(v));
	}
}

void mk_counters_finish(struct mk *m)
{
	derive(m);
	mk_usage_finish(m);
	put_totals(m, put_lines(m));
	put_companions(m);
	put_system_ptes(m);
}
