// SPDX-License-Identifier: MIT
// A function's blocks, found while values flow through them: jump tables and
// calls that never return are known only then.
#include "code/engine.h"

#include <stdlib.h>

enum {
	INSNS_MAX = 200000,	// of one function
	WIDEN_AFTER = 4,	// visits of a block
	VISITS_MAX = 64,
	TABLE_MAX = 1024,	// entries of one jump table
	GAP_BYTES = 0x400,	// how far an unreached place looks back
};

static uint32_t map_index(const struct psc_map *m, uint32_t rva)
{
	const uint64_t *v = psc_map_get(m, rva);

	return v ? (uint32_t)*v : 0;	// index + 1
}

static bool map_set(struct psc_map *m, uint32_t rva, size_t index)
{
	uint64_t *v = psc_map_put(m, rva, NULL);

	if (v)
		*v = index + 1;
	return v != NULL;
}

static bool add_block(struct psc_fn *f, uint32_t rva, uint32_t first,
		      uint32_t n, bool decoded)
{
	struct psc_block b = { .rva = rva, .first = first, .n = n,
			       .decoded = decoded };

	return psc_vec_push(&f->blocks, b) &&
	       map_set(&f->block_at, rva, f->blocks.n - 1);
}

// Make the instruction at index @p i the start of a block of its own.
static bool split(struct psc_fn *f, uint32_t i)
{
	uint32_t old = f->block_of.v[i];
	struct psc_block *b = &f->blocks.v[old];
	uint32_t head = i - b->first, tail = b->n - head;

	if (!add_block(f, f->insns.v[i].rva, i, tail, true))
		return false;
	b = &f->blocks.v[old];
	b->n = head;
	for (uint32_t k = i; k < i + tail; k++)
		f->block_of.v[k] = (uint32_t)f->blocks.n - 1;
	// Its state now has to flow into the new block.
	b->queued |= b->in != NULL;
	return true;
}

// Block that starts at @p rva. @return index + 1, 0 when out of memory.
static uint32_t block_index(struct psc_fn *f, uint32_t rva)
{
	uint32_t b = map_index(&f->block_at, rva), i;

	if (b)
		return b;
	i = map_index(&f->insn_at, rva);
	if (i ? !split(f, i - 1) : !add_block(f, rva, 0, 0, false))
		return 0;
	return (uint32_t)f->blocks.n;
}

static bool ends_block(const struct psc_insn *in)
{
	return in->op == PSC_OP_JMP || in->op == PSC_OP_JCC ||
	       in->op == PSC_OP_RET || in->op == PSC_OP_STOP;
}

static uint32_t owner(const struct psc_engine *e, uint32_t rva)
{
	const struct psc_pe_function *p = psc_bounds_entry(e, rva);

	return p ? p->parent : 0;
}

static bool append(struct psc_fn *f, const struct psc_insn *in,
		   uint32_t block)
{
	return psc_vec_push(&f->insns, *in) && psc_vec_push(&f->reached, 0) &&
	       psc_vec_push(&f->block_of, block);
}

// Decode until control leaves or known code begins. @return out of memory?
static bool decode_block(struct psc_engine *e, struct psc_fn *f, uint32_t bi)
{
	struct psc_block *b = &f->blocks.v[bi];
	uint32_t rva = b->rva, home = owner(e, rva);
	struct psc_insn part[PSC_PARTS_MAX];

	b->first = (uint32_t)f->insns.n;
	b->decoded = true;
	for (;;) {
		if (rva != b->rva && (map_index(&f->insn_at, rva) ||
				      map_index(&f->block_at, rva)))
			break;
		if (rva != b->rva && !home && psc_bounds_is_called(e, rva))
			break;
		if (owner(e, rva) != home || f->insns.n >= INSNS_MAX ||
		    !psc_flat_executable(e->flat, rva))
			break;
		unsigned int n = psc_decode(&e->dec, rva, part);
		if (!n)
			break;
		if (!map_set(&f->insn_at, rva, f->insns.n))
			return false;
		for (unsigned int i = 0; i < n; i++) {
			if (!append(f, &part[i], bi))
				return false;
		}
		b->n += n;
		rva += part[n - 1].len;
		if (ends_block(&part[n - 1]))
			break;
	}
	f->limited |= f->insns.n >= INSNS_MAX;
	return true;
}

