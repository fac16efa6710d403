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
	assert_int_equal(t.place[0].va, HEADER);
	assert_int_equal(t.place[1].va, HEADER + 0x100);
	t = explain(0x19, 3, HEADER + 0x10, HEADER + 0x210, 0, 14393);
	assert_int_equal(t.place[0].va, HEADER);
	assert_int_equal(t.place[1].va, HEADER + 0x200);	// look at all
	assert_int_equal(t.place[1].parameter, 3);
	t = explain(0xcd, HEADER & ~0xfffull, 1, 0, 0, 14393);
	assert_int_equal(t.place[0].va, (HEADER & ~0xfffull) - 0x1000);
	t = explain(0xc2, 0xd, HEADER + 0x10, 0, 0, 14393);
	assert_int_equal(t.place[0].va, HEADER);
	t = explain(0xc2, 7, 0x41414141, 5, HEADER, 14393);
	assert_int_equal(t.n_places, 1);	// a small number is no place
	assert_int_equal(t.place[0].va, HEADER);
	t = explain(0x10000019, 8, 0, 0, HEADER, 14393);
	assert_int_equal(t.place[0].va, HEADER);
}

static void pairs(void **state)
{
	struct psc_bugcheck_text t = explain(0x19, 0xe, HEADER, 0xf7, 0xff,
					     14393);

	assert_int_equal(t.n_pairs, 1);
	assert_int_equal(t.pair[0].found, 0xf7);
	assert_int_equal(t.pair[0].expected, 0xff);
	t = explain(0x1a, 0x5200, HEADER, 1, 3, 14393);
	assert_true(t.n_pairs == 1 && t.pair[0].found == 1 && t.pair[0].expected == 3);
	t = explain(0x19, 3, HEADER, HEADER, HEADER ^ 4, 14393);
	assert_int_equal(t.n_pairs, 2);
	assert_int_equal(t.pair[1].expected ^ t.pair[1].found, 4);
	t = explain(0x19, 0x20, HEADER, HEADER, 0, 14393);
	assert_int_equal(t.n_pairs, 0);
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

/** Every row of the catalogue has words of its own (pool 8.1, 8.2, 8.4). */
static void every_kind_is_known(void **state)
{
	static const struct {
		uint32_t code;
		unsigned int kind_in;
		uint64_t kinds[32];	// the last is UINT64_MAX
	} v[] = {
		{ 0x19, 1, { 2, 3, 5, 6, 7, 8, 9, 0xa, 0xd, 0xe, 0xf, 0x20,
			     0x21, 0x22, 0x23, 0x24, 0x25, UINT64_MAX } },
		{ 0xc2, 1, { 0, 1, 2, 4, 6, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe,
			     0x10, 0x11, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46,
			     0x47, 0x48, 0x50, 0x60, 0x62, 0x99, 0x9a, 0x9b,
			     0x9c, 0x9d, UINT64_MAX } },
		{ 0xc1, 4, { 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x31, 0x32,
			     UINT64_MAX } },
		{ 0xc4, 1, { 0, 1, 2, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x51,
			     0x52, 0x53, 0x54, 0x59, 0x60, 0x61, 0x62,
			     UINT64_MAX } },
		{ 0xc7, 1, { 0, 1, 2, 3, 4, 5, UINT64_MAX } },
		{ 0x1a, 1, { 0x403, 0x411, 0x5100, 0x5200, 0x41283, 0x41284,
			     0x41286, 0x41790, 0x41792, UINT64_MAX } },
	};
	static const uint32_t plain[] = { 0xc5, 0xd0, 0xcc, 0xd5, 0xcd, 0xd6,
					  0xc6, 0x13a, 0x41, 0x3f, 0x21, 0x1f1,
					  0x50, 0xa, 0xd1, 0x3b, 0x7e };
	const char *unknown[sizeof(v) / sizeof(v[0])];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint64_t p[4] = { 0 };
		struct psc_bugcheck_text t = { 0 };

		p[v[i].kind_in - 1] = 0xdead;
		psc_bugcheck_explain(v[i].code, p, 19041, &t);
		unknown[i] = t.meaning;
		for (size_t j = 0; v[i].kinds[j] != UINT64_MAX; j++) {
			p[v[i].kind_in - 1] = v[i].kinds[j];
			assert_true(psc_bugcheck_explain(v[i].code, p, 19041,
							 &t));
			assert_ptr_not_equal(t.meaning, unknown[i]);
			assert_string_equal(t.parameter[v[i].kind_in - 1],
					    "kind of violation");
		}
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		explain(plain[i], 0, 0, 0, 0, 19041);
	explain(0xc2, 0x41286, HEADER, 0, 0, 19041);
	explain(0x139, 3, 0, 0, 0, 19041);
}

static void faults_name_their_instruction(void **state)
{
	const uint64_t at = HEADER + 0x7000;
	struct psc_bugcheck_text t = explain(0xd1, HEADER, 2, 0, at, 19041);

	assert_true(t.echo && t.instruction == at);
	t = explain(0xc5, HEADER, 2, 0, at, 19041);
	assert_true(!t.echo && t.instruction == at);
	t = explain(0x1000007e, 0xc0000005, at, HEADER, HEADER + 8, 19041);
	assert_true(t.echo && t.instruction == at && t.context == HEADER + 8);
	t = explain(0x3b, 0xc0000005, at, HEADER, 0, 19041);
	assert_true(t.instruction == at && t.context == HEADER);
	t = explain(0x139, 3, HEADER, HEADER + 8, 0, 19041);
	assert_true(t.echo && !t.instruction && t.trap_frame == HEADER);
	t = explain(0x50, 0x10, 0, 0, 0, 19041);
	assert_int_equal(t.instruction, 0);	// it may not be given
}

static void tags_are_told_from_numbers(void **state)
{
	struct psc_bugcheck_text t = explain(0xc2, 0xa, HEADER, 0x41414141,
					     0x41414140, 19041);

	assert_true(!t.is_tag[0] && !t.is_tag[1] && t.is_tag[2] &&
		    t.is_tag[3]);
	assert_int_equal(t.pair[0].expected ^ t.pair[0].found, 1);
}

static void others_are_not_about_pools(void **state)
{
	static const uint32_t codes[] = { 0xe2, 0x139, 0x1a, 0xc4 };
	const uint64_t p[4] = { 0xdead };
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
		cmocka_unit_test(every_kind_is_known),
		cmocka_unit_test(faults_name_their_instruction),
		cmocka_unit_test(tags_are_told_from_numbers),
		cmocka_unit_test(others_are_not_about_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
