// SPDX-License-Identifier: MIT
// ARM64 instructions as capstone 4.0.2 describes them. Registers: 0..30,
// 31 is sp, the zero register reads as 0.
#include "code/insn.h"

#include <string.h>

static uint8_t reg_number(arm64_reg r)
{
	if (r >= ARM64_REG_W0 && r <= ARM64_REG_W30)
		return (uint8_t)(r - ARM64_REG_W0);
	if (r >= ARM64_REG_X0 && r <= ARM64_REG_X28)
		return (uint8_t)(r - ARM64_REG_X0);
	switch (r) {
	case ARM64_REG_FP: return 29;
	case ARM64_REG_LR: return 30;
	case ARM64_REG_SP: case ARM64_REG_WSP: return 31;
	case ARM64_REG_XZR: case ARM64_REG_WZR: return PSC_ZERO_REG;
	default: return PSC_NO_REG;
	}
}

static bool is_w(arm64_reg r)
{
	return (r >= ARM64_REG_W0 && r <= ARM64_REG_W30) ||
	       r == ARM64_REG_WZR || r == ARM64_REG_WSP;
}

static struct psc_opnd reg_opnd(arm64_reg r)
{
	struct psc_opnd o = { .reg = reg_number(r) };

	if (r >= ARM64_REG_Q0 && r <= ARM64_REG_Q31) {
		o.kind = PSC_O_VEC;
		o.reg = (uint8_t)(r - ARM64_REG_Q0);
		o.size = 16;
		return o;
	}
	if (o.reg == PSC_NO_REG)
		return (struct psc_opnd){ 0 };
	o.size = is_w(r) ? 4 : 8;
	o.kind = o.reg == PSC_ZERO_REG ? PSC_O_IMM : PSC_O_REG;
	return o;
}

static struct psc_opnd imm_opnd(int64_t v)
{
	return (struct psc_opnd){ .kind = PSC_O_IMM, .size = 8, .imm = v };
}

static struct psc_opnd opnd(const cs_arm64_op *op, uint8_t mem_size)
{
	struct psc_opnd o = { 0 };
	int64_t v;

	switch (op->type) {
	case ARM64_OP_REG:
		return reg_opnd(op->reg);
	case ARM64_OP_IMM:
		v = op->imm;
		if (op->shift.type == ARM64_SFT_LSL)
			v = (int64_t)((uint64_t)v << (op->shift.value & 63));
		return imm_opnd(v);
	case ARM64_OP_MEM:
		o.kind = PSC_O_MEM;
		o.size = mem_size;
		o.reg = reg_number(op->mem.base);
		o.index = op->mem.index == ARM64_REG_INVALID
			? PSC_NO_REG : reg_number(op->mem.index);
		o.scale = (uint8_t)(1u << (op->shift.type == ARM64_SFT_LSL
					   ? op->shift.value & 7 : 0));
		o.imm = op->mem.disp;
		return o;
	default:
		return o;
	}
}

static uint8_t mem_bytes(unsigned int id, const struct psc_opnd *value)
{
	switch (id) {
	case ARM64_INS_LDRB: case ARM64_INS_LDRSB: case ARM64_INS_LDURB:
	case ARM64_INS_STRB: case ARM64_INS_STURB: case ARM64_INS_LDURSB:
	case ARM64_INS_LDARB:
		return 1;
	case ARM64_INS_LDRH: case ARM64_INS_LDRSH: case ARM64_INS_LDURH:
	case ARM64_INS_STRH: case ARM64_INS_STURH: case ARM64_INS_LDURSH:
	case ARM64_INS_LDARH:
		return 2;
	case ARM64_INS_LDRSW: case ARM64_INS_LDURSW: case ARM64_INS_LDPSW:
		return 4;
	default:
		return value->size ? value->size : 8;
	}
}

struct arm {
	struct psc_decoder *d;
	const cs_arm64 *x;
	struct psc_insn *out;
	unsigned int n;
	uint32_t rva;
};

