// SPDX-License-Identifier: MIT
/** @file
 * From calls to rows: inner header of sites.c, callers.c, rows.c.
 */
#ifndef PSC_CODE_SITES_H
#define PSC_CODE_SITES_H

#include "code/engine.h"

/** Which locations of a function's callers matter, by bit. */
struct psc_need {
	uint64_t regs, stack;
};

/** One caller of a local function. */
struct psc_caller {
	uint32_t target;
	uint32_t fn, call;	/**< Indices in the engine. */
};

struct psc_callers {
	PSC_VEC(struct psc_caller) v; /**< Sorted by target. */
};

/** The three values of an allocation, wherever they are looked at. */
struct psc_triple {
	psc_vid tag, type, size;
};

#define PSC_LEVELS_MAX 5

/** Analyse the functions around @p refs. @return false: out of memory. */
bool psc_sites_analyse(struct psc_engine *e, const struct psc_refs *refs);
/** Analyse callers of wrappers, five levels up, and index them. */
bool psc_callers_find(struct psc_engine *e, struct psc_callers *ret);
/** First caller of @p target; they lie together. @return count. */
size_t psc_callers_of(const struct psc_callers *c, uint32_t target,
		      const struct psc_caller **ret);
struct psc_triple psc_triple_at(struct psc_engine *e,
				const struct psc_call *c);
/** Arguments of the function replaced by what @p c passes. */
psc_vid psc_substitute(struct psc_engine *e, psc_vid v,
		       const struct psc_call *c);
/** All rows of one allocator call. */
void psc_rows_of(struct psc_engine *e, const struct psc_callers *callers,
		 const struct psc_fn *f, const struct psc_call *c,
		 struct psc_site_list *out);
/** Tags of a table of constants. @return count. */
#define PSC_TABLE_TAGS 256
unsigned int psc_table_tags(const struct psc_engine *e,
			    const struct psc_atom *table,
			    uint32_t out[PSC_TABLE_TAGS]);

#endif
