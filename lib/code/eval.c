// SPDX-License-Identifier: MIT
// One instruction's effect on the abstract state.
#include "code/engine.h"

enum { FILL_BYTES = 0x200, PUSHED_REG = PSC_SPARE_REG };

static struct psc_vals *vals(struct psc_eval *x)
{
	return &x->e->vals;
}

// Arguments on the stack; everything else there starts out unknown.
psc_vid psc_eval_initial(void *ctx, int32_t off, uint32_t size)
{
	struct psc_eval *x = ctx;
	uint16_t m = x->e->flat->pe.machine;
	int32_t ptr = x->e->flat->ptr;
	// Return address, and on x64 the home slots of register arguments.
	int32_t first = m == 0x8664 ? 0x28 : m == 0x14c ? 4 : 0;
	int32_t base = m == 0xaa64 ? 0 : ptr;

	if (off < first || off % ptr || size > (uint32_t)ptr || off > 0x400)
		return vals(x)->why[PSC_WHY_MEMORY];
	struct psc_atom a = { .kind = PSC_A_ARG,
		.aux = (uint32_t)(PSC_LOC_STACK + (off - base) / ptr) };
	return psc_vals_trunc(vals(x), psc_vals_atom(vals(x), a), size);
}

static psc_vid api_atom(struct psc_eval *x, int api, uint32_t at)
{
	return psc_vals_atom(vals(x), (struct psc_atom){
		.kind = PSC_A_API, .val = (uint64_t)api, .aux = at });
}

// In a dump a variable may hold an allocator that was looked up at run time.
static int held_api(struct psc_eval *x, uint64_t value)
{
	const char *module, *name;
	uint32_t rva;

	if (!x->e->names || !value || psc_flat_rva(x->e->flat, value, &rva))
		return -1;
	name = x->e->names->at(x->e->names->ctx, value, &module);
	return name ? psc_engine_named(x->e, module, name).api : -1;
}

// Variables and slots that hold something with a name.
static psc_vid load_pointer(struct psc_eval *x, uint32_t rva)
{
	const struct psc_engine *e = x->e;
	const uint64_t *slot = psc_map_get(&e->slots, rva);
	const uint64_t *routine = psc_map_get(&e->routines, rva);
	uint32_t ptr = e->flat->ptr;
	int api = -1;

	if (slot) {
		struct psc_target t = psc_target_unpack(*slot);
		if (t.api >= 0)
			return api_atom(x, t.api, rva);
		return psc_vals_atom(vals(x), (struct psc_atom){
			.kind = PSC_A_IMPORT, .val = rva });
	}
	if (routine)
		return api_atom(x, (int)*routine, rva);
	if (e->wdf_table && rva > e->wdf_table && !(rva % ptr))
		api = psc_kmdf_row((rva - e->wdf_table) / ptr);
	if (api < 0 && e->flat->memory && psc_flat_has(e->flat, rva, ptr) &&
	    psc_flat_writable(e->flat, rva))
		api = held_api(x, psc_le_uint(e->flat->bytes + rva, ptr));
	return api >= 0 ? api_atom(x, api, rva) : PSC_V_NONE;
}

static psc_vid load_image(struct psc_eval *x, uint64_t rva, unsigned int size)
{
	const struct psc_flat *f = x->e->flat;
	psc_vid v = PSC_V_NONE;

	if (rva >= f->size || size > 8)
		return vals(x)->why[PSC_WHY_MEMORY];
	if (size == f->ptr)
		v = load_pointer(x, (uint32_t)rva);
	if (v)
		return v;
	if (psc_flat_writable(f, rva))
		return psc_vals_atom(vals(x), (struct psc_atom){
			.kind = PSC_A_GLOBAL, .val = rva,
			.size = (uint8_t)size });
	if (!psc_flat_has(f, rva, size))
		return vals(x)->why[PSC_WHY_MISSING];
	return psc_vals_const(vals(x), psc_le_uint(f->bytes + rva, size));
}

