// SPDX-License-Identifier: MIT
#include "test.h"

#include "code/vals.h"

static struct psc_vals v;

static int setup(void **state)
{
	return psc_vals_init(&v, 8) ? 0 : -1;
}

static int teardown(void **state)
{
	psc_vals_free(&v);
	return 0;
}

static psc_vid num(uint64_t c)
{
	return psc_vals_const(&v, c);
}

static psc_vid atom(enum psc_atom_kind kind, uint32_t aux, uint64_t val)
{
	return psc_vals_atom(&v, (struct psc_atom){
		.kind = (uint8_t)kind, .aux = aux, .val = val });
}

static void is_const(psc_vid id, uint64_t want)
{
	const struct psc_atom *a = psc_vals_one(&v, id, PSC_A_CONST);

	assert_non_null(a);
	assert_true(a->val == want);
}

static void constants(void **state)
{
	is_const(psc_vals_arith(&v, PSC_ADD, num(0xffffffff), num(2), 4), 1);
	is_const(psc_vals_arith(&v, PSC_SUB, num(1), num(2), 4), 0xffffffff);
	is_const(psc_vals_arith(&v, PSC_SAR, num(0x80000000), num(31), 4),
		 0xffffffff);
	is_const(psc_vals_arith(&v, PSC_SHL, num(1), num(33), 4), 2);
	is_const(psc_vals_arith(&v, PSC_MUL, num(6), num(7), 8), 42);
	is_const(psc_vals_sext(&v, num(0x80), 1, 4), 0xffffff80);
	is_const(psc_vals_trunc(&v, num(0x1234567890), 4), 0x34567890);
	is_const(psc_vals_insert(&v, num(0x11223344), num(0x55), 1),
		 0x11223355);
}

static void alternatives(void **state)
{
	psc_vid two = psc_vals_join(&v, num(0), num(0xffffffff)), r;
	unsigned int n;

	r = psc_vals_arith(&v, PSC_AND, two, num(0x10), 4);
	r = psc_vals_arith(&v, PSC_ADD, r, num(0x20), 4);
	assert_int_equal(r, psc_vals_join(&v, num(0x30), num(0x20)));
	// Which of two sets belong together is not known.
	r = psc_vals_arith(&v, PSC_ADD, two, psc_vals_join(&v, num(1), num(2)),
			   4);
	assert_non_null(psc_vals_one(&v, r, PSC_A_UNKNOWN));
	r = num(0);
	for (uint64_t i = 1; i < 40; i++)
		r = psc_vals_join(&v, r, num(i));
	const struct psc_atom *a = psc_vals_get(&v, r, &n);
	assert_int_equal(n, 1);
	assert_int_equal(a->kind, PSC_A_UNKNOWN);
}

// 'G', 'h' and two bytes that nobody knows.
static void partly_known(void **state)
{
	psc_vid byte = psc_vals_trunc(&v, v.why[PSC_WHY_MEMORY], 1), r;
	const struct psc_atom *a;

	r = psc_vals_arith(&v, PSC_SHL, byte, num(16), 4);
	r = psc_vals_arith(&v, PSC_OR, r, num(0x6847), 4);
	a = psc_vals_one(&v, r, PSC_A_BITS);
	assert_non_null(a);
	assert_true((a->mask & 0xffffffff) == 0xff00ffff);
	assert_true((a->val & 0xffffffff) == 0x6847);
	// Adding into bits that are surely zero cannot carry.
	r = psc_vals_arith(&v, PSC_ADD, byte, num(0x100), 4);
	a = psc_vals_one(&v, r, PSC_A_BITS);
	assert_non_null(a);
	assert_true((a->val & a->mask & 0xff00) == 0x100);
	// Into unknown ones it can.
	r = psc_vals_arith(&v, PSC_ADD, byte, num(1), 4);
	a = psc_vals_one(&v, r, PSC_A_BITS);
	assert_true(!a || !(a->mask & 0x1ff));
	is_const(psc_vals_arith(&v, PSC_AND, byte, num(0x100), 4), 0);
}

static void addresses(void **state)
{
	psc_vid sp = atom(PSC_A_SP, 0, 0), img = atom(PSC_A_IMG, 0, 0x1000);
	psc_vid r = psc_vals_arith(&v, PSC_SUB, sp, num(0x28), 8);
	const struct psc_atom *a = psc_vals_one(&v, r, PSC_A_SP);

	assert_true(a && (int64_t)a->val == -0x28);
	// base + index * 8 + 4
	r = psc_vals_arith(&v, PSC_MUL, v.why[PSC_WHY_MEMORY], num(8), 8);
	r = psc_vals_arith(&v, PSC_ADD, img, r, 8);
	r = psc_vals_arith(&v, PSC_ADD, r, num(4), 8);
	a = psc_vals_one(&v, r, PSC_A_TABPTR);
	assert_true(a && a->val == 0x1004 && a->aux == 8);
	// index * 3 * 8
	r = psc_vals_arith(&v, PSC_MUL, v.why[PSC_WHY_MEMORY], num(3), 8);
	r = psc_vals_arith(&v, PSC_SHL, r, num(3), 8);
	r = psc_vals_arith(&v, PSC_ADD, r, img, 8);
	a = psc_vals_one(&v, r, PSC_A_TABPTR);
	assert_true(a && a->aux == 24);
	// An address cut to half its width is no address.
	assert_null(psc_vals_one(&v, psc_vals_trunc(&v, img, 4), PSC_A_IMG));
}

static void arguments(void **state)
{
	psc_vid arg = atom(PSC_A_ARG, 1, 0), r;
	const struct psc_atom *a;

	r = psc_vals_arith(&v, PSC_ADD, arg, num(0x10), 8);
	a = psc_vals_one(&v, r, PSC_A_ARG);
	assert_true(a && a->aux == 1 && a->val == 0x10);
	r = psc_vals_arith(&v, PSC_OR, arg, num(0x200), 4);
	a = psc_vals_one(&v, r, PSC_A_ARG);
	assert_true(a && a->mask == 0x200);
	assert_null(psc_vals_one(&v, psc_vals_trunc(&v, arg, 1), PSC_A_ARG));
}

static void loops(void **state)
{
	psc_vid a = atom(PSC_A_IMG, 0, 0x2000), b = atom(PSC_A_IMG, 0, 0x2018);
	const struct psc_atom *t;
	psc_vid r = psc_vals_step(&v, a, b);

	t = psc_vals_one(&v, r, PSC_A_TABPTR);
	assert_true(t && t->val == 0x2000 && t->aux == 0x18);
	assert_int_equal(psc_vals_step(&v, b, a), r);
	// Once a table, another step changes nothing.
	psc_vid next = psc_vals_arith(&v, PSC_ADD, r, num(0x18), 8);
	assert_int_equal(psc_vals_step(&v, r, next), r);
	// A counter is given up.
	r = psc_vals_widen(&v, num(1), num(2));
	unsigned int n;
	psc_vals_get(&v, r, &n);
	assert_int_equal(n, 2);		// 1, and unknown
	assert_int_equal(psc_vals_widen(&v, r, num(3)), r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants),
		cmocka_unit_test(alternatives),
		cmocka_unit_test(partly_known),
		cmocka_unit_test(addresses),
		cmocka_unit_test(arguments),
		cmocka_unit_test(loops),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
