// SPDX-License-Identifier: MIT
/** @file
 * Analyses fill a report, section by section. Each reads the kernel and writes
 * under the names of the JSON contract; text and JSON need nothing more.
 */
#ifndef PSC_ANALYSIS_ANALYSIS_H
#define PSC_ANALYSIS_ANALYSIS_H

#include <stdbool.h>

#include "kernel/kernel.h"
#include "kernel/module.h"
#include "kernel/process.h"
#include "psc/psc.h"

struct psc_dump_callers;
struct psc_pooltags;
struct psc_pool_view;
struct psc_tag_table;
struct psc_vm;
struct psc_walked;

/** One run: its inputs, its report, and what sections share. */
struct psc_analysis {
	const struct psc_kernel *kernel;
	const struct psc_dump *dump;
	struct psc_mem *mem;
	const struct psc_request *req;
	const struct psc_pooltags *tags;	/**< What tags mean. */
	const struct psc_progress *progress;	/**< May be NULL. */
	struct psc_value *root;
	/** A figure is a lower bound; psc_analysis_lacks() sets it. */
	bool lower_bound;

	// Read by the first section that asks; freed by psc_analysis_deinit().
	struct psc_modules *modules;
	struct psc_processes *processes;
	struct psc_tag_table *tag_table;
	struct psc_vm *vm;
	struct psc_pool_view *view;	/**< analysis/walk.h */
	struct psc_walked *walked;	/**< analysis/walk.h */
	struct psc_dump_callers *callers; /**< analysis/callers.h */
};

/**
 * Fill the sections that @p a->req names, in the order of the contract.
 * @return the reason why a required section could not be filled.
 */
PSC_NODISCARD struct psc_error *psc_analyse(struct psc_analysis *a);
void psc_analysis_deinit(struct psc_analysis *a);

// --- the sections; each in its own file -------------------------------------
PSC_NODISCARD struct psc_error *psc_analyse_info(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_modules(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_symbols(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_vm(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_poolused(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_bigpool(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_walk(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_callers(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_pool_at(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_poolmap(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_check(struct psc_analysis *a);
PSC_NODISCARD struct psc_error *psc_analyse_findings(struct psc_analysis *a);

/**
 * A figure is a lower bound for a reason that coverage does not see: @p why
 * says which structure and what is the matter with it. It goes to
 * "missing.reasons", once.
 */
void psc_analysis_lacks(struct psc_analysis *a, const char *why);

// --- shared reads ------------------------------------------------------------
PSC_NODISCARD struct psc_error *
psc_analysis_modules(struct psc_analysis *a, const struct psc_modules **ret);
PSC_NODISCARD struct psc_error *
psc_analysis_processes(struct psc_analysis *a,
		       const struct psc_processes **ret);
/** The system's tag tables. */
PSC_NODISCARD struct psc_error *
psc_analysis_tag_table(struct psc_analysis *a,
		       const struct psc_tag_table **ret);

/**
 * Why this dump can hold no kernel structures at all, or NULL when it can:
 * a triage or header-only dump, or a kernel without names.
 */
PSC_NODISCARD struct psc_error *
psc_analysis_need_pages(const struct psc_analysis *a, const char *what);

#endif
