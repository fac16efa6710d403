// SPDX-License-Identifier: MIT
/** @file
 * The byte search people do by hand, told apart into code and data.
 */
#ifndef PSC_CODE_TAGINDEX_H
#define PSC_CODE_TAGINDEX_H

#include "code/engine.h"

struct psc_hit_list {
	PSC_VEC(struct psc_tag_hit) v;
};

/** Immediates of code and aligned words of data that equal one of the tags.
 *  @return false: out of memory. */
bool psc_tag_index(struct psc_engine *e, const uint32_t *tags, size_t n,
		   struct psc_hit_list *out);

#endif