static bool flow_to(struct psc_eval *x, uint32_t rva)
{
	struct psc_engine *e = x->e;
	uint32_t bi;

	if (rva >= e->flat->size || !psc_flat_executable(e->flat, rva))
		return true;
	bi = block_index(x->fn, rva);
	if (!bi)
		return false;
	struct psc_block *b = &x->fn->blocks.v[bi - 1];
	b->loop |= x->insn && x->insn->rva >= rva;
	if (!b->in) {
		b->in = psc_state_copy(x->s);
		b->queued = true;
		return b->in != NULL;
	}
	psc_merge merge = b->visits > WIDEN_AFTER ? psc_vals_widen
			: b->loop ? psc_vals_step
			: psc_vals_join;
	if (psc_state_join(&e->vals, b->in, x->s, merge, psc_sp_reg(
			   e->flat->pe.machine), psc_eval_initial, x))
		b->queued = true;
	return true;
}

static bool table_target(struct psc_eval *x, const struct psc_atom *a,
			 unsigned int i, uint32_t *to)
{
	const struct psc_flat *f = x->e->flat;
	uint32_t step = PSC_MAX(a->aux, a->size);
	uint64_t at = a->val + (uint64_t)i * step, v;

	if (!psc_flat_has(f, at, a->size))
		return false;
	v = psc_le_uint(f->bytes + at, a->size);
	if (a->kind == PSC_A_TABLE) {
		if (!psc_flat_rva(f, v, to))
			return false;
	} else {
		uint64_t sign = (uint64_t)1 << (8 * a->size - 1);
		// ARM64 byte offsets may be unsigned; 4-byte ones are signed.
		if (a->size == 4)
			v = (v ^ sign) - sign;
		*to = (uint32_t)(a->mask + (v << a->shift));
	}
	uint32_t home = owner(x->e, x->fn->begin);
	return psc_flat_executable(f, *to) && owner(x->e, *to) == home &&
	       (home || (*to >= x->fn->begin &&
			 *to - x->fn->begin < 0x10000));
}

static bool flow_table(struct psc_eval *x)
{
	unsigned int n;
	const struct psc_atom *p = psc_vals_get(&x->e->vals, x->jump, &n);
	struct psc_atom a;
	uint32_t to;

	if (n != 1 || (p->kind != PSC_A_JUMPTABLE && p->kind != PSC_A_TABLE))
		return true;
	a = *p;
	for (unsigned int i = 0; i < TABLE_MAX; i++) {
		if (!table_target(x, &a, i, &to))
			break;
		if (!flow_to(x, to))
			return false;
	}
	return true;
}

static uint32_t next_rva(const struct psc_fn *f, uint32_t i)
{
	const struct psc_insn *in = &f->insns.v[i];

	return in->rva + in->len;
}

// Straight on, but never out of one function into the next: padding and calls
// that do not return lie between them.
static bool fall_through(struct psc_eval *x, uint32_t from, uint32_t to)
{
	uint32_t home = owner(x->e, from);

	if ((!home || home != owner(x->e, to)) &&
	    psc_bounds_is_called(x->e, to))
		return true;
	return flow_to(x, to);
}

// Run a block. @return false when out of memory.
static bool run_block(struct psc_eval *x, uint32_t bi)
{
	struct psc_fn *f = x->fn;
	enum psc_next next = PSC_NEXT;
	uint32_t i = 0, first = f->blocks.v[bi].first, n = f->blocks.v[bi].n;

	for (; i < n && next == PSC_NEXT; i++) {
		if (x->record)
			f->reached.v[first + i] = 1;
		next = psc_eval_insn(x, &f->insns.v[first + i]);
	}
	if (x->record || !n)
		return true;
	switch (next) {
	case PSC_NEXT:
		return fall_through(x, f->insns.v[first].rva,
				    next_rva(f, first + n - 1));
	case PSC_NEXT_BOTH: {
		uint32_t after = next_rva(f, first + i - 1);
		uint32_t target = x->target;
		return flow_to(x, after) && flow_to(x, target);
	}
	case PSC_NEXT_JUMP:
		return flow_to(x, x->target);
	case PSC_NEXT_TABLE:
		return flow_table(x);
	default:
		return true;
	}
}

