// SPDX-License-Identifier: MIT
// Hardware or software: which findings lead to which answer, and that the
// words say no more than they do.
#include "test.h"

#include <string.h>

#include "analysis/callers.h"
#include "analysis/check.h"
#include "analysis/pooltag.h"
#include "base/bytes.h"
#include "pool/fake.h"

#define VA UINT64_C(0xffffe00012340000)
#define TRIAGE UINT64_C(0xfffff80000002000)
#define EVIL 0x6c697645u		/* "Evil" */
#define OTHER 0x7268744fu		/* "Othr": in no list */
#define NOW UINT64_C(1700000000)	/* November 2023 */
#define EPOCH UINT64_C(11644473600)

/** No driver's code is searched here. */
const char *psc_callers_driver(struct psc_analysis *a, uint32_t tag)
{
	return NULL;
}

static struct psc_report *report;
static struct psc_pooltags *tags;
static struct psc_modules modules;
static struct psc_analysis a;
static struct psc_check c;

static void begin(void)
{
	static const char list[] = "Evil - evil.sys - A driver\n";

	psc_report_free(report);
	psc_pooltags_free(tags);
	fake_reset();
	CHECK_OK(psc_report_new(&report));
	CHECK_OK(psc_pooltags_parse(list, sizeof(list) - 1, &tags));
	modules = (struct psc_modules){ .complete = true };
	a = (struct psc_analysis){
		.kernel = fake_kernel(), .mem = fake_mem(), .tags = tags,
		.root = psc_report_root(report), .modules = &modules };
	c = (struct psc_check){ .a = &a };
}

/** Suspect of tag @p tag; 0 = nobody to blame. */
static void add(uint64_t va, enum psc_cause cause, uint32_t tag)
{
	const struct psc_fault f = { .va = va };

	psc_pattern_add(&c.pattern, &(struct psc_judgement){
		.main = &f, .corrupt = true, .cause = cause,
		.bit_flip = cause == PSC_CAUSE_BIT_FLIP,
		.suspect = tag ? va - 0x40 : 0, .suspect_tag = tag });
}

/** @param hardware 1, 0, or −1 for null. */
static void check_answer(int hardware, const char *confidence,
			 const char *text)
{
	psc_check_sum_up(&c);
	const struct psc_value *o = psc_get(a.root, "check");
	bool is = false, there = psc_get_bool(o, "hardware", &is);

	assert_string_equal(psc_get_str(o, "verdict"), text);
	assert_string_equal(psc_get_str(o, "confidence"), confidence);
	assert_int_equal(there ? is : -1, hardware);
	const char *next = psc_get_str(o, "next_step");
	assert_non_null(strstr(next, strstr(text, "bit") ? "memory diagnostic"
							 : "Verifier"));
}

static void count_memory_errors(uint64_t pages, uint64_t bits)
{
	fake_map(TRIAGE, PSC_PAGE_SIZE);
	fake_symbol("MiTriageDumpData", TRIAGE);
	fake_field("_MI_TRIAGE_DUMP_DATA.BadPageCount", 0, 4);
	fake_field("_MI_TRIAGE_DUMP_DATA.PageHashErrors", 8, 4);
	fake_put(TRIAGE, pages, 4);
	fake_put(TRIAGE + 8, bits, 4);
}

// --- answers -----------------------------------------------------------------

static void nothing_was_found(void **state)
{
	begin();
	psc_check_sum_up(&c);
	const struct psc_value *o = psc_get(a.root, "check");
	assert_non_null(o);
	assert_null(psc_get(o, "verdict"));
	assert_null(psc_get(o, "memory_errors"));
	assert_int_equal(psc_count(psc_get(a.root, "findings")), 0);
}

static void one_flipped_bit(void **state)
{
	begin();
	add(VA, PSC_CAUSE_BIT_FLIP, 0);
	check_answer(1, "low", "Hardware, perhaps: one bit of one field is "
		     "wrong, which failing memory does, but a single hit "
		     "proves nothing.");
	begin();
	add(VA, PSC_CAUSE_BIT_FLIP, 0);
	count_memory_errors(0, 3);
	check_answer(1, "medium", "Hardware, perhaps: one bit of one field is "
		     "wrong, which failing memory does, and Windows itself "
		     "counted memory errors.");
}

