// SPDX-License-Identifier: MIT
/** @file
 * The few operations that data flow cares about, one form for all machines.
 * capstone decodes; everything without a meaning here becomes PSC_OP_CLOBBER
 * of what it writes.
 */
#ifndef PSC_CODE_INSN_H
#define PSC_CODE_INSN_H

#include <capstone/capstone.h>

#include "code/flat.h"
#include "code/vals.h"

enum psc_op {
	PSC_OP_NOP,
	PSC_OP_MOV,		/**< dst = a (zero-extended). */
	PSC_OP_SEXT,		/**< dst = a, sign-extended. */
	PSC_OP_LEA,		/**< dst = address of a. */
	PSC_OP_ARITH,		/**< dst = a (arith) b. */
	PSC_OP_SELECT,		/**< dst = a or b. */
	PSC_OP_BOOL,		/**< dst = 0 or 1. */
	PSC_OP_SIGN,		/**< dst = 0 or -1. */
	PSC_OP_CLOBBER,		/**< dst and clobbers: unknown. */
	PSC_OP_XCHG,		/**< dst <-> a. */
	PSC_OP_PUSH,
	PSC_OP_POP,
	PSC_OP_LEAVE,
	PSC_OP_FILL,		/**< Writes memory at register a on. */
	PSC_OP_CALL,		/**< Target a. */
	PSC_OP_JMP,		/**< Target a. */
	PSC_OP_JCC,		/**< Target a or next. */
	PSC_OP_RET,		/**< b: bytes removed (x86). */
	PSC_OP_STOP,		/**< Never continues. */
};

enum psc_opnd_kind {
	PSC_O_NONE, PSC_O_REG, PSC_O_VEC, PSC_O_IMM, PSC_O_MEM,
};

enum { PSC_NO_REG = 255, PSC_REGS = 34, PSC_VECS = 32, PSC_ZERO_REG = 32,
       PSC_SPARE_REG = 33 };

struct psc_opnd {
	uint8_t kind;
	uint8_t size;		/**< Bytes. */
	uint8_t reg, index, scale; /**< Base; shift of index as factor. */
	bool image;		/**< MEM: imm is an RVA, there is no base. */
	int64_t imm;		/**< Constant, displacement or RVA. */
};

struct psc_insn {
	uint32_t rva;
	uint8_t len;		/**< 0: first parts of one instruction. */
	uint8_t op;
	uint8_t arith;		/**< enum psc_arith. */
	uint8_t size;		/**< Of the operation, bytes. */
	struct psc_opnd dst, a, b;
	uint64_t clobbers;	/**< Registers that become unknown, by bit. */
};

#define PSC_PARTS_MAX 4		/**< Parts of one machine instruction. */

struct psc_decoder {
	const struct psc_flat *flat;
	csh handle;
	cs_insn *insn;
	uint16_t machine;
};

PSC_NODISCARD struct psc_error *
psc_decoder_open(struct psc_decoder *d, const struct psc_flat *flat);
void psc_decoder_close(struct psc_decoder *d);

/** Decode at @p rva. @return parts written; 0: not an instruction, or its
 *  bytes are missing. */
unsigned int psc_decode(struct psc_decoder *d, uint32_t rva,
			struct psc_insn out[PSC_PARTS_MAX]);

// One per machine.
unsigned int psc_decode_x86(struct psc_decoder *d, uint32_t rva,
			    struct psc_insn out[PSC_PARTS_MAX]);
unsigned int psc_decode_arm64(struct psc_decoder *d, uint32_t rva,
			      struct psc_insn out[PSC_PARTS_MAX]);

/** Stack pointer's number, registers a call may change, by bit. */
static inline uint8_t psc_sp_reg(uint16_t machine)
{
	return machine == 0xaa64 ? 31 : 4;
}
static inline uint64_t psc_volatile_regs(uint16_t machine)
{
	return machine == 0xaa64 ? 0x4003ffff :
	       machine == 0x8664 ? 0x0f07 : 0x07;
}

#endif
