// SPDX-License-Identifier: MIT
// Arithmetic on abstract values. Whatever is not certain becomes unknown.
#include <string.h>

#include "base/bytes.h"
#include "code/vals.h"

static uint64_t low(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * size)) - 1;
}

static struct psc_atom unknown(enum psc_reason why)
{
	return (struct psc_atom){ .kind = PSC_A_UNKNOWN,
				  .reason = (uint8_t)why };
}

static struct psc_atom constant(uint64_t c)
{
	return (struct psc_atom){ .kind = PSC_A_CONST, .val = c };
}

// Partly known bits; nothing of use in the low half is plain "unknown".
static struct psc_atom bits(uint64_t mask, uint64_t val,
			    enum psc_reason why)
{
	if (mask == UINT64_MAX)
		return constant(val);
	if (!(mask & UINT32_MAX))
		return unknown(why);
	return (struct psc_atom){ .kind = PSC_A_BITS, .mask = mask,
				  .val = val & mask, .reason = (uint8_t)why };
}

// What is known of an atom bit by bit.
static void as_bits(const struct psc_atom *a, uint64_t *mask, uint64_t *val)
{
	*mask = *val = 0;
	if (a->kind == PSC_A_CONST) {
		*mask = UINT64_MAX;
		*val = a->val;
	} else if (a->kind == PSC_A_BITS) {
		*mask = a->mask;
		*val = a->val;
	} else if (a->kind == PSC_A_SCALED && a->val) {
		*mask = (a->val & -a->val) - 1;
		*val = a->mask & *mask;
	} else if ((a->kind == PSC_A_GLOBAL || a->kind == PSC_A_TABLE ||
		    a->kind == PSC_A_ARGMEM) && a->size && a->size < 8) {
		*mask = ~low(a->size);
	}
}

static uint64_t fold(enum psc_arith op, uint64_t a, uint64_t b,
		     unsigned int size)
{
	unsigned int count = (unsigned int)b & (size == 8 ? 63 : 31);

	switch (op) {
	case PSC_ADD: return a + b;
	case PSC_SUB: return a - b;
	case PSC_AND: return a & b;
	case PSC_OR: return a | b;
	case PSC_XOR: return a ^ b;
	case PSC_SHL: return a << count;
	case PSC_SHR: return (a & low(size)) >> count;
	case PSC_SAR:
		if (size == 4)
			return (uint64_t)(int64_t)((int32_t)a >> count);
		return (uint64_t)((int64_t)a >> count);
	case PSC_MUL: return a * b;
	}
	return 0;
}

static unsigned int trailing_known(uint64_t mask)
{
	return mask == UINT64_MAX ? 64 : (unsigned int)__builtin_ctzll(~mask);
}

// Bitwise operations keep what is known; sums only below the first unknown
// bit, or when no carry can happen.
static struct psc_atom fold_bits(enum psc_arith op, const struct psc_atom *a,
				 const struct psc_atom *b, unsigned int size)
{
	enum psc_reason why = a->kind == PSC_A_UNKNOWN
		? a->reason : PSC_WHY_COMPUTED;
	uint64_t ma, va, mb, vb, m = 0;
	unsigned int known, count;

	as_bits(a, &ma, &va);
	as_bits(b, &mb, &vb);
	count = (unsigned int)vb & (size == 8 ? 63 : 31);
	switch (op) {
	case PSC_AND:
		m = (ma & mb) | (ma & ~va) | (mb & ~vb);
		return bits(m | ~low(size), va & vb & low(size), why);
	case PSC_OR:
		m = (ma & mb) | (ma & va) | (mb & vb);
		return bits(m | ~low(size), (va | vb) & low(size), why);
	case PSC_XOR:
		return bits((ma & mb) | ~low(size), (va ^ vb) & low(size), why);
	case PSC_SHL:
		if (b->kind != PSC_A_CONST)
			break;
		m = ma << count | (((uint64_t)1 << count) - 1);
		return bits(m | ~low(size), va << count & low(size), why);
	case PSC_SHR:
		if (b->kind != PSC_A_CONST)
			break;
		m = (ma | ~low(size)) >> count;
		if (count)
			m |= ~(UINT64_MAX >> count);
		return bits(m, (va & low(size)) >> count, why);
	case PSC_ADD:
		// Bits that are zero on one side everywhere cannot carry.
		if (((ma & ~va) | (mb & ~vb) | ~low(size)) == UINT64_MAX)
			return fold_bits(PSC_OR, a, b, size);
		known = trailing_known(ma & mb);
		m = known >= 64 ? UINT64_MAX : ((uint64_t)1 << known) - 1;
		return bits(m | ~low(size), (va + vb) & m & low(size), why);
	default:
		break;
	}
	return unknown(why);
}

