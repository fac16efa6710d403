// SPDX-License-Identifier: MIT
/** @file
 * The kernel image: identity, addresses of its symbols, exports, and the PE
 * headers in memory.
 */
#ifndef MK_KERNEL_H
#define MK_KERNEL_H

#include "mk.h"
#include "recipe.h"

struct mk_export {
	char *name;
	uint32_t rva;
	bool is_code;
};

struct mk_madeup {
	char *name;
	uint64_t rva;
};

struct mk_kernel {
	uint64_t base;
	uint32_t size, timestamp, checksum;
	struct psc_pdb_id pdb;
	/** Patch-like move of every symbol (kernel … shift=N); 0 = none. */
	uint64_t shift;
	bool encode_kdbg, no_kdbg, no_rsds, other_identity;
	const char *version;	/**< Of the version resource. */
	PSC_VEC(uint64_t) data;	/**< RVAs of globals that were asked for. */
	PSC_VEC(struct mk_export) exports;
	PSC_VEC(struct mk_madeup) madeup;
	uint64_t madeup_next;
	uint32_t export_next;	/**< RVA of the next export without symbol. */
};

/** `kernel VERSION …`: open the layouts, map the image. */
void mk_do_kernel(struct mk *m, struct mk_args *a);
/** RVA of a symbol after moves, made up for kernels without symbols. */
bool mk_kernel_rva(struct mk *m, const char *name, uint64_t *rva);
/** Address of an exported function; the name joins the export directory. */
uint64_t mk_export(struct mk *m, const char *name);
/** Export a global variable, when the kernel has it. */
void mk_export_data(struct mk *m, const char *name);
/** Address of the last global that was asked for. */
uint64_t mk_kernel_data_end(const struct mk *m);
/** RVA for @p name in a kernel that has types alone (madeup.c). */
bool mk_madeup_rva(struct mk *m, const char *name, uint64_t *rva);
/** Write headers, exports, debug record and version resource. */
void mk_kernel_finish(struct mk *m);
void mk_kernel_free(struct mk_kernel *k);

/** Write the debugger data block (kdbg.c). */
void mk_kdbg_finish(struct mk *m);
/** Write code of the pool functions that touches their globals (code.c). */
void mk_kernel_code(struct mk *m);

/** UTF-8 to UTF-16 units. @return how many. */
size_t mk_utf16(const char *utf8, uint16_t *out, size_t max);

#endif
