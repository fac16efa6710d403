// SPDX-License-Identifier: MIT
#include "kernel/recover.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "sym/builtin.h"
#include "test.h"
#include "fake_machine.h"

// A kernel of the table is laid out in a machine of arrays, then hidden, and
// must be found again by what its memory says.

#define TRUE_VERSION "10.0.19041.3570"
#define BASE 0xfffff80012000000ULL
#define SIZE 0x1046000u
#define DATA_RVA 0xc00000u
#define DATA_SIZE 0x110000u
#define POOL 0xffffa08000000000ULL	/**< Nonpaged pool region. */
#define SYSTEM (POOL + 0x1040)
#define OTHER (POOL + 0x3040)
#define TABLES (POOL + 0x100000)	/**< Tag tables. */
#define BIG (POOL + 0x200000)		/**< Big-page table. */
#define HEAPS (POOL + 0x300000)
#define PRCBS (POOL + 0x400000)
#define BLOCK (POOL + 0x500000)	/**< Physical memory descriptor. */
#define PAGES 0x3f7d1ULL
#define CPUS 3
#define SHIFT 9
#define TABLE_ENTRIES ((1u << SHIFT) + 1)

struct world {
	struct fake_machine machine;
	struct psc_mem *mem;
	struct psc_sym *truth;
	struct psc_pe pe;
	uint8_t kdbg[0x380];
};

static uint64_t symbol(struct world *w, const char *name)
{
	uint64_t rva;
	CHECK_OK(psc_sym_rva(w->truth, name, &rva));
	return BASE + rva;
}

static struct psc_field field(struct world *w, const char *path)
{
	struct psc_field f;
	struct psc_error *err = psc_sym_field(w->truth, path, &f);
	if (err)
		fail_msg("%s: %s", path, err->message);
	return f;
}

static void set(struct world *w, uint64_t va, const char *path, uint64_t v)
{
	struct psc_field f = field(w, path);
	fake_write(&w->machine, va + f.offset, &v, PSC_MIN(f.size, 8));
}

static void slot(struct world *w, unsigned int offset, uint64_t v)
{
	psc_put64(w->kdbg + offset, v);
}

static void make_kdbg(struct world *w)
{
	uint64_t size;
	slot(w, 0x50, symbol(w, "PsActiveProcessHead"));
	slot(w, 0x170, symbol(w, "MiState") +
		       field(w, "_MI_SYSTEM_INFORMATION.Vs.SystemPteInfo."
				"PteFailures").offset);
	slot(w, 0x1b8, symbol(w, "PoolTrackTable"));
	slot(w, 0x218, symbol(w, "KiProcessorBlock"));
	slot(w, 0x270, symbol(w, "MmPhysicalMemoryBlock"));
	static const struct {
		unsigned int offset;
		const char *path;
	} offsets[] = {
		{ 0x29c, "_KTHREAD.KernelStack" },
		{ 0x2aa, "_EPROCESS.Peb" },
		{ 0x2ae, "_EPROCESS.Pcb.DirectoryTableBase" },
		{ 0x2be, "_KPRCB.Number" },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(offsets); i++)
		psc_put16(w->kdbg + offsets[i].offset,
			  (uint16_t)field(w, offsets[i].path).offset);
	CHECK_OK(psc_sym_sizeof(w->truth, "_EPROCESS", &size));
	psc_put16(w->kdbg + 0x2a8, (uint16_t)size);
	CHECK_OK(psc_sym_sizeof(w->truth, "_KPRCB", &size));
	psc_put16(w->kdbg + 0x2b0, (uint16_t)size);
	CHECK_OK(psc_sym_sizeof(w->truth, "_ETHREAD", &size));
	psc_put16(w->kdbg + 0x2c0, (uint16_t)size);
}

static void make_processes(struct world *w)
{
	uint64_t head = symbol(w, "PsActiveProcessHead");
	uint64_t off = field(w, "_EPROCESS.ActiveProcessLinks").offset;
	uint64_t ring[3] = { head, SYSTEM + off, OTHER + off };
	for (int i = 0; i < 3; i++) {
		fake_w64(&w->machine, ring[i], ring[(i + 1) % 3]);
		fake_w64(&w->machine, ring[i] + 8, ring[(i + 2) % 3]);
	}
	set(w, SYSTEM, "_EPROCESS.UniqueProcessId", 4);
	fake_write(&w->machine,
		   SYSTEM + field(w, "_EPROCESS.ImageFileName").offset,
		   "System", 7);
	set(w, OTHER, "_EPROCESS.UniqueProcessId", 0x1c8);
	fake_w64(&w->machine, symbol(w, "PsInitialSystemProcess"), SYSTEM);
	for (unsigned int i = 0; i < CPUS; i++) {
		uint64_t prcb = PRCBS + i * 0x10000 + 0x180;
		fake_w64(&w->machine, symbol(w, "KiProcessorBlock") + 8 * i,
			 prcb);
		set(w, prcb, "_KPRCB.Number", i);
	}
}