static psc_vid load_atom(struct psc_eval *x, struct psc_atom a,
			 unsigned int size)
{
	uint32_t rva;

	switch (a.kind) {
	case PSC_A_SP:
		return psc_state_load(vals(x), x->s, (int32_t)a.val, size,
				      psc_eval_initial, x);
	case PSC_A_IMG:
		return load_image(x, a.val, size);
	case PSC_A_CONST:
		if (psc_flat_rva(x->e->flat, a.val, &rva))
			return load_image(x, rva, size);
		return vals(x)->why[PSC_WHY_MEMORY];
	case PSC_A_TABPTR:
		a.kind = PSC_A_TABLE;
		break;
	case PSC_A_JUMPTABLE:	// an index that came out of a table itself
		a = (struct psc_atom){ .kind = PSC_A_TABLE, .val = a.mask,
				       .aux = 1u << a.shift };
		break;
	case PSC_A_ARG:
		if (a.mask)
			return vals(x)->why[PSC_WHY_MEMORY];
		a.kind = PSC_A_ARGMEM;
		break;
	default:
		return vals(x)->why[PSC_WHY_MEMORY];
	}
	a.size = (uint8_t)size;
	return psc_vals_atom(vals(x), a);
}

psc_vid psc_eval_load(struct psc_eval *x, psc_vid address, unsigned int size)
{
	struct psc_atom copy[PSC_ATOMS_MAX];
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(vals(x), address, &n);
	psc_vid v = PSC_V_NONE;

	memcpy(copy, a, n * sizeof(*a));
	for (unsigned int i = 0; i < n; i++)
		v = psc_vals_join(vals(x), v, load_atom(x, copy[i], size));
	return v;
}

static psc_vid image_address(struct psc_eval *x, uint64_t rva)
{
	return psc_vals_atom(vals(x), (struct psc_atom){ .kind = PSC_A_IMG,
							 .val = rva });
}

// A constant that lies inside the image is an address when it is used as one.
static psc_vid as_address(struct psc_eval *x, psc_vid v)
{
	const struct psc_atom *c = psc_vals_one(vals(x), v, PSC_A_CONST);
	uint32_t rva;

	if (c && psc_flat_rva(x->e->flat, c->val, &rva))
		return image_address(x, rva);
	return v;
}

static psc_vid address(struct psc_eval *x, const struct psc_opnd *o,
		       bool is_pointer)
{
	unsigned int ptr = x->e->flat->ptr;
	psc_vid v, index;

	if (o->image)
		return image_address(x, (uint64_t)o->imm);
	v = psc_vals_const(vals(x), ptr == 4 ? (uint32_t)o->imm
					     : (uint64_t)o->imm);
	if (is_pointer || o->reg == PSC_NO_REG)
		v = as_address(x, v);
	if (o->reg != PSC_NO_REG) {
		psc_vid base = x->s->reg[o->reg];
		if (is_pointer)
			base = as_address(x, base);
		v = psc_vals_arith(vals(x), PSC_ADD, base, v, ptr);
	}
	if (o->index == PSC_NO_REG)
		return v;
	index = x->s->reg[o->index];
	// base + base * scale, as in [rax + rax*2].
	if (o->reg == o->index && !o->imm)
		return psc_vals_arith(vals(x), PSC_MUL, index,
				      psc_vals_const(vals(x), o->scale + 1u),
				      ptr);
	index = psc_vals_arith(vals(x), PSC_MUL, index,
			       psc_vals_const(vals(x), o->scale), ptr);
	return psc_vals_arith(vals(x), PSC_ADD, v, index, ptr);
}

// Function of the KMDF table, which a variable points to.
static psc_vid kmdf_load(struct psc_eval *x, const struct psc_opnd *o)
{
	const struct psc_atom *g;
	int api;

	if (!x->e->wdf_table || o->image || o->reg == PSC_NO_REG ||
	    o->index != PSC_NO_REG || o->imm < 0)
		return PSC_V_NONE;
	g = psc_vals_one(vals(x), x->s->reg[o->reg], PSC_A_GLOBAL);
	if (!g || g->val != x->e->wdf_table)
		return PSC_V_NONE;
	api = psc_kmdf_row((unsigned int)(o->imm / x->e->flat->ptr));
	return api >= 0 ? api_atom(x, api, x->e->wdf_table) : PSC_V_NONE;
}

