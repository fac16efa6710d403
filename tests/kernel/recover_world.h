// SPDX-License-Identifier: MIT
/** @file
 * A kernel of the built-in table laid out in a machine of arrays, so that a
 * test or a fuzzer can hide it and let recovery find it again.
 */
#ifndef PSC_TESTS_KERNEL_RECOVER_WORLD_H
#define PSC_TESTS_KERNEL_RECOVER_WORLD_H

#include <stdio.h>
#include <string.h>

#include "kernel/recover.h"
#include "sym/builtin.h"
#include "test.h"
#include "../fake_machine.h"

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

static inline uint64_t symbol(struct world *w, const char *name)
{
	uint64_t rva;
	CHECK_OK(psc_sym_rva(w->truth, name, &rva));
	return BASE + rva;
}

static inline struct psc_field field(struct world *w, const char *path)
{
	struct psc_field f;
	struct psc_error *err = psc_sym_field(w->truth, path, &f);
	if (err)
		fail_msg("%s: %s", path, err->message);
	return f;
}

static inline void set(struct world *w, uint64_t va, const char *path,
		       uint64_t v)
{
	struct psc_field f = field(w, path);
	fake_write(&w->machine, va + f.offset, &v, PSC_MIN(f.size, 8));
}

static inline void slot(struct world *w, unsigned int offset, uint64_t v)
{
	psc_put64(w->kdbg + offset, v);
}

static inline void make_kdbg(struct world *w)
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

static inline void make_processes(struct world *w)
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

static inline void make_partition(struct world *w, uint64_t va)
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

static inline void make_mm(struct world *w)
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

static inline void make_heaps(struct world *w, uint64_t state)
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

static inline uint32_t hash(uint64_t v)
{
	uint64_t h = 40543 * v;
	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

static inline void make_tags(struct world *w)
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

static inline void make_big(struct world *w)
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

static inline void make_world(struct world *w)
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

static inline void free_world(struct world *w)
{
	psc_mem_free(w->mem);
	psc_sym_free(w->truth);
	fake_free(&w->machine);
}

#endif
