// SPDX-License-Identifier: MIT
#include "analysis/bugcheck.h"

#include <stdio.h>

#include "analysis/bugcheck_fault.h"
#include "analysis/bugcheck_place.h"
#include "base/bytes.h"
#include "kernel/bugcheck.h"

void psc_check_name_place(struct psc_check *c, uint64_t va, const char *what)
{
	for (size_t i = 0; i < c->n_named; i++) {
		if (c->named[i].va == va)
			return;
	}
	if (c->n_named >= PSC_MAX_NAMED)
		return;
	struct psc_named *n = &c->named[c->n_named++];
	n->va = va;
	snprintf(n->what, sizeof(n->what), "%s", what);
}

/**
 * The record that a heap leaves of its failure (pool 8.3); it means something
 * when its Address is not 0.
 */
static void read_heap_failure(struct psc_check *c)
{
	static const struct {
		const char *path, *what;
	} fields[] = {
		{ "_HEAP_FAILURE_INFORMATION.Address", "heap failure: address" },
		{ "_HEAP_FAILURE_INFORMATION.PreviousBlock",
		  "heap failure: block before" },
		{ "_HEAP_FAILURE_INFORMATION.NextBlock",
		  "heap failure: block behind" },
	};
	const struct psc_kernel *k = c->a->kernel;
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(k, "RtlpHeapFailureInfo",
						  &va);

	for (size_t i = 0; !err && i < PSC_ARRAY_SIZE(fields); i++) {
		uint64_t v = 0;

		err = psc_kernel_get(k, va, fields[i].path, &v);
		if (!err && !i && !v)
			return;
		if (!err && v >> 47 == 0x1ffff)
			psc_check_name_place(c, v, fields[i].what);
	}
	psc_error_free(err);
}

void psc_check_read_bugcheck(struct psc_check *c)
{
	const struct psc_dump_header *h = psc_dump_header(c->a->dump);
	struct psc_bugcheck_text *t = &c->bugcheck;
	char what[PSC_NAMED_TEXT];

	c->has_bugcheck = psc_bugcheck_explain(
		h->bugcheck_code, h->bugcheck_parameter,
		psc_kernel_family(c->a->kernel), t);
	for (unsigned int i = 0; c->has_bugcheck && i < t->n_places; i++) {
		snprintf(what, sizeof(what), "parameter %u",
			 t->place[i].parameter);
		psc_check_name_place(c, t->place[i].va, what);
	}
	read_heap_failure(c);
	psc_check_read_fault(c);
}

static void set_parameters(const struct psc_check *c, struct psc_value *b)
{
	const struct psc_dump_header *h = psc_dump_header(c->a->dump);
	struct psc_value *list = psc_set_array(b, "parameters");

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t v = h->bugcheck_parameter[i];
		struct psc_value *p = psc_add_object(list);

		psc_set_hex(p, "value", v);
		psc_set_str(p, "what", c->bugcheck.parameter[i]);
		if (c->bugcheck.is_tag[i] && v <= UINT32_MAX)
			psc_set_tag(p, "tag", (uint32_t)v & 0x7fffffff);
	}
}

static void set_pairs(const struct psc_check *c, struct psc_value *b)
{
	struct psc_value *list = psc_set_array(b, "pairs");

	for (unsigned int i = 0; i < c->bugcheck.n_pairs; i++) {
		const struct psc_bugcheck_pair *t = &c->bugcheck.pair[i];
		int bits = __builtin_popcountll(t->expected ^ t->found);
		struct psc_value *p = psc_add_object(list);

		psc_set_hex(p, "expected", t->expected);
		psc_set_hex(p, "found", t->found);
		psc_set_uint(p, "bits", (unsigned int)bits);
		psc_set_bool(p, "bit_flip", bits == 1);
	}
}

/** Null: it is one of faults, and where it struck cannot be told. */
static void set_about(const struct psc_check *c, struct psc_value *b)
{
	if (c->has_bugcheck && c->bugcheck.echo && c->fault.inside < 0)
		psc_set_null(b, "about_pool");
	else if (c->has_bugcheck && c->bugcheck.echo)
		psc_set_bool(b, "about_pool", c->fault.inside);
	else
		psc_set_bool(b, "about_pool",
			     c->has_bugcheck && !c->bugcheck.not_pool);
}

struct psc_error *psc_check_set_bugcheck(struct psc_check *c)
{
	const struct psc_dump_header *h = psc_dump_header(c->a->dump);
	struct psc_value *o = psc_set_object(c->a->root, "check");
	struct psc_value *b = psc_set_object(o, "bugcheck");
	struct psc_error *err = NULL;

	psc_set_hex(b, "code", h->bugcheck_code);
	psc_set_str(b, "name", psc_bugcheck_name(h->bugcheck_code));
	set_about(c, b);
	psc_set_str(b, "meaning", c->bugcheck.meaning);
	psc_set_str(b, "look_at", c->bugcheck.look_at);
	set_parameters(c, b);
	set_pairs(c, b);
	psc_check_set_fault(c, b);
	struct psc_value *list = psc_set_array(b, "places");
	for (size_t i = 0; !err && i < c->n_named; i++) {
		struct psc_value *p = psc_add_object(list);

		psc_set_str(p, "from", c->named[i].what);
		err = psc_bugcheck_place(c, p, c->named[i].va);
	}
	return err;
}
