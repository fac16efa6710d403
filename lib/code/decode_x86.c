// SPDX-License-Identifier: MIT
// x86 and x64 instructions as capstone 4.0.2 describes them.
#include "code/insn.h"

#include <string.h>

// Registers by hardware number and width; 0x80 marks ah, ch, dh, bh.
struct reg_map {
	uint8_t num, size;
};
#define R4(n, q, d, w, b) \
	[X86_REG_##q] = { n, 8 }, [X86_REG_##d] = { n, 4 }, \
	[X86_REG_##w] = { n, 2 }, [X86_REG_##b] = { n, 1 }
#define RN(n) \
	[X86_REG_R##n] = { n, 8 }, [X86_REG_R##n##D] = { n, 4 }, \
	[X86_REG_R##n##W] = { n, 2 }, [X86_REG_R##n##B] = { n, 1 }
static const struct reg_map regs[X86_REG_ENDING] = {
	R4(0, RAX, EAX, AX, AL), R4(1, RCX, ECX, CX, CL),
	R4(2, RDX, EDX, DX, DL), R4(3, RBX, EBX, BX, BL),
	R4(4, RSP, ESP, SP, SPL), R4(5, RBP, EBP, BP, BPL),
	R4(6, RSI, ESI, SI, SIL), R4(7, RDI, EDI, DI, DIL),
	RN(8), RN(9), RN(10), RN(11), RN(12), RN(13), RN(14), RN(15),
	[X86_REG_AH] = { 0, 0x80 }, [X86_REG_CH] = { 1, 0x80 },
	[X86_REG_DH] = { 2, 0x80 }, [X86_REG_BH] = { 3, 0x80 },
};

static struct psc_opnd reg_opnd(x86_reg r)
{
	struct psc_opnd o = { 0 };

	if (r >= X86_REG_XMM0 && r <= X86_REG_XMM31) {
		o.kind = PSC_O_VEC;
		o.reg = (uint8_t)(r - X86_REG_XMM0);
		o.size = 16;
		return o;
	}
	if (r >= X86_REG_ENDING || !regs[r].size)
		return o;
	o.kind = PSC_O_REG;
	o.reg = regs[r].num;
	o.size = regs[r].size;
	return o;
}

static uint8_t reg_number(x86_reg r)
{
	return r < X86_REG_ENDING && regs[r].size ? regs[r].num : PSC_NO_REG;
}

static struct psc_opnd mem_opnd(const struct psc_decoder *d,
				const cs_x86_op *op, uint32_t next)
{
	struct psc_opnd o = { .kind = PSC_O_MEM, .size = op->size,
			      .reg = PSC_NO_REG, .index = PSC_NO_REG,
			      .scale = (uint8_t)op->mem.scale,
			      .imm = op->mem.disp };
	uint32_t rva;

	if (op->mem.segment == X86_REG_GS || op->mem.segment == X86_REG_FS) {
		o.kind = PSC_O_NONE;	// processor block: unknown
		return o;
	}
	if (op->mem.base == X86_REG_RIP) {
		o.image = true;
		o.imm += next;
		return o;
	}
	o.reg = reg_number(op->mem.base);
	o.index = reg_number(op->mem.index);
	// Absolute addresses of 32-bit code.
	if (o.reg == PSC_NO_REG && o.index == PSC_NO_REG &&
	    psc_flat_rva(d->flat, d->flat->ptr == 4 ? (uint32_t)o.imm
						    : (uint64_t)o.imm, &rva)) {
		o.image = true;
		o.imm = rva;
	}
	return o;
}

static struct psc_opnd opnd(const struct psc_decoder *d, const cs_x86_op *op,
			    uint32_t next)
{
	struct psc_opnd o = { 0 };

	switch (op->type) {
	case X86_OP_REG:
		return reg_opnd(op->reg);
	case X86_OP_IMM:
		o.kind = PSC_O_IMM;
		o.size = op->size;
		o.imm = op->imm;
		return o;
	case X86_OP_MEM:
		return mem_opnd(d, op, next);
	default:
		return o;
	}
}

static uint64_t written(const cs_detail *det, const cs_x86 *x)
{
	uint64_t mask = 0;

	for (unsigned int i = 0; i < det->regs_write_count; i++) {
		uint8_t n = reg_number(det->regs_write[i]);
		if (n != PSC_NO_REG)
			mask |= (uint64_t)1 << n;
	}
	for (unsigned int i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];
		if (op->type == X86_OP_REG &&
		    (!i || op->access & CS_AC_WRITE)) {
			uint8_t n = reg_number(op->reg);
			if (n != PSC_NO_REG)
				mask |= (uint64_t)1 << n;
		}
	}
	return mask;
}

static void arith(struct psc_insn *in, enum psc_arith op,
		  const struct psc_opnd o[3], unsigned int n)
{
	in->op = PSC_OP_ARITH;
	in->arith = (uint8_t)op;
	in->dst = o[0];
	in->size = o[0].size;
	if (n == 3) {
		in->a = o[1];
		in->b = o[2];
		return;
	}
	in->a = o[0];
	in->b = n > 1 ? o[1]
	      : (struct psc_opnd){ .kind = PSC_O_IMM, .imm = 1, .size = 4 };
}

static bool same_reg(const struct psc_opnd o[3])
{
	return o[0].kind == PSC_O_REG && o[1].kind == PSC_O_REG &&
	       o[0].reg == o[1].reg && o[0].size == o[1].size;
}

static void zero(struct psc_insn *in, struct psc_opnd dst)
{
	in->op = PSC_OP_MOV;
	in->dst = dst;
	in->a = (struct psc_opnd){ .kind = PSC_O_IMM, .size = dst.size };
	in->size = dst.size;
}

// Moves and everything that only computes. @return false: not one of them.
static bool plain(struct psc_insn *in, unsigned int id,
		  const struct psc_opnd o[3], unsigned int n)
{
	in->dst = o[0];
	in->a = o[1];
	in->size = o[0].size;
	switch (id) {
	case X86_INS_MOV: case X86_INS_MOVABS: case X86_INS_MOVZX:
	case X86_INS_MOVD: case X86_INS_MOVQ: case X86_INS_MOVUPS:
	case X86_INS_MOVAPS: case X86_INS_MOVDQU: case X86_INS_MOVDQA:
	case X86_INS_MOVSS: case X86_INS_MOVUPD: case X86_INS_MOVAPD:
		in->op = PSC_OP_MOV;
		return true;
	case X86_INS_MOVSX: case X86_INS_MOVSXD:
		in->op = PSC_OP_SEXT;
		return true;
	case X86_INS_CDQE:
		in->op = PSC_OP_SEXT;
		in->size = 8;
		in->dst = reg_opnd(X86_REG_RAX);
		in->a = reg_opnd(X86_REG_EAX);
		return true;
	case X86_INS_LEA:
		in->op = PSC_OP_LEA;
		return true;
	case X86_INS_XOR: case X86_INS_SUB:
		if (same_reg(o))
			zero(in, o[0]);
		else
			arith(in, id == X86_INS_XOR ? PSC_XOR : PSC_SUB, o, n);
		return true;
	case X86_INS_SBB:
		in->op = same_reg(o) ? PSC_OP_SIGN : PSC_OP_CLOBBER;
		return true;
	case X86_INS_ADD: arith(in, PSC_ADD, o, n); return true;
	case X86_INS_AND: arith(in, PSC_AND, o, n); return true;
	case X86_INS_OR: arith(in, PSC_OR, o, n); return true;
	case X86_INS_SHL: case X86_INS_SAL:
		arith(in, PSC_SHL, o, n);
		return true;
	case X86_INS_SHR: arith(in, PSC_SHR, o, n); return true;
	case X86_INS_SAR: arith(in, PSC_SAR, o, n); return true;
	case X86_INS_INC: arith(in, PSC_ADD, o, 1); return true;
	case X86_INS_DEC: arith(in, PSC_SUB, o, 1); return true;
	case X86_INS_IMUL:
		if (n < 2)
			return false;
		arith(in, PSC_MUL, o, n);
		return true;
	case X86_INS_XCHG:
		in->op = PSC_OP_XCHG;
		return true;
	case X86_INS_PUSH:
		in->op = PSC_OP_PUSH;
		in->a = o[0];
		return true;
	case X86_INS_POP:
		in->op = PSC_OP_POP;
		return true;
	case X86_INS_LEAVE:
		in->op = PSC_OP_LEAVE;
		return true;
	default:
		return false;
	}
}

static bool is_not(struct psc_insn *in, unsigned int id,
		   const struct psc_opnd o[3])
{
	struct psc_opnd two[3] = { o[0], { .kind = PSC_O_IMM, .size = 8,
					   .imm = -1 } };

	if (id == X86_INS_NOT) {
		arith(in, PSC_XOR, two, 2);
		return true;
	}
	if (id == X86_INS_NEG) {
		arith(in, PSC_MUL, two, 2);
		return true;
	}
	return false;
}

static bool conditional(struct psc_insn *in, unsigned int id,
			const struct psc_opnd o[3])
{
	if (id >= X86_INS_SETAE && id <= X86_INS_SETS) {
		in->op = PSC_OP_BOOL;
		in->dst = o[0];
		in->size = o[0].size;
		return true;
	}
	switch (id) {
	case X86_INS_CMOVA: case X86_INS_CMOVAE: case X86_INS_CMOVB:
	case X86_INS_CMOVBE: case X86_INS_CMOVE: case X86_INS_CMOVG:
	case X86_INS_CMOVGE: case X86_INS_CMOVL: case X86_INS_CMOVLE:
	case X86_INS_CMOVNE: case X86_INS_CMOVNO: case X86_INS_CMOVNP:
	case X86_INS_CMOVNS: case X86_INS_CMOVO: case X86_INS_CMOVP:
	case X86_INS_CMOVS:
		in->op = PSC_OP_SELECT;
		in->dst = in->a = o[0];
		in->b = o[1];
		in->size = o[0].size;
		return true;
	default:
		return false;
	}
}

static bool only_reads(unsigned int id)
{
	return id == X86_INS_CMP || id == X86_INS_TEST || id == X86_INS_NOP ||
	       id == X86_INS_BT || id == X86_INS_PREFETCHNTA ||
	       id == X86_INS_PREFETCHT0 || id == X86_INS_LFENCE ||
	       id == X86_INS_MFENCE || id == X86_INS_SFENCE ||
	       id == X86_INS_PAUSE || id == X86_INS_COMISS ||
	       id == X86_INS_UCOMISS || id == X86_INS_ENDBR64;
}

// Branches. Group membership covers every jcc.
static bool control(struct psc_decoder *d, struct psc_insn *in,
		    const struct psc_opnd o[3])
{
	unsigned int id = d->insn->id;

	in->a = o[0];
	in->size = d->flat->ptr;
	if (id == X86_INS_CALL || id == X86_INS_LCALL) {
		in->op = PSC_OP_CALL;
	} else if (id == X86_INS_JMP || id == X86_INS_LJMP) {
		in->op = PSC_OP_JMP;
	} else if (id == X86_INS_RET || id == X86_INS_IRETQ ||
		   id == X86_INS_IRETD || id == X86_INS_SYSRET) {
		in->op = PSC_OP_RET;
		in->b = o[0];
	} else if (id == X86_INS_INT3 || id == X86_INS_UD2 ||
		   id == X86_INS_HLT ||
		   (id == X86_INS_INT && o[0].imm == 0x29)) {
		in->op = PSC_OP_STOP;
	} else if (cs_insn_group(d->handle, d->insn, X86_GRP_JUMP) ||
		   (id >= X86_INS_LOOP && id <= X86_INS_LOOPNE)) {
		in->op = PSC_OP_JCC;
		if (id >= X86_INS_LOOP && id <= X86_INS_LOOPNE)
			in->clobbers = 1 << 1;
	} else {
		return false;
	}
	return true;
}

static bool is_string_op(const cs_insn *i)
{
	return i->id == X86_INS_STOSB || i->id == X86_INS_STOSD ||
	       i->id == X86_INS_STOSQ || i->id == X86_INS_STOSW ||
	       i->id == X86_INS_MOVSB || i->id == X86_INS_MOVSW ||
	       i->id == X86_INS_MOVSQ ||
	       (i->id == X86_INS_MOVSD && (i->bytes[0] == 0xa5 ||
					   i->bytes[1] == 0xa5));
}

static void string_op(struct psc_insn *in, const cs_insn *i)
{
	in->op = PSC_OP_FILL;
	in->a = (struct psc_opnd){ .kind = PSC_O_REG, .reg = 7, .size = 8 };
	in->clobbers = 1 << 7;
	if (i->id != X86_INS_STOSB && i->id != X86_INS_STOSD &&
	    i->id != X86_INS_STOSQ && i->id != X86_INS_STOSW)
		in->clobbers |= 1 << 6;
	if (i->detail->x86.prefix[0] == 0xf3 ||
	    i->detail->x86.prefix[0] == 0xf2)
		in->clobbers |= 1 << 1;
}

static unsigned int undecoded(const struct psc_decoder *d, uint32_t rva,
			      struct psc_insn *out)
{
	static const uint8_t rdssp[] = { 0xf3, 0x48, 0x0f, 0x1e };

	// A multi-byte nop that capstone 4.0.2 does not know.
	if (!psc_flat_has(d->flat, rva, 5) ||
	    memcmp(d->flat->bytes + rva, rdssp, sizeof(rdssp)))
		return 0;
	*out = (struct psc_insn){ .rva = rva, .len = 5, .op = PSC_OP_NOP };
	return 1;
}

static bool has_high_byte(const struct psc_opnd o[3])
{
	return o[0].size == 0x80 || o[1].size == 0x80 || o[2].size == 0x80;
}

unsigned int psc_decode_x86(struct psc_decoder *d, uint32_t rva,
			    struct psc_insn out[PSC_PARTS_MAX])
{
	const uint8_t *p = d->flat->bytes + rva;
	size_t left;
	uint64_t at = rva;
	struct psc_opnd o[3] = { 0 };

	if (!psc_flat_has(d->flat, rva, 1))
		return 0;
	left = PSC_MIN(16u, d->flat->size - rva);
	if (!cs_disasm_iter(d->handle, &p, &left, &at, d->insn))
		return undecoded(d, rva, out);
	const cs_insn *i = d->insn;
	const cs_x86 *x = &i->detail->x86;
	if (!psc_flat_has(d->flat, rva, i->size))
		return 0;
	*out = (struct psc_insn){ .rva = rva, .len = (uint8_t)i->size };
	unsigned int n = PSC_MIN(x->op_count, 3);
	for (unsigned int k = 0; k < n; k++)
		o[k] = opnd(d, &x->operands[k], rva + i->size);
	if (control(d, out, o))
		return 1;
	if (is_string_op(i)) {
		string_op(out, i);
		return 1;
	}
	if (only_reads(i->id))
		return 1;
	if (!has_high_byte(o) && (plain(out, i->id, o, n) ||
				  is_not(out, i->id, o) ||
				  conditional(out, i->id, o)) &&
	    out->op != PSC_OP_CLOBBER)
		return 1;
	*out = (struct psc_insn){ .rva = rva, .len = (uint8_t)i->size,
				  .op = PSC_OP_CLOBBER, .dst = o[0],
				  .size = o[0].size };
	out->clobbers = written(i->detail, x);
	return 1;
}
