// SPDX-License-Identifier: MIT
/** @file
 * The kernels that the program knows by itself: names, RVAs and layouts of
 * real kernels, distilled by tools/gen/ into lib/sym/data/.
 */
#ifndef PSC_SYM_BUILTIN_H
#define PSC_SYM_BUILTIN_H

#include <stddef.h>

#include "sym/sym.h"

/** One kernel of the tables. Strings are static. */
struct psc_builtin_kernel {
	const char *version;	/**< "10.0.19041.804". */
	const char *arch;	/**< "x64", "x86", "arm64". */
	struct psc_pdb_id id;	/**< known = false for types-only kernels. */
	bool has_symbols;	/**< Has RVAs. */
	uint32_t build, revision;
	unsigned int layout;	/**< Equal numbers: all types are equal. */
};

size_t psc_builtin_count(void);
const struct psc_builtin_kernel *psc_builtin_at(size_t i);
/** Index of the kernel with that PDB identity. */
bool psc_builtin_find_pdb(const struct psc_pdb_id *id, size_t *ret);
/** Index of the kernel of that version that has symbols, else types. */
bool psc_builtin_find_version(const char *version, const char *arch,
			      size_t *ret);
/** Open kernel @p i as a source. */
PSC_NODISCARD struct psc_error *
psc_builtin_open(size_t i, struct psc_sym **ret);

/** Name behind psc_type.id and psc_field.type_id of any built-in kernel: the
 *  ids are the same in all. NULL: no such id. */
const char *psc_builtin_type_name(uint64_t type_id);
/** The way back. @return 0: the table has no such type. */
uint64_t psc_builtin_type_id(const char *name);

/** Names of symbols that the tables know, in order; NULL past the last. They
 *  are the names that poolscope asks for. */
const char *psc_builtin_symbol_name(size_t i);

/** A name and the RVA it was seen at, for identification without a PDB id. */
struct psc_builtin_clue {
	const char *name;
	uint64_t rva;
};
/**
 * Kernels whose symbols agree with every clue that they have a value for.
 * @param[out] ret up to @p max indexes, ascending. @return how many match.
 */
size_t psc_builtin_match(const struct psc_builtin_clue *clues, size_t n,
			 size_t *ret, size_t max);

/** Exact identity by PE header (facts newer-kernels 1). */
struct psc_builtin_image {
	char version[32];	/**< "10.0.22631.2428". */
	char file[16];		/**< "ntoskrnl.exe", "ntkrla57.exe". */
	char arch[8];
};
bool psc_builtin_find_image(uint32_t timestamp, uint32_t image_size,
			    struct psc_builtin_image *ret);
/** The other way round, for builders of fixtures: PE header of an x64
 *  ntoskrnl.exe of that version. */
bool psc_builtin_image_of(const char *version, uint32_t *timestamp,
			  uint32_t *image_size);

/**
 * Hide a kernel from every lookup of kernels above (indexes change): tests of
 * recovery open a known dump as if its kernel were unknown. @p revisions: hide
 * also those of the same build whose revision number is at most that far away.
 * psc_builtin_find_image() still names the version: the list of images is much
 * longer than the table. Not thread-safe; NULL shows all again.
 */
void psc_builtin_hide(const char *version, uint32_t revisions);

#endif
