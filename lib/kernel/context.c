// SPDX-License-Identifier: MIT
#include "kernel/context.h"

#include "base/bytes.h"

// CONTEXT of x64 (dump-format 1.5).
#define X64_RAX 0x78u
#define X64_RIP 0xf8u
#define X64_BYTES 0x100u
// CONTEXT of ARM64.
#define ARM64_X0 0x8u
#define ARM64_SP 0x100u
#define ARM64_PC 0x108u
#define ARM64_BYTES 0x110u
/** Selector of the kernel's code. */
#define KERNEL_CS 0x10u
/** A kernel stack, and a DPC stack, are no longer. */
#define STACK_BYTES 0x6000u

static const char *const x64_names[] = {	// in the record's order
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
};
static const char *const arm64_names[] = {
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
	"x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr",
};
/** Place of rsp in x64_names. */
#define RSP 4u

static void add(struct psc_registers *r, const char *name, uint64_t v)
{
	if (r->n >= PSC_MAX_REGISTERS)
		return;
	r->r[r->n].name = name;
	r->r[r->n++].v = v;
}

bool psc_context_decode(enum psc_arch arch, const uint8_t *p, size_t n,
			struct psc_registers *ret)
{
	struct psc_registers r = { 0 };

	if (arch == PSC_ARCH_X64 && n >= X64_BYTES) {
		for (unsigned int i = 0; i < PSC_ARRAY_SIZE(x64_names); i++) {
			uint64_t v = psc_le64(p + X64_RAX + 8 * i);

			if (i == RSP)
				r.sp = v;
			else
				add(&r, x64_names[i], v);
		}
		r.pc = psc_le64(p + X64_RIP);
	} else if (arch == PSC_ARCH_ARM64 && n >= ARM64_BYTES) {
		for (unsigned int i = 0; i < PSC_ARRAY_SIZE(arm64_names); i++)
			add(&r, arm64_names[i], psc_le64(p + ARM64_X0 + 8 * i));
		r.sp = psc_le64(p + ARM64_SP);
		r.pc = psc_le64(p + ARM64_PC);
	} else {
		return false;
	}
	*ret = r;
	return true;
}

bool psc_context_of_dump(const struct psc_dump *d, struct psc_registers *ret)
{
	const struct psc_dump_header *h = psc_dump_header(d);
	uint8_t b[ARM64_BYTES];

	return psc_dump_read_file(d, h->context_offset, b, sizeof(b)) &&
	       psc_context_decode(h->arch, b, sizeof(b), ret);
}

struct psc_error *psc_context_read(const struct psc_kernel *k, uint64_t va,
				   struct psc_registers *ret)
{
	const struct psc_dump_header *h = psc_dump_header(psc_kernel_dump(k));
	uint8_t b[ARM64_BYTES];
	struct psc_error *err = psc_mem_read_all(psc_kernel_mem(k), va, b,
						 sizeof(b), "context record");

	if (!err && !psc_context_decode(h->arch, b, sizeof(b), ret))
		return &psc_absent;
	return err;
}

struct psc_error *psc_trap_frame_read(const struct psc_kernel *k, uint64_t va,
				      struct psc_registers *ret)
{
	static const struct {
		const char *path, *name;
	} fields[] = {
		{ "_KTRAP_FRAME.Rax", "rax" }, { "_KTRAP_FRAME.Rcx", "rcx" },
		{ "_KTRAP_FRAME.Rdx", "rdx" }, { "_KTRAP_FRAME.Rbx", "rbx" },
		{ "_KTRAP_FRAME.Rsi", "rsi" }, { "_KTRAP_FRAME.Rdi", "rdi" },
		{ "_KTRAP_FRAME.Rbp", "rbp" }, { "_KTRAP_FRAME.R8", "r8" },
		{ "_KTRAP_FRAME.R9", "r9" }, { "_KTRAP_FRAME.R10", "r10" },
		{ "_KTRAP_FRAME.R11", "r11" },
	};
	struct psc_registers r = { 0 };
	struct psc_error *err;

	if ((err = psc_kernel_get(k, va, "_KTRAP_FRAME.Rip", &r.pc)) ||
	    (err = psc_kernel_get(k, va, "_KTRAP_FRAME.Rsp", &r.sp)))
		return err;
	for (size_t i = 0; i < PSC_ARRAY_SIZE(fields); i++) {
		uint64_t v;

		if ((err = psc_kernel_get(k, va, fields[i].path, &v)))
			return err;
		add(&r, fields[i].name, v);
	}
	*ret = r;
	return NULL;
}

bool psc_trap_frame_find(const struct psc_kernel *k, uint64_t sp, uint64_t pc,
			 struct psc_registers *ret)
{
	struct psc_field rip;
	uint64_t v, cs;
	struct psc_error *err = psc_kernel_field(k, "_KTRAP_FRAME.Rip", &rip);

	psc_error_free(err);
	if (err || !psc_mem_is_kernel_va(psc_kernel_mem(k), sp))
		return false;
	sp &= ~UINT64_C(7);
	for (uint64_t va = sp; va - sp < STACK_BYTES; va += 8) {
		if (psc_mem_read(psc_kernel_mem(k), va, &v, 8, NULL) != 8)
			return false;
		if (v != pc)
			continue;
		uint64_t frame = va - rip.offset;

		err = psc_kernel_get(k, frame, "_KTRAP_FRAME.SegCs", &cs);
		if (!err && cs == KERNEL_CS)
			err = psc_trap_frame_read(k, frame, ret);
		psc_error_free(err);
		if (!err && cs == KERNEL_CS)
			return true;
	}
	return false;
}