static void make_partition(struct world *w, uint64_t va)
{
	set(w, va, "_MI_PARTITION.Vp.NumberOfPhysicalPages", PAGES);
	set(w, va, "_MI_PARTITION.Vp.AvailablePages", 0x1111);
	set(w, va, "_MI_PARTITION.Vp.TotalCommittedPages", 0x2222);
	set(w, va, "_MI_PARTITION.Vp.TotalCommitLimit", 0x50000);
	set(w, va, "_MI_PARTITION.Vp.NumberOfPagingFiles", 1);
	set(w, va, "_MI_PARTITION.PageLists.FreePageListHead.ListName", 1);
	set(w, va, "_MI_PARTITION.PageLists.StandbyPageListHead.ListName", 2);
	set(w, va, "_MI_PARTITION.Vp.ModifiedPageListHead.ListName", 3);
	set(w, va, "_MI_PARTITION.Vp.ModifiedNoWritePageListHead.ListName",
	    4);
}

static void make_mm(struct world *w)
{
	uint64_t state = symbol(w, "MiState");
	uint64_t vs = state + field(w, "_MI_SYSTEM_INFORMATION.Vs").offset;
	fake_w64(&w->machine, symbol(w, "MmPhysicalMemoryBlock"), BLOCK);
	fake_w64(&w->machine, BLOCK + 8, PAGES);
	make_partition(w, symbol(w, "MiSystemPartition"));
	fake_w64(&w->machine, symbol(w, "MiVisibleState"), vs);
	set(w, vs, "_MI_VISIBLE_STATE.MaximumNonPagedPoolInPages", 1ULL << 32);
	set(w, vs, "_MI_VISIBLE_STATE.NonPagedPoolCommit", 36001);
	set(w, state, "_MI_SYSTEM_INFORMATION.Pools.AllocatedNonPagedPool",
	    34846);
	set(w, vs, "_MI_VISIBLE_STATE.SystemPteInfo.TotalSystemPtes", 100);
	set(w, vs, "_MI_VISIBLE_STATE.SystemPteInfo.TotalFreeSystemPtes", 50);
	uint64_t regions = vs +
		field(w, "_MI_VISIBLE_STATE.SystemVaRegions").offset;
	fake_w64(&w->machine, regions, POOL);
	fake_w64(&w->machine, regions + 8, 1ULL << 44);
	fake_w64(&w->machine, regions + 16, 0xffff8b8000000000ULL);
	fake_w64(&w->machine, regions + 24, 1ULL << 44);
}

