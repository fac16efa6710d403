// SPDX-License-Identifier: MIT
/** @file
 * The corruption section: broken rules become findings with cause and
 * suspect.
 */
#ifndef PSC_ANALYSIS_CHECK_H
#define PSC_ANALYSIS_CHECK_H

#include "analysis/analysis.h"
#include "base/vec.h"
#include "pool/sink.h"

/** Faults kept of one walk; more are one systematic misread. */
#define PSC_MAX_FAULTS 100000u

struct psc_known_tags;

struct psc_faults {
	PSC_VEC(struct psc_fault) v;
	const struct psc_known_tags *known; /**< NULL: tags are not judged. */
	uint64_t dropped;	/**< Beyond the limit. */
	bool nomem;
};

/** A sink that keeps faults. */
struct psc_sink psc_faults_sink(struct psc_faults *f);
void psc_faults_add(struct psc_faults *f, const struct psc_fault *fault);

/** One header with all rules that it breaks. */
struct psc_damage {
	const struct psc_fault *f; /**< The first; n of them lie together. */
	size_t n;
	bool corrupt;		/**< Else suspect. */
	bool bit_flip;
	const char *cause;	/**< Name of the contract. */
	bool blames_previous;	/**< The block before, else its own. */
	int hardware;		/**< 1, 0, −1 = cannot tell. */
	const char *confidence;
	uint8_t before[0x40], here[0x20]; /**< Bytes around the header. */
	size_t n_before, n_here;
};

/** Judge one header; @p bugcheck: a parameter of the bug check names it. */
void psc_damage_judge(struct psc_damage *d, bool bugcheck);

/** Tags that the tables know: a sink that tells of blocks with another. */
struct psc_known_tags {
	uint32_t *v;		/**< Hash table; 0 = empty. */
	size_t cap, n;		/**< cap is a power of two; 0 = unknown. */
};
PSC_NODISCARD struct psc_error *psc_known_tags_read(struct psc_analysis *a,
						    struct psc_known_tags *ret);
bool psc_known_tag(const struct psc_known_tags *k, uint32_t tag);
/** The one known tag that differs in one bit; 0 = none, or several. */
uint32_t psc_known_tag_near(const struct psc_known_tags *k, uint32_t tag);

/** Rules K1 to K5 on the tag tables (pool 7.4). */
PSC_NODISCARD struct psc_error *psc_check_tags(struct psc_analysis *a,
					       struct psc_faults *f);

#endif
