// SPDX-License-Identifier: MIT
#include "kernel/recover.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/recover_impl.h"

/**
 * Slots of KDBG that hold the address of a variable (dump-format 3.4): exact
 * names for every kernel that fills them. The counters are zero from 10 on.
 */
static const struct {
	uint16_t offset;
	const char *name;
	bool old;		/**< Means something else from 10 on. */
} slots[] = {
	{ 0x48, "PsLoadedModuleList", false },
	{ 0x50, "PsActiveProcessHead", false },
	{ 0x58, "PspCidTable", false },
	{ 0x68, "ExpPagedPoolDescriptor", false },
	{ 0x70, "ExpNumberOfPagedPools", false },
	{ 0x78, "KeTimeIncrement", false },
	{ 0x80, "KeBugCheckCallbackListHead", false },
	{ 0x88, "KiBugCheckData", false },
	{ 0x98, "ObpRootDirectoryObject", false },
	{ 0xa0, "ObpTypeObjectType", false },
	{ 0xc0, "MmPfnDatabase", false },
	{ 0xe0, "MmNumberOfPagingFiles", false },
	{ 0xe8, "MmLowestPhysicalPage", false },
	{ 0xf0, "MmHighestPhysicalPage", false },
	{ 0xf8, "MmNumberOfPhysicalPages", false },
	{ 0x100, "MmMaximumNonPagedPoolInBytes", false },
	{ 0x110, "MmNonPagedPoolStart", false },
	{ 0x118, "MmNonPagedPoolEnd", true },
	{ 0x120, "MmPagedPoolStart", true },
	{ 0x128, "MmPagedPoolEnd", false },
	{ 0x130, "MmPagedPoolInfo", false },
	{ 0x140, "MmSizeOfPagedPoolInBytes", false },
	{ 0x148, "MmTotalCommitLimit", false },
	{ 0x150, "MmTotalCommittedPages", false },
	{ 0x158, "MmSharedCommit", false },
	{ 0x160, "MmDriverCommit", false },
	{ 0x168, "MmProcessCommit", false },
	{ 0x170, "MmPagedPoolCommit", true },
	{ 0x180, "MmZeroedPageListHead", false },
	{ 0x188, "MmFreePageListHead", false },
	{ 0x190, "MmStandbyPageListHead", false },
	{ 0x198, "MmModifiedPageListHead", false },
	{ 0x1a0, "MmModifiedNoWritePageListHead", false },
	{ 0x1a8, "MmAvailablePages", false },
	{ 0x1b0, "MmResidentAvailablePages", false },
	{ 0x1b8, "PoolTrackTable", false },
	{ 0x1c0, "NonPagedPoolDescriptor", false },
	{ 0x1c8, "MmHighestUserAddress", false },
	{ 0x1d0, "MmSystemRangeStart", false },
	{ 0x1d8, "MmUserProbeAddress", false },
	{ 0x218, "KiProcessorBlock", false },
	{ 0x220, "MmUnloadedDrivers", false },
	{ 0x228, "MmLastUnloadedDriver", false },
	{ 0x238, "MmSpecialPoolTag", false },
	{ 0x248, "MmVerifierData", false },
	{ 0x250, "MmAllocatedNonPagedPool", false },
	{ 0x258, "MmPeakCommitment", false },
	{ 0x260, "MmTotalCommitLimitMaximum", false },
	{ 0x270, "MmPhysicalMemoryBlock", false },
};

#define FIRST_WINDOWS_10 10240
/** Of an honest dump: the tag tables of all processors, twice, and the big-page
 *  table. */
#define MAX_READ (256u << 20)
#define MAX_PROCESSORS 2048

/** What is looked for, in this order: later rows use what earlier found. */
static const struct anchor {
	const char *name;
	void (*find)(struct rec *r, struct psc_proof *p);
	const char *method, *figures;
	uint32_t since, until;	/**< Families that have it; until 0: all. */
} anchors[] = {
	{ "PsActiveProcessHead", rec_find_processes,
	  "KDBG and PsInitialSystemProcess", "processes, total private",
	  0, 0 },
	{ "KiProcessorBlock", rec_find_processors, "KDBG", "processor commit",
	  0, 0 },
	{ "threads", rec_find_threads, "KDBG", "kernel stacks", 0,
	  0 },
	{ "MiSystemPartition", rec_find_partition,
	  "the page count in the kernel's data",
	  "physical, available, modified and committed pages, page files",
	  14393, 0 },
	{ "MiVisibleState", rec_find_visible,
	  "KDBG+170, else a search beside the partition",
	  "pool limits, commit by kind, regions", 14393, 0 },
	{ "ExPoolState", rec_find_heaps,
	  "heaps' signatures behind the kernel's data", "pool usage",
	  17763, 0 },
	{ "PoolVector", rec_find_descriptors,
	  "KDBG, else arrays of pool descriptors in the kernel's data",
	  "pool usage", 0, 17763 },
	{ "ExpHeapBackedPoolEnabledState", rec_find_design,
	  "pages of either design against the commit", "pool usage", 17763,
	  17763 },
	{ "MiState", rec_find_state, "from MiVisibleState",
	  "system PTEs, partitions", 14393, 0 },
	{ "MmPagingFile", rec_find_page_files,
	  "arrays of page files in the kernel's data", "page files", 0, 9600 },
	{ "PoolTrackTable", rec_find_track,
	  "KDBG, else what pool code touches; keys at their hash",
	  "poolused", 0, 0 },
	{ "ExPoolTagTables", rec_find_tag_tables,
	  "arrays in the kernel's data that begin with PoolTrackTable",
	  "poolused of all processors", 0, 0 },
	{ "PoolBigPageTable", rec_find_big,
	  "pointers in the kernel's data to entries at their hash",
	  "big allocations", 0, 0 },
};

