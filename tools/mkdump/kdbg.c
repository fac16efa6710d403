// SPDX-License-Identifier: MIT
/** @file
 * The debugger data block (dump-format 3): which slots Windows fills in
 * which era, and the encoding of a machine that was not crashed by Windows.
 */
#include <string.h>

#include "area.h"
#include "kernel.h"

enum slot_era {
	ALWAYS,
	OLD,		/**< Filled up to 8.1, zero from 10 on. */
};

struct slot {
	uint16_t off;
	enum slot_era era;
	const char *symbol;
};

// Slots that hold the address of a variable or list head (dump-format 3.4).
static const struct slot slots[] = {
	{0x048, ALWAYS, "PsLoadedModuleList"},
	{0x050, ALWAYS, "PsActiveProcessHead"},
	{0x058, ALWAYS, "PspCidTable"},
	{0x068, OLD, "ExpPagedPoolDescriptor"},
	{0x070, OLD, "ExpNumberOfPagedPools"},
	{0x078, ALWAYS, "KeTimeIncrement"},
	{0x080, ALWAYS, "KeBugCheckCallbackListHead"},
	{0x088, ALWAYS, "KiBugCheckData"},
	{0x098, ALWAYS, "ObpRootDirectoryObject"},
	{0x0a0, ALWAYS, "ObpTypeObjectType"},
	{0x0c0, ALWAYS, "MmPfnDatabase"},
	{0x0e0, OLD, "MmNumberOfPagingFiles"},
	{0x0e8, OLD, "MmLowestPhysicalPage"},
	{0x0f0, OLD, "MmHighestPhysicalPage"},
	{0x0f8, OLD, "MmNumberOfPhysicalPages"},
	{0x100, OLD, "MmMaximumNonPagedPoolInBytes"},
	{0x110, OLD, "MmNonPagedPoolStart"},
	{0x118, OLD, "MiNonPagedPoolEnd"},
	{0x120, OLD, "MiPagedPoolStart"},
	{0x128, OLD, "MmPagedPoolEnd"},
	{0x130, OLD, "MmPagedPoolInfo"},
	{0x140, ALWAYS, "MmSizeOfPagedPoolInBytes"},
	{0x148, OLD, "MmTotalCommitLimit"},
	{0x150, OLD, "MmTotalCommittedPages"},
	{0x158, OLD, "MmSharedCommit"},
	{0x160, OLD, "MmDriverCommit"},
	{0x168, OLD, "MmProcessCommit"},
	{0x170, OLD, "MmPagedPoolCommit"},
	{0x180, OLD, "MmZeroedPageListHead"},
	{0x188, OLD, "MmFreePageListHead"},
	{0x190, OLD, "MmStandbyPageListHead"},
	{0x198, OLD, "MmModifiedPageListHead"},
	{0x1a0, OLD, "MmModifiedNoWritePageListHead"},
	{0x1a8, OLD, "MmAvailablePages"},
	{0x1b0, OLD, "MmResidentAvailablePages"},
	{0x1b8, ALWAYS, "PoolTrackTable"},
	{0x1c0, OLD, "NonPagedPoolDescriptor"},
	{0x1c8, ALWAYS, "MmHighestUserAddress"},
	{0x1d0, ALWAYS, "MmSystemRangeStart"},
	{0x1d8, ALWAYS, "MmUserProbeAddress"},
	{0x218, ALWAYS, "KiProcessorBlock"},
	{0x220, ALWAYS, "MmUnloadedDrivers"},
	{0x228, ALWAYS, "MmLastUnloadedDriver"},
	{0x230, ALWAYS, "VerifierTriageActionTaken"},
	{0x238, ALWAYS, "MmSpecialPoolTag"},
	{0x240, ALWAYS, "KernelVerifier"},
	{0x248, ALWAYS, "MmVerifierData"},
	{0x250, OLD, "MmAllocatedNonPagedPool"},
	{0x258, OLD, "MmPeakCommitment"},
	{0x260, OLD, "MmTotalCommitLimitMaximum"},
	{0x268, ALWAYS, "CmNtCSDVersion"},
	{0x270, ALWAYS, "MmPhysicalMemoryBlock"},
	{0x2d8, ALWAYS, "KdpLoaderDebuggerBlock"},
};

struct offset_slot {
	uint16_t off, bytes;
	const char *path;
};

// Slots that hold the offset of a field.
static const struct offset_slot offsets[] = {
	{0x298, 2, "_KTHREAD.NextProcessor"},
	{0x29a, 2, "_KTHREAD.Teb"},
	{0x29c, 2, "_KTHREAD.KernelStack"},
	{0x29e, 2, "_KTHREAD.InitialStack"},
	{0x2a0, 2, "_KTHREAD.ApcState.Process"},
	{0x2a2, 2, "_KTHREAD.State"},
	{0x2aa, 2, "_EPROCESS.Peb"},
	{0x2ae, 2, "_EPROCESS.Pcb.DirectoryTableBase"},
	{0x2b4, 2, "_KPRCB.CurrentThread"},
	{0x2b6, 2, "_KPRCB.MHz"},
	{0x2bc, 2, "_KPRCB.ProcessorState.ContextFrame"},
	{0x2be, 2, "_KPRCB.Number"},
	{0x2f2, 2, "_KPRCB.ProcessorState.SpecialRegisters"},
	{0x340, 4, "_KTHREAD.StackLimit"},
	{0x344, 4, "_KTHREAD.StackBase"},
};

