// SPDX-License-Identifier: MIT
/** @file Loaded and unloaded modules. */
#ifndef MK_MODULES_H
#define MK_MODULES_H

#include "pe_build.h"
#include "recipe.h"

struct mk_module {
	char *name, *path;
	uint64_t base;
	uint32_t size, timestamp, checksum, entry;
	struct psc_pdb_id pdb;
	struct mk_pe_version version;	/**< file NULL: no version resource. */
};

struct mk_modules {
	PSC_VEC(struct mk_module) v;
	const char *driver_dir;		/**< --drivers; borrowed. */
	uint64_t unloaded;		/**< Array of 50 entries, or 0. */
	uint32_t n_unloaded;
};

/** The loaded-module list with the kernel as its first entry. */
void mk_modules_init(struct mk *m);
void mk_do_module(struct mk *m, struct mk_args *a);
void mk_do_unloaded(struct mk *m, struct mk_args *a);
void mk_modules_finish(struct mk *m);
void mk_modules_free(struct mk_modules *s);

/**
 * Load a driver file as the system does (load.c): map its sections, relocate,
 * bind imports. Fills base, size, timestamp, checksum, entry and pdb.
 * @param optimise  rewrite import calls (callsites 2).
 */
void mk_load_driver(struct mk *m, const char *path, uint64_t base,
		    bool optimise, struct mk_module *ret);

#endif
