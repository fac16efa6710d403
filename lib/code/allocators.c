// SPDX-License-Identifier: MIT
#include "code/allocators.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "code/callsites.h"

// Arguments count from 0; 64-bit ones take two slots on x86, hence its own
// column. "-" is none.
#define NO PSC_LOC_NONE
#define S(n) (PSC_LOC_STACK + (n))
enum { RCX = 1, RDX = 2, R8 = 8, R9 = 9 };

struct row {
	const char *name;
	uint8_t flavour;
	uint8_t tag, type, size;	// argument numbers
	uint8_t tag32, type32, size32;	// x86 stack slots
	uint8_t slots;			// x86: how many there are
	bool lookaside, code;
};

#define POOL(name, fl, t, y, z, n) { name, fl, t, y, z, t, y, z, n, 0, 0 }
#define LIST(name, fl, t, y, z, n) { name, fl, t, y, z, t, y, z, n, 1, 0 }

static const struct row rows[] = {
	POOL("ExAllocatePoolWithTag", PSC_FLAVOUR_POOL, 2, 0, 1, 3),
	POOL("ExAllocatePool", PSC_FLAVOUR_POOL, NO, 0, 1, 2),
	POOL("ExAllocatePoolWithQuota", PSC_FLAVOUR_POOL, NO, 0, 1, 2),
	POOL("ExAllocatePoolWithQuotaTag", PSC_FLAVOUR_POOL, 2, 0, 1, 3),
	POOL("ExAllocatePoolWithTagPriority", PSC_FLAVOUR_POOL, 2, 0, 1, 4),
	POOL("FsRtlAllocatePoolWithTag", PSC_FLAVOUR_POOL, 2, 0, 1, 3),
	POOL("FsRtlAllocatePoolWithQuotaTag", PSC_FLAVOUR_POOL, 2, 0, 1, 3),
	{ "ExAllocatePool2", PSC_FLAVOUR_FLAGS, 2, 0, 1, 3, 0, 2, 4, 0, 0 },
	{ "ExAllocatePool3", PSC_FLAVOUR_FLAGS, 2, 0, 1, 3, 0, 2, 6, 0, 0 },
	LIST("ExInitializeNPagedLookasideList", PSC_FLAVOUR_NONPAGED,
	     5, NO, 4, 7),
	LIST("ExInitializePagedLookasideList", PSC_FLAVOUR_PAGED,
	     5, NO, 4, 7),
	LIST("NdisInitializeNPagedLookasideList", PSC_FLAVOUR_NONPAGED,
	     5, NO, 4, 7),
	LIST("ExInitializeLookasideListEx", PSC_FLAVOUR_POOL, 6, 3, 5, 8),
	POOL("NdisAllocateMemoryWithTag", PSC_FLAVOUR_NONPAGED, 2, NO, 1, 3),
	POOL("NdisAllocateMemoryWithTagPriority", PSC_FLAVOUR_NONPAGED,
	     2, NO, 1, 4),
	POOL("FltAllocatePoolAlignedWithTag", PSC_FLAVOUR_POOL, 3, 1, 2, 4),
	POOL("Win32AllocPool", PSC_FLAVOUR_UNSTATED, 1, NO, 0, 2),
	POOL("Win32AllocPoolWithPriority", PSC_FLAVOUR_POOL, 2, 0, 1, 4),
	POOL("VideoPortAllocatePool", PSC_FLAVOUR_POOL, 3, 1, 2, 4),
	POOL("MmAllocateContiguousMemory", PSC_FLAVOUR_NONPAGED,
	     NO, NO, 0, 3),
	POOL("MmAllocateContiguousMemorySpecifyCache", PSC_FLAVOUR_NONPAGED,
	     NO, NO, 0, 8),
	POOL("MmAllocateContiguousMemorySpecifyCacheNode",
	     PSC_FLAVOUR_NONPAGED, NO, NO, 0, 9),
	POOL("MmAllocateContiguousNodeMemory", PSC_FLAVOUR_NONPAGED,
	     NO, NO, 0, 9),
	{ "StorPortExtendedFunction", PSC_FLAVOUR_NONPAGED, 3, NO, 2,
	  3, NO, 2, 0, 0, 1 },
};

// KMDF: function table index 192 and 198; argument 0 is the driver's globals.
static const struct row kmdf_memory = POOL("WdfMemoryCreate",
					   PSC_FLAVOUR_POOL, 3, 2, 4, 7);
static const struct row kmdf_list = LIST("WdfLookasideListCreate",
					 PSC_FLAVOUR_POOL, 5, 3, 2, 7);
enum { KMDF_MEMORY_CREATE = 192, KMDF_LOOKASIDE_CREATE = 198 };

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
_Static_assert(ROWS + 2 <= PSC_ALLOCATORS_MAX, "room for the KMDF rows");

static uint8_t loc64(uint8_t arg)
{
	static const uint8_t regs[] = { RCX, RDX, R8, R9 };

	return arg == NO ? NO : arg < 4 ? regs[arg] : (uint8_t)S(arg);
}

static uint8_t loc_arm64(uint8_t arg)
{
	return arg == NO || arg < 8 ? arg : (uint8_t)S(arg - 8);
}

