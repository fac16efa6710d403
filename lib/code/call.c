// SPDX-License-Identifier: MIT
// Calls and jumps: who is called, what survives, what is passed.
#include "code/engine.h"

#include <string.h>

enum {
	ESCAPE_BYTES = 0x80,	// what a callee may write behind a pointer
	HOME_BYTES = 0x20,
	NAME_MAX_CHARS = 64,
	PUSHED_REG = PSC_SPARE_REG,
};

struct callee {
	struct psc_target t;
	bool local;
	uint32_t rva;
};

static struct psc_vals *vals(struct psc_eval *x)
{
	return &x->e->vals;
}

static bool jumps_to_rax(const struct psc_flat *f, uint32_t rva)
{
	return psc_flat_has(f, rva, 2) && f->bytes[rva] == 0xff &&
	       f->bytes[rva + 1] == 0xe0;
}

// Callee out of a pointer's value. Where alternatives differ, an allocator
// among them is what matters.
static struct callee of_value(struct psc_eval *x, psc_vid v)
{
	struct callee c = { .t = { .api = -1 } };
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(vals(x), v, &n);
	uint32_t rva;

	for (unsigned int i = 0; i < n; i++) {
		if (a[i].kind == PSC_A_API) {
			c.t.api = (int16_t)a[i].val;
			c.t.external = true;
			return c;
		}
		if (a[i].kind == PSC_A_IMPORT && n == 1) {
			const uint64_t *slot = psc_map_get(&x->e->slots,
							   a[i].val);
			if (slot)
				c.t = psc_target_unpack(*slot);
		}
		if (n == 1 && (a[i].kind == PSC_A_IMG ||
			       (a[i].kind == PSC_A_CONST &&
				psc_flat_rva(x->e->flat, a[i].val, &rva)))) {
			c.rva = a[i].kind == PSC_A_IMG ? (uint32_t)a[i].val
						       : rva;
			c.local = psc_flat_executable(x->e->flat, c.rva);
		}
	}
	return c;
}

static struct callee of_direct(struct psc_eval *x, int64_t to)
{
	struct callee c = { .t = psc_engine_direct(x->e, to) };
	const struct psc_flat *f = x->e->flat;

	if (c.t.api >= 0 || c.t.helper)
		return c;
	if (to >= 0 && to < f->size) {
		c.local = true;
		c.rva = (uint32_t)to;
		if (f->pe.machine == 0x8664 && jumps_to_rax(f, c.rva)) {
			struct callee g = of_value(x, x->s->reg[0]);
			return g.t.api >= 0 ? g : c;
		}
		return c;
	}
	// A rewritten import call leaves the slot's value in r10.
	if (f->pe.machine == 0x8664)
		c = of_value(x, x->s->reg[10]);
	c.local = false;
	c.t.external = true;
	return c;
}

static struct callee callee_of(struct psc_eval *x, const struct psc_opnd *o)
{
	struct callee c;

	if (o->kind == PSC_O_IMM)
		return of_direct(x, x->e->flat->ptr == 4 ? (int32_t)o->imm
							 : o->imm);
	if (o->kind == PSC_O_MEM && o->image && x->e->guard_dispatch &&
	    o->imm == x->e->guard_dispatch)
		return of_value(x, x->s->reg[0]);
	c = of_value(x, psc_eval_opnd(x, o, x->e->flat->ptr));
	if (c.local && x->e->flat->pe.machine == 0x8664 &&
	    jumps_to_rax(x->e->flat, c.rva))
		return of_value(x, x->s->reg[0]);
	return c;
}

// The tag is written as an immediate between the block's start and the call.
static bool tag_is_beside(struct psc_eval *x, const struct psc_insn *in,
			  psc_vid tag)
{
	const struct psc_atom *c = psc_vals_one(vals(x), tag, PSC_A_CONST);
	const struct psc_insn *first = x->fn->insns.v;

	for (const struct psc_insn *i = in; c && i > first && in - i < 32; ) {
		i--;
		if (i->op == PSC_OP_CALL || i->op >= PSC_OP_JMP)
			return false;
		if ((i->a.kind == PSC_O_IMM && (uint32_t)i->a.imm == c->val) ||
		    (i->b.kind == PSC_O_IMM && (uint32_t)i->b.imm == c->val))
			return true;
	}
	return false;
}

