// SPDX-License-Identifier: MIT
/** @file
 * Subsegments of which a small dump holds pages or pieces (real-pool 6). A VS
 * subsegment shows itself by chunks that name its start and know each other or
 * their pool headers, an LFH subsegment by its header. What is known of one
 * is walked by the same code as a whole one.
 */
#ifndef PSC_POOL_PARTS_H
#define PSC_POOL_PARTS_H

#include "pool/view_impl.h"

/** Find them all with the recovered keys; fills v->parts, ascending. */
PSC_NODISCARD struct psc_error *psc_parts_find(struct psc_pool_view *v);
/** The part whose known pages hold @p va, or NULL. */
const struct psc_part *psc_part_at(const struct psc_pool_view *v, uint64_t va);
struct psc_unit psc_part_unit(const struct psc_part *p);
/** Walk what is stored of it. @p m is read from. */
PSC_NODISCARD struct psc_error *
psc_part_walk(const struct psc_pool_view *v, const struct psc_part *p,
	      struct psc_mem *m, const struct psc_sink *sink);

/** Is the stored chunk at @p c one that holds a block of @p bytes at @p va? */
bool psc_chunk_holds(const struct psc_pool_view *v, struct psc_mem *m,
		     uint64_t c, uint64_t va, uint64_t bytes);

#endif
