// SPDX-License-Identifier: MIT
// What a local function does to its caller's registers: which it writes, and
// whether it ever returns (callsites 4.3).
#include "code/engine.h"

enum {
	WALK_MAX = 600,		// instructions looked at
	DEPTH_MAX = 8,
	PENDING_MAX = 64,
};

static struct psc_summary walk(struct psc_engine *e, uint32_t begin,
			       int depth);

struct walker {
	struct psc_engine *e;
	struct psc_summary sum;
	struct psc_map seen;
	uint32_t pending[PENDING_MAX];
	unsigned int n;
	uint64_t all;
	int depth;
	bool full;		// gave up: anything may happen
};

static struct psc_summary anything(const struct psc_engine *e)
{
	return (struct psc_summary){
		.clobbers = psc_volatile_regs(e->flat->pe.machine),
		.returns = true };
}

static void queue(struct walker *w, uint32_t rva)
{
	bool added = false;

	if (!psc_map_put(&w->seen, rva, &added) ||
	    (added && w->n == PENDING_MAX))
		w->full = true;
	else if (added)
		w->pending[w->n++] = rva;
}

static void writes(struct walker *w, const struct psc_opnd *o)
{
	if (o->kind == PSC_O_REG)
		w->sum.clobbers |= (uint64_t)1 << o->reg;
}

// A call inside. @return false when it never returns.
static bool inner_call(struct walker *w, const struct psc_insn *in)
{
	const struct psc_flat *f = w->e->flat;
	struct psc_target t = { .api = -1, .external = true };
	const uint64_t *slot;
	struct psc_summary s;

	if (in->a.kind == PSC_O_MEM && in->a.image &&
	    (slot = psc_map_get(&w->e->slots, (uint64_t)in->a.imm)))
		t = psc_target_unpack(*slot);
	else if (in->a.kind == PSC_O_IMM)
		t = psc_engine_direct(w->e, in->a.imm);
	if (t.helper == PSC_HELPER_NORETURN)
		return false;
	if (in->a.kind != PSC_O_IMM || t.api >= 0 || t.helper ||
	    in->a.imm < 0 || in->a.imm >= f->size ||
	    w->depth >= DEPTH_MAX) {
		w->sum.clobbers |= w->all;
		return true;
	}
	s = walk(w->e, (uint32_t)in->a.imm, w->depth + 1);
	w->sum.clobbers |= s.clobbers;
	return s.returns;
}

static void leave(struct walker *w, const struct psc_insn *in)
{
	const struct psc_flat *f = w->e->flat;

	if (in->op == PSC_OP_RET) {
		w->sum.returns = true;
		w->sum.known_pops = true;
		w->sum.pops = in->b.kind == PSC_O_IMM ? (uint32_t)in->b.imm : 0;
		return;
	}
	// A jump that stays here goes on; one elsewhere is a call in effect.
	if (in->a.kind == PSC_O_IMM && in->a.imm >= 0 &&
	    in->a.imm < f->size) {
		queue(w, (uint32_t)in->a.imm);
		return;
	}
	if (inner_call(w, in))
		w->sum.returns = true;
}

// Straight on from @p rva. @return instructions looked at.
static unsigned int straight(struct walker *w, uint32_t rva, unsigned int max)
{
	struct psc_insn part[PSC_PARTS_MAX];
	unsigned int seen = 0;

	while (seen < max) {
		unsigned int n = psc_decode(&w->e->dec, rva, part);
		const struct psc_insn *last = &part[n ? n - 1 : 0];

		if (!n) {
			w->full = true;
			return seen;
		}
		seen++;
		for (unsigned int i = 0; i < n; i++) {
			writes(w, &part[i].dst);
			if (part[i].op == PSC_OP_XCHG)
				writes(w, &part[i].a);
			w->sum.clobbers |= part[i].clobbers;
		}
		if (last->op == PSC_OP_STOP)
			return seen;
		if (last->op == PSC_OP_RET || last->op == PSC_OP_JMP) {
			leave(w, last);
			return seen;
		}
		if (last->op == PSC_OP_CALL && !inner_call(w, last))
			return seen;
		if (last->op == PSC_OP_JCC && last->a.kind == PSC_O_IMM)
			queue(w, (uint32_t)last->a.imm);
		rva += last->len;
		if (psc_map_get(&w->seen, rva))
			return seen;
	}
	w->full = true;
	return seen;
}

static struct psc_summary walk(struct psc_engine *e, uint32_t begin, int depth)
{
	bool added = false;
	uint64_t *slot = psc_map_put(&e->summaries, begin, &added);
	struct walker w = { .e = e, .depth = depth,
			    .all = psc_volatile_regs(e->flat->pe.machine) };
	size_t at = e->summary.n;
	unsigned int seen = 0;

	if (!slot)
		return anything(e);
	if (!added)
		return e->summary.v[*slot - 1];
	e->limited |= e->budget < WALK_MAX;
	// While it is being looked at, calls of itself may do anything.
	*slot = at + 1;
	if (!psc_vec_push(&e->summary, anything(e))) {
		*slot = 1;
		e->oom = true;
		return anything(e);
	}
	queue(&w, begin);
	while (w.n && !w.full && seen < WALK_MAX && e->budget >= WALK_MAX) {
		// Nothing more can be learned.
		if (w.sum.returns && (w.sum.clobbers & w.all) == w.all &&
		    (e->flat->ptr == 8 || w.sum.known_pops))
			break;
		seen += straight(&w, w.pending[--w.n], WALK_MAX - seen);
	}
	psc_map_free(&w.seen);
	e->budget -= PSC_MIN(e->budget, (uint64_t)seen);
	if (w.n || w.full || seen >= WALK_MAX) {
		w.sum.clobbers |= w.all;
		w.sum.returns = true;
	}
	e->summary.v[at] = w.sum;
	return w.sum;
}

struct psc_summary psc_summary_of(struct psc_engine *e, uint32_t begin)
{
	return walk(e, begin, 0);
}
