// SPDX-License-Identifier: MIT
/** @file
 * Inside of the corruption section: shared by the files that collect, judge,
 * name culprits and sum up.
 */
#ifndef PSC_ANALYSIS_CHECK_H
#define PSC_ANALYSIS_CHECK_H

#include "analysis/analysis.h"
#include "analysis/bugcheck_text.h"
#include "analysis/faults.h"
#include "analysis/judge.h"
#include "analysis/known.h"
#include "analysis/tagsum.h"
#include "pool/view.h"

/** What all findings have in common: hardware or software? */
struct psc_pattern {
	uint64_t n, corrupt;
	uint64_t flips, flip_pages; /**< Single bits; pages they lie on. */
	uint64_t last_flip_page;
	uint64_t shaped;	/**< Overruns, underruns, use after free. */
	uint64_t blamed;	/**< Findings with a suspect block. */
	uint32_t tag;		/**< Of the first suspect. */
	uint64_t same_tag;	/**< Findings whose suspect has it. */
	uint32_t first_offset;	/**< In the page, of the first finding. */
	uint64_t same_offset;
	bool has_memory_errors;
	uint64_t bad_pages, bit_errors;
};

/** An address that the bug check points to, and how. */
#define PSC_NAMED_TEXT 40
#define PSC_MAX_NAMED 48u
struct psc_named {
	uint64_t va;
	char what[PSC_NAMED_TEXT]; /**< "parameter 2". */
};

/** The fault that the bug check reports. */
struct psc_check_fault {
	uint64_t instruction;	/**< VA, 0 = none. */
	char place[PSC_PLACE_TEXT];
	int inside;		/**< A pool routine: 1, 0; −1 = cannot tell. */
	const char *from;	/**< Of its registers; NULL: not there. */
};

/** Which rules were tested on some block at least. */
struct psc_checks {
	bool rule[PSC_N_RULES];
};

struct psc_check {
	struct psc_analysis *a;
	struct psc_pool_view *view;
	struct psc_faults faults;
	const struct psc_walk *walk; /**< What was covered. */
	const struct psc_tagsum *sum; /**< What the walk found, by tag. */
	const struct psc_faults *unbilled; /**< What may become Q3. */
	/** Of sum: tags of blocks that no tag table knows; a few. */
	PSC_VEC(const struct psc_tagsum_row *) unknown;
	bool has_bugcheck;
	struct psc_bugcheck_text bugcheck;
	struct psc_named named[PSC_MAX_NAMED];
	size_t n_named;
	struct psc_check_fault fault;
	struct psc_pattern pattern;
	struct psc_value *list;	/**< corruption[] */
	uint64_t suspects;	/**< Places not in it: nobody asked. */
	uint64_t not_shown;	/**< Places not judged: too many. */
	uint64_t pages_shown, pages_not_shown; /**< Of findings. */
};

/** Was nothing missing from the walk, no page, no list, no key? */
bool psc_check_is_whole(const struct psc_check *c);
/** Rules K1 to K5 on the tag tables (pool 7.4); after psc_known_tags(). */
PSC_NODISCARD struct psc_error *psc_check_tags(struct psc_check *c);

/** Rules B1 to B9 on the big-page tables, and their payers (pool 7.3). */
PSC_NODISCARD struct psc_error *psc_check_big(struct psc_check *c,
					      const struct psc_known *known);
/** Keeps of @p hidden what the tags' counters confirm (L16). */
void psc_check_hidden(struct psc_check *c, const struct psc_faults *hidden);
/** A fault of the entry of @p b, in the member @p field of it. */
struct psc_fault psc_check_big_fault(const struct psc_check *c,
				     const struct psc_big *b,
				     enum psc_rule rule, const char *field,
				     uint64_t found);
/** After the walk: fills c->unknown. */
PSC_NODISCARD struct psc_error *psc_known_tags(struct psc_check *c,
					       const struct psc_known *k);
/**
 * Adds K6, B4, X2 for the blocks of unknown tags. What a wrong tag or payer
 * should have been: one bit away from one that exists; a Q2 that nothing
 * confirms is dropped.
 */
PSC_NODISCARD struct psc_error *psc_known_repair(struct psc_check *c,
						 const struct psc_known *k);

/** The lock that guards what @p f compares, in words, when it was held;
 *  else NULL (pool 7.9). */
const char *psc_check_lock(const struct psc_check *c,
			   const struct psc_fault *f);
/** What lies around a finding: its bytes, the blocks beside it, its page. */
PSC_NODISCARD struct psc_error *psc_check_around(struct psc_check *c,
						 struct psc_value *o,
						 const struct psc_scene *s);
/** A finding's suspect, its driver and payer, and hardware verdict. */
void psc_check_blame(struct psc_check *c, struct psc_value *o,
		     const struct psc_judgement *j);
/** "suspects" of @p o: tags that findings blame, most findings first. */
PSC_NODISCARD struct psc_error *psc_check_suspects(struct psc_check *c,
						   struct psc_value *o);
/** File name of the driver that allocates @p tag, or NULL. */
const char *psc_check_module(const struct psc_check *c, uint32_t tag);
/** Count a finding for the common pattern. */
void psc_pattern_add(struct psc_pattern *p, const struct psc_judgement *j);
/** "check": the answer to hardware or software. */
void psc_check_sum_up(struct psc_check *c);
/** Does the bug check name [va, va + bytes)? */
bool psc_check_named(const struct psc_check *c, uint64_t va, uint64_t bytes);

#endif