static struct psc_insn *part(struct arm *a, enum psc_op op)
{
	struct psc_insn *in = &a->out[a->n++];

	*in = (struct psc_insn){ .rva = a->rva, .op = (uint8_t)op };
	return in;
}

static void bump(struct arm *a, uint8_t base, int64_t by)
{
	struct psc_opnd reg = { .kind = PSC_O_REG, .reg = base, .size = 8 };
	struct psc_insn *in = part(a, PSC_OP_ARITH);

	in->arith = PSC_ADD;
	in->dst = in->a = reg;
	in->b = imm_opnd(by);
	in->size = 8;
}

static void transfer(struct arm *a, bool load, bool sign, struct psc_opnd reg,
		     struct psc_opnd mem)
{
	struct psc_insn *in = part(a, sign ? PSC_OP_SEXT : PSC_OP_MOV);

	in->dst = load ? reg : mem;
	in->a = load ? mem : reg;
	in->size = load ? reg.size : mem.size;
	if (!load && reg.kind == PSC_O_IMM)
		in->a.size = mem.size;
	if (load && !reg.kind)		// a floating-point register
		in->op = PSC_OP_NOP;
}

// Loads and stores, also of pairs and with write-back.
static void memory(struct arm *a, bool load, bool pair, bool sign)
{
	unsigned int id = a->d->insn->id, at = pair ? 2 : 1;
	struct psc_opnd r1 = opnd(&a->x->operands[0], 0);
	struct psc_opnd r2 = pair ? opnd(&a->x->operands[1], 0) : r1;
	const cs_arm64_op *mop = &a->x->operands[at];
	struct psc_opnd mem = opnd(mop, mem_bytes(id, &r1)), second;
	int64_t post = a->x->op_count > at + 1
		? a->x->operands[at + 1].imm : 0;

	if (mem.kind == PSC_O_IMM) {	// literal
		mem = (struct psc_opnd){ .kind = PSC_O_MEM, .image = true,
			.imm = mem.imm, .reg = PSC_NO_REG,
			.index = PSC_NO_REG, .size = mem_bytes(id, &r1) };
	}
	if (a->x->writeback && !post) {
		bump(a, mem.reg, mem.imm);
		mem.imm = 0;
	}
	second = mem;
	second.imm += mem.size;
	// A pair that loads its own base register: that half comes last.
	if (pair && load && r1.kind == PSC_O_REG && r1.reg == mem.reg) {
		transfer(a, load, sign, r2, second);
		transfer(a, load, sign, r1, mem);
	} else {
		transfer(a, load, sign, r1, mem);
		if (pair)
			transfer(a, load, sign, r2, second);
	}
	if (a->x->writeback && post)
		bump(a, mem.reg, post);
}

static struct psc_opnd shifted(struct arm *a, const cs_arm64_op *op,
			       struct psc_opnd dst, bool *simple)
{
	*simple = op->type == ARM64_OP_IMM ||
		  (op->shift.type == ARM64_SFT_INVALID &&
		   op->ext == ARM64_EXT_INVALID);
	if (!*simple && op->type == ARM64_OP_REG &&
	    (op->shift.type == ARM64_SFT_INVALID ||
	     op->shift.type == ARM64_SFT_LSL))
		*simple = !op->shift.value;	// extension alone
	return opnd(op, 0);
}

// add x, y, z, lsl #n as an address: y + z * 2^n.
static void add_scaled(struct arm *a, const struct psc_opnd *dst)
{
	const cs_arm64_op *op = &a->x->operands[2];
	struct psc_insn *in = part(a, PSC_OP_LEA);

	in->dst = *dst;
	in->size = dst->size;
	in->a = (struct psc_opnd){ .kind = PSC_O_MEM, .size = 8,
		.reg = reg_number(a->x->operands[1].reg),
		.index = reg_number(op->reg),
		.scale = (uint8_t)(1u << (op->shift.value & 7)) };
}

