// SPDX-License-Identifier: MIT
#include "analysis/bugcheck_fault.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "analysis/bugcheck.h"
#include "base/bytes.h"
#include "kernel/context.h"
#include "kernel/processor.h"

bool psc_is_pool_routine(const char *name)
{
	static const char *const patterns[] = {
		"Ex*Pool*", "Exp*Pool*", "Rtlp*Hp*", "RtlpHeap*", "RtlpLfh*",
		"RtlHp*", "Mi*Pool*", "Mm*Pool*", "VerifierEx*Pool*",
		"ExAllocateHeap*", "ExFreeHeap*",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(patterns); i++) {
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	}
	return false;
}

/** Windows 7 keeps the pool's code between two names each. */
static bool is_between(const struct psc_kernel *k, uint64_t va,
		       const char *first, const char *last)
{
	uint64_t a, b;
	struct psc_error *err = psc_kernel_symbol(k, first, &a);

	if (!err)
		err = psc_kernel_symbol(k, last, &b);
	psc_error_free(err);
	return !err && va >= a && va < b;
}

/** Start of the function that holds @p rva, by the kernel's own table of
 *  functions; 0 = not readable. */
static uint64_t function_start(const struct psc_kernel *k, uint64_t rva)
{
	struct psc_pe_functions f = { 0 };
	uint64_t start = 0;
	struct psc_error *err = psc_kernel_pe(k)
		? psc_pe_functions(psc_kernel_pe(k), &f) : &psc_absent;

	psc_error_free(err);
	for (size_t i = 0; !err && i < f.n; i++) {
		if (rva >= f.v[i].begin && rva < f.v[i].end)
			start = f.v[i].parent;
	}
	if (!err)
		psc_pe_functions_free(&f);
	return start;
}

/**
 * Name of the routine at @p rva. The built-in table has few names: there the
 * nearest one counts only when a function begins at it.
 */
static bool routine_at(const struct psc_kernel *k, uint64_t rva,
		       struct psc_symname *ret)
{
	const struct psc_sym *s = psc_kernel_sym(k);
	struct psc_error *err = s ? psc_sym_nearest(s, rva, ret) : &psc_absent;

	psc_error_free(err);
	if (err)
		return false;
	bool whole = strcmp(psc_sym_source(s), "pdb") == 0 ||
		     strcmp(psc_sym_source(s), "isf") == 0;
	return whole || ret->rva == rva ||
	       (ret->rva && function_start(k, rva) == ret->rva);
}

static void judge_place(struct psc_check *c)
{
	const struct psc_kernel *k = c->a->kernel;
	uint64_t rva = c->fault.instruction - psc_kernel_base(k);
	struct psc_symname name;

	psc_kernel_place(k, c->fault.instruction, c->fault.place);
	c->fault.inside = -1;
	if (is_between(k, c->fault.instruction, "ExPoolCodeStart",
		       "ExPoolCodeEnd") ||
	    is_between(k, c->fault.instruction, "MmPoolCodeStart",
		       "MmPoolCodeEnd"))
		c->fault.inside = 1;
	else if (!psc_kernel_base(k))
		return;
	else if (rva >= psc_kernel_size(k))
		c->fault.inside = 0;	// a driver
	else if (routine_at(k, rva, &name))
		c->fault.inside = psc_is_pool_routine(name.name);
}

// --- registers ---------------------------------------------------------------

/** Contexts of the processors: the one that was at @p pc. */
static bool from_processors(const struct psc_kernel *k, uint64_t pc,
			    struct psc_registers *ret)
{
	struct psc_processors p = { 0 };
	struct psc_field f;
	bool found = false;
	struct psc_error *err = psc_kernel_field(
		k, "_KPRCB.ProcessorState.ContextFrame", &f);

	if (!err)
		err = psc_processors_read(k, &p);
	for (size_t i = 0; !err && !found && i < p.n; i++) {
		struct psc_registers r;
		struct psc_error *bad = p.prcb[i]
			? psc_context_read(k, p.prcb[i] + f.offset, &r)
			: &psc_absent;

		psc_error_free(bad);
		found = !bad && (r.pc == pc ||
				 psc_trap_frame_find(k, r.sp, pc, &r));
		if (found)
			*ret = r;
	}
	psc_error_free(err);
	psc_processors_free(&p);
	return found;
}

/** @return where they come from, NULL: not in the dump. */
static const char *read_registers(const struct psc_check *c,
				  struct psc_registers *r)
{
	const struct psc_kernel *k = c->a->kernel;
	const struct psc_bugcheck_text *t = &c->bugcheck;
	uint64_t pc = t->instruction;
	struct psc_error *err = &psc_absent;
	struct psc_registers h;

	if (t->trap_frame) {
		err = psc_trap_frame_read(k, t->trap_frame, r);
		psc_error_free(err);
		return err ? NULL : "the trap frame that it names";
	}
	if (t->context)
		err = psc_context_read(k, t->context, r);
	psc_error_free(err);
	if (!err)
		return "the context record that it names";
	if (!pc)
		return NULL;
	if (psc_context_of_dump(c->a->dump, &h)) {
		*r = h;
		if (h.pc == pc)
			return "the context record of the header";
		if (psc_trap_frame_find(k, h.sp, pc, r))
			return "a trap frame on the stack";
	}
	return from_processors(k, pc, r) ? "the context of a processor" : NULL;
}

static void name_registers(struct psc_check *c, const struct psc_registers *r)
{
	bool partial = psc_pool_view_info(c->view)->partial;
	char what[PSC_NAMED_TEXT];

	for (unsigned int i = 0; i < r->n; i++) {
		struct psc_place p;

		if (r->r[i].v >> 47 != 0x1ffff)
			continue;
		psc_pool_locate(c->view, r->r[i].v, &p);
		// Pieces of memory are pool where a subsegment is known.
		if (!p.found || (partial && !p.unit.pages))
			continue;
		snprintf(what, sizeof(what), "register %s", r->r[i].name);
		psc_check_name_place(c, r->r[i].v, what);
	}
}

void psc_check_read_fault(struct psc_check *c)
{
	struct psc_registers r = { 0 };

	if (!c->has_bugcheck)
		return;
	c->fault.from = read_registers(c, &r);
	c->fault.instruction = c->bugcheck.instruction;
	if (!c->fault.instruction && c->fault.from)
		c->fault.instruction = r.pc;
	if (c->fault.instruction)
		judge_place(c);
	else
		c->fault.inside = -1;
	// The memory referenced is no more than a candidate either.
	if (c->fault.from && (!c->bugcheck.echo || c->fault.inside == 1))
		name_registers(c, &r);
}

void psc_check_set_fault(const struct psc_check *c, struct psc_value *b)
{
	if (!c->fault.instruction) {
		psc_set_null(b, "fault");
		return;
	}
	struct psc_value *o = psc_set_object(b, "fault");
	psc_set_hex(o, "instruction", c->fault.instruction);
	psc_set_str(o, "place", c->fault.place);
	if (c->fault.inside < 0)
		psc_set_null(o, "in_pool_routine");
	else
		psc_set_bool(o, "in_pool_routine", c->fault.inside);
	psc_set_str(o, "registers_from", c->fault.from);
}
