// SPDX-License-Identifier: MIT
/** @file DUMP_HEADER64 (dump-format 1.2), with PAGE where nothing is set. */
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "processes.h"

#define HEADER_BYTES 0x2000u
#define CONTEXT_AT 0x348u
#define CONTEXT_BYTES 3000u
#define EXCEPTION_AT 0xf00u
#define MAX_RUNS 42u

static void context(struct mk *m, uint8_t *c)
{
	memset(c, 0, CONTEXT_BYTES);
	psc_put32(c + 0x30, 0x10001f);		// ContextFlags
	psc_put32(c + 0x34, 0x1f80);		// MxCsr
	psc_put16(c + 0x38, 0x10);		// SegCs
	psc_put16(c + 0x3a, 0x2b);		// SegDs
	psc_put16(c + 0x3c, 0x2b);		// SegEs
	psc_put16(c + 0x3e, 0x53);		// SegFs
	psc_put16(c + 0x40, 0x2b);		// SegGs
	psc_put16(c + 0x42, 0x18);		// SegSs
	psc_put32(c + 0x44, 0x246);		// EFlags
	psc_put32(c + 0x118, 0x1f80);		// MxCsr in FltSave
	uint64_t thread = mk_first_thread(m), stack = 0;

	if (thread) {
		uint64_t va = thread + mk_offset(m, "_ETHREAD.Tcb.KernelStack");

		stack = mk_read64(m, va);
	}
	psc_put64(c + 0x98, stack);				// Rsp
	psc_put64(c + 0xf8, mk_symbol(m, "KiBugCheckData"));	// Rip
}

static void exception(struct mk *m, uint8_t *e)
{
	memset(e, 0, 0x20);
	psc_put32(e, 0x80000003);		// breakpoint of the dump writer
	psc_put64(e + 0x10, mk_symbol(m, "KiBugCheckData"));
}

/** PHYSICAL_MEMORY_DESCRIPTOR64 at 0x88 (dump-format 1.4). */
static void runs(struct mk *m, uint8_t *h)
{
	const struct mk_phys *p = &m->phys;

	if (p->runs.n > MAX_RUNS)
		mk_fail(m, "a type 1 header holds at most %u runs", MAX_RUNS);
	psc_put32(h + 0x88, (uint32_t)p->runs.n);
	psc_put64(h + 0x90, p->n_pages);
	for (size_t i = 0; i < p->runs.n; i++) {
		psc_put64(h + 0x98 + i * 16, p->runs.v[i].base);
		psc_put64(h + 0xa0 + i * 16, p->runs.v[i].count);
	}
}

void mk_header(struct mk *m, uint8_t *h)
{
	const struct mk_out *o = m->out;

	for (uint32_t i = 0; i < HEADER_BYTES; i += 4)
		memcpy(h + i, "PAGE", 4);
	memcpy(h + 4, "DU64", 4);
	psc_put32(h + 0x08, 0xf);			// MajorVersion: free
	psc_put32(h + 0x0c, m->build);			// MinorVersion
	psc_put64(h + 0x10, m->root << 12);		// DirectoryTableBase
	psc_put64(h + 0x18, mk_symbol(m, "MmPfnDatabase"));
	psc_put64(h + 0x20, mk_symbol(m, "PsLoadedModuleList"));
	psc_put64(h + 0x28, mk_symbol(m, "PsActiveProcessHead"));
	psc_put32(h + 0x30, 0x8664);			// MachineImageType
	psc_put32(h + 0x34, m->n_cpus);
	psc_put32(h + 0x38, m->bugcheck);
	for (int i = 0; i < 4; i++)
		psc_put64(h + 0x40 + i * 8, m->bugcheck_param[i]);
	psc_put64(h + 0x80, o->no_kdbg_pointer ? 0
		  : mk_symbol(m, "KdDebuggerDataBlock"));
	if (m->dump_type == 1)
		runs(m, h);
	context(m, h + CONTEXT_AT);
	exception(m, h + EXCEPTION_AT);
	psc_put32(h + 0xf98, m->dump_type);
	psc_put64(h + 0xfa0, o->size);			// RequiredDumpSpace
	psc_put64(h + 0xfa8, m->crash_time);
	psc_put64(h + 0x1030, m->uptime);
	psc_put32(h + 0x1040, m->server ? 3 : 1);	// ProductType
	psc_put32(h + 0x1044, 0x110);			// SuiteMask
	psc_put32(h + 0x1048, 0);			// WriterStatus
	h[0x104d] = 0;					// KdSecondaryVersion
	if (o->attributes)
		psc_put32(h + 0x1050, o->attributes);
}