static void make_heaps(struct world *w, uint64_t state)
{
	set(w, state, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools", 1);
	for (unsigned int i = 0; i < 4; i++) {
		char path[80];
		uint64_t heap = HEAPS + i * 0x10000;
		snprintf(path, sizeof(path), "_EX_POOL_HEAP_MANAGER_STATE."
			 "PoolNode[0].Heaps[%u]", i);
		set(w, state, path, heap);
		set(w, heap, "_SEGMENT_HEAP.Signature", 0xddeeddee);
		if (i != 1 && i != 2)
			continue;
		snprintf(path, sizeof(path), "_EX_POOL_HEAP_MANAGER_STATE."
			 "PoolNode[0].Lookasides[%d]", i == 1);
		set(w, heap, "_SEGMENT_HEAP.UserContext",
		    state + field(w, path).offset);
	}
}

static uint32_t hash(uint64_t v)
{
	uint64_t h = 40543 * v;
	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

static void make_tags(struct world *w)
{
	uint64_t used[TABLE_ENTRIES] = { 0 };
	uint64_t entry, bytes;
	CHECK_OK(psc_sym_sizeof(w->truth, "_POOL_TRACKER_TABLE", &entry));
	bytes = (entry * TABLE_ENTRIES + 0xfff) & ~0xfffULL;
	for (unsigned int c = 0; c < CPUS; c++) {
		uint64_t table = TABLES + c * bytes;
		for (uint64_t off = 0; off < bytes; off += 0x1000)
			fake_map(&w->machine, table + off);
		fake_w64(&w->machine,
			 symbol(w, "ExPoolTagTables") + 8 * c, table);
	}
	fake_w64(&w->machine, symbol(w, "PoolTrackTable"), TABLES);
	for (uint32_t i = 0; i < 60; i++) {
		uint32_t tag = 0x61416150 + i * 0x010103;
		size_t at = hash(tag) & (TABLE_ENTRIES - 2);
		while (used[at])
			at = (at + 1) & (TABLE_ENTRIES - 2);
		used[at] = 1;
		fake_w32(&w->machine, TABLES + at * entry, tag);
		if (i % 3)	// not every processor met every tag
			fake_w32(&w->machine, TABLES + bytes + at * entry,
				 tag);
	}
}

static void make_big(struct world *w)
{
	uint64_t entry;
	const size_t n = 0x200;
	CHECK_OK(psc_sym_sizeof(w->truth, "_POOL_TRACKER_BIG_PAGES", &entry));
	fake_w64(&w->machine, symbol(w, "PoolBigPageTable"), BIG);
	for (size_t i = 0; i < n; i++)
		fake_w64(&w->machine, BIG + i * entry, 1);
	for (uint64_t i = 0; i < 40; i++) {
		uint64_t va = POOL + 0x7000000 + i * 0x5000;
		size_t at = hash((uint32_t)(va >> 12)) & (n - 1);
		fake_w64(&w->machine, BIG + at * entry, va);
	}
}

static void make_world(struct world *w)
{
	size_t i;
	*w = (struct world){ 0 };
	assert_true(psc_builtin_find_version(TRUE_VERSION, "x64", &i));
	CHECK_OK(psc_builtin_open(i, &w->truth));
	fake_init(&w->machine, false);
	for (uint64_t off = 0; off < DATA_SIZE; off += 0x1000)
		fake_map(&w->machine, BASE + DATA_RVA + off);
	w->pe = (struct psc_pe){
		.machine = 0x8664, .is64 = true, .image_size = SIZE,
		.n_sections = 1,
		.section[0] = { .name = ".data", .rva = DATA_RVA,
				.virtual_size = DATA_SIZE,
				.flags = 0xc0000040 },
	};
	make_kdbg(w);
	make_processes(w);
	make_mm(w);
	make_heaps(w, symbol(w, "ExPoolState"));
	make_tags(w);
	make_big(w);
	w->mem = fake_mem(&w->machine);
}

static void free_world(struct world *w)
{
	psc_mem_free(w->mem);
	psc_sym_free(w->truth);
	fake_free(&w->machine);
}

static struct psc_recovered *recover(struct world *w)
{
	struct psc_recovered *r;
	struct psc_recover_input in = {
		.mem = w->mem, .pe = &w->pe, .base = BASE, .size = SIZE,
		.kdbg = w->kdbg, .kdbg_size = sizeof(w->kdbg), .arch = "x64",
		.family = 19041, .version = "10.0.19041.3571",
		.processors = CPUS,
	};
	psc_builtin_hide(TRUE_VERSION, 20);
	struct psc_error *err = psc_recover(&in, &r);
	psc_builtin_hide(NULL, 0);
	CHECK_OK(err);
	return r;
}

static void done(struct psc_recovered *r)
{
	psc_sym_free(r->sym);
	psc_recovered_free(r);
}

static const struct psc_proof *proof(const struct psc_recovered *r,
				     const char *anchor)
{
	for (size_t i = 0; i < r->n_proofs; i++)
		if (!strcmp(r->proofs[i].anchor, anchor))
			return &r->proofs[i];
	fail_msg("no proof of %s", anchor);
	return NULL;
}

static void expect_proven(const struct psc_recovered *r, const char *anchor,
			  bool proven)
{
	const struct psc_proof *p = proof(r, anchor);
	assert_non_null(p->proof);
	if (p->proven != proven)
		fail_msg("%s: %s", anchor, p->proof);
}

static void expect_not_given(const struct psc_recovered *r, const char *path)
{
	struct psc_field f;
	CHECK_ERR(psc_sym_field(r->sym, path, &f), PSC_ERR_UNSUPPORTED);
}

static void finds_everything(void **state)
{
	(void)state;
	static const char *const names[] = {
		"MiSystemPartition", "MiVisibleState", "MiState",
		"ExPoolState", "PoolTrackTable", "ExPoolTagTables",
		"PoolBigPageTable", "PsActiveProcessHead", "KiProcessorBlock",
	};
	static const char *const paths[] = {
		"_MI_PARTITION.Vp.TotalCommittedPages",
		"_MI_PARTITION.Commit.PeakCommitment",
		"_MI_VISIBLE_STATE.DriverCommit",
		"_MI_SYSTEM_INFORMATION.Vs.DriverCommit",
		"_MI_SYSTEM_INFORMATION.SystemPtes.StackGrowthFailures",
		"_SEGMENT_HEAP.MemStats.TotalCommittedPages",
		"_POOL_TRACKER_TABLE.PagedBytes",
		"_POOL_TRACKER_BIG_PAGES.PoolType", "_EPROCESS.CommitCharge",
		"_KPRCB.CachedCommit", "_KTHREAD.StackBase",
		"_LIST_ENTRY.Blink", "_MMPTE.u.Soft.SwizzleBit",
	};
	struct world w;
	make_world(&w);
	struct psc_recovered *r = recover(&w);
	for (size_t i = 0; i < r->n_proofs; i++)
		expect_proven(r, r->proofs[i].anchor, true);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(names); i++) {
		uint64_t rva = 0;
		struct psc_error *err = psc_sym_rva(r->sym, names[i], &rva);
		if (err)
			fail_msg("%s: %s", names[i], err->message);
		if (BASE + rva != symbol(&w, names[i]))
			fail_msg("%s at 0x%llx", names[i],
				 (unsigned long long)rva);
	}
	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++) {
		struct psc_field f, want = field(&w, paths[i]);
		struct psc_error *err = psc_sym_field(r->sym, paths[i], &f);
		if (err)
			fail_msg("%s: %s", paths[i], err->message);
		assert_int_equal(f.offset, want.offset);
		assert_int_equal(f.size, want.size);
		assert_int_equal(f.bit, want.bit);
	}
	assert_int_equal(r->n_values, 3);
	assert_string_equal(r->values[0].name, "PoolTrackTableSize");
	assert_int_equal(r->values[0].value, TABLE_ENTRIES);
	assert_string_equal(psc_sym_source(r->sym), "recovered");
	assert_non_null(strstr(psc_sym_what(r->sym), "10.0.19041.3448"));
	done(r);
	free_world(&w);
}

