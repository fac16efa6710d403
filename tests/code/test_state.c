// SPDX-License-Identifier: MIT
#include "test.h"

#include "code/state.h"

static struct psc_vals v;

static psc_vid initial(void *ctx, int32_t off, uint32_t size)
{
	return v.why[PSC_WHY_ARGUMENT];
}

static int setup(void **state)
{
	return psc_vals_init(&v, 8) ? 0 : -1;
}

static int teardown(void **state)
{
	psc_vals_free(&v);
	return 0;
}

static psc_vid load(const struct psc_state *s, int32_t off, uint32_t size)
{
	return psc_state_load(&v, s, off, size, initial, NULL);
}

static psc_vid num(uint64_t c)
{
	return psc_vals_const(&v, c);
}

static void cells(void **state)
{
	struct psc_state *s = psc_state_new();

	psc_state_store(&v, s, -0x20, 8, num(0x1122334455667788));
	assert_int_equal(load(s, -0x20, 8), num(0x1122334455667788));
	assert_int_equal(load(s, -0x20, 4), num(0x55667788));
	assert_int_equal(load(s, -0x1c, 4), num(0x11223344));
	assert_int_equal(load(s, -0x18, 4), v.why[PSC_WHY_ARGUMENT]);
	// A store into the middle leaves both ends.
	psc_state_store(&v, s, -0x1e, 2, num(0));
	assert_int_equal(load(s, -0x20, 2), num(0x7788));
	assert_int_equal(load(s, -0x1c, 4), num(0x11223344));
	assert_int_equal(load(s, -0x1e, 2), num(0));
	// Two halves make a whole.
	psc_state_store(&v, s, 0x10, 4, num(1));
	psc_state_store(&v, s, 0x14, 4, num(2));
	assert_int_equal(load(s, 0x10, 8), num(0x200000001));
	psc_state_kill(&v, s, -0x40, 0);
	assert_int_equal(load(s, -0x1c, 4), v.why[PSC_WHY_MEMORY]);
	assert_int_equal(load(s, 0x10, 4), num(1));
	psc_state_free(s);
}

static void joins(void **state)
{
	struct psc_state *a = psc_state_new(), *b;

	psc_state_store(&v, a, -8, 4, num(1));
	psc_state_store(&v, a, -16, 4, num(5));
	a->reg[3] = num(7);
	b = psc_state_copy(a);
	psc_state_store(&v, b, -8, 4, num(2));
	psc_state_store(&v, b, -32, 4, num(9));
	b->reg[3] = num(8);
	assert_true(psc_state_join(&v, a, b, psc_vals_join, 4, initial, NULL));
	assert_int_equal(a->reg[3], psc_vals_join(&v, num(7), num(8)));
	assert_int_equal(load(a, -8, 4), psc_vals_join(&v, num(1), num(2)));
	assert_int_equal(load(a, -16, 4), num(5));
	// Written on one path alone: what was there before may still be.
	assert_int_equal(load(a, -32, 4),
			 psc_vals_join(&v, num(9), v.why[PSC_WHY_ARGUMENT]));
	assert_false(psc_state_join(&v, a, b, psc_vals_join, 4, initial, NULL));
	psc_state_free(a);
	psc_state_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells),
		cmocka_unit_test(joins),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
