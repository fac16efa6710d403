// SPDX-License-Identifier: MIT
/** @file
 * Addresses for kernels of which only types are published (22621, 22631,
 * 26100): objects at distances such as the known families show
 * (recovery 2), in an order of our own.
 */
#include <string.h>

#include "kernel.h"

#define MADEUP_DATA 0xc00000u	/**< RVA where the made-up data begins. */

struct madeup_global {
	const char *name;
	const char *type;	/**< Size is that of the type … */
	uint32_t bytes;		/**< … or this. */
	uint32_t align, gap;	/**< Gap in front, bytes. */
	uint32_t until;		/**< Last family that has it; 0: all. */
};

static const struct madeup_global globals[] = {
	{"KdDebuggerDataBlock", NULL, 0x380, 0x20, 0xb20, 0},
	{"NtBuildNumber", NULL, 4, 4, 0x120, 0},
	{"NtBuildLab", NULL, 0x80, 0x10, 0x40, 0},
	{"NtBuildLabEx", NULL, 0x80, 0x10, 0x40, 0},
	{"KdpDebuggerDataListHead", NULL, 0x10, 0x10, 0x240, 0},
	{"KdVersionBlock", NULL, 0x28, 0x10, 0x80, 0},
	{"KdpDataBlockEncoded", NULL, 1, 0x10, 0x20, 0},
	{"KiWaitNever", NULL, 8, 8, 0x200, 0},
	{"KiWaitAlways", NULL, 8, 8, 0x30, 0},
	{"PoolTrackTable", NULL, 8, 8, 0x12e8, 0},
	{"PoolTrackTableSize", NULL, 8, 8, 0x58, 0},
	{"PoolTrackTableMask", NULL, 8, 8, 0x10, 0},
	{"PoolTrackTableExpansion", NULL, 8, 8, 0x48, 0},
	{"PoolTrackTableExpansionSize", NULL, 8, 8, 0x20, 0},
	{"PoolBigPageTable", NULL, 8, 8, 0x90, 0},
	{"PoolBigPageTableSize", NULL, 8, 8, 0x18, 0},
	{"ExpPoolBigEntriesInUse", NULL, 4, 4, 0x30, 0},
	{"ExPoolFailures", NULL, 4, 4, 0x44, 0},
	{"ExpPoolFlags", NULL, 4, 4, 0x10, 0},
	{"ExpPoolQuotaCookie", NULL, 8, 8, 0x60, 0},
	{"PsActiveProcessHead", NULL, 0x10, 0x10, 0x2200, 0},
	{"PsLoadedModuleList", NULL, 0x10, 0x10, 0x3100, 0},
	{"PsInitialSystemProcess", NULL, 8, 8, 0x500, 0},
	{"PspCidTable", NULL, 8, 8, 0x40, 0},
	{"MmUnloadedDrivers", NULL, 8, 8, 0x600, 0},
	{"MmLastUnloadedDriver", NULL, 4, 4, 0x20, 0},
	{"MmPhysicalMemoryBlock", NULL, 8, 8, 0x70, 0},
	{"MmSizeOfPagedPoolInBytes", NULL, 8, 8, 0x30, 0},
	{"MmHighestUserAddress", NULL, 8, 8, 0x20, 0},
	{"MmSystemRangeStart", NULL, 8, 8, 0, 0},
	{"MmUserProbeAddress", NULL, 8, 8, 0, 0},
	{"KiBugCheckData", NULL, 0x28, 0x10, 0x40, 0},
	{"KeNumberNodes", NULL, 2, 2, 0x10, 0},
	{"KeNumberProcessors", NULL, 4, 4, 0x80, 0},
	{"RtlpHpHeapGlobals", NULL, 0x30, 0x10, 0x900, 0},
	{"MiState", "_MI_SYSTEM_INFORMATION", 0, 0x40, 0x27c0, 0},
	{"MiSystemPartition", "_MI_PARTITION", 0, 0x40, 0xe40, 0},
	{"ExPoolState", "_EX_POOL_HEAP_MANAGER_STATE", 0, 0x40, 0x600, 0},
	{"MiVisibleState", NULL, 8, 8, 0x1390, 0},
	{"MmPfnDatabase", NULL, 8, 8, 0x170, 0},
	{"KiProcessorBlock", NULL, 2048 * 8, 0x40, 0x1800, 0},
	{"ExPoolTagTables", NULL, 2048 * 8, 0x40, 0x2c0, 0},
	{"ExpSessionPoolTrackTableSize", NULL, 8, 8, 0x140, 20348},
	{"ExpSessionPoolTrackTableMask", NULL, 8, 8, 0x8, 20348},
};

static void place_all(struct mk *m)
{
	struct mk_kernel *k = m->kern;
	uint64_t rva = MADEUP_DATA;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(globals); i++) {
		const struct madeup_global *g = &globals[i];
		uint64_t bytes = g->type ? mk_sizeof(m, g->type) : g->bytes;

		rva = (rva + g->gap + g->align - 1) & ~(uint64_t)(g->align - 1);
		if ((!g->until || m->family <= g->until) &&
		    !psc_vec_push(&k->madeup, (struct mk_madeup){
						mk_strdup(g->name), rva}))
			mk_fail(m, "out of memory");
		rva += bytes;
	}
}

bool mk_madeup_rva(struct mk *m, const char *name, uint64_t *rva)
{
	struct mk_kernel *k = m->kern;

	if (!k->madeup.n)
		place_all(m);
	for (size_t i = 0; i < k->madeup.n; i++) {
		if (!strcmp(k->madeup.v[i].name, name)) {
			*rva = k->madeup.v[i].rva;
			return true;
		}
	}
	return false;
}
