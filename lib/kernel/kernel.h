// SPDX-License-Identifier: MIT
/** @file
 * The crashed kernel: where it lies, who it is, and typed reads of its
 * objects. Everything above asks here for names, fields and values; where
 * names and layouts come from is decided once, in kernel/source.c.
 *
 * A psc_kernel is for one thread: workers resolve their fields before they
 * start and read through clones of its memory.
 */
#ifndef PSC_KERNEL_KERNEL_H
#define PSC_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dump/dump.h"
#include "mem/mem.h"
#include "pe/pe.h"
#include "psc/error.h"
#include "sym/sym.h"

struct psc_kernel;
struct psc_proof;		// kernel/recover.h

struct psc_kernel_options {
	bool deep;		/**< Search the whole file for KDBG. */
	const char *symbol_path; /**< --symbols, or NULL. */
	bool force_symbols;
	bool fetch_symbols;
	const struct psc_progress *progress;
};

/**
 * Find the kernel in @p dump. Succeeds for every dump that opened: what could
 * not be found is absent, and psc_kernel_note() says why.
 * @param mem  of the dump; borrowed, must outlive the kernel.
 */
PSC_NODISCARD struct psc_error *
psc_kernel_open(const struct psc_dump *dump, struct psc_mem *mem,
		const struct psc_kernel_options *opt, struct psc_kernel **ret);
void psc_kernel_free(struct psc_kernel *k);

const struct psc_dump *psc_kernel_dump(const struct psc_kernel *k);
struct psc_mem *psc_kernel_mem(const struct psc_kernel *k);

// --- identity --------------------------------------------------------------
uint64_t psc_kernel_base(const struct psc_kernel *k);	/**< 0: not found. */
uint64_t psc_kernel_size(const struct psc_kernel *k);
/** Its PE headers, or NULL. */
const struct psc_pe *psc_kernel_pe(const struct psc_kernel *k);
/** Never NULL; look at @c known. */
const struct psc_pdb_id *psc_kernel_pdb(const struct psc_kernel *k);
/** Family build number: 19041 also for 19045 and so on (facts pool 0.3). */
uint32_t psc_kernel_family(const struct psc_kernel *k);
/** The same of a build number. */
uint32_t psc_kernel_family_of(uint32_t build);
/** "10.0.19041.804", or NULL when not known exactly. */
const char *psc_kernel_version(const struct psc_kernel *k);
/** Names and layouts, or NULL. */
const struct psc_sym *psc_kernel_sym(const struct psc_kernel *k);
/** One sentence: which PDB, GUID and age would help; NULL when not needed. */
const char *psc_kernel_wanted(const struct psc_kernel *k);
/** What supports names and layouts that were recovered (kernel/recover.h): 0
 *  when they come from elsewhere. */
size_t psc_kernel_n_proofs(const struct psc_kernel *k);
const struct psc_proof *psc_kernel_proof(const struct psc_kernel *k, size_t i);
/** Things worth telling ("KDBG was encoded and has been decoded"). */
size_t psc_kernel_n_notes(const struct psc_kernel *k);
const char *psc_kernel_note(const struct psc_kernel *k, size_t i);

// --- KDBG ------------------------------------------------------------------
/** Pointer-sized slot of the debugger block by its field offset.
 *  @return false when the block or the slot is absent or zero. */
bool psc_kernel_kdbg(const struct psc_kernel *k, unsigned int offset,
		     uint64_t *value);
uint64_t psc_kernel_kdbg_va(const struct psc_kernel *k);

// --- typed reads -----------------------------------------------------------
/** VA of a global. @return &psc_absent when the sources have no such name. */
PSC_NODISCARD struct psc_error *
psc_kernel_symbol(const struct psc_kernel *k, const char *name, uint64_t *va);
/** Layout of "Type.path"; cached. */
PSC_NODISCARD struct psc_error *
psc_kernel_field(const struct psc_kernel *k, const char *path,
		 struct psc_field *ret);
PSC_NODISCARD struct psc_error *
psc_kernel_sizeof(const struct psc_kernel *k, const char *type, uint64_t *ret);
/** Value of a scalar field of the object at @p va. */
PSC_NODISCARD struct psc_error *
psc_kernel_get(const struct psc_kernel *k, uint64_t va, const char *path,
	       uint64_t *ret);
/** Value of a global of @p bytes width: psc_kernel_symbol() and a read; a value
 *  that was recovered without its address counts. */
PSC_NODISCARD struct psc_error *
psc_kernel_global(const struct psc_kernel *k, const char *name,
		  unsigned int bytes, uint64_t *ret);
/** Pointer width of the target in bytes, 8 or 4. */
unsigned int psc_kernel_pointer_size(const struct psc_kernel *k);
/** Pointer at @p va; 32-bit addresses come zero-extended. */
PSC_NODISCARD struct psc_error *
psc_kernel_pointer(const struct psc_kernel *k, uint64_t va, const char *what,
		   uint64_t *ret);
/** Text of a UNICODE_STRING at @p va as UTF-8; caller frees. */
PSC_NODISCARD struct psc_error *
psc_kernel_unicode(const struct psc_kernel *k, uint64_t va, const char *what,
		   char **ret);

/** "nt!MiState+0x10", "LkDrv+0x1234", or "0x…": never fails. */
#define PSC_PLACE_TEXT 160
void psc_kernel_place(const struct psc_kernel *k, uint64_t va,
		      char out[PSC_PLACE_TEXT]);

#endif
