// SPDX-License-Identifier: MIT
// Pages of special pool (pool 2.8).
#include "test.h"

#include <string.h>

#include "base/bytes.h"
#include "pool/special.h"

#define PAGE 0x1000u
#define PATTERN 0xa5

static void make(uint8_t *page, uint32_t bytes, uint32_t flags,
		 unsigned int data)
{
	const uint32_t word = bytes | flags | (uint32_t)PATTERN << 16;

	memset(page, PATTERN, PAGE);
	memset(page, 0, flags & 0x4000 ? 0x18 : 0x10);
	psc_put32(page, word);
	memcpy(page + 4, "Spec", 4);
	memset(page + data, 0x11, bytes);
}

static void places(void **state)
{
	static const struct {
		uint32_t bytes, flags, data;
	} v[] = {
		{ 0x123, 0, 0xed0 }, { 0x123, 0, 0x10 },
		{ 0x123, 0x4000, 0x18 }, { 0x200, 0x8000, 0xe00 },
		{ 1, 0, 0xff0 },
		{ 0xfe8, 0x4000, 0x18 },	// no fill anywhere
		{ 0xff0, 0, 0x10 },
	};
	uint8_t page[PAGE];

	for (size_t i = 0; i < PSC_ARRAY_SIZE(v); i++) {
		struct psc_special s;

		make(page, v[i].bytes, v[i].flags, v[i].data);
		assert_true(psc_special_decode(page, &s));
		assert_int_equal(s.bytes, v[i].bytes);
		assert_int_equal(s.data, v[i].data);
		assert_int_equal(s.verifier, v[i].flags == 0x4000);
		assert_int_equal(s.pattern, PATTERN);
		assert_int_equal(s.broken, 0);
		assert_memory_equal(&s.tag, "Spec", 4);
	}
}

static void overrun(void **state)
{
	uint8_t page[PAGE];
	struct psc_special s;

	make(page, 0x123, 0, 0xed0);
	page[0xff5] = 0;	// behind the data
	assert_true(psc_special_decode(page, &s));
	assert_int_equal(s.data, 0xed0);
	assert_int_equal(s.broken, 0xff5);
	assert_int_equal(s.found, 0);

	make(page, 0x123, 0, 0x10);
	page[0x10 + 0x123] = 7;
	assert_true(psc_special_decode(page, &s));
	assert_int_equal(s.data, 0x10);
	assert_int_equal(s.broken, 0x133);
}

static unsigned int n_blocks;
static struct psc_fault last_fault;

static void count_block(void *ctx, const struct psc_block *b)
{
	n_blocks++;
}

static void keep_fault(void *ctx, const struct psc_fault *f)
{
	last_fault = *f;
}

static void one_bit_of_the_word(void **state)
{
	const struct psc_sink s = { .block = count_block,
				    .fault = keep_fault };
	const unsigned int bits[] = { 8, 13, 18, 25 };
	uint8_t page[PAGE];

	for (size_t i = 0; i < PSC_ARRAY_SIZE(bits); i++) {
		struct psc_span_stats st = { 0 };

		make(page, 0x123, 0, 0xed0);
		uint32_t word = psc_le32(page);
		psc_put32(page, word ^ 1u << bits[i]);
		n_blocks = 0;
		psc_special_walk(page, 0xffff900000001000, 0, &s, &st);
		assert_int_equal(n_blocks, 1);
		assert_int_equal(last_fault.rule, PSC_X2);
		assert_int_equal(last_fault.va, 0xffff900000001000);
		assert_int_equal(last_fault.expected, word);
		assert_true(last_fault.repaired);
		assert_int_equal(st.faults, 1);
		assert_int_equal(st.skipped, 0);
	}
}

static void other_pages(void **state)
{
	uint8_t page[PAGE] = { 0 };
	struct psc_special s;

	assert_false(psc_special_decode(page, &s));
	make(page, 0, 0, 0x10);			// no bytes
	assert_false(psc_special_decode(page, &s));
	make(page, 0x123, 0x2000, 0xed0);	// a bit that means nothing
	assert_false(psc_special_decode(page, &s));
	make(page, 0x123, 0, 0xed0);
	psc_put32(page, 0xff1);			// does not fit
	assert_false(psc_special_decode(page, &s));
	make(page, 0x123, 0, 0xed0);
	page[4] = 1;				// no tag
	assert_false(psc_special_decode(page, &s));
	make(page, 0x123, 0, 0xed0);
	for (unsigned int i = 0x10; i < PAGE; i++)	// no pattern
		page[i] = (uint8_t)(i * 7);
	assert_false(psc_special_decode(page, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(overrun),
		cmocka_unit_test(one_bit_of_the_word),
		cmocka_unit_test(other_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
