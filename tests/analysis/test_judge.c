// SPDX-License-Identifier: MIT
// Judging: what one place's faults and bytes say.
#include "test.h"

#include <string.h>

#include "analysis/faults.h"
#include "analysis/judge.h"

#define VA UINT64_C(0xffff880000001230)

static struct psc_fault fault(enum psc_rule rule, unsigned int field,
			      unsigned int bits, uint64_t expected,
			      uint64_t found, bool repaired)
{
	return (struct psc_fault){
		.rule = rule, .va = VA, .field_va = VA + field, .bits = bits,
		.expected = expected, .found = found, .repaired = repaired,
		.owner = PSC_OWNER_CHAIN, .tag = 0x74636956,
		.previous_va = VA - 0x300, .previous_bytes = 0x300,
		.previous_tag = 0x6c697547, .previous_in_use = true,
	};
}

static struct psc_scene scene(const struct psc_fault *f, size_t n,
			      const char *before, const char *behind)
{
	struct psc_scene s = { .f = f, .n = n };

	if (before) {
		s.has_before = true;
		memcpy(s.before + PSC_SCENE_BEFORE - 16, before, 16);
	}
	if (behind) {
		s.has_behind = true;
		memcpy(s.behind, behind, 16);
	}
	return s;
}

static void one_fact_is_suspect_two_convict(void **state)
{
	struct psc_fault f[2] = {
		fault(PSC_L8, 4, 0, 0, 1, false),
		fault(PSC_L7, 1, 0, 0, 9, false),
	};
	struct psc_scene s = scene(f, 1, NULL, NULL);

	assert_false(psc_judge(&s, NULL).corrupt);
	s.n = 2;
	assert_true(psc_judge(&s, NULL).corrupt);
	// The same rule twice on the same bytes is one fact.
	f[1] = f[0];
	assert_false(psc_judge(&s, NULL).corrupt);
	s.n = 1;
	s.bugcheck = true;
	assert_true(psc_judge(&s, NULL).corrupt);
}

static void a_repair_convicts(void **state)
{
	struct psc_fault f = fault(PSC_L4, 0, 8, 0x30, 0x35, true);
	struct psc_scene s = scene(&f, 1, NULL, NULL);

	assert_true(psc_judge(&s, NULL).corrupt);
	// An update in flight is no damage, a flipped bit is.
	s.lock = "the lock of its heap";
	assert_false(psc_judge(&s, NULL).corrupt);
	f.found = 0x31;
	assert_true(psc_judge(&s, NULL).corrupt);
}

static void one_bit(void **state)
{
	struct psc_fault f = fault(PSC_L4, 2, 8, 0x30, 0x38, true);
	struct psc_scene s = scene(&f, 1, NULL, "\x30\0\x38\2Vict\0\0\0\0\0\0\0");
	struct psc_judgement j = psc_judge(&s, NULL);

	assert_true(j.bit_flip);
	assert_int_equal(j.cause, PSC_CAUSE_BIT_FLIP);
	assert_int_equal(j.suspect, 0);
	f.found = 0x3b;
	assert_false(psc_judge(&s, NULL).bit_flip);
	// Numbers of busy blocks are no field.
	f = fault(PSC_F3, 0x30, 32, 4, 5, false);
	assert_false(psc_judge(&s, NULL).bit_flip);
}

static void text_from_the_block_before(void **state)
{
	struct psc_fault f[2] = {
		fault(PSC_L4, 0, 8, 0x30, 0x20, false),
		fault(PSC_L3, 2, 8, 0x30, 0x6f, true),
	};
	struct psc_scene s = scene(f, 2, "A string that is",
				   " too long by 16.");
	struct psc_judgement j = psc_judge(&s, NULL);

	assert_int_equal(j.cause, PSC_CAUSE_OVERRUN);
	assert_int_equal(j.confidence, PSC_HIGH);
	assert_int_equal(j.suspect, VA - 0x300);
	assert_int_equal(j.suspect_tag, 0x6c697547);
	assert_ptr_equal(j.main, &f[1]);
	// One bit of difference by chance does not make text a flipped bit.
	s.n = 1;
	assert_int_equal(psc_judge(&s, NULL).cause, PSC_CAUSE_OVERRUN);
	// Nothing in the block before: the text came from somewhere.
	s = scene(f, 2, "\1\2\3\4\5\6\7\x8\1\2\3\4\5\6\7\x80",
		  " too long by 16.");
	j = psc_judge(&s, NULL);
	assert_int_equal(j.cause, PSC_CAUSE_OVERRUN);
	assert_int_equal(j.confidence, PSC_MEDIUM);
}

static void only_the_last_half_of_the_header(void **state)
{
	struct psc_fault f = fault(PSC_L14, 8, 0, 0, 5, false);
	struct psc_scene s = scene(&f, 1, NULL, "\x30\0\x30\x0aVictunderrun");
	struct psc_judgement j = psc_judge(&s, NULL);

	assert_int_equal(j.cause, PSC_CAUSE_UNDERRUN);
	assert_int_equal(j.suspect, VA);
	s = scene(&f, 1, NULL, "\x30\0\x30\x0aVict\1\x92\x33\4\x85\6\7\x9");
	j = psc_judge(&s, NULL);
	assert_int_equal(j.cause, PSC_CAUSE_UNKNOWN);
	assert_int_equal(j.suspect, 0);
}

