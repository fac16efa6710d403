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
	const uint32_t *only;	/**< Only these tags; NULL: all. */
	size_t n_only;
	const struct psc_tag_table *counters; /**< NULL: without a dump. */
};

/** Does the list show this row? */
bool psc_callers_wanted(const struct psc_caller_list *list,
			const struct psc_callsite *s);

/** Fill "callsites" and "callsite_modules" of @p root. */
void psc_callers_fill(struct psc_value *root, struct psc_caller_list *list);

/** "tag 'x' holds … and is allocated by …" out of a filled report; caller
 *  frees. NULL: no call names the tag. */
char *psc_callers_sentence(const struct psc_value *root, uint32_t tag);

/** Large tags that no tag list knows. @p out has room for 8. @return count. */
#define PSC_CALLERS_TOP 8
size_t psc_callers_top_tags(const struct psc_analysis *a,
			    const struct psc_tag_table *t, uint32_t *out);
/** A finding for each of them. */
void psc_callers_findings(struct psc_analysis *a, const uint32_t *tags,
			  size_t n);

/** Driver in whose code a call with @p tag was found, or NULL. Looks through
 *  all drivers at the first question. */
const char *psc_callers_driver(struct psc_analysis *a, uint32_t tag);
void psc_dump_callers_free(struct psc_dump_callers *d);

/** The user's folder for results of this kind; caller frees. May be NULL. */
char *psc_callers_cache_dir(void);

/** "'*' and '?'" against a tag, short ones padded with blanks. */
bool psc_callers_tag_matches(const char *pattern, uint32_t tag);

#endif