static bool visit(struct psc_eval *x, uint32_t bi)
{
	struct psc_fn *f = x->fn;
	struct psc_block *b = &f->blocks.v[bi];

	b->queued = false;
	if (!b->decoded && !decode_block(x->e, f, bi))
		return false;
	b = &f->blocks.v[bi];
	if (++b->visits > VISITS_MAX || x->e->budget < b->n) {
		f->limited = true;
		return true;
	}
	x->e->budget -= b->n;
	return psc_state_assign(x->s, b->in) && run_block(x, bi);
}

// Until nothing changes. Blocks are met roughly in program order.
static bool settle(struct psc_eval *x)
{
	struct psc_fn *f = x->fn;
	bool any = true;

	while (any && !f->limited) {
		any = false;
		for (uint32_t i = 0; i < f->blocks.n && !f->limited; i++) {
			if (!f->blocks.v[i].queued)
				continue;
			any = true;
			if (!visit(x, i))
				return false;
		}
	}
	return true;
}

static bool record_all(struct psc_eval *x)
{
	struct psc_fn *f = x->fn;

	for (size_t i = 0; i < f->calls.n; i++)
		psc_state_free(f->calls.v[i].state);
	f->calls.n = 0;
	x->record = true;
	for (uint32_t i = 0; i < f->blocks.n; i++) {
		if (!f->blocks.v[i].in || !f->blocks.v[i].decoded)
			continue;
		if (!psc_state_assign(x->s, f->blocks.v[i].in) ||
		    !run_block(x, i))
			return false;
	}
	x->record = false;
	return true;
}

static void entry_state(struct psc_eval *x, bool reached)
{
	struct psc_vals *v = &x->e->vals;
	uint16_t m = x->e->flat->pe.machine;
	struct psc_state *s = x->s;

	s->cells.n = 0;
	for (unsigned int i = 0; i < PSC_REGS; i++) {
		struct psc_atom a = { .kind = PSC_A_ARG, .aux = i };
		s->reg[i] = reached ? psc_vals_atom(v, a)
				    : v->why[PSC_WHY_UNREACHED];
	}
	// Places that no path leads to get a stack of their own.
	s->reg[psc_sp_reg(m)] = psc_vals_atom(v, (struct psc_atom){
		.kind = PSC_A_SP, .val = reached ? 0 : (uint64_t)-0x100000 });
	s->reg[PSC_ZERO_REG] = psc_vals_const(v, 0);
	s->reg[PSC_SPARE_REG] = psc_vals_const(v, 0);
	for (unsigned int i = 0; i < PSC_VECS; i++) {
		for (unsigned int k = 0; k < 4; k++)
			s->vec[i][k] = v->why[PSC_WHY_MEMORY];
	}
}

// --- places that no path reached --------------------------------------------

// Instruction around @p rva. @return index + 1.
static uint32_t insn_around(const struct psc_engine *e,
			    const struct psc_fn *f, uint32_t rva)
{
	for (uint32_t back = 0; back < 16 && back <= rva; back++) {
		uint32_t i = map_index(&f->insn_at, rva - back), k;

		if (!i)
			continue;
		for (k = i - 1; !f->insns.v[k].len; k++)
			;
		return f->insns.v[k].len > back ? i : 0;
	}
	return 0;
}

static bool padding(uint8_t b)
{
	return b == 0xcc || b == 0x90 || !b;
}

