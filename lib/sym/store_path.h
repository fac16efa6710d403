// SPDX-License-Identifier: MIT
/** @file
 * The grammar of symbol paths that users bring from Windows:
 * `srv*cache*https://server;cache*dir;/plain/folder` (symbols 5.1).
 */
#ifndef PSC_SYM_STORE_PATH_H
#define PSC_SYM_STORE_PATH_H

#include <stdbool.h>

#include "base/vec.h"
#include "psc/error.h"

#define PSC_STORE_MAX_TOKENS 10		/**< Stores in one chain. */

enum psc_element_kind {
	PSC_ELEMENT_DIR,	/**< A plain folder (or one symbol file). */
	PSC_ELEMENT_CHAIN,	/**< srv*: nearest store first, URL last. */
	PSC_ELEMENT_CACHE,	/**< cache*: keeps what stands to its right. */
};

struct psc_element {
	enum psc_element_kind kind;
	char *token[PSC_STORE_MAX_TOKENS];
	unsigned int n;
};

/** Zero-initialise; psc_store_path_free(). */
struct psc_store_path {
	PSC_VEC(struct psc_element) v;
	PSC_VEC(char *) notices;	/**< What was left out and why. */
};

bool psc_is_url(const char *token);

/**
 * Append the elements of @p text. Elements that cannot work here (Windows
 * paths, too many stores) become a notice.
 * @param default_store  folder that an empty token stands for.
 */
PSC_NODISCARD struct psc_error *
psc_store_path_add(struct psc_store_path *p, const char *text,
		   const char *default_store);
void psc_store_path_free(struct psc_store_path *p);

#endif
