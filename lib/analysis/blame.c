// SPDX-License-Identifier: MIT
// Whose fault: the suspect block's tag, its driver, and who paid for it.
#include "analysis/check.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/callers.h"

#include "analysis/pooltag.h"
#include "base/cleanup.h"
#include "pool/header.h"

const char *psc_check_module(const struct psc_check *c, uint32_t tag)
{
	struct psc_pooltag t;

	if (!tag)
		return NULL;
	if (psc_pooltag_find(c->a->tags, tag, &t) && t.binary)
		return t.binary;
	// No list knows it: does a driver's own code?
	return psc_callers_driver(c->a, tag);
}

/** Process that pays for the block at @p va, 0 = nobody or not known. */
static uint64_t payer(const struct psc_check *c, uint64_t va)
{
	const struct psc_view_info *info = psc_pool_view_info(c->view);
	uint8_t b[16];
	uint64_t p;

	// From 8 on the pointer is stored under a cookie (pool 1.5).
	if (!info->keys.has_cookie && psc_kernel_family(c->a->kernel) > 7601)
		return 0;
	if (psc_mem_read(psc_kernel_mem(c->a->kernel), va, b, sizeof(b),
			 NULL) != sizeof(b))
		return 0;
	struct psc_pool_header h = psc_header_decode(&psc_header64, b);
	if (!psc_header_type_live(h.type) || !(h.type & PSC_PT_QUOTA))
		return 0;
	p = psc_header_process(&h, va, info->keys.has_cookie
					       ? info->keys.cookie : 0);
	return psc_process_is_sane(p, info->design == PSC_POOL_CLASSIC
				   ? PSC_PROCESS_ALIGN_CLASSIC
				   : PSC_PROCESS_ALIGN) && p != UINT64_MAX
		? p : 0;
}

static void set_process(struct psc_check *c, struct psc_value *o, uint64_t va)
{
	const struct psc_processes *list = NULL;
	struct psc_error *err = NULL;
	uint64_t process = va ? payer(c, va) : 0;

	psc_set_null(o, "process");
	if (process)
		err = psc_analysis_processes(c->a, &list);
	for (size_t i = 0; !err && list && i < list->n; i++) {
		if (list->v[i].va != process)
			continue;
		struct psc_value *p = psc_set_object(o, "process");
		psc_set_uint(p, "pid", list->v[i].pid);
		psc_set_str(p, "name", list->v[i].name);
		return;
	}
	psc_error_free(err);
}

void psc_check_blame(struct psc_check *c, struct psc_value *o,
		     const struct psc_judgement *j)
{
	psc_set_null(o, "suspect");
	if (j->suspect) {
		struct psc_value *s = psc_set_object(o, "suspect");

		psc_set_hex(s, "address", j->suspect);
		if (j->suspect_tag)
			psc_set_tag(s, "tag", j->suspect_tag);
		else
			psc_set_null(s, "tag");
		psc_set_str(s, "module", psc_check_module(c, j->suspect_tag));
	}
	set_process(c, o, j->suspect);
}

// --- all suspects together ------------------------------------------------------

/** One tag that findings blame. */
struct blamed {
	uint32_t tag;
	const struct psc_value *first; /**< Its first finding. */
	uint64_t findings;
};

static int most_first(const void *a, const void *b)
{
	const struct blamed *x = a, *y = b;

	if (x->findings != y->findings)
		return x->findings > y->findings ? -1 : 1;
	return x->tag < y->tag ? -1 : x->tag > y->tag;
}

static void add_blamed(struct blamed *v, size_t *n, uint32_t tag,
		       const struct psc_value *finding)
{
	size_t i = 0;

	while (i < *n && v[i].tag != tag)
		i++;
	if (i == *n)
		v[(*n)++] = (struct blamed){ .tag = tag, .first = finding };
	v[i].findings++;
}

struct psc_error *psc_check_suspects(struct psc_check *c, struct psc_value *o)
{
	size_t n = 0, n_findings = psc_count(c->list);
	PSC_FREE struct blamed *v = calloc(n_findings + 1, sizeof(*v));
	struct psc_value *list = psc_set_array(o, "suspects");
	uint32_t tag;

	if (!v)
		return &psc_nomem;
	for (size_t i = 0; i < n_findings; i++) {
		const struct psc_value *f = psc_at(c->list, i, NULL);

		if (psc_get_tag(f, "suspect.tag", &tag))
			add_blamed(v, &n, tag, f);
	}
	if (n)
		qsort(v, n, sizeof(*v), most_first);
	for (size_t i = 0; i < n; i++) {
		struct psc_value *s = psc_add_object(list);

		psc_set_tag(s, "tag", v[i].tag);
		psc_set_str(s, "module",
			    psc_get_str(v[i].first, "suspect.module"));
		psc_set_str(s, "cause", psc_get_str(v[i].first, "cause"));
		psc_set_uint(s, "findings", v[i].findings);
	}
	return NULL;
}
