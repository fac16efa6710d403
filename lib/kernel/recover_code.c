// SPDX-License-Identifier: MIT
// Code as evidence: which of the kernel's variables its exported pool
// functions touch. The addresses are candidates; the proofs of the anchors
// decide. Nothing here depends on how one build was compiled: only on which
// exports exist, whom they call, and that x64 code reaches variables relative
// to rip. The one file of this layer that disassembles, because its answer is
// needed before there are any names, which lib/code builds on.
#include <string.h>

#include <capstone/capstone.h>

#include "base/bytes.h"
#include "kernel/recover_impl.h"

#define MAX_FUNCTIONS 48	/**< Callees followed, all exports together. */
#define MAX_FUNCTION_BYTES 0x600u
#define SCN_EXECUTE 0x20000000u	/**< PE section flag. */

static const char *const entries[] = {
	"ExAllocatePoolWithTag", "ExFreePoolWithTag", "ExFreePool",
	"ExAllocatePoolWithQuotaTag", "ExAllocatePool2",
	"ExAllocatePoolWithTagPriority",
};

struct queue {
	uint64_t v[MAX_FUNCTIONS];
	size_t n;
};

static void enqueue(struct queue *q, uint64_t va)
{
	for (size_t i = 0; i < q->n; i++)
		if (q->v[i] == va)
			return;
	if (q->n < MAX_FUNCTIONS)
		q->v[q->n++] = va;
}

static bool is_code(const struct rec *r, uint64_t va)
{
	const struct psc_pe_section *s =
		va - r->in.base < r->in.size
		? psc_pe_section_of(r->in.pe, va - r->in.base) : NULL;
	return s && s->flags & SCN_EXECUTE;
}

bool rec_code_touches(const struct rec *r, uint64_t va)
{
	for (size_t i = 0; i < r->n_code_hits; i++)
		if (r->code_hits[i] == va)
			return true;
	return false;
}

static void add_hit(struct rec *r, uint64_t va)
{
	if (!rec_code_touches(r, va) && rec_data(r, va, 8) &&
	    r->n_code_hits < PSC_ARRAY_SIZE(r->code_hits))
		r->code_hits[r->n_code_hits++] = va;
}

static void look_at(struct rec *r, const cs_insn *in, struct queue *q)
{
	const cs_x86 *x = &in->detail->x86;
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *op = &x->operands[i];
		if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP)
			add_hit(r, in->address + in->size +
				   (uint64_t)op->mem.disp);
		if (op->type == X86_OP_IMM &&
		    (in->id == X86_INS_CALL || in->id == X86_INS_JMP) &&
		    is_code(r, (uint64_t)op->imm))
			enqueue(q, (uint64_t)op->imm);
	}
}

/** Functions are padded with int3, so a sweep stops there at the latest. */
static void sweep(struct rec *r, csh cs, cs_insn *in, uint64_t va,
		  struct queue *q)
{
	uint8_t bytes[MAX_FUNCTION_BYTES];
	const uint8_t *p = bytes;
	size_t left = psc_mem_read(r->mem, va, bytes, sizeof(bytes), NULL);
	while (cs_disasm_iter(cs, &p, &left, &va, in)) {
		if (in->id == X86_INS_INT3)
			return;
		look_at(r, in, q);
	}
}

void rec_read_code(struct rec *r)
{
	struct queue q = { .n = 0 };
	csh cs;
	if (!r->in.pe || cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	cs_insn *in = cs_malloc(cs);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(entries); i++) {
		uint64_t va;
		if (rec_symbol(r, entries[i], &va))
			enqueue(&q, va);	// a function by its name
	}
	for (size_t i = 0; in && i < q.n; i++)
		sweep(r, cs, in, q.v[i], &q);
	if (in)
		cs_free(in, 1);
	cs_close(&cs);
}