static bool is_index(const struct psc_atom *a, uint32_t *step)
{
	uint64_t mask, val;

	if (a->kind == PSC_A_SCALED) {
		*step = (uint32_t)a->val;
		return a->val && a->val <= 0x10000;
	}
	if (a->kind != PSC_A_UNKNOWN && a->kind != PSC_A_BITS &&
	    a->kind != PSC_A_ARG && a->kind != PSC_A_TABLE &&
	    a->kind != PSC_A_GLOBAL && a->kind != PSC_A_ARGMEM)
		return false;
	as_bits(a, &mask, &val);
	// Low zero bits tell the step; other known bits are of no use here.
	unsigned int zeros = trailing_known(mask & ~val);
	*step = 1u << PSC_MIN(zeros, 12u);
	return true;
}

// Sums of addresses and numbers. @return false: no special meaning.
static bool add_address(const struct psc_atom *a, const struct psc_atom *b,
			unsigned int size, struct psc_atom *ret)
{
	uint32_t step;

	*ret = *a;
	if (b->kind == PSC_A_CONST) {
		if (a->kind == PSC_A_ARG && !a->mask && size >= 4) {
			ret->val = size == 4
				? (uint64_t)(int32_t)(a->val + b->val)
				: a->val + b->val;
			return true;
		}
		if (a->kind == PSC_A_SCALED) {
			ret->mask = a->mask + b->val;
			return true;
		}
		ret->val = a->val + b->val;
		return a->kind == PSC_A_SP || a->kind == PSC_A_IMG ||
		       a->kind == PSC_A_TABPTR;
	}
	if (a->kind == PSC_A_IMG && b->kind == PSC_A_TABLE && b->size <= 4) {
		*ret = (struct psc_atom){
			.kind = PSC_A_JUMPTABLE, .val = b->val,
			.aux = b->aux, .size = b->size, .shift = b->shift,
			.mask = a->val };
		return true;
	}
	if ((a->kind == PSC_A_IMG || a->kind == PSC_A_TABPTR) &&
	    is_index(b, &step)) {
		if (b->kind == PSC_A_SCALED)
			ret->val += b->mask;
		ret->aux = a->kind == PSC_A_IMG ? step
			 : PSC_MIN(a->aux, step);
		ret->kind = PSC_A_TABPTR;
		return true;
	}
	return false;
}

static struct psc_atom scale(const struct psc_atom *a, uint64_t by)
{
	uint32_t step;

	struct psc_atom r = *a;

	if (a->kind == PSC_A_TABLE && a->size <= 2 && (by == 2 || by == 4)) {
		r.shift = (uint8_t)(by / 2);	// a switch counts in words
		return r;
	}
	if (!is_index(a, &step) || !by || by > 0x10000)
		return unknown(PSC_WHY_COMPUTED);
	uint64_t all = by * (a->kind == PSC_A_SCALED ? step : 1);
	if (all > 0x10000)
		return unknown(PSC_WHY_COMPUTED);
	return (struct psc_atom){
		.kind = PSC_A_SCALED, .val = all,
		.mask = a->kind == PSC_A_SCALED ? a->mask * by : 0 };
}

static struct psc_atom negate_const(const struct psc_atom *b)
{
	return constant(-b->val);
}

static struct psc_atom one(enum psc_arith op, const struct psc_atom *a,
			   const struct psc_atom *b, unsigned int size)
{
	struct psc_atom r, neg;

	if (a->kind == PSC_A_CONST && b->kind == PSC_A_CONST)
		return constant(fold(op, a->val, b->val, size) & low(size));
	if (op == PSC_SUB && b->kind == PSC_A_CONST) {
		neg = negate_const(b);
		return one(PSC_ADD, a, &neg, size);
	}
	if (op == PSC_ADD && a->kind == PSC_A_CONST && !a->val)
		return *b;
	if (op == PSC_ADD && b->kind == PSC_A_CONST && !b->val)
		return *a;
	if (op == PSC_ADD && (add_address(a, b, size, &r) ||
			      add_address(b, a, size, &r)))
		return r;
	if (op == PSC_AND && a->kind == PSC_A_SP && b->kind == PSC_A_CONST) {
		r = *a;		// stack alignment
		r.val &= b->val;
		return r;
	}
	if (op == PSC_OR && a->kind == PSC_A_ARG && b->kind == PSC_A_CONST) {
		r = *a;
		r.mask |= b->val;
		return r;
	}
	if (op == PSC_SHL && a->kind == PSC_A_TABLE &&
	    b->kind == PSC_A_CONST && b->val <= 3) {
		r = *a;		// offsets of an ARM64 switch count words
		r.shift = (uint8_t)b->val;
		return r;
	}
	if (op == PSC_MUL && b->kind == PSC_A_CONST && b->val == 1)
		return *a;
	if (op == PSC_MUL && b->kind == PSC_A_CONST)
		return scale(a, b->val);
	if (op == PSC_SHL && b->kind == PSC_A_CONST && b->val < 12 &&
	    a->kind == PSC_A_SCALED)
		return scale(a, (uint64_t)1 << b->val);
	return fold_bits(op, a, b, size);
}