// Where code around an unreached place begins: behind what was decoded.
static uint32_t gap_start(const struct psc_engine *e, const struct psc_fn *f,
			  uint32_t rva)
{
	const struct psc_pe_function *p = psc_bounds_entry(e, rva);
	uint32_t low = p ? p->begin : f->begin;
	uint32_t at = rva;

	if (rva - low > GAP_BYTES)
		low = rva - GAP_BYTES;
	while (at > low && !insn_around(e, f, at - 1))
		at--;
	while (at < rva && padding(e->flat->bytes[at]))
		at++;
	return e->flat->pe.machine == 0xaa64 ? at & ~3u : at;
}

static bool hits(struct psc_engine *e, uint32_t from, uint32_t rva)
{
	struct psc_insn part[PSC_PARTS_MAX];

	while (from <= rva) {
		unsigned int n = psc_decode(&e->dec, from, part);
		if (!n)
			return false;
		if (rva < from + part[n - 1].len)
			return true;
		from += part[n - 1].len;
	}
	return false;
}

static bool start_gap(struct psc_eval *x, uint32_t rva)
{
	uint32_t i = insn_around(x->e, x->fn, rva), start;

	if (i && x->fn->reached.v[i - 1])
		return true;
	if (i) {	// decoded behind a call that never returns
		uint32_t b = x->fn->block_of.v[i - 1];
		uint32_t k = x->fn->blocks.v[b].first;
		while (k < i - 1 && x->fn->reached.v[k])
			k++;
		while (k < i - 1 && !x->fn->insns.v[k].len)
			k++;	// whole instructions only
		start = x->fn->insns.v[k].rva;
	} else {
		start = gap_start(x->e, x->fn, rva);
		if (!hits(x->e, start, rva))
			return true;
	}
	entry_state(x, false);
	return flow_to(x, start) && settle(x) && record_all(x);
}

void psc_flow_free(struct psc_fn *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->blocks.n; i++)
		psc_state_free(f->blocks.v[i].in);
	for (size_t i = 0; i < f->calls.n; i++)
		psc_state_free(f->calls.v[i].state);
	psc_vec_free(&f->insns);
	psc_vec_free(&f->reached);
	psc_vec_free(&f->block_of);
	psc_vec_free(&f->blocks);
	psc_vec_free(&f->calls);
	psc_map_free(&f->insn_at);
	psc_map_free(&f->block_at);
	free(f);
}

static struct psc_fn *new_function(struct psc_engine *e, uint32_t begin)
{
	struct psc_fn *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->begin = begin;
	if (!psc_vec_push(&e->fn, f)) {
		psc_flow_free(f);
		return NULL;
	}
	return map_set(&e->fns, begin, e->fn.n - 1) ? f : NULL;
}

// The states of single blocks are of no use once calls are recorded.
static void drop_states(struct psc_fn *f)
{
	for (size_t i = 0; i < f->blocks.n; i++) {
		psc_state_free(f->blocks.v[i].in);
		f->blocks.v[i].in = NULL;
	}
}

static int by_rva(const void *a, const void *b)
{
	const struct psc_call *x = a, *y = b;

	return (x->rva > y->rva) - (x->rva < y->rva);
}

struct psc_fn *psc_flow_function(struct psc_engine *e, uint32_t begin,
				 const uint32_t *wanted, size_t n_wanted)
{
	uint32_t known = map_index(&e->fns, begin);
	struct psc_fn *f = known ? e->fn.v[known - 1]
				 : new_function(e, begin);
	struct psc_eval x = { .e = e, .fn = f, .s = psc_state_new() };
	bool ok = f && x.s;

	if (ok && !f->done) {
		f->done = true;
		entry_state(&x, true);
		ok = flow_to(&x, begin) && settle(&x) && record_all(&x);
		for (size_t i = 0; ok && i < n_wanted && !f->limited; i++)
			ok = start_gap(&x, wanted[i]);
		drop_states(f);
		if (f->calls.n)
			qsort(f->calls.v, f->calls.n, sizeof(*f->calls.v),
			      by_rva);
		e->limited |= f->limited;
	}
	psc_state_free(x.s);
	e->oom |= !ok;
	return ok ? f : NULL;
}
