// SPDX-License-Identifier: MIT
/** @file
 * A kernel that no source knows: names and layouts recovered from the dump
 * itself. Layouts are borrowed from known kernels of the same family, globals
 * are searched in the kernel's data sections, and nothing is said that no
 * proof supports (facts recovery).
 */
#ifndef PSC_KERNEL_RECOVER_H
#define PSC_KERNEL_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/mem.h"
#include "pe/pe.h"
#include "psc/error.h"
#include "sym/sym.h"

/** What is known of the kernel before recovery. Borrowed during the call. */
struct psc_recover_input {
	const struct psc_mem *mem;	/**< Cloned: coverage stays clean. */
	const struct psc_pe *pe;	/**< Headers, or NULL: no searches. */
	uint64_t base, size;
	const uint8_t *kdbg;		/**< Decoded, or NULL. */
	size_t kdbg_size;
	const char *arch;		/**< "x64": others are not recovered. */
	uint32_t family;		/**< psc_kernel_family(). */
	const char *version;		/**< Exact, or NULL. */
	uint32_t processors;
	uint64_t active_process_head;	/**< From the dump header. */
};

/** One anchor: how it was looked for and what supports it. */
struct psc_proof {
	const char *anchor;	/**< "MiSystemPartition". */
	uint64_t address;	/**< 0: not found. */
	const char *method;	/**< How it was searched. */
	char *proof;		/**< What was checked, or why it failed. */
	const char *figures;	/**< What depends on it. */
	bool proven;
	/** Two proofs exclude each other: worth a finding. */
	bool contradiction;
};

/** A global whose value is proven though its address is not known. */
struct psc_recovered_value {
	const char *name;
	uint64_t value;
};

struct psc_recovered {
	/** Source "recovered": PSC_ERR_ABSENT for what the family does not
	 *  have, PSC_ERR_UNSUPPORTED "not proven" for what it has. */
	struct psc_sym *sym;
	struct psc_proof *proofs;
	size_t n_proofs;
	struct psc_recovered_value *values;
	size_t n_values;
};

/**
 * Recover what can be proven.
 * @return &psc_absent when no known kernel is of this family.
 * @param[out] ret caller frees with psc_recovered_free(); @c sym is the
 *             caller's to free by itself.
 */
PSC_NODISCARD struct psc_error *
psc_recover(const struct psc_recover_input *in, struct psc_recovered **ret);
void psc_recovered_free(struct psc_recovered *r);

#endif
