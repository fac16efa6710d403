// SPDX-License-Identifier: MIT
// Pool bug checks in words: places, pairs, numbering of heap failures.
#include "test.h"

#include "analysis/bugcheck_text.h"

#define HEADER UINT64_C(0xffff880000001230)

static struct psc_bugcheck_text explain(uint32_t code, uint64_t p1, uint64_t p2,
					uint64_t p3, uint64_t p4,
					uint32_t family)
{
	const uint64_t p[4] = { p1, p2, p3, p4 };
	struct psc_bugcheck_text t;

	assert_true(psc_bugcheck_explain(code, p, family, &t));
	assert_non_null(t.meaning);
	return t;
}

static void places(void **state)
{
	struct psc_bugcheck_text t = explain(0x19, 0x20, HEADER,
					     HEADER + 0x100, 0, 14393);

	assert_int_equal(t.n_places, 2);
	assert_int_equal(t.place[0], HEADER);
	assert_int_equal(t.place[1], HEADER + 0x100);
	t = explain(0x19, 3, HEADER + 0x10, 0, 0, 14393);
	assert_int_equal(t.place[0], HEADER);
	t = explain(0xc2, 0xd, HEADER + 0x10, 0, 0, 14393);
	assert_int_equal(t.place[0], HEADER);
	t = explain(0xc2, 7, 0x41414141, 5, HEADER, 14393);
	assert_int_equal(t.n_places, 1);	// a small number is no place
	assert_int_equal(t.place[0], HEADER);
	t = explain(0x10000019, 8, 0, 0, HEADER, 14393);
	assert_int_equal(t.place[0], HEADER);
}

static void pairs(void **state)
{
	struct psc_bugcheck_text t = explain(0x19, 0xe, HEADER, 0xf7, 0xff,
					     14393);

	assert_true(t.has_pair);
	assert_int_equal(t.found, 0xf7);
	assert_int_equal(t.expected, 0xff);
	t = explain(0x1a, 0x5200, HEADER, 1, 3, 14393);
	assert_true(t.has_pair && t.found == 1 && t.expected == 3);
	t = explain(0x19, 3, HEADER, HEADER, HEADER ^ 4, 14393);
	assert_true(t.has_second);
	assert_int_equal(t.expected ^ t.second_found, 4);
	t = explain(0x19, 0x20, HEADER, HEADER, 0, 14393);
	assert_false(t.has_pair);
}

static void heap_failures(void **state)
{
	// The list of 17763 has one more kind in its middle.
	assert_string_equal(explain(0x13a, 0x11, 0, HEADER, 0, 19041).meaning,
			    "a small block was freed twice");
	assert_string_equal(explain(0x13a, 0x10, 0, HEADER, 0, 14393).meaning,
			    "a small block was freed twice");
	assert_string_equal(explain(0x13a, 0x12, 0, HEADER, 0, 19041).meaning,
			    "a subsegment's header is corrupt");
	assert_string_equal(explain(0x13a, 0x11, 0, HEADER, 0, 14393).meaning,
			    "a subsegment's header is corrupt");
	assert_string_equal(explain(0x13a, 0x99, 0, HEADER, 0, 19041).meaning,
			    "a kernel heap is corrupt");
}

static void others_are_not_about_pools(void **state)
{
	static const uint32_t codes[] = { 0xe2, 0xd1, 0x50, 0x139, 0x1a };
	const uint64_t p[4] = { 1 };
	struct psc_bugcheck_text t;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_false(psc_bugcheck_explain(codes[i], p, 19041, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(pairs),
		cmocka_unit_test(heap_failures),
		cmocka_unit_test(others_are_not_about_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
