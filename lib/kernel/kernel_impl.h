// SPDX-License-Identifier: MIT
/** @file
 * Inside of psc_kernel, shared by the files of this layer.
 */
#ifndef PSC_KERNEL_KERNEL_IMPL_H
#define PSC_KERNEL_KERNEL_IMPL_H

#include "base/map.h"
#include "base/vec.h"
#include "kernel/kernel.h"
#include "kernel/module.h"
#include "kernel/recover.h"
#include "sym/builtin.h"
#include "sym/store.h"

// Newest known KDBG (dump-format 3.2); longer blocks are read this far.
#define PSC_KDBG_MAX 0x380

struct psc_kdbg {
	uint8_t bytes[PSC_KDBG_MAX];
	size_t size;		/**< Valid bytes; 0 = not found. */
	uint64_t va;		/**< 0 = unknown. */
};

/** Field layouts by path, also those that do not exist. */
struct psc_field_cache {
	struct psc_strmap index;
	PSC_VEC(struct psc_cached_field {
		char *path;
		struct psc_field field;
		bool absent;
	}) v;
};

struct psc_kernel {
	const struct psc_dump *dump;
	const struct psc_dump_header *h;
	struct psc_mem *mem;
	/** For guesses and images: what it misses is not missed by a report. */
	struct psc_mem *probe;
	struct psc_kernel_options opt;
	unsigned int ptr;

	struct psc_kdbg kdbg;
	uint64_t base, size;
	struct psc_module_image image;
	struct psc_pe pe;
	bool has_pe;
	struct psc_pdb_id pdb;
	uint32_t timestamp, image_size;	/**< 0 = unknown. */
	char version[32];	/**< "" = not known exactly. */
	struct psc_symstore *store;	/**< The user's; NULL: none. */
	struct psc_sym *sym;
	struct psc_recovered *recovered; /**< Or NULL; its sym is @c sym. */
	char *wanted;
	PSC_VEC(char *) notes;

	struct psc_field_cache *fields;
	struct psc_modules *modules;	/**< For places; read on first use. */
	bool modules_tried;
};

/** Add a note; losing one for want of memory is harmless. */
void psc_kernel_add_note(struct psc_kernel *k, const char *fmt, ...)
	PSC_PRINTF(2, 3);

// --- kdbg.c ----------------------------------------------------------------
/** Where the block may stand plainly: triage stream, header, parameter 1. */
void psc_kdbg_find(struct psc_kernel *k);
/** The kernel image is known: search its data sections. */
void psc_kdbg_search(struct psc_kernel *k);
/** Names are known: decode a block that is encoded. */
void psc_kdbg_decode(struct psc_kernel *k);
/** Is it a block? @p base 0: any kernel base. @return its size, 0 = no. */
size_t psc_kdbg_check(const struct psc_kernel *k, const uint8_t *p, size_t n,
		      uint64_t base);
/** Decode one word (dump-format 3.3). */
uint64_t psc_kdbg_decode_word(uint64_t word, uint64_t never, uint64_t always,
			      uint64_t encoded_va);

// --- identity.c ------------------------------------------------------------
/** Base, size, PE headers, PDB identity, time stamp; what cannot be found
 *  stays 0. Called again when a KDBG turned up. */
void psc_identity_find(struct psc_kernel *k);
/** Does an image begin at @p va? */
bool psc_identity_is_image(const struct psc_kernel *k, uint64_t va);

// --- source.c --------------------------------------------------------------
/** Choose names and layouts; sets sym, version, wanted, pdb. */
PSC_NODISCARD struct psc_error *psc_source_choose(struct psc_kernel *k);

// --- root.c ----------------------------------------------------------------
/** Software-PTE mask and layout from symbols or KDBG. */
void psc_root_set_pte_format(struct psc_kernel *k);
/** Notes about page tables that do not fit the header. */
void psc_root_check(struct psc_kernel *k);

// --- field.c ---------------------------------------------------------------
void psc_field_cache_free(struct psc_field_cache *c);

// --- symbols.c -------------------------------------------------------------
/** Read the symbol path; elements that are left out become notes. */
PSC_NODISCARD struct psc_error *psc_symbols_open_store(struct psc_kernel *k);
/** The kernel's symbols from the user's folders; &psc_absent: none. */
PSC_NODISCARD struct psc_error *psc_symbols_of_user(struct psc_kernel *k,
						    struct psc_sym **ret);
/** Has it names and types? */
bool psc_symbols_are_whole(const struct psc_sym *sym);

#endif
