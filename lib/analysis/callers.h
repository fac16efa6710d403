// SPDX-License-Identifier: MIT
/** @file
 * Call sites as a section of the report: names added to what lib/code found.
 */
#ifndef PSC_ANALYSIS_CALLERS_H
#define PSC_ANALYSIS_CALLERS_H

#include "analysis/analysis.h"
#include "code/callsites.h"

/** One image with everything that gives its places names. */
struct psc_caller_image {
	const char *name;	/**< Borrowed. */
	const struct psc_pe *pe; /**< For exports; NULL: none. */
	struct psc_sym *sym;	/**< Functions and lines; NULL: none. */
	const struct psc_pe_version *version; /**< NULL: none. */
	const char *signer;	/**< Text, or NULL. */
	struct psc_pe_exports exports;
};

/** What a list of call sites is made of. */
struct psc_caller_list {
	const struct psc_callsites *sites;
	struct psc_caller_image *image;	/**< As many as sites. */
	const char *tag_pattern; /**< NULL: all. */
	const struct psc_tag_table *counters; /**< NULL: without a dump. */
};

/** Fill "callsites" and "callsite_modules" of @p root. */
void psc_callers_fill(struct psc_value *root, struct psc_caller_list *list);

/** The user's folder for results of this kind; caller frees. May be NULL. */
char *psc_callers_cache_dir(void);

/** "'*' and '?'" against a tag, short ones padded with blanks. */
bool psc_callers_tag_matches(const char *pattern, uint32_t tag);

#endif