static void clobber(struct arm *a, struct psc_opnd dst)
{
	struct psc_insn *in = part(a, PSC_OP_CLOBBER);

	in->dst = dst;
	in->size = dst.size;
}

static void arith(struct arm *a, enum psc_arith op, bool invert)
{
	struct psc_opnd dst = opnd(&a->x->operands[0], 0), b;
	bool simple;

	b = shifted(a, &a->x->operands[2], dst, &simple);
	if (!simple && op == PSC_ADD &&
	    a->x->operands[2].type == ARM64_OP_REG &&
	    a->x->operands[2].shift.value < 5) {
		add_scaled(a, &dst);
		return;
	}
	if (!simple || !dst.kind || (invert && b.kind != PSC_O_IMM)) {
		clobber(a, dst);
		return;
	}
	struct psc_insn *in = part(a, PSC_OP_ARITH);
	in->arith = (uint8_t)op;
	in->dst = dst;
	in->a = opnd(&a->x->operands[1], 0);
	in->b = b;
	if (invert)
		in->b.imm = ~b.imm;
	in->size = dst.size;
}

static void move(struct arm *a, struct psc_opnd from, enum psc_op op)
{
	struct psc_insn *in = part(a, op);

	in->dst = opnd(&a->x->operands[0], 0);
	in->a = from;
	in->size = in->dst.size;
}

static void movk(struct arm *a)
{
	struct psc_opnd dst = opnd(&a->x->operands[0], 0);
	unsigned int shift = a->x->operands[1].shift.value & 63;
	uint64_t field = (uint64_t)0xffff << shift;
	struct psc_insn *in = part(a, PSC_OP_ARITH);

	in->arith = PSC_AND;
	in->dst = in->a = dst;
	in->b = imm_opnd((int64_t)~field);
	in->size = dst.size;
	in = part(a, PSC_OP_ARITH);
	in->arith = PSC_OR;
	in->dst = in->a = dst;
	in->b = imm_opnd((int64_t)(((uint64_t)a->x->operands[1].imm & 0xffff)
				   << shift));
	in->size = dst.size;
}

static void branch(struct arm *a, enum psc_op op, unsigned int operand)
{
	struct psc_insn *in = part(a, op);

	if (a->x->op_count > operand)
		in->a = opnd(&a->x->operands[operand], 0);
	in->size = 8;
}

// csinc, csinv, csneg: the second alternative is changed on the way. It goes
// through the spare register number.
static void select_changed(struct arm *a, unsigned int id)
{
	unsigned int second = a->x->op_count > 2 ? 2 : 1;
	struct psc_opnd dst = opnd(&a->x->operands[0], 0);
	struct psc_opnd tmp = { .kind = PSC_O_REG, .reg = PSC_SPARE_REG,
				.size = dst.size };
	struct psc_insn *in = part(a, PSC_OP_ARITH);

	in->dst = tmp;
	in->a = opnd(&a->x->operands[second], 0);
	in->size = dst.size;
	if (id == ARM64_INS_CSINC || id == ARM64_INS_CINC) {
		in->arith = PSC_ADD;
		in->b = imm_opnd(1);
	} else {
		in->arith = id == ARM64_INS_CSINV || id == ARM64_INS_CINV
			? PSC_XOR : PSC_MUL;
		in->b = imm_opnd(-1);
	}
	in = part(a, PSC_OP_SELECT);
	in->dst = dst;
	in->a = opnd(&a->x->operands[1], 0);
	in->b = tmp;
	in->size = dst.size;
}