static void record(struct psc_eval *x, const struct psc_insn *in,
		   const struct callee *c, bool tail)
{
	struct psc_call call = { .rva = in->rva, .api = c->t.api,
				 .target = c->local ? c->rva : 0,
				 .tail = tail };

	if (!x->record || (c->t.api < 0 && !c->local))
		return;
	call.state = psc_state_copy(x->s);
	if (!call.state || !psc_vec_push(&x->fn->calls, call)) {
		psc_state_free(call.state);
		x->e->oom = true;
		return;
	}
	struct psc_call *made = &x->fn->calls.v[x->fn->calls.n - 1];
	if (c->t.api >= 0 && x->e->apis.v[c->t.api].tag != PSC_LOC_NONE)
		made->beside = tag_is_beside(x, in, psc_call_value(
			x->e, made, x->e->apis.v[c->t.api].tag));
}

// Locals whose address is passed may be written by the callee.
static void escape(struct psc_eval *x, psc_vid v)
{
	const struct psc_atom *a = psc_vals_one(vals(x), v, PSC_A_SP);

	if (!a || (int64_t)a->val >= 0)
		return;
	int32_t off = (int32_t)a->val;
	psc_state_kill(vals(x), x->s, off, PSC_MIN(off + ESCAPE_BYTES, 0));
}

static void escape_all(struct psc_eval *x)
{
	uint16_t m = x->e->flat->pe.machine;
	const struct psc_atom *sp = psc_vals_one(vals(x),
		x->s->reg[psc_sp_reg(m)], PSC_A_SP);
	int32_t at = sp ? (int32_t)sp->val : 0;
	uint64_t regs = m == 0x8664 ? 0x306 : m == 0xaa64 ? 0xff : 6;

	for (unsigned int r = 0; regs >> r; r++) {
		if (regs >> r & 1)
			escape(x, x->s->reg[r]);
	}
	for (int i = 0; sp && i < 8; i++) {
		int32_t off = at + i * x->e->flat->ptr;
		if (off >= 0)
			break;
		escape(x, psc_state_load(vals(x), x->s, off, x->e->flat->ptr,
					 psc_eval_initial, x));
	}
	if (sp && m == 0x8664)
		psc_state_kill(vals(x), x->s, at, at + HOME_BYTES);
}

// --- helpers with a meaning -------------------------------------------------

static psc_vid arg(struct psc_eval *x, unsigned int i)
{
	struct psc_call c = { .state = x->s };
	uint16_t m = x->e->flat->pe.machine;
	uint8_t loc = m == 0x14c ? (uint8_t)(PSC_LOC_STACK + i)
		    : m == 0xaa64 ? (uint8_t)i : (uint8_t)(1 + i);

	return psc_call_value(x->e, &c, loc);
}

// UTF-16 name in the image, as far as it is ASCII.
static bool image_name(const struct psc_flat *f, uint32_t rva, char *out)
{
	unsigned int n = 0;

	for (; n < NAME_MAX_CHARS - 1; n++) {
		if (!psc_flat_has(f, rva + 2 * n, 2) ||
		    f->bytes[rva + 2 * n + 1])
			break;
		out[n] = (char)f->bytes[rva + 2 * n];
		if (!out[n])
			return n > 0;
	}
	return false;
}

static bool text_address(struct psc_eval *x, psc_vid v, uint32_t *rva)
{
	const struct psc_flat *f = x->e->flat;
	const struct psc_atom *a = psc_vals_one(vals(x), v, PSC_A_IMG);

	if (a && a->val < f->size) {
		*rva = (uint32_t)a->val;
		return true;
	}
	if ((a = psc_vals_one(vals(x), v, PSC_A_CONST)))
		return psc_flat_rva(f, a->val, rva);
	// UNICODE_STRING that the compiler initialised in writable data.
	a = psc_vals_one(vals(x), v, PSC_A_GLOBAL);
	return a && psc_flat_has(f, a->val, f->ptr) &&
	       psc_flat_rva(f, psc_le_uint(f->bytes + a->val, f->ptr), rva);
}

