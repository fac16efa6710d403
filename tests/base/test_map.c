// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>

#include "base/map.h"
#include "base/vec.h"

static void numbers(void **state)
{
	struct psc_map m = { 0 };
	bool added;

	assert_null(psc_map_get(&m, 1));
	for (uint64_t i = 0; i < 10000; i++) {
		*psc_map_put(&m, i * 0x1000, &added) = i;
		assert_true(added);
	}
	assert_int_equal(m.n, 10000);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(*psc_map_get(&m, i * 0x1000), i);
	assert_null(psc_map_get(&m, 0x123));
	psc_map_put(&m, 0x2000, &added);
	assert_false(added);

	struct psc_map_slot s;
	uint64_t sum = 0;
	for (size_t i = 0; psc_map_next(&m, &i, &s);)
		sum += s.value;
	assert_int_equal(sum, 10000ULL * 9999 / 2);
	psc_map_free(&m);
}

static void strings(void **state)
{
	static char keys[500][8];
	struct psc_strmap m = { 0 };

	for (unsigned int i = 0; i < 500; i++) {
		int n = snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		*psc_strmap_put(&m, keys[i], (size_t)n, NULL) = i;
	}
	assert_int_equal(*psc_strmap_get(&m, "k123", 4), 123);
	assert_int_equal(*psc_strmap_get(&m, "k1234", 3), 12);
	assert_null(psc_strmap_get(&m, "nope", 4));
	psc_strmap_free(&m);
}

static void vectors(void **state)
{
	PSC_VEC(uint32_t) v = { 0 };

	for (uint32_t i = 0; i < 1000; i++)
		assert_true(psc_vec_push(&v, i));
	assert_int_equal(v.n, 1000);
	assert_int_equal(v.v[999], 999);
	assert_false(psc_vec_reserve(&v, SIZE_MAX / 2));
	assert_int_equal(v.n, 1000);
	psc_vec_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(strings),
		cmocka_unit_test(vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