static bool data(struct arm *a, unsigned int id)
{
	switch (id) {
	case ARM64_INS_MOV: case ARM64_INS_MOVZ:
		move(a, opnd(&a->x->operands[1], 0), PSC_OP_MOV);
		return true;
	case ARM64_INS_MOVN:
		move(a, imm_opnd(~opnd(&a->x->operands[1], 0).imm), PSC_OP_MOV);
		return true;
	case ARM64_INS_MOVK: movk(a); return true;
	case ARM64_INS_SXTW: case ARM64_INS_SXTH: case ARM64_INS_SXTB: {
		struct psc_opnd from = opnd(&a->x->operands[1], 0);
		from.size = id == ARM64_INS_SXTW ? 4 :
			    id == ARM64_INS_SXTH ? 2 : 1;
		move(a, from, PSC_OP_SEXT);
		return true;
	}
	case ARM64_INS_UXTW: case ARM64_INS_UXTH: case ARM64_INS_UXTB: {
		struct psc_opnd from = opnd(&a->x->operands[1], 0);
		from.size = id == ARM64_INS_UXTW ? 4 :
			    id == ARM64_INS_UXTH ? 2 : 1;
		move(a, from, PSC_OP_MOV);
		return true;
	}
	case ARM64_INS_ADD:
		arith(a, PSC_ADD, false);
		return true;
	case ARM64_INS_SUB:
		arith(a, PSC_SUB, false);
		return true;
	case ARM64_INS_AND:
		arith(a, PSC_AND, false);
		return true;
	case ARM64_INS_BIC: arith(a, PSC_AND, true); return true;
	case ARM64_INS_ORR: arith(a, PSC_OR, false); return true;
	case ARM64_INS_EOR: arith(a, PSC_XOR, false); return true;
	case ARM64_INS_LSL: arith(a, PSC_SHL, false); return true;
	case ARM64_INS_LSR: arith(a, PSC_SHR, false); return true;
	case ARM64_INS_ASR: arith(a, PSC_SAR, false); return true;
	case ARM64_INS_MUL: arith(a, PSC_MUL, false); return true;
	case ARM64_INS_CSEL: {
		struct psc_insn *in = part(a, PSC_OP_SELECT);
		in->dst = opnd(&a->x->operands[0], 0);
		in->a = opnd(&a->x->operands[1], 0);
		in->b = opnd(&a->x->operands[2], 0);
		in->size = in->dst.size;
		return true;
	}
	case ARM64_INS_CSINC: case ARM64_INS_CINC:
	case ARM64_INS_CSINV: case ARM64_INS_CINV:
	case ARM64_INS_CSNEG: case ARM64_INS_CNEG:
		select_changed(a, id);
		return true;
	case ARM64_INS_CSET:
		move(a, (struct psc_opnd){ 0 }, PSC_OP_BOOL);
		return true;
	case ARM64_INS_CSETM:
		move(a, (struct psc_opnd){ 0 }, PSC_OP_SIGN);
		return true;
	case ARM64_INS_ADRP: case ARM64_INS_ADR: {
		struct psc_opnd at = { .kind = PSC_O_MEM, .image = true,
			.reg = PSC_NO_REG, .index = PSC_NO_REG, .size = 8,
			.imm = a->x->operands[1].imm };
		move(a, at, PSC_OP_LEA);
		return true;
	}
	default:
		return false;
	}
}

static bool loads(struct arm *a, unsigned int id)
{
	switch (id) {
	case ARM64_INS_LDR: case ARM64_INS_LDUR: case ARM64_INS_LDRB:
	case ARM64_INS_LDRH: case ARM64_INS_LDURB: case ARM64_INS_LDURH:
	case ARM64_INS_LDAR: case ARM64_INS_LDARB: case ARM64_INS_LDARH:
		memory(a, true, false, false);
		return true;
	case ARM64_INS_LDRSW: case ARM64_INS_LDRSB: case ARM64_INS_LDRSH:
	case ARM64_INS_LDURSW: case ARM64_INS_LDURSB: case ARM64_INS_LDURSH:
		memory(a, true, false, true);
		return true;
	case ARM64_INS_LDP: case ARM64_INS_LDNP:
		memory(a, true, true, false);
		return true;
	case ARM64_INS_LDPSW:
		memory(a, true, true, true);
		return true;
	case ARM64_INS_STR: case ARM64_INS_STUR: case ARM64_INS_STRB:
	case ARM64_INS_STRH: case ARM64_INS_STURB: case ARM64_INS_STURH:
	case ARM64_INS_STLR:
		memory(a, false, false, false);
		return true;
	case ARM64_INS_STP: case ARM64_INS_STNP:
		memory(a, false, true, false);
		return true;
	default:
		return false;
	}
}

