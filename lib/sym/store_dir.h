// SPDX-License-Identifier: MIT
/** @file
 * Where in one folder the symbols of an image may lie: symbol-store layout
 * (one and two tiers), flat files, ISF tables, images with DWARF
 * (symbols 5.2, 5.5, 6.1).
 */
#ifndef PSC_SYM_STORE_DIR_H
#define PSC_SYM_STORE_DIR_H

#include "base/vec.h"
#include "sym/sym.h"

/** What an image asks for. */
struct psc_symwant {
	struct psc_pdb_id id;	/**< known = false: the dump lost it. */
	const char *image;	/**< "LkDrv.sys", or NULL. */
	uint32_t timestamp, image_size;	/**< 0 = unknown. */
};

/** One place that was looked at and what was found: for the user. */
struct psc_attempt {
	char *place, *result;
};
/** Zero-initialise; psc_symlog_free(). */
struct psc_symlog {
	PSC_VEC(struct psc_attempt) v;
};
void psc_symlog_add(struct psc_symlog *log, const char *place,
		    const char *fmt, ...) PSC_PRINTF(3, 4);
void psc_symlog_free(struct psc_symlog *log);

/** May this name from a dump become part of a path or of an address? */
bool psc_symname_is_safe(const char *name);
/** "<GUID><age>" as symbol stores name folders. */
#define PSC_STORE_KEY_TEXT 48
void psc_store_key(const struct psc_pdb_id *id, char out[PSC_STORE_KEY_TEXT]);

/**
 * Look in folder @p dir (or at the single symbol file of that path).
 * @param force  accept flat files of another identity.
 * @return &psc_absent when there is nothing that fits; @p log says why.
 */
PSC_NODISCARD struct psc_error *
psc_store_dir_find(const char *dir, const struct psc_symwant *want, bool force,
		   struct psc_symlog *log, struct psc_sym **ret);

/**
 * Put the bytes of a PDB into a store, through a temporary file.
 * @return PSC_ERR_OS when the store cannot be written.
 */
PSC_NODISCARD struct psc_error *
psc_store_dir_install(const char *dir, const struct psc_pdb_id *id,
		      const uint8_t *data, uint64_t size);

/** Make the folders of @p path up to its last '/'. */
PSC_NODISCARD struct psc_error *psc_make_folders(const char *path);

#endif
