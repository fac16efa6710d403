// SPDX-License-Identifier: MIT
// Faults: bounded, sorted, cut into places; many alike are a misread.
#include "test.h"

#include <string.h>

#include "analysis/faults.h"
#include "mem/mem.h"

#define VA UINT64_C(0xffffe00012340000)

static struct psc_faults f;

static struct psc_fault at(uint64_t va, enum psc_rule rule)
{
	return (struct psc_fault){
		.rule = rule, .va = va, .field_va = va,
		.owner = PSC_OWNER_CHAIN, .tag = 0x656c6946,
	};
}

static void add(struct psc_faults *to, struct psc_fault x)
{
	struct psc_sink s = psc_faults_sink(to);

	s.fault(s.ctx, &x);
}

static void reset(void)
{
	psc_faults_free(&f);
	memset(&f, 0, sizeof(f));
}

static void keeps_a_bounded_number(void **state)
{
	struct psc_faults part = { 0 };

	reset();
	for (unsigned int i = 0; i < PSC_MAX_FAULTS + 10; i++)
		add(&part, at(VA + i * 16, PSC_L4));
	assert_int_equal(part.list.n, PSC_MAX_FAULTS);
	assert_int_equal(part.total, PSC_MAX_FAULTS + 10);
	add(&f, at(VA, PSC_L2));
	psc_faults_join(&f, &part);
	assert_int_equal(f.list.n, PSC_MAX_FAULTS);
	// What was never kept is still counted, once.
	assert_int_equal(f.total, PSC_MAX_FAULTS + 11);
	part.nomem = true;
	psc_faults_join(&f, &part);
	assert_true(f.nomem);
	psc_faults_free(&part);
}

static void sorts_and_drops_repeats(void **state)
{
	struct psc_fault second = at(VA, PSC_L4);

	reset();
	second.field_va = VA + 4;
	add(&f, at(VA + 0x100, PSC_L2));
	add(&f, second);
	add(&f, at(VA, PSC_L8));
	add(&f, at(VA, PSC_L4));
	add(&f, at(VA + 0x100, PSC_L2));	// seen by two threads
	add(&f, at(VA, PSC_L8));
	psc_faults_sort(&f);
	assert_int_equal(f.list.n, 4);
	assert_int_equal(f.total, 4);
	assert_int_equal(f.list.v[0].rule, PSC_L4);
	assert_int_equal(f.list.v[1].rule, PSC_L8);
	assert_int_equal(f.list.v[2].field_va, VA + 4);
	assert_int_equal(f.list.v[3].va, VA + 0x100);
	reset();
	psc_faults_sort(&f);			// none is fine
	assert_int_equal(f.total, 0);
}

/** Number of places the faults of @p f fall into. */
static unsigned int places(void)
{
	unsigned int n = 0;

	psc_faults_sort(&f);
	for (size_t i = 0; i < f.list.n; n++)
		i = psc_faults_place(&f, i);
	return n;
}

static void one_header_is_one_place(void **state)
{
	reset();
	add(&f, at(VA, PSC_L4));
	add(&f, at(VA, PSC_L6));
	add(&f, at(VA, PSC_L8));
	add(&f, at(VA + 0x40, PSC_L8));
	assert_int_equal(places(), 2);
	assert_int_equal(psc_faults_place(&f, 0), 3);
}

/** One write over several blocks; a flipped bit never is that. */
static void blocks_in_a_row(void **state)
{
	for (unsigned int flip = 0; flip < 3; flip++) {
		struct psc_fault a = at(VA, PSC_L6), b = at(VA + 0x60, PSC_L6);

		reset();
		b.previous_va = VA;
		struct psc_fault *x = flip == 1 ? &a : &b;
		if (flip) {
			x->bits = 8;
			x->expected = 3;
			x->found = 0x83;
		}
		add(&f, a);
		add(&f, b);
		assert_int_equal(places(), flip ? 2 : 1);
	}
	// Not neighbours at all, or of two allocators.
	struct psc_fault b = at(VA + 0x60, PSC_L6);
	reset();
	add(&f, at(VA, PSC_L6));
	b.previous_va = VA + 0x20;
	add(&f, b);
	assert_int_equal(places(), 2);
	f.list.v[1].previous_va = VA;
	f.list.v[1].owner = PSC_OWNER_LFH;
	assert_int_equal(places(), 2);
}

/** A chunk header and the pool header behind it are one place. */
static void a_chunk_and_its_header(void **state)
{
	static const struct {
		uint64_t apart;
		unsigned int places;
	} t[] = { { 0x10, 1 }, { 0x20, 1 }, { 0x30, 2 } };

	for (size_t i = 0; i < 3; i++) {
		struct psc_fault a = at(VA, PSC_V2);
		struct psc_fault b = at(VA + t[i].apart, PSC_V5);

		reset();
		a.owner = b.owner = PSC_OWNER_VS;
		add(&f, a);
		add(&f, b);
		assert_int_equal(places(), t[i].places);
	}
}

static void add_pages(unsigned int n, unsigned int in_page, unsigned int step)
{
	reset();
	for (unsigned int i = 0; i < n; i++)
		add(&f, at(VA + i * PSC_PAGE_SIZE + in_page + i * step,
			   PSC_L4));
}

static void damage_or_misread(void **state)
{
	add_pages(15, 0x40, 0);
	assert_false(psc_faults_systematic(&f, 15));	// few pages: damage
	add_pages(16, 0x40, 16);
	assert_true(psc_faults_systematic(&f, 1599));
	assert_false(psc_faults_systematic(&f, 1600));	// one in a hundred
	// One rule at one offset of every page that has a fault.
	add_pages(16, 0x40, 0);
	assert_true(psc_faults_systematic(&f, 1u << 20));
	f.list.v[9].rule = PSC_L8;
	assert_false(psc_faults_systematic(&f, 1u << 20));
	// Many faults on one page are one page.
	reset();
	for (unsigned int i = 0; i < 200; i++)
		add(&f, at(VA + i * 16, PSC_L4));
	assert_false(psc_faults_systematic(&f, 100));
	reset();
	assert_false(psc_faults_systematic(&f, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_bounded_number),
		cmocka_unit_test(sorts_and_drops_repeats),
		cmocka_unit_test(one_header_is_one_place),
		cmocka_unit_test(blocks_in_a_row),
		cmocka_unit_test(a_chunk_and_its_header),
		cmocka_unit_test(damage_or_misread),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	reset();
	return failed;
}