static uint64_t low_bytes(uint64_t v, unsigned int size)
{
	return size >= 8 ? v : v & (((uint64_t)1 << 8 * size) - 1);
}

psc_vid psc_eval_opnd(struct psc_eval *x, const struct psc_opnd *o,
		      unsigned int size)
{
	psc_vid v;

	switch (o->kind) {
	case PSC_O_REG:
		return psc_vals_trunc(vals(x), x->s->reg[o->reg], o->size);
	case PSC_O_VEC:
		return x->s->vec[o->reg][0];
	case PSC_O_IMM:
		return psc_vals_const(vals(x), low_bytes((uint64_t)o->imm,
							 size));
	case PSC_O_MEM:
		v = kmdf_load(x, o);
		return v ? v : psc_eval_load(x, address(x, o, true), o->size);
	default:
		return vals(x)->why[PSC_WHY_COMPUTED];
	}
}

static void set_reg(struct psc_eval *x, const struct psc_opnd *o, psc_vid v)
{
	psc_vid *r = &x->s->reg[o->reg];

	if (o->size >= 4)
		*r = psc_vals_trunc(vals(x), v, o->size);
	else
		*r = psc_vals_insert(vals(x), *r, v, o->size);
}

static void note_store(struct psc_eval *x, uint64_t rva, unsigned int size,
		       psc_vid v)
{
	const struct psc_atom *api = psc_vals_one(vals(x), v, PSC_A_API);
	struct psc_store st = { (uint32_t)rva, x->insn->rva, size, v };
	bool added = false;

	if (!x->record || rva >= x->e->flat->size)
		return;
	if (!psc_map_put(&x->e->store_seen, (uint64_t)x->insn->rva << 32 | rva,
			 &added) ||
	    (added && !psc_vec_push(&x->e->stores, st)))
		x->e->oom = true;
	if (api && size == x->e->flat->ptr) {
		uint64_t *slot = psc_map_put(&x->e->routines, rva, &added);
		if (slot && added)
			*slot = api->val;
	}
}

static void store(struct psc_eval *x, psc_vid at, unsigned int size, psc_vid v)
{
	struct psc_atom copy[PSC_ATOMS_MAX];
	unsigned int n;
	const struct psc_atom *a = psc_vals_get(vals(x), at, &n);

	memcpy(copy, a, n * sizeof(*a));
	for (unsigned int i = 0; i < n; i++) {
		int32_t off = (int32_t)copy[i].val;
		if (copy[i].kind == PSC_A_IMG)
			note_store(x, copy[i].val, size, v);
		else if (copy[i].kind == PSC_A_SP && n == 1)
			psc_state_store(vals(x), x->s, off, size, v);
		else if (copy[i].kind == PSC_A_SP)
			psc_state_kill(vals(x), x->s, off,
				       off + (int32_t)size);
	}
}

static void write_opnd(struct psc_eval *x, const struct psc_opnd *o,
		       unsigned int size, psc_vid v)
{
	if (o->kind == PSC_O_REG) {
		set_reg(x, o, v);
	} else if (o->kind == PSC_O_MEM) {
		store(x, address(x, o, true), o->size ? o->size : size,
		      psc_vals_trunc(vals(x), v, o->size));
	} else if (o->kind == PSC_O_VEC) {
		for (int i = 0; i < 4; i++)
			x->s->vec[o->reg][i] = vals(x)->why[PSC_WHY_COMPUTED];
	}
}

