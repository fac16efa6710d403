// SPDX-License-Identifier: MIT
/** @file
 * Where symbols come from: the folders and servers of --symbols and
 * _NT_SYMBOL_PATH, in order. No network unless asked for.
 */
#ifndef PSC_SYM_STORE_H
#define PSC_SYM_STORE_H

#include "sym/store_dir.h"

struct psc_symstore_options {
	const char *path;	/**< --symbols, or NULL. */
	bool environment;	/**< Also _NT_ALT_SYMBOL_PATH, _NT_SYMBOL_PATH. */
	bool force;		/**< Files of another identity will do. */
	bool fetch;		/**< Ask the servers of the path. */
	unsigned int stall_seconds;	/**< Patience with servers; 0: 30. */
	unsigned int retry_ms;	/**< First pause before a retry; 0: 500. */
};

struct psc_symstore;

PSC_NODISCARD struct psc_error *
psc_symstore_new(const struct psc_symstore_options *opt,
		 struct psc_symstore **ret);
void psc_symstore_free(struct psc_symstore *s);

/** Elements of the path that were left out ("C:\\sym: a Windows path"). */
size_t psc_symstore_n_notices(const struct psc_symstore *s);
const char *psc_symstore_notice(const struct psc_symstore *s, size_t i);
/** Does the path have anything to look at? */
bool psc_symstore_is_empty(const struct psc_symstore *s);

/**
 * Symbols of an image.
 * @param log  gets a line per place that was looked at.
 * @return &psc_absent when no place has them.
 */
PSC_NODISCARD struct psc_error *
psc_symstore_find(struct psc_symstore *s, const struct psc_symwant *want,
		  struct psc_symlog *log, struct psc_sym **ret);

/** "$XDG_DATA_HOME/poolscope/kernels": tables of `symbols --add`. */
char *psc_user_table_folder(void);

#endif