static void bits_on_several_pages(void **state)
{
	begin();
	add(VA + 0x40, PSC_CAUSE_BIT_FLIP, 0);
	add(VA + 0x5080, PSC_CAUSE_BIT_FLIP, 0);
	add(VA + 0x50c0, PSC_CAUSE_BIT_FLIP, 0);
	check_answer(1, "medium", "Hardware: single bits are wrong on 2 pages "
		     "at unrelated places.");
	begin();
	add(VA + 0x40, PSC_CAUSE_BIT_FLIP, 0);
	add(VA + 0x5080, PSC_CAUSE_BIT_FLIP, 0);
	count_memory_errors(2, 0);
	check_answer(1, "high", "Hardware: single bits are wrong on 2 pages at "
		     "unrelated places, and Windows itself counted memory "
		     "errors.");
}

/** One driver flag of one structure looks like this too. */
static void bits_at_one_place_of_their_pages(void **state)
{
	begin();
	add(VA + 0x40, PSC_CAUSE_BIT_FLIP, 0);
	add(VA + 0x5040, PSC_CAUSE_BIT_FLIP, 0);
	check_answer(-1, "low", "Undecided: single bits are wrong on 2 pages "
		     "at the same place of their page.");
}

static void bits_of_one_page(void **state)
{
	begin();
	add(VA + 0x40, PSC_CAUSE_BIT_FLIP, 0);
	add(VA + 0x80, PSC_CAUSE_BIT_FLIP, 0);
	check_answer(-1, "low", "Undecided: 2 single bits are wrong on one "
		     "page.");
}

static void whole_bytes_beside_one_tag(void **state)
{
	begin();
	add(VA, PSC_CAUSE_OVERRUN, EVIL);
	check_answer(0, "medium", "Software: whole bytes were written where "
		     "they do not belong, beside or in a block of tag Evil "
		     "(evil.sys).");
	begin();
	add(VA, PSC_CAUSE_OVERRUN, OTHER);
	add(VA + 0x5000, PSC_CAUSE_UNDERRUN, OTHER);
	check_answer(0, "high", "Software: whole bytes were written where they "
		     "do not belong, each time beside or in a block of tag "
		     "Othr.");
}

static void whole_bytes_without_a_common_neighbour(void **state)
{
	begin();
	add(VA, PSC_CAUSE_OVERRUN, EVIL);
	add(VA + 0x5000, PSC_CAUSE_OVERRUN, OTHER);
	check_answer(0, "medium", "Software: whole bytes were written where "
		     "they do not belong, at 2 places without one common "
		     "neighbour.");
	begin();
	add(VA, PSC_CAUSE_USE_AFTER_FREE, 0);
	check_answer(0, "medium", "Software: whole bytes were written where "
		     "they do not belong, at 1 place.");
}

static void bits_and_bytes(void **state)
{
	begin();
	add(VA, PSC_CAUSE_OVERRUN, EVIL);
	add(VA + 0x5000, PSC_CAUSE_BIT_FLIP, 0);
	check_answer(-1, "low", "Undecided: single bits and whole bytes are "
		     "wrong, which points at memory and at a driver.");
	begin();
	add(VA, PSC_CAUSE_UNKNOWN, 0);
	check_answer(-1, "low", "Undecided: something is inconsistent, but its "
		     "form tells neither a driver nor failing memory.");
}

static void the_finding_counts_corrupt_places(void **state)
{
	const struct psc_fault f = { .va = VA };

	begin();
	add(VA, PSC_CAUSE_OVERRUN, EVIL);
	psc_pattern_add(&c.pattern, &(struct psc_judgement){ .main = &f });
	psc_check_sum_up(&c);
	const struct psc_value *x = psc_at(psc_get(a.root, "findings"), 0,
					   NULL);
	assert_string_equal(psc_get_str(x, "severity"), "critical");
	assert_memory_equal(psc_get_str(x, "text"),
			    "1 corrupted pool header: Software: ", 35);
	// Suspects alone make no finding.
	begin();
	psc_pattern_add(&c.pattern, &(struct psc_judgement){ .main = &f });
	psc_check_sum_up(&c);
	assert_int_equal(psc_count(psc_get(a.root, "findings")), 0);
}