static uint32_t block_size(uint32_t family)
{
	return family < 9200 ? 0x340 : family < 14393 ? 0x360
		: family < 17763 ? 0x368 : 0x380;
}

static void fill_addresses(struct mk *m, uint8_t *b)
{
	bool old = m->family < 10240;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(slots); i++) {
		if ((slots[i].era == ALWAYS || old) &&
		    mk_has_symbol(m, slots[i].symbol))
			psc_put64(b + slots[i].off,
				  mk_symbol(m, slots[i].symbol));
	}
	// From 10 on NtBuildLab points to the longer text, and the slot of
	// MmPagedPoolCommit into MiState (dump-format 3.4, 208 and 170).
	const char *lab = old || !mk_has_symbol(m, "NtBuildLabEx")
		? "NtBuildLab" : "NtBuildLabEx";

	if (mk_has_symbol(m, lab))
		psc_put64(b + 0x208, mk_symbol(m, lab));
	if (!old)
		psc_put64(b + 0x170, mk_symbol(m, "MiState") +
			  mk_offset(m, "_MI_SYSTEM_INFORMATION.Vs"
				       ".SystemPteInfo.PteFailures"));
}

static void fill_offsets(struct mk *m, uint8_t *b)
{
	struct psc_field f;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(offsets); i++) {
		const struct offset_slot *s = &offsets[i];
		struct psc_error *err = psc_sym_field(m->sym, s->path, &f);

		if (!psc_error_catch(&err, PSC_ERR_ABSENT)) {
			mk_check(m, err);
			memcpy(b + s->off, &f.offset, s->bytes);
		}
	}
	psc_put16(b + 0x2a8, (uint16_t)mk_sizeof(m, "_EPROCESS"));
	psc_put16(b + 0x2b0, (uint16_t)mk_sizeof(m, "_KPRCB"));
	psc_put16(b + 0x2c0, (uint16_t)mk_sizeof(m, "_ETHREAD"));
	psc_put16(b + 0x2e6, 0x180);		// OffsetPcrContainedPrcb, x64
}

/** Inverse of the decoding in dump-format 3.3. */
static uint64_t encode(uint64_t plain, uint64_t never, uint64_t always,
		       uint64_t address)
{
	uint64_t t = __builtin_bswap64(plain ^ always) ^ address;

	return psc_rotl64(t, (64 - (unsigned int)(never & 63)) & 63) ^ never;
}

static void encode_block(struct mk *m, uint8_t *b, uint32_t size)
{
	uint64_t seed = m->seed ^ 0xdbdb;
	uint64_t never = mk_random(&seed), always = mk_random(&seed);
	uint64_t address = mk_symbol(m, "KdpDataBlockEncoded");

	mk_global(m, "KiWaitNever", never, 8);
	mk_global(m, "KiWaitAlways", always, 8);
	mk_write_uint(m, address, 1, 1);
	for (uint32_t i = 0; i < size; i += 8)
		psc_put64(b + i, encode(psc_le64(b + i), never, always,
					address));
	struct json_object *o = mk_truth(m, "builder.kdbg");

	json_object_object_add(o, "wait_never", mk_json_hex(never));
	json_object_object_add(o, "wait_always", mk_json_hex(always));
	json_object_object_add(o, "encoded_address", mk_json_hex(address));
	json_object_object_add(o, "address", mk_json_hex(
				mk_symbol(m, "KdDebuggerDataBlock")));
}

static void version_block(struct mk *m, uint64_t list)
{
	uint64_t va;

	if (!mk_has_symbol(m, "KdVersionBlock"))
		return;
	// DBGKD_GET_VERSION64 (dump-format 3.1).
	va = mk_symbol(m, "KdVersionBlock");
	mk_write_uint(m, va, 15, 2);
	mk_write_uint(m, va + 2, m->build, 2);
	mk_write_uint(m, va + 8, 0x8664, 2);
	mk_write64(m, va + 0x10, m->kern->base);
	mk_write64(m, va + 0x18, mk_symbol(m, "PsLoadedModuleList"));
	mk_write64(m, va + 0x20, list);
}

void mk_kdbg_finish(struct mk *m)
{
	struct mk_kernel *k = m->kern;
	uint64_t va = mk_symbol(m, "KdDebuggerDataBlock");
	uint64_t list = mk_has_symbol(m, "KdpDebuggerDataListHead")
		? mk_symbol(m, "KdpDebuggerDataListHead") : va;
	uint32_t size = block_size(m->family);
	uint8_t b[0x380] = {0};

	if (k->no_kdbg)
		return;
	psc_put64(b, list);
	psc_put64(b + 8, list);
	memcpy(b + 0x10, "KDBG", 4);
	psc_put32(b + 0x14, size);
	psc_put64(b + 0x18, k->base);
	psc_put64(b + 0x20, mk_export(m, "DbgBreakPointWithStatus"));
	// PagingLevels, bits 2 to 5, are recorded for 5 levels only.
	psc_put16(b + 0x36, (uint16_t)(1 | (m->levels == 5 ? 5 << 2 : 0)));
	psc_put64(b + 0x138, MK_PAGE);
	fill_addresses(m, b);
	fill_offsets(m, b);
	if (size > 0x360)
		psc_put64(b + 0x360, m->pte_base);
	if (list != va) {
		mk_write64(m, list, va);
		mk_write64(m, list + 8, va);
	}
	version_block(m, list);
	if (k->encode_kdbg)
		encode_block(m, b, size);
	mk_write(m, va, b, size);
}
