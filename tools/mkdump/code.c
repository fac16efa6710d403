// SPDX-License-Identifier: MIT
/** @file
 * Code of the kernel's pool exports: short functions that touch the globals
 * which the real ones touch, so that a reader can find the globals through
 * the code. Every other export is a return.
 */
#include <string.h>

#include "kernel.h"

struct touch {
	const char *function;
	const char *globals[4];
};

static const struct touch touches[] = {
	{"ExAllocatePoolWithTag", {"PoolTrackTable", "PoolTrackTableMask",
				   "ExPoolTagTables", "ExPoolFailures"}},
	{"ExFreePoolWithTag", {"PoolBigPageTable", "PoolBigPageTableSize",
			       "PoolTrackTable", "PoolTrackTableSize"}},
	{"ExAllocatePoolWithQuotaTag", {"ExPoolFailures"}},
	{"ExAllocatePoolWithTagPriority", {"MmSizeOfPagedPoolInBytes"}},
	{"ExAllocatePool", {"ExpPoolFlags"}},
	{"ExFreePool", {"PoolBigPageTable"}},
};

// mov rax, [rip + disp32]
static size_t load(uint8_t *p, uint64_t from, uint64_t to)
{
	static const uint8_t op[3] = {0x48, 0x8b, 0x05};

	memcpy(p, op, sizeof(op));
	psc_put32(p + 3, (uint32_t)(to - (from + 7)));
	return 7;
}

static void write_function(struct mk *m, const struct touch *t)
{
	uint64_t va = mk_export(m, t->function);
	uint8_t code[64] = {0x48, 0x83, 0xec, 0x28};	// sub rsp, 28h
	size_t n = 4;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(t->globals); i++) {
		if (t->globals[i] && mk_has_symbol(m, t->globals[i]))
			n += load(code + n, va + n,
				  mk_symbol(m, t->globals[i]));
	}
	static const uint8_t end[] = {0x48, 0x83, 0xc4, 0x28, 0xc3};

	memcpy(code + n, end, sizeof(end));		// add rsp, 28h; ret
	mk_write(m, va, code, n + sizeof(end));
}

void mk_kernel_code(struct mk *m)
{
	const struct mk_kernel *k = m->kern;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(touches); i++)
		write_function(m, &touches[i]);
	for (size_t i = 0; i < k->exports.n; i++) {
		uint64_t va = k->base + k->exports.v[i].rva;
		uint8_t first;

		mk_read(m, va, &first, 1);
		// Data exports live among the globals and stay as they are.
		if (!first && k->exports.v[i].is_code)
			mk_write_uint(m, va, 0xc3, 1);
	}
}