// RtlInitUnicodeString(target, text): the text pointer is what counts.
static void init_string(struct psc_eval *x, psc_vid target, psc_vid text)
{
	const struct psc_atom *a = psc_vals_one(vals(x), target, PSC_A_SP);
	unsigned int ptr = x->e->flat->ptr;

	if (a)
		psc_state_store(vals(x), x->s, (int32_t)a->val + (int32_t)ptr,
				ptr, text);
}

// MmGetSystemRoutineAddress(name).
static psc_vid get_routine(struct psc_eval *x, psc_vid string)
{
	unsigned int ptr = x->e->flat->ptr;
	psc_vid at = psc_vals_arith(vals(x), PSC_ADD, string,
				    psc_vals_const(vals(x), ptr), ptr);
	psc_vid text = psc_eval_load(x, at, ptr);
	char name[NAME_MAX_CHARS];
	uint32_t rva;

	if (text_address(x, text, &rva) &&
	    image_name(x->e->flat, rva, name)) {
		int api = psc_engine_named(x->e, NULL, name).api;
		if (api >= 0)
			return psc_vals_atom(vals(x), (struct psc_atom){
				.kind = PSC_A_API, .val = (uint64_t)api });
	}
	return vals(x)->why[PSC_WHY_CALL];
}

// --- effect -----------------------------------------------------------------

static bool next_cleans(struct psc_eval *x, const struct psc_insn *in)
{
	const struct psc_insn *next = in + 1;

	if (next >= x->fn->insns.v + x->fn->insns.n)
		return false;
	return (next->op == PSC_OP_ARITH && next->arith == PSC_ADD &&
		next->dst.kind == PSC_O_REG && next->dst.reg == 4) ||
	       (next->op == PSC_OP_POP && next->dst.reg == 1);
}

// x86: who removes the arguments. Unknown stdcall imports take all that was
// pushed since the last call.
static void clean_stack(struct psc_eval *x, const struct psc_insn *in,
			const struct callee *c, const struct psc_summary *sum)
{
	const struct psc_atom *p = psc_vals_one(vals(x),
		x->s->reg[PUSHED_REG], PSC_A_CONST);
	uint64_t bytes = p ? p->val : 0;

	if (c->t.api >= 0)
		bytes = 4u * x->e->apis.v[c->t.api].slots;
	else if (c->local)
		bytes = sum->known_pops ? sum->pops : 0;
	if (next_cleans(x, in))
		bytes = 0;
	x->s->reg[4] = psc_vals_arith(vals(x), PSC_ADD, x->s->reg[4],
				      psc_vals_const(vals(x), bytes), 4);
	x->s->reg[PUSHED_REG] = psc_vals_const(vals(x), 0);
}

static void clobber(struct psc_eval *x, uint64_t mask)
{
	for (unsigned int r = 0; mask >> r; r++) {
		if (mask >> r & 1)
			x->s->reg[r] = vals(x)->why[PSC_WHY_CALL];
	}
	for (unsigned int i = 0; i < PSC_VECS; i++) {
		// xmm6..15, v8..15 are preserved.
		if (i >= (x->e->flat->pe.machine == 0xaa64 ? 8u : 6u) && i < 16)
			continue;
		for (unsigned int k = 0; k < 4; k++)
			x->s->vec[i][k] = vals(x)->why[PSC_WHY_CALL];
	}
}

enum psc_next psc_eval_call(struct psc_eval *x, const struct psc_insn *in)
{
	struct callee c = callee_of(x, &in->a);
	uint16_t m = x->e->flat->pe.machine;
	uint64_t mask = psc_volatile_regs(m);
	struct psc_summary sum = { .returns = true };
	psc_vid result = vals(x)->why[PSC_WHY_CALL], first, second;