/** What is not known is not given, and told from what does not exist. */
static void says_what_it_lacks(void **state)
{
	(void)state;
	struct world w;
	uint64_t rva;
	struct psc_field f;
	make_world(&w);
	struct psc_recovered *r = recover(&w);
	CHECK_ERR(psc_sym_rva(r->sym, "ExPoolFailures", &rva),
		  PSC_ERR_UNSUPPORTED);
	CHECK_ERR(psc_sym_rva(r->sym, "MmTotalCommittedPages", &rva),
		  PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_field(r->sym, "_MI_PARTITION.Vp.NoSuch", &f),
		  PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_field(r->sym, "_POOL_DESCRIPTOR.PoolType", &f),
		  PSC_ERR_ABSENT);
	done(r);
	free_world(&w);
}

static void second_partition(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	make_partition(&w, symbol(&w, "MiSystemPartition") + 0x3000);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", false);
	assert_true(proof(r, "MiSystemPartition")->contradiction);
	expect_not_given(r, "_MI_PARTITION.Vp.TotalCommittedPages");
	expect_proven(r, "MiState", true);	// KDBG leads there
	done(r);
	free_world(&w);
}

/** A page count alone, without the rest of a partition, is no partition. */
static void stray_page_counts(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	for (unsigned int i = 0; i < 20; i++)
		fake_w64(&w.machine, BASE + DATA_RVA + 0x108 + 0x40 * i,
			 PAGES);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", true);
	done(r);
	free_world(&w);
}

