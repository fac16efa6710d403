// SPDX-License-Identifier: MIT
// Big allocations: what their entries name (B4, Q1, Q2); their table itself is
// checked below (pool/bigpage_check.h).
#include "analysis/check.h"
#include "pool/bigpage_check.h"
#include "pool/header.h"

struct psc_fault psc_check_big_fault(const struct psc_check *c,
				     const struct psc_big *b,
				     enum psc_rule rule, const char *field,
				     uint64_t found)
{
	uint64_t entry = psc_pool_big_entry(c->view, b);
	struct psc_field f = { 0 };
	// Without its offset the field is told to be at the entry's start.
	struct psc_error *err = psc_kernel_field(c->a->kernel, field, &f);

	psc_error_free(err);
	return (struct psc_fault){
		.rule = rule, .va = entry, .field_va = entry + f.offset,
		.found = found, .tag = b->tag, .pool = b->pool,
		.owner = PSC_OWNER_BIG, .about = b->va };
}

static void add(struct psc_check *c, const struct psc_big *b,
		enum psc_rule rule, const char *field, uint64_t found)
{
	struct psc_sink s = psc_faults_sink(&c->faults);
	struct psc_fault f = psc_check_big_fault(c, b, rule, field, found);

	s.fault(s.ctx, &f);
}

/** Payers of big allocations, kept from 20348 on. When most of them are no
 *  addresses, the cookie is wrong. */
static void check_payers(struct psc_check *c, const struct psc_known *known,
			 const struct psc_big *v, size_t n)
{
	static const char field[] = "_POOL_TRACKER_BIG_PAGES.ProcessBilled";
	size_t bad = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		all += v[i].process != 0;
		bad += !psc_process_is_sane(v[i].process,
					    PSC_PROCESS_ALIGN);
	}
	for (size_t i = 0; bad * 2 <= all && i < n; i++) {
		if (!psc_process_is_sane(v[i].process,
					    PSC_PROCESS_ALIGN))
			add(c, &v[i], PSC_Q1, field, v[i].process);
		else if (!psc_known_process(known, v[i].process))
			add(c, &v[i], PSC_Q2, field, v[i].process);
	}
}

struct psc_error *psc_check_big(struct psc_check *c,
				const struct psc_known *known)
{
	const struct psc_sink sink = psc_faults_sink(&c->faults);
	size_t n;
	const struct psc_big *v = psc_pool_view_big(c->view, &n);

	// Tags of text that nobody counts: psc_known_repair().
	for (size_t i = 0; i < n; i++) {
		if (!psc_tag_is_text(v[i].tag))
			add(c, &v[i], PSC_B4, "_POOL_TRACKER_BIG_PAGES.Key",
			    v[i].tag);
	}
	check_payers(c, known, v, n);
	return psc_pool_check_big(c->view, &sink);
}