// Moves through vector registers, lane by lane.
static void move_vector(struct psc_eval *x, const struct psc_insn *in)
{
	const struct psc_opnd *d = &in->dst, *a = &in->a;
	struct psc_vals *v = vals(x);
	unsigned int mem = d->kind == PSC_O_MEM ? d->size : a->size;
	unsigned int lanes = PSC_MIN(4u, PSC_MAX(mem, 4u) / 4);
	psc_vid lane[4], at = 0;

	if (d->kind == PSC_O_MEM || a->kind == PSC_O_MEM)
		at = address(x, d->kind == PSC_O_MEM ? d : a, true);
	for (unsigned int i = 0; i < 4; i++) {
		psc_vid step = psc_vals_const(v, 4 * i);
		if (i >= lanes)
			lane[i] = psc_vals_const(v, 0);
		else if (a->kind == PSC_O_VEC)
			lane[i] = x->s->vec[a->reg][i];
		else if (a->kind == PSC_O_MEM)
			lane[i] = psc_eval_load(x, psc_vals_arith(
				v, PSC_ADD, at, step, 8), 4);
		else
			lane[i] = psc_vals_trunc(v, psc_vals_arith(
				v, PSC_SHR, psc_eval_opnd(x, a, 8),
				psc_vals_const(v, 32 * i), 8), 4);
		if (a->kind != PSC_O_VEC && a->kind != PSC_O_MEM && !i)
			lane[0] = psc_vals_trunc(v, psc_eval_opnd(x, a, 8), 4);
	}
	if (d->kind == PSC_O_VEC) {
		memcpy(x->s->vec[d->reg], lane, sizeof(lane));
	} else if (d->kind == PSC_O_MEM) {
		for (unsigned int i = 0; i < lanes; i++)
			store(x, psc_vals_arith(v, PSC_ADD, at,
				psc_vals_const(v, 4 * i), 8), 4, lane[i]);
	} else if (d->kind == PSC_O_REG) {
		psc_vid hi = psc_vals_arith(v, PSC_SHL, lane[1],
					    psc_vals_const(v, 32), 8);
		set_reg(x, d, d->size == 4 ? lane[0]
			: psc_vals_arith(v, PSC_OR, lane[0], hi, 8));
	}
}

static void move(struct psc_eval *x, const struct psc_insn *in)
{
	psc_vid v;

	if (in->dst.kind == PSC_O_VEC || in->a.kind == PSC_O_VEC) {
		move_vector(x, in);
		return;
	}
	v = psc_eval_opnd(x, &in->a, in->size);
	if (in->op == PSC_OP_SEXT)
		v = psc_vals_sext(vals(x), v, in->a.size, in->size);
	write_opnd(x, &in->dst, in->size, v);
}

static void pushed(struct psc_eval *x, int by)
{
	psc_vid *p = &x->s->reg[PUSHED_REG];

	*p = by ? psc_vals_arith(vals(x), PSC_ADD, *p,
				 psc_vals_const(vals(x), (uint64_t)by), 4)
		: psc_vals_const(vals(x), 0);
}

static void push(struct psc_eval *x, const struct psc_insn *in)
{
	unsigned int ptr = x->e->flat->ptr;
	psc_vid *sp = &x->s->reg[4], v = psc_eval_opnd(x, &in->a, ptr);
	const struct psc_atom *a = psc_vals_one(vals(x), v, PSC_A_ARG);
	// Saving a register is no argument of a call to come.
	bool saves = in->a.kind == PSC_O_REG && a && a->aux == in->a.reg;

	*sp = psc_vals_arith(vals(x), PSC_SUB, *sp,
			     psc_vals_const(vals(x), ptr), ptr);
	store(x, *sp, ptr, v);
	if (!saves)
		pushed(x, (int)ptr);
}

static void pop(struct psc_eval *x, const struct psc_opnd *dst)
{
	unsigned int ptr = x->e->flat->ptr;
	psc_vid *sp = &x->s->reg[4], v = psc_eval_load(x, *sp, ptr);

	*sp = psc_vals_arith(vals(x), PSC_ADD, *sp,
			     psc_vals_const(vals(x), ptr), ptr);
	pushed(x, 0);
	write_opnd(x, dst, ptr, v);
}

static void leave(struct psc_eval *x)
{
	struct psc_opnd bp = { .kind = PSC_O_REG, .reg = 5,
			       .size = x->e->flat->ptr };

	x->s->reg[4] = x->s->reg[5];
	pop(x, &bp);
}