static bool control(struct arm *a, unsigned int id)
{
	switch (id) {
	case ARM64_INS_BL: case ARM64_INS_BLR:
		branch(a, PSC_OP_CALL, 0);
		return true;
	case ARM64_INS_BR:
		branch(a, PSC_OP_JMP, 0);
		return true;
	case ARM64_INS_B:
		branch(a, a->x->cc == ARM64_CC_INVALID || a->x->cc ==
		       ARM64_CC_AL ? PSC_OP_JMP : PSC_OP_JCC, 0);
		return true;
	case ARM64_INS_CBZ: case ARM64_INS_CBNZ:
		branch(a, PSC_OP_JCC, 1);
		return true;
	case ARM64_INS_TBZ: case ARM64_INS_TBNZ:
		branch(a, PSC_OP_JCC, 2);
		return true;
	case ARM64_INS_RET: case ARM64_INS_ERET:
		part(a, PSC_OP_RET);
		return true;
	case ARM64_INS_BRK: case ARM64_INS_HLT:
		part(a, PSC_OP_STOP);
		return true;
	default:
		return false;
	}
}

// What capstone 4.0.2 does not decode: pointer authentication and atomics.
static void undecoded(struct arm *a, uint32_t word)
{
	if (word == 0xd65f0bff || word == 0xd65f0fff) {	// retaa, retab
		part(a, PSC_OP_RET);
	} else if ((word & 0xfefff800) == 0xd63f0800) {	// blraa and relatives
		struct psc_insn *in = part(a, PSC_OP_CALL);
		in->a = (struct psc_opnd){ .kind = PSC_O_REG, .size = 8,
			.reg = (uint8_t)(word >> 5 & 31) };
	} else {
		clobber(a, (struct psc_opnd){ .kind = PSC_O_REG, .size = 8,
			.reg = (uint8_t)(word & 31) });
		if ((word & 31) == 31)
			a->out[0].op = PSC_OP_NOP;
	}
}

unsigned int psc_decode_arm64(struct psc_decoder *d, uint32_t rva,
			      struct psc_insn out[PSC_PARTS_MAX])
{
	const uint8_t *p = d->flat->bytes + rva;
	size_t left = 4;
	uint64_t at = rva;
	struct arm a = { .d = d, .out = out, .rva = rva };

	if (rva & 3 || !psc_flat_has(d->flat, rva, 4) || !psc_le32(p))
		return 0;
	if (!cs_disasm_iter(d->handle, &p, &left, &at, d->insn)) {
		undecoded(&a, psc_le32(d->flat->bytes + rva));
		out[a.n - 1].len = 4;
		return a.n;
	}
	a.x = &d->insn->detail->arm64;
	unsigned int id = d->insn->id;
	if (!control(&a, id) && !loads(&a, id) && !data(&a, id)) {
		struct psc_opnd dst = a.x->op_count
			? opnd(&a.x->operands[0], 8) : (struct psc_opnd){ 0 };
		if (id == ARM64_INS_CMP || id == ARM64_INS_CMN ||
		    id == ARM64_INS_TST || id == ARM64_INS_CCMP ||
		    dst.kind != PSC_O_REG)
			part(&a, PSC_OP_NOP);
		else
			clobber(&a, dst);
	}
	out[a.n - 1].len = 4;
	return a.n;
}