static void what_free_blocks_keep(void **state)
{
	struct psc_fault f = fault(PSC_L10, 0x10, 64, VA + 0x10, 0x1234567890,
				   false);
	struct psc_scene s = scene(&f, 1, NULL, NULL);
	struct psc_judgement j = psc_judge(&s, NULL);

	assert_int_equal(j.cause, PSC_CAUSE_USE_AFTER_FREE);
	assert_int_equal(j.suspect, VA);
	f.rule = PSC_L12;
	assert_true(psc_judge(&s, NULL).corrupt);	// two stored witnesses
}

/** An in-use bit that is gone: the block is on no list either. */
static void live_block_that_says_free(void **state)
{
	struct psc_fault f[2] = {
		fault(PSC_L11, 3, 8, 2, 0, false),
		fault(PSC_L9, 0x10, 0, 0, 0x41414141, false),
	};
	struct psc_scene s = scene(f, 2, NULL, NULL);
	struct psc_judgement j = psc_judge(&s, NULL);

	assert_true(j.corrupt && j.bit_flip);
}

static void shapes(void **state)
{
	static const struct {
		const char *bytes;
		enum psc_shape shape;
	} t[] = {
		{ "\0\0\0\0\0\0\0\0", PSC_SHAPE_ZERO },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff", PSC_SHAPE_ONES },
		{ "AAAAAAAA", PSC_SHAPE_REPEAT },
		{ "a string", PSC_SHAPE_TEXT },
		{ "a\0b\0c\0d\0", PSC_SHAPE_UTF16 },
		{ "\x12\x34\x56\x78\x12\x34\x56\x78", PSC_SHAPE_REPEAT },
		{ "\x10\x20\x30\x40\x80\xf8\xff\xff", PSC_SHAPE_POINTER },
		{ "\x10\x20\x30\x40\x50\x60\x70\x80", PSC_SHAPE_NONE },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(psc_shape_of((const uint8_t *)t[i].bytes, 8),
				 t[i].shape);
	assert_int_equal(psc_shape_of((const uint8_t *)"abc", 3),
			 PSC_SHAPE_NONE);
}

// --- places -------------------------------------------------------------------

static void faults_of_one_place(void **state)
{
	struct psc_faults f = { 0 };
	struct psc_sink sink = psc_faults_sink(&f);
	struct psc_fault x = fault(PSC_V6, 2, 8, 0x30, 0x6f, true);

	x.owner = PSC_OWNER_VS;
	sink.fault(sink.ctx, &x);
	sink.fault(sink.ctx, &x);	// the same again
	x.rule = PSC_V2;
	x.va = x.field_va = VA - 0x10;
	x.bits = 64;
	x.found = 0x4141414141414141;
	sink.fault(sink.ctx, &x);	// the chunk header before it
	x.va = x.field_va = VA + 0x5000;
	sink.fault(sink.ctx, &x);
	psc_faults_sort(&f);
	assert_int_equal(f.list.n, 3);
	assert_int_equal(f.total, 3);
	assert_int_equal(f.list.v[0].va, VA - 0x10);
	assert_int_equal(psc_faults_place(&f, 0), 2);
	assert_int_equal(psc_faults_place(&f, 2), 3);
	// A single bit in the chunk header has nothing to do with the header.
	f.list.v[0].expected = f.list.v[0].found ^ 1;
	assert_int_equal(psc_faults_place(&f, 0), 1);
	psc_faults_free(&f);
}

static void memory_is_bounded(void **state)
{
	struct psc_faults f = { 0 };
	struct psc_sink sink = psc_faults_sink(&f);

	for (unsigned int i = 0; i < PSC_MAX_FAULTS + 10; i++) {
		struct psc_fault x = fault(PSC_L8, 4, 0, 0, 0, false);

		x.va += i * 0x20;
		sink.fault(sink.ctx, &x);
	}
	assert_int_equal(f.list.n, PSC_MAX_FAULTS);
	assert_int_equal(f.total, PSC_MAX_FAULTS + 10);
	psc_faults_free(&f);
}

static void a_misread_is_no_damage(void **state)
{
	struct psc_faults f = { 0 };
	struct psc_sink sink = psc_faults_sink(&f);

	for (unsigned int i = 0; i < 20; i++) {
		struct psc_fault x = fault(PSC_L8, 4, 0, 0, 0, false);

		// Other offsets in other pages.
		x.va += i * 0x1000 + i * 0x10;
		sink.fault(sink.ctx, &x);
	}
	assert_false(psc_faults_systematic(&f, 100000));
	assert_true(psc_faults_systematic(&f, 1000));
	for (unsigned int i = 0; i < 20; i++)
		f.list.v[i].va = VA + i * 0x1000;
	assert_true(psc_faults_systematic(&f, 100000));
	f.list.n = 10;
	assert_false(psc_faults_systematic(&f, 100));
	psc_faults_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_fact_is_suspect_two_convict),
		cmocka_unit_test(a_repair_convicts),
		cmocka_unit_test(one_bit),
		cmocka_unit_test(text_from_the_block_before),
		cmocka_unit_test(only_the_last_half_of_the_header),
		cmocka_unit_test(what_free_blocks_keep),
		cmocka_unit_test(live_block_that_says_free),
		cmocka_unit_test(shapes),
		cmocka_unit_test(faults_of_one_place),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(a_misread_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