static void no_physical_pages(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	slot(&w, 0x270, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", false);
	done(r);
	free_world(&w);
}

static void without_pte_slot(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	slot(&w, 0x170, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", true);
	assert_int_equal(proof(r, "MiVisibleState")->address,
			 symbol(&w, "MiVisibleState"));
	done(r);
	free_world(&w);
}

/** All that could tell the distance of MiState from its Vs is gone. */
static void state_without_pool(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	set(&w, symbol(&w, "MiState"),
	    "_MI_SYSTEM_INFORMATION.Pools.AllocatedNonPagedPool", 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", true);
	expect_proven(r, "MiState", false);
	expect_not_given(r, "_MI_SYSTEM_INFORMATION.Vs.DriverCommit");
	done(r);
	free_world(&w);
}

static void second_pointer_to_visible(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x200,
		 symbol(&w, "MiState") +
		 field(&w, "_MI_SYSTEM_INFORMATION.Vs").offset);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", false);
	expect_proven(r, "MiState", false);
	expect_not_given(r, "_MI_VISIBLE_STATE.DriverCommit");
	expect_not_given(r, "_MI_SYSTEM_INFORMATION.Vs.DriverCommit");
	done(r);
	free_world(&w);
}

/** A copy of the pool state whose heaps belong to the original. */
static void stale_pool_state(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	uint64_t heaps[4], node = field(&w, "_EX_POOL_HEAP_MANAGER_STATE."
					"PoolNode").offset;
	uint64_t copy = BASE + DATA_RVA + 0x40;
	assert_int_equal(psc_mem_read(w.mem, symbol(&w, "ExPoolState") + node,
				      heaps, sizeof(heaps), NULL),
			 sizeof(heaps));
	set(&w, copy, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools", 1);
	fake_write(&w.machine, copy + node, heaps, sizeof(heaps));
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "ExPoolState", true);
	assert_int_equal(proof(r, "ExPoolState")->address,
			 symbol(&w, "ExPoolState"));
	done(r);
	free_world(&w);
}

static void damaged_tag_table(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w32(&w.machine, TABLES + 0x38 * 3, 0x12345678);
	fake_w32(&w.machine, TABLES + 0x38 * 2, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PoolTrackTable", false);
	expect_proven(r, "ExPoolTagTables", false);
	expect_not_given(r, "_POOL_TRACKER_TABLE.PagedBytes");
	done(r);
	free_world(&w);
}

/** Arrays that begin with the base table but go on with something else. */
static void decoy_arrays(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x300, TABLES);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x308, HEAPS);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x310, TABLES);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "ExPoolTagTables", true);
	assert_int_equal(proof(r, "ExPoolTagTables")->address,
			 symbol(&w, "ExPoolTagTables"));
	done(r);
	free_world(&w);
}

static void fewer_tables_than_processors(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, symbol(&w, "ExPoolTagTables") + 16, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PoolTrackTable", true);
	expect_proven(r, "ExPoolTagTables", false);
	assert_non_null(strstr(proof(r, "ExPoolTagTables")->proof, "2 of 3"));
	done(r);
	free_world(&w);
}

/** KDBG contradicts every layout: nothing of a process is given. */
static void unknown_process_size(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	psc_put16(w.kdbg + 0x2a8, 0xa48);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PsActiveProcessHead", false);
	struct psc_field f;
	CHECK_ERR(psc_sym_field(r->sym, "_EPROCESS.CommitCharge", &f),
		  PSC_ERR_UNSUPPORTED);
	done(r);
	free_world(&w);
}

static void wrong_system_process(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	set(&w, SYSTEM, "_EPROCESS.UniqueProcessId", 8);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PsActiveProcessHead", false);
	done(r);
	free_world(&w);
}

static void nothing_to_go_by(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	struct psc_recover_input in = {
		.mem = w.mem, .base = BASE, .size = SIZE, .arch = "x64",
		.family = 19041, .processors = 1,
	};
	struct psc_recovered *r;
	CHECK_OK(psc_recover(&in, &r));
	for (size_t i = 0; i < r->n_proofs; i++)
		expect_proven(r, r->proofs[i].anchor, false);
	done(r);
	in.family = 12345;
	CHECK_ERR(psc_recover(&in, &r), PSC_ERR_ABSENT);
	in.family = 19041;
	in.arch = "x86";
	CHECK_ERR(psc_recover(&in, &r), PSC_ERR_ABSENT);
	free_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_everything),
		cmocka_unit_test(says_what_it_lacks),
		cmocka_unit_test(second_partition),
		cmocka_unit_test(stray_page_counts),
		cmocka_unit_test(no_physical_pages),
		cmocka_unit_test(without_pte_slot),
		cmocka_unit_test(state_without_pool),
		cmocka_unit_test(second_pointer_to_visible),
		cmocka_unit_test(stale_pool_state),
		cmocka_unit_test(damaged_tag_table),
		cmocka_unit_test(decoy_arrays),
		cmocka_unit_test(fewer_tables_than_processors),
		cmocka_unit_test(unknown_process_size),
		cmocka_unit_test(wrong_system_process),
		cmocka_unit_test(nothing_to_go_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
