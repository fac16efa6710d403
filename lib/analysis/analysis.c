// SPDX-License-Identifier: MIT
#include "analysis/analysis.h"

#include "analysis/callers.h"
#include "analysis/vm.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "pool/tagtable.h"

/** To add a section: write its function in its own file and add a row. */
static const struct section {
	uint32_t bit;
	const char *key;	/**< Where its error goes. */
	struct psc_error *(*fill)(struct psc_analysis *a);
} sections[] = {
	{ PSC_SECTION_INFO, "dump", psc_analyse_info },
	{ PSC_SECTION_MODULES, "modules", psc_analyse_modules },
	{ PSC_SECTION_SYMBOLS, "symbol_search", psc_analyse_symbols },
	{ PSC_SECTION_VM, "vm", psc_analyse_vm },
	{ PSC_SECTION_POOLUSED, "poolused", psc_analyse_poolused },
	{ PSC_SECTION_BIGPOOL, "bigpool", psc_analyse_bigpool },
	{ PSC_SECTION_WALK, "walk", psc_analyse_walk },
	{ PSC_SECTION_CALLSITES, "callsites", psc_analyse_callers },
	{ PSC_SECTION_CORRUPTION, "corruption", psc_analyse_check },
	{ PSC_SECTION_POOL_AT, "pool", psc_analyse_pool_at },
	{ PSC_SECTION_POOLMAP, "poolmap", psc_analyse_poolmap },
	{ PSC_SECTION_FINDINGS, "findings", psc_analyse_findings },
};

void psc_analysis_lacks(struct psc_analysis *a, const char *why)
{
	struct psc_value *m = psc_set_object(a->root, "missing");
	struct psc_value *reasons = psc_set_array(m, "reasons");

	a->lower_bound = true;
	for (size_t i = 0; i < psc_count(reasons); i++) {
		const char *s = psc_value_str(psc_at(reasons, i, NULL));

		if (s && !strcmp(s, why))
			return;
	}
	psc_add_str(reasons, why);
}

static void set_missing(const struct psc_analysis *a)
{
	struct psc_coverage c = psc_mem_coverage(a->mem);
	struct psc_value *m = psc_set_object(a->root, "missing");

	psc_set_uint(m, "pages_not_in_file", c.pages_not_in_file);
	psc_set_uint(m, "pages_paged_out", c.pages_paged_out);
	psc_set_uint(m, "structures_unreadable", c.structures_unreadable);
	psc_set_array(m, "reasons");
	psc_set_bool(a->root, "complete",
		     !a->lower_bound && !c.pages_not_in_file &&
		     !c.pages_paged_out && !c.structures_unreadable);
}

// An optional section that fails says so in its place.
static struct psc_error *run_section(struct psc_analysis *a,
				     const struct section *s)
{
	struct psc_error *err = s->fill(a);

	if (!err || err->code == PSC_ERR_NOMEM || err->code == PSC_ERR_USAGE ||
	    (a->req->required & s->bit))
		return err;
	psc_set_str(psc_set_object(a->root, s->key), "error", err->message);
	psc_error_free(err);
	a->lower_bound = true;
	return NULL;
}

struct psc_error *psc_analyse(struct psc_analysis *a)
{
	psc_set_str(a->root, "schema", "poolscope.report/1");
	psc_set_str(psc_set_object(a->root, "tool"), "version", PSC_VERSION);
	uint32_t wanted = a->req->sections;

	// A triage dump has drivers to show and little else.
	if (psc_dump_triage(a->dump) && wanted & PSC_SECTION_FINDINGS)
		wanted |= PSC_SECTION_MODULES;
	set_missing(a);		// takes its place at the top, filled at the end
	for (size_t i = 0; i < PSC_ARRAY_SIZE(sections); i++) {
		struct psc_error *err = NULL;

		if (wanted & sections[i].bit)
			err = run_section(a, &sections[i]);
		if (err)
			return err;
	}
	set_missing(a);
	return NULL;
}

void psc_analysis_deinit(struct psc_analysis *a)
{
	psc_modules_free(a->modules);
	psc_processes_free(a->processes);
	psc_tag_table_free(a->tag_table);
	psc_vm_free(a->vm);
	psc_walked_free(a->walked);
	psc_pool_view_free(a->view);
	psc_dump_callers_free(a->callers);
}

struct psc_error *psc_analysis_modules(struct psc_analysis *a,
				       const struct psc_modules **ret)
{
	struct psc_error *err = NULL;

	if (!a->modules)
		err = psc_modules_read(a->kernel, true, &a->modules);
	if (!err)
		*ret = a->modules;
	return err;
}

struct psc_error *psc_analysis_processes(struct psc_analysis *a,
					 const struct psc_processes **ret)
{
	struct psc_error *err = NULL;

	if (!a->processes)
		err = psc_processes_read(a->kernel, &a->processes);
	if (!err)
		*ret = a->processes;
	return err;
}

struct psc_error *psc_analysis_tag_table(struct psc_analysis *a,
					 const struct psc_tag_table **ret)
{
	struct psc_error *err = NULL;

	if (!a->tag_table)
		err = psc_tag_table_read(a->kernel, &a->tag_table);
	if (!err)
		*ret = a->tag_table;
	return err;
}

struct psc_error *psc_analysis_need_pages(const struct psc_analysis *a,
					  const char *what)
{
	const char *why = psc_dump_why_no_pages(a->dump);
	const char *wanted = psc_kernel_wanted(a->kernel);

	if (why)
		return psc_error_new(PSC_ERR_ABSENT, "%s holds no %s: %s",
				     psc_dump_path(a->dump), what, why);
	if (!psc_kernel_sym(a->kernel))
		return psc_error_new(PSC_ERR_ABSENT, "%s: no %s: %s",
				     psc_dump_path(a->dump), what,
				     wanted ? wanted
					    : "the kernel was not found");
	return NULL;
}