static void fill(struct psc_eval *x, const struct psc_insn *in)
{
	const struct psc_atom *a = psc_vals_one(vals(x), x->s->reg[in->a.reg],
						PSC_A_SP);

	if (a) {
		int32_t off = (int32_t)a->val;
		int32_t end = off < 0 ? PSC_MIN(off + FILL_BYTES, 0) : off + 32;
		psc_state_kill(vals(x), x->s, off, end);
	}
}

static psc_vid two(struct psc_eval *x, uint64_t a, uint64_t b)
{
	return psc_vals_join(vals(x), psc_vals_const(vals(x), a),
			     psc_vals_const(vals(x), b));
}

static void exchange(struct psc_eval *x, const struct psc_insn *in)
{
	psc_vid a = psc_eval_opnd(x, &in->dst, in->size);
	psc_vid b = psc_eval_opnd(x, &in->a, in->size);

	write_opnd(x, &in->dst, in->size, b);
	write_opnd(x, &in->a, in->size, a);
}

static void arith(struct psc_eval *x, const struct psc_insn *in)
{
	psc_vid a = psc_eval_opnd(x, &in->a, in->size);
	psc_vid b = psc_eval_opnd(x, &in->b, in->size);

	// 32-bit code adds a table's address to an index.
	if (in->arith == PSC_ADD && x->e->flat->ptr == 4 &&
	    !psc_vals_one(vals(x), a, PSC_A_CONST))
		b = as_address(x, b);
	if (in->dst.kind == PSC_O_REG &&
	    in->dst.reg == psc_sp_reg(x->e->flat->pe.machine))
		pushed(x, 0);
	write_opnd(x, &in->dst, in->size,
		   psc_vals_arith(vals(x), in->arith, a, b, in->size));
}

static void clobber(struct psc_eval *x, const struct psc_insn *in)
{
	for (unsigned int r = 0; in->clobbers >> r; r++) {
		if (in->clobbers >> r & 1)
			x->s->reg[r] = vals(x)->why[PSC_WHY_COMPUTED];
	}
	if (in->op == PSC_OP_CLOBBER)
		write_opnd(x, &in->dst, in->size,
			   vals(x)->why[PSC_WHY_COMPUTED]);
}

enum psc_next psc_eval_insn(struct psc_eval *x, const struct psc_insn *in)
{
	x->insn = in;
	switch (in->op) {
	case PSC_OP_NOP: break;
	case PSC_OP_MOV: case PSC_OP_SEXT: move(x, in); break;
	case PSC_OP_LEA:
		write_opnd(x, &in->dst, in->size, address(x, &in->a, false));
		break;
	case PSC_OP_ARITH: arith(x, in); break;
	case PSC_OP_SELECT:
		write_opnd(x, &in->dst, in->size, psc_vals_join(vals(x),
			psc_eval_opnd(x, &in->a, in->size),
			psc_eval_opnd(x, &in->b, in->size)));
		break;
	case PSC_OP_BOOL:
		write_opnd(x, &in->dst, in->size, two(x, 0, 1));
		break;
	case PSC_OP_SIGN:
		write_opnd(x, &in->dst, in->size,
			   two(x, 0, low_bytes(UINT64_MAX, in->size)));
		break;
	case PSC_OP_XCHG: exchange(x, in); break;
	case PSC_OP_PUSH: push(x, in); break;
	case PSC_OP_POP: pop(x, &in->dst); break;
	case PSC_OP_LEAVE: leave(x); break;
	case PSC_OP_FILL: fill(x, in); break;
	case PSC_OP_CALL: return psc_eval_call(x, in);
	case PSC_OP_JMP: return psc_eval_jump(x, in);
	case PSC_OP_JCC:
		clobber(x, in);
		x->target = (uint32_t)in->a.imm;
		return in->a.kind == PSC_O_IMM ? PSC_NEXT_BOTH : PSC_NEXT;
	case PSC_OP_RET: case PSC_OP_STOP: return PSC_NEXT_END;
	default: break;
	}
	clobber(x, in);
	return PSC_NEXT;
}