static void add_kdbg_symbols(struct rec *r)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(slots); i++) {
		uint64_t va;
		if (rec_kdbg_va(r, slots[i].offset, &va) &&
		    (!slots[i].old || r->in.family < FIRST_WINDOWS_10))
			rec_add_symbol(r, slots[i].name, va);
	}
}

/** Facts that several anchors are checked against. */
static void read_facts(struct rec *r)
{
	// PHYSICAL_MEMORY_DESCRIPTOR.NumberOfPages (dump-format 1.4).
	const unsigned int number_of_pages = 8;
	uint64_t var, block;
	if (rec_symbol(r, "MmPhysicalMemoryBlock", &var) &&
	    rec_u64(r, var, &block) && block)
		rec_u64(r, block + number_of_pages, &r->physical_pages);
	if (rec_symbol(r, "PsInitialSystemProcess", &var))
		rec_u64(r, var, &r->system_process);
}

static void run_anchors(struct rec *r)
{
	r->layouts->proven = 1u << REC_COMMON;
	for (size_t i = 0; i < PSC_ARRAY_SIZE(anchors); i++) {
		const struct anchor *a = &anchors[i];
		struct psc_proof p = {
			.anchor = a->name, .method = a->method,
			.figures = a->figures,
		};
		if (r->in.family < a->since ||
		    (a->until && r->in.family > a->until))
			continue;
		a->find(r, &p);
		if (!psc_vec_push(&r->proofs, p)) {
			free(p.proof);
			r->oom = true;
		}
	}
}

static void rec_close(struct rec *r)
{
	rec_layouts_free(r->layouts);
	rec_free_sections(r);
	psc_vec_free(&r->symbols);
	for (size_t i = 0; i < r->proofs.n; i++)
		free(r->proofs.v[i].proof);
	psc_vec_free(&r->proofs);
	psc_vec_free(&r->values);
	psc_pe_exports_free(&r->exports);
	psc_mem_free(r->mem);
}

static struct psc_error *make_result(struct rec *r, struct psc_recovered **ret)
{
	struct psc_recovered *out = calloc(1, sizeof(*out));
	if (!out || r->oom) {
		free(out);
		return &psc_nomem;
	}
	struct psc_error *err = rec_source_new(r, &out->sym);
	if (err) {
		free(out);
		return err;
	}
	out->proofs = PSC_TAKE(r->proofs.v);
	out->n_proofs = r->proofs.n;
	r->proofs.n = 0;
	out->values = PSC_TAKE(r->values.v);
	out->n_values = r->values.n;
	*ret = out;
	return NULL;
}

struct psc_error *psc_recover(const struct psc_recover_input *in,
			      struct psc_recovered **ret)
{
	uint64_t budget = MAX_READ;
	PSC_CLEANUP(rec_close) struct rec r = { .in = *in, .budget = &budget };
	// Structures of 32-bit and ARM64 kernels are not borrowed.
	if (strcmp(in->arch, "x64"))
		return &psc_absent;
	struct psc_error *err = rec_layouts_open(in, &r.layouts);
	if (err || (err = psc_mem_clone(in->mem, &r.mem)))
		return err;
	r.in.processors = PSC_MIN(in->processors, MAX_PROCESSORS);
	if (in->pe)	// without exports there is less to go by
		psc_error_free(psc_pe_exports(in->pe, &r.exports));
	rec_load_sections(&r);
	add_kdbg_symbols(&r);
	if (in->active_process_head)
		rec_add_symbol(&r, "PsActiveProcessHead",
			       in->active_process_head);
	read_facts(&r);
	rec_read_code(&r);
	run_anchors(&r);
	return make_result(&r, ret);
}

void psc_recovered_free(struct psc_recovered *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_proofs; i++)
		free(r->proofs[i].proof);
	free(r->proofs);
	free(r->values);
	free(r);
}