static uint8_t loc_x86(uint8_t slot)
{
	return slot == NO ? NO : (uint8_t)S(slot);
}

static struct psc_api place(const struct row *r, uint16_t machine)
{
	struct psc_api a = {
		.name = r->name,
		.flavour = r->flavour,
		.lookaside = r->lookaside,
		.code = NO,
		.slots = r->slots,
	};

	if (machine == 0x14c) {
		a.tag = loc_x86(r->tag32);
		a.type = loc_x86(r->type32);
		a.size = loc_x86(r->size32);
		a.code = r->code ? (uint8_t)S(0) : NO;
		return a;
	}
	uint8_t (*loc)(uint8_t) = machine == 0xaa64 ? loc_arm64 : loc64;
	a.tag = loc(r->tag);
	a.type = loc(r->type);
	a.size = loc(r->size);
	a.code = r->code ? loc(0) : NO;
	return a;
}

unsigned int psc_allocators_fill(uint16_t machine,
				 struct psc_api out[PSC_ALLOCATORS_MAX])
{
	for (unsigned int i = 0; i < ROWS; i++)
		out[i] = place(&rows[i], machine);
	out[ROWS] = place(&kmdf_memory, machine);
	out[ROWS + 1] = place(&kmdf_list, machine);
	return ROWS;
}

int psc_kmdf_row(unsigned int index)
{
	return index == KMDF_MEMORY_CREATE ? ROWS :
	       index == KMDF_LOOKASIDE_CREATE ? ROWS + 1 : -1;
}

enum psc_helper psc_helper_of(const char *name)
{
	static const char *const noreturn[] = {
		"ExRaiseStatus", "ExRaiseDatatypeMisalignment",
		"ExRaiseAccessViolation", "KeBugCheckEx", "KeBugCheck",
		"RtlRaiseStatus",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(noreturn); i++) {
		if (!strcmp(name, noreturn[i]))
			return PSC_HELPER_NORETURN;
	}
	if (!strcmp(name, "MmGetSystemRoutineAddress"))
		return PSC_HELPER_GET_ROUTINE;
	if (!strcmp(name, "RtlInitUnicodeString"))
		return PSC_HELPER_INIT_STRING;
	return PSC_HELPER_NONE;
}

struct bit_name {
	uint64_t bit;
	const char *name;
};

static size_t add_bits(char *out, size_t at, uint64_t v,
		       const struct bit_name *t, size_t n)
{
	for (size_t i = 0; i < n && at < PSC_POOL_TYPE_TEXT; i++) {
		if (v & t[i].bit)
			at += (size_t)snprintf(out + at,
					       PSC_POOL_TYPE_TEXT - at,
					       "%s%s", at ? " " : "",
					       t[i].name);
		v &= ~t[i].bit;
	}
	if (v && at < PSC_POOL_TYPE_TEXT)
		at += (size_t)snprintf(out + at, PSC_POOL_TYPE_TEXT - at,
				       "%s0x%llx", at ? " " : "",
				       (unsigned long long)v);
	return at;
}

// POOL_FLAG_* as the driver kit documents them.
static const struct bit_name flag_names[] = {
	{ 0x40, "NON_PAGED" }, { 0x100, "PAGED" },
	{ 0x80, "NON_PAGED_EXECUTE" },
	{ 0x1, "USE_QUOTA" }, { 0x2, "UNINITIALIZED" }, { 0x4, "SESSION" },
	{ 0x8, "CACHE_ALIGNED" }, { 0x20, "RAISE_ON_FAILURE" },
};
static const struct bit_name type_bits[] = {
	{ 0x400, "zeroed" },
};

void psc_pool_type_text(uint64_t type, bool is_flags,
			char out[PSC_POOL_TYPE_TEXT])
{
	static const char *const base[] = {
		"NonPagedPool", "PagedPool", "NonPagedPoolMustSucceed",
		"DontUseThisType", "NonPagedPoolCacheAligned",
		"PagedPoolCacheAligned", "NonPagedPoolCacheAlignedMustS",
	};
	size_t at;

	out[0] = '\0';
	if (is_flags) {
		add_bits(out, 0, type, flag_names, PSC_ARRAY_SIZE(flag_names));
		if (!out[0])
			strcpy(out, "0");
		return;
	}
	unsigned int low = (unsigned int)type & 7;
	if (low >= PSC_ARRAY_SIZE(base)) {
		snprintf(out, PSC_POOL_TYPE_TEXT, "0x%llx",
			 (unsigned long long)type);
		return;
	}
	// 0x200 is the NX variant of the nonpaged types.
	bool nx = type & 0x200 && !(low & 1);
	at = (size_t)snprintf(out, PSC_POOL_TYPE_TEXT, "%s%s%s%s",
			      base[low], type & 0x20 ? "Session" : "",
			      nx ? "Nx" : "", type & 8 ? " quota" : "");
	uint64_t rest = type & ~(uint64_t)(7 | 8 | 0x20 | (nx ? 0x200 : 0));
	add_bits(out, at, rest, type_bits, PSC_ARRAY_SIZE(type_bits));
}