/** Zero errors that were counted are not the same as none known. */
static void memory_errors_known_or_not(void **state)
{
	uint64_t v = 99;

	begin();
	count_memory_errors(0, 0);
	psc_check_sum_up(&c);
	assert_true(psc_get_uint(a.root, "check.memory_errors.bad_pages", &v));
	assert_int_equal(v, 0);
	begin();
	count_memory_errors(7, 0);
	fake_unmap(TRIAGE, PSC_VA_NOT_IN_DUMP);
	psc_check_sum_up(&c);
	assert_null(psc_get(a.root, "check.memory_errors"));
}

// --- drivers newer than the rest ---------------------------------------------

#define DAYS(n) ((n) * 86400u)

static struct psc_module mod[32];

/** @p n drivers built a day apart three years before the crash. */
static void old_drivers(size_t n)
{
	static char names[32][16];

	begin();
	fake_crash_time((NOW + EPOCH) * 10000000);
	add(VA, PSC_CAUSE_OVERRUN, EVIL);
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "drv%zu.sys", i);
		mod[i] = (struct psc_module){
			.name = names[i], .has_timestamp = true,
			.timestamp = (uint32_t)(NOW - DAYS(1000) + DAYS(i)) };
	}
	modules.v = mod;
	modules.n = n;
}

static const struct psc_value *new_ones(void)
{
	psc_check_sum_up(&c);
	return psc_get(a.root, "check.new_drivers");
}

static void a_driver_newer_than_the_rest(void **state)
{
	uint64_t built = 0;

	old_drivers(12);
	mod[3].timestamp = (uint32_t)(NOW - DAYS(3));
	const struct psc_value *list = new_ones();
	assert_int_equal(psc_count(list), 1);
	assert_string_equal(psc_get_str(psc_at(list, 0, NULL), "name"),
			    "drv3.sys");
	assert_true(psc_get_time(psc_at(list, 0, NULL), "built", &built));
	assert_int_equal(built / 10000000 - EPOCH, NOW - DAYS(3));
	// Half a year is not new; a stamp from after the crash is a hash.
	old_drivers(12);
	mod[11].timestamp = mod[9].timestamp + DAYS(180) - 1;
	mod[3].timestamp = (uint32_t)NOW + 1;
	mod[4].timestamp = (uint32_t)(NOW - DAYS(3));
	mod[4].has_timestamp = false;
	assert_int_equal(psc_count(new_ones()), 0);
	// Half a year after the stamp that the newest quarter begins with.
	mod[11].timestamp++;
	assert_int_equal(psc_count(new_ones()), 1);
}

static void too_little_to_compare(void **state)
{
	old_drivers(8);
	mod[7].timestamp = (uint32_t)(NOW - DAYS(1));
	assert_int_equal(psc_count(new_ones()), 1);
	old_drivers(8);
	mod[7].timestamp = (uint32_t)(NOW - DAYS(1));
	mod[0].timestamp = 0x12345678;		// before 2001: a hash
	assert_null(new_ones());
	old_drivers(12);
	mod[3].timestamp = (uint32_t)(NOW - DAYS(3));
	fake_crash_time(0);			// when it crashed is not known
	assert_null(new_ones());
}

static void not_more_than_five(void **state)
{
	old_drivers(32);
	for (unsigned int i = 0; i < 7; i++)
		mod[i].timestamp = (uint32_t)(NOW - DAYS(3));
	assert_int_equal(psc_count(new_ones()), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_was_found),
		cmocka_unit_test(one_flipped_bit),
		cmocka_unit_test(bits_on_several_pages),
		cmocka_unit_test(bits_at_one_place_of_their_pages),
		cmocka_unit_test(bits_of_one_page),
		cmocka_unit_test(whole_bytes_beside_one_tag),
		cmocka_unit_test(whole_bytes_without_a_common_neighbour),
		cmocka_unit_test(bits_and_bytes),
		cmocka_unit_test(the_finding_counts_corrupt_places),
		cmocka_unit_test(memory_errors_known_or_not),
		cmocka_unit_test(a_driver_newer_than_the_rest),
		cmocka_unit_test(too_little_to_compare),
		cmocka_unit_test(not_more_than_five),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	psc_report_free(report);
	psc_pooltags_free(tags);
	fake_reset();
	return failed;
}
