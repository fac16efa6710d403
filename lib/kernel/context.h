// SPDX-License-Identifier: MIT
/** @file
 * Registers of a fault: CONTEXT records, whose layout is fixed (dump-format
 * 1.5), and trap frames, whose layout the kernel's types give.
 */
#ifndef PSC_KERNEL_CONTEXT_H
#define PSC_KERNEL_CONTEXT_H

#include "kernel/kernel.h"

#define PSC_MAX_REGISTERS 32u

struct psc_registers {
	struct {
		const char *name; /**< "rax", "x0": static. */
		uint64_t v;
	} r[PSC_MAX_REGISTERS];	/**< All but pc and sp. */
	unsigned int n;
	uint64_t pc, sp;
};

/** @return false for machines other than x64 and ARM64, or too few bytes. */
bool psc_context_decode(enum psc_arch arch, const uint8_t *p, size_t n,
			struct psc_registers *ret);
/** The record of the dump's header. @return false when there is none. */
bool psc_context_of_dump(const struct psc_dump *d, struct psc_registers *ret);
/** A record in memory. */
PSC_NODISCARD struct psc_error *
psc_context_read(const struct psc_kernel *k, uint64_t va,
		 struct psc_registers *ret);
/** @return &psc_absent when the kernel's types have no x64 trap frame. */
PSC_NODISCARD struct psc_error *
psc_trap_frame_read(const struct psc_kernel *k, uint64_t va,
		    struct psc_registers *ret);
/**
 * The trap frame of a fault at @p pc on the stack that begins at @p sp: a
 * frame whose Rip is @p pc and whose SegCs is the kernel's.
 */
bool psc_trap_frame_find(const struct psc_kernel *k, uint64_t sp, uint64_t pc,
			 struct psc_registers *ret);

#endif