static psc_vid doubled(struct psc_vals *v, psc_vid a, unsigned int size)
{
	return psc_vals_arith(v, PSC_MUL, a, psc_vals_const(v, 2), size);
}

psc_vid psc_vals_arith(struct psc_vals *v, enum psc_arith op, psc_vid a,
		       psc_vid b, unsigned int size)
{
	struct psc_atom out[PSC_ATOMS_MAX], as[PSC_ATOMS_MAX],
			bs[PSC_ATOMS_MAX];
	unsigned int na, nb, n = 0;
	const struct psc_atom *p = psc_vals_get(v, a, &na);

	memcpy(as, p, na * sizeof(*p));
	p = psc_vals_get(v, b, &nb);
	memcpy(bs, p, nb * sizeof(*p));
	if (!na || !nb)
		return PSC_V_NONE;
	if (a == b && op == PSC_ADD)
		return doubled(v, a, size);
	// Which of the alternatives go together is not known.
	if (na > 1 && nb > 1)
		return v->why[PSC_WHY_COMPUTED];
	for (unsigned int i = 0; i < na; i++) {
		for (unsigned int k = 0; k < nb; k++)
			out[n++] = one(op, &as[i], &bs[k], size);
	}
	return psc_vals_set(v, out, n);
}

static struct psc_atom trunc_one(const struct psc_vals *v,
				 const struct psc_atom *a, unsigned int size)
{
	uint64_t mask, val;

	switch (a->kind) {
	case PSC_A_CONST:
		return constant(a->val & low(size));
	case PSC_A_UNKNOWN:
	case PSC_A_BITS:
	case PSC_A_SCALED:
		as_bits(a, &mask, &val);
		if (a->kind == PSC_A_SCALED && size >= 4)
			return *a;
		return bits(mask | ~low(size), val & low(size),
			    a->kind == PSC_A_SCALED ? PSC_WHY_COMPUTED
						    : a->reason);
	case PSC_A_GLOBAL:
	case PSC_A_TABLE:
	case PSC_A_ARGMEM: {
		struct psc_atom r = *a;
		r.size = (uint8_t)PSC_MIN(a->size, size);
		return r;
	}
	case PSC_A_ARG:
		return size >= 4 ? *a
		       : bits(~low(size), 0, PSC_WHY_ARGUMENT);
	default:	// addresses cut short
		return size >= v->ptr ? *a
		       : bits(~low(size), 0, PSC_WHY_COMPUTED);
	}
}

static psc_vid map_set(struct psc_vals *v, psc_vid a, unsigned int size,
		       struct psc_atom (*f)(const struct psc_vals *,
					    const struct psc_atom *,
					    unsigned int))
{
	struct psc_atom out[PSC_ATOMS_MAX];
	unsigned int n;
	const struct psc_atom *p = psc_vals_get(v, a, &n);

	for (unsigned int i = 0; i < n; i++)
		out[i] = f(v, &p[i], size);
	return psc_vals_set(v, out, n);
}

psc_vid psc_vals_trunc(struct psc_vals *v, psc_vid a, unsigned int size)
{
	return size >= 8 ? a : map_set(v, a, size, trunc_one);
}

static struct psc_atom sext_one(const struct psc_vals *v,
				const struct psc_atom *a, unsigned int size)
{
	uint64_t sign = (uint64_t)1 << (8 * size - 1);

	if (a->kind == PSC_A_CONST)
		return constant(((a->val & low(size)) ^ sign) - sign);
	if (a->kind == PSC_A_BITS || a->kind == PSC_A_UNKNOWN)
		return unknown(a->reason);
	return trunc_one(v, a, size);
}

psc_vid psc_vals_sext(struct psc_vals *v, psc_vid a, unsigned int size,
		      unsigned int to)
{
	if (size >= 8)
		return a;
	return psc_vals_trunc(v, map_set(v, a, size, sext_one), to);
}

psc_vid psc_vals_insert(struct psc_vals *v, psc_vid a, psc_vid b,
			unsigned int size)
{
	psc_vid keep = psc_vals_arith(v, PSC_AND, a,
				      psc_vals_const(v, ~low(size)), 8);

	return psc_vals_arith(v, PSC_OR, keep, psc_vals_trunc(v, b, size), 8);
}