	record(x, in, &c, false);
	if (c.t.helper == PSC_HELPER_NORETURN)
		return PSC_NEXT_END;
	if (c.local) {
		sum = psc_summary_of(x->e, c.rva);
		mask &= sum.clobbers;
		if (!sum.returns)
			return PSC_NEXT_END;
	}
	first = c.t.helper ? arg(x, 0) : 0;
	second = c.t.helper ? arg(x, 1) : 0;
	if (c.t.helper == PSC_HELPER_GET_ROUTINE)
		result = get_routine(x, first);
	escape_all(x);
	if (c.t.helper == PSC_HELPER_INIT_STRING)
		init_string(x, first, second);
	if (m == 0x14c)
		clean_stack(x, in, &c, &sum);
	clobber(x, mask);
	// A callee that leaves it alone (stack probes) has no result.
	if (mask & 1)
		x->s->reg[0] = result;
	return PSC_NEXT;
}

static bool leaves(struct psc_eval *x, uint32_t to)
{
	return to != x->fn->begin && psc_bounds_is_start(x->e, to);
}

enum psc_next psc_eval_jump(struct psc_eval *x, const struct psc_insn *in)
{
	struct callee c;

	if (in->a.kind == PSC_O_IMM) {
		int64_t to = x->e->flat->ptr == 4 ? (int32_t)in->a.imm
						  : in->a.imm;
		c = of_direct(x, to);
		if (c.local && c.t.api < 0 && !leaves(x, c.rva)) {
			x->target = c.rva;
			return PSC_NEXT_JUMP;
		}
		record(x, in, &c, true);
		return PSC_NEXT_END;
	}
	x->jump = psc_eval_opnd(x, &in->a, x->e->flat->ptr);
	c = callee_of(x, &in->a);
	if (c.t.api >= 0 || (c.local && leaves(x, c.rva))) {
		record(x, in, &c, true);
		return PSC_NEXT_END;
	}
	if (c.local) {
		x->target = c.rva;
		return PSC_NEXT_JUMP;
	}
	return c.t.external ? PSC_NEXT_END : PSC_NEXT_TABLE;
}

// --- values at a recorded call ----------------------------------------------

psc_vid psc_call_value(struct psc_engine *e, const struct psc_call *c,
		       uint8_t loc)
{
	uint16_t m = e->flat->pe.machine;
	const struct psc_atom *sp;
	struct psc_eval x = { .e = e, .s = c->state };
	int32_t off;

	if (loc < PSC_LOC_STACK)
		return loc < PSC_REGS ? c->state->reg[loc]
				      : e->vals.why[PSC_WHY_COMPUTED];
	sp = psc_vals_one(&e->vals, c->state->reg[psc_sp_reg(m)], PSC_A_SP);
	if (!sp)
		return e->vals.why[PSC_WHY_MEMORY];
	off = (int32_t)sp->val + (loc - PSC_LOC_STACK) * e->flat->ptr;
	if (c->tail && m != 0xaa64)
		off += e->flat->ptr;
	psc_vid v = psc_state_load(&e->vals, c->state, off, e->flat->ptr,
				   psc_eval_initial, &x);
	// A 32-bit argument leaves the upper half of its slot alone.
	if (e->flat->ptr == 8 && psc_vals_one(&e->vals, v, PSC_A_UNKNOWN))
		v = psc_state_load(&e->vals, c->state, off, 4,
				   psc_eval_initial, &x);
	return v;
}

psc_vid psc_call_memory(struct psc_engine *e, const struct psc_call *c,
			psc_vid pointer, int64_t off, unsigned int size)
{
	struct psc_eval x = { .e = e, .s = c->state };
	psc_vid at = psc_vals_arith(&e->vals, PSC_ADD, pointer,
		psc_vals_const(&e->vals, (uint64_t)off), e->flat->ptr);

	return psc_eval_load(&x, at, size);
}
