// SPDX-License-Identifier: MIT
/** @file
 * What pool tags mean: pooltag.txt and localtag.txt in their own syntax, or the
 * built-in list (vm-and-windbg-output 8.2).
 */
#ifndef PSC_ANALYSIS_POOLTAG_H
#define PSC_ANALYSIS_POOLTAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

struct psc_pooltags;

/** A line of the list. Strings are borrowed from it. */
struct psc_pooltag {
	const char *binary;	/**< NULL: the list does not know. */
	const char *description;
};

/** The built-in list. Caller frees with psc_pooltags_free(). */
PSC_NODISCARD struct psc_error *psc_pooltags_builtin(struct psc_pooltags **ret);

/**
 * Read tag lists: the first names win where both have a tag.
 * @param text  contents of a file, @p n bytes, any line endings.
 */
PSC_NODISCARD struct psc_error *
psc_pooltags_parse(const char *text, size_t n, struct psc_pooltags **ret);
/** Add a second list behind what @p t holds. */
PSC_NODISCARD struct psc_error *
psc_pooltags_add(struct psc_pooltags *t, const char *text, size_t n);

/**
 * The list for a dump: @p file when given (an error if unreadable), else
 * pooltag.txt and localtag.txt beside the dump, else the built-in list. A
 * localtag.txt beside @p file or the dump is always read too.
 */
PSC_NODISCARD struct psc_error *
psc_pooltags_for(const char *dump_path, const char *file,
		 struct psc_pooltags **ret);
void psc_pooltags_free(struct psc_pooltags *t);

/** Where the list came from: a path, or "built-in list". */
const char *psc_pooltags_from(const struct psc_pooltags *t);
size_t psc_pooltags_count(const struct psc_pooltags *t);

/**
 * Look @p tag up: an exact line wins, then the wildcard with most literal
 * characters, then the first in the file.
 */
bool psc_pooltag_find(const struct psc_pooltags *t, uint32_t tag,
		      struct psc_pooltag *ret);

#endif
