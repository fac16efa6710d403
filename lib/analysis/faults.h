// SPDX-License-Identifier: MIT
/** @file
 * Faults of a pool walk, kept in bounded memory: one list per thread, joined
 * and sorted at the end, then cut into places.
 */
#ifndef PSC_ANALYSIS_FAULTS_H
#define PSC_ANALYSIS_FAULTS_H

#include "base/vec.h"
#include "pool/sink.h"

/** Kept per list; more are counted only. */
#define PSC_MAX_FAULTS 4096u

struct psc_faults {
	PSC_VEC(struct psc_fault) list;
	uint64_t total;		/**< Also those that were not kept. */
	bool nomem;
};

/** A sink that adds to @p f. */
struct psc_sink psc_faults_sink(struct psc_faults *f);
/** @p part into @p f. */
void psc_faults_join(struct psc_faults *f, const struct psc_faults *part);
/** By address, then field, then rule; exact repeats are dropped. */
void psc_faults_sort(struct psc_faults *f);
void psc_faults_free(struct psc_faults *f);

/**
 * End of the place that begins at fault @p from (sorted list): the faults of
 * one header, of a chunk header and the pool header behind it, or of blocks
 * in a row that one write ran over.
 */
size_t psc_faults_place(const struct psc_faults *f, size_t from);

/**
 * Is this one systematic misread and not damage (pool 7.9, 8)? More than a
 * hundredth of the pages, or one rule at one page offset of many pages.
 * @param pages  that were walked.
 */
bool psc_faults_systematic(const struct psc_faults *f, uint64_t pages);

#endif
