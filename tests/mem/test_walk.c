// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_machine.h"

#define VA	0xffffad0ec1945000ULL
#define PROTO	0xffff9a00c12a8f08ULL
#define PFN(x)	((uint64_t)(x) << 12)

static int setup(void **state)
{
	struct fake_machine *f = malloc(sizeof(*f));

	fake_init(f, false);
	*state = f;
	return 0;
}

static int setup57(void **state)
{
	struct fake_machine *f = malloc(sizeof(*f));

	fake_init(f, true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	free(*state);
	return 0;
}

static struct psc_xlat xlat(struct fake_machine *f, uint64_t va)
{
	struct psc_mem *m = fake_mem(f);
	struct psc_xlat x = psc_mem_translate(m, va);

	psc_mem_free(m);
	return x;
}

static enum psc_va_status status(struct fake_machine *f, uint64_t va)
{
	return xlat(f, va).status;
}

static void valid_page(void **state)
{
	struct fake_machine *f = *state;
	uint64_t pfn = fake_page(f);

	fake_set(f, VA, 1, 0x8000000000000063 | PFN(pfn));
	struct psc_xlat x = xlat(f, VA + 0x123);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_int_equal(x.pa, PFN(pfn) + 0x123);
	assert_int_equal(x.page_shift, 12);
	assert_int_equal(x.level, 1);
	assert_true(x.writable && x.nx && !x.transition && !x.prototype);
	// The published valid entry: PFN 77AF, writable.
	fake_set(f, VA, 1, 0x0a000000077af867);
	x = xlat(f, VA);
	assert_int_equal(x.pa, 0x77af000);
	assert_int_equal(x.status, PSC_VA_NOT_IN_DUMP);
	// PAT (bit 7) of a PTE is not "large".
	fake_set(f, VA, 1, PFN(pfn) | 0x80 | 1);
	x = xlat(f, VA);
	assert_int_equal(x.page_shift, 12);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_false(x.writable);
}

static void rights_of_all_levels_count(void **state)
{
	struct fake_machine *f = *state;

	fake_map(f, VA);
	uint8_t *pde = fake_entry(f, VA, 2);
	psc_put64(pde, (psc_le64(pde) & ~2ULL));
	assert_false(xlat(f, VA).writable);
	psc_put64(fake_entry(f, VA, 1),
		  psc_le64(fake_entry(f, VA, 1)) & ~(1ULL << 63));
	assert_false(xlat(f, VA).nx);
	psc_put64(fake_entry(f, VA, 3),
		  psc_le64(fake_entry(f, VA, 3)) | 1ULL << 63);
	assert_true(xlat(f, VA).nx);
}

static void large_pages_mask_pat(void **state)
{
	struct fake_machine *f = *state;
	// The published large entry: read-only, NX, frame 0x2c00; with PAT.
	fake_set(f, VA, 2, 0x8a00000002c001a1 | 0x1000);
	struct psc_xlat x = xlat(f, 0xffffad0ec1812345);
	assert_int_equal(x.status, PSC_VA_NOT_IN_DUMP);
	assert_int_equal(x.pa, 0x2c12345);
	assert_int_equal(x.page_shift, 21);
	assert_int_equal(x.level, 2);
	// 1 GiB.
	fake_set(f, VA, 3, 0x8000000840001083 | 0x1000);
	x = xlat(f, VA + 5);
	assert_int_equal(x.page_shift, 30);
	assert_int_equal(x.pa, 0x840000000 | ((VA + 5) & 0x3fffffff));
	assert_int_equal(x.level, 3);
	// A PML4E never maps a page.
	fake_set(f, VA, 4, 0x80000083);
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
}

static void nothing_there(void **state)
{
	struct fake_machine *f = *state;

	assert_int_equal(status(f, VA), PSC_VA_NOT_MAPPED);
	assert_int_equal(xlat(f, VA).level, 4);
	// Not canonical.
	assert_int_equal(status(f, 0x0000800000000000), PSC_VA_NOT_MAPPED);
	assert_int_equal(status(f, 0xff00000000000000), PSC_VA_NOT_MAPPED);
	fake_set(f, VA, 1, 0x41ba00000000);
	assert_int_equal(status(f, VA), PSC_VA_NOT_MAPPED);
	assert_int_equal(xlat(f, VA).entry, 0x41ba00000000);
	fake_set(f, VA, 1, 0x80);
	assert_int_equal(status(f, VA), PSC_VA_DEMAND_ZERO);
	fake_set(f, VA, 1, 0x0000123400002080);
	assert_int_equal(status(f, VA), PSC_VA_PAGED_OUT);
	// A table that was never touched maps nothing; one that is in the page
	// file takes all below with it.
	fake_set(f, VA, 2, 0x80);
	assert_int_equal(status(f, VA), PSC_VA_NOT_MAPPED);
	fake_set(f, VA, 2, 0x0000123400002080);
	assert_int_equal(status(f, VA), PSC_VA_PAGED_OUT);
	fake_set(f, VA, 2, 0xad0ec12a8f000400);
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
}

static void absent_tables(void **state)
{
	struct fake_machine *f = *state;

	fake_map(f, VA);
	fake_drop(f, psc_le64(fake_entry(f, VA, 2)) >> 12);
	assert_int_equal(status(f, VA), PSC_VA_TABLE_ABSENT);
	fake_drop(f, f->root >> 12);
	assert_int_equal(status(f, VA), PSC_VA_TABLE_ABSENT);
}

static void transition_at_every_level(void **state)
{
	struct fake_machine *f = *state;
	uint64_t pfn;

	fake_map(f, VA)[0] = 0x5a;
	pfn = psc_le64(fake_entry(f, VA, 1)) >> 12 & 0xfffff;
	fake_set(f, VA, 1, PFN(pfn) | 0x880);
	struct psc_xlat x = xlat(f, VA);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_true(x.transition && x.writable && x.nx);
	assert_int_equal(x.pa, PFN(pfn));
	for (unsigned int level = 2; level <= 4; level++) {
		uint64_t e = psc_le64(fake_entry(f, VA, level));
		fake_set(f, VA, level, (e & ~0xfffULL) | 0x880);
		assert_int_equal(status(f, VA), PSC_VA_OK);
		fake_set(f, VA, level, e);
	}
	fake_drop(f, pfn);
	assert_int_equal(status(f, VA), PSC_VA_TRANSITION_ABSENT);
}

static void l1tf_mask(void **state)
{
	struct fake_machine *f = *state;
	struct psc_mem *m;
	uint64_t pfn = fake_page(f);

	fake_set(f, VA, 1, PFN(pfn) | 0x880 | 1ULL << 45);
	m = fake_mem(f);
	// Unknown mask: a frame far beyond the memory.
	assert_int_equal(psc_mem_translate(m, VA).status,
			 PSC_VA_TRANSITION_ABSENT);
	psc_mem_set_pte_mask(m, 1ULL << 45);
	assert_int_equal(psc_mem_translate(m, VA).status, PSC_VA_OK);
	psc_mem_free(m);
}

static uint64_t proto_pte(uint64_t va)
{
	return va << 16 | 0x400;
}

static void prototypes(void **state)
{
	struct fake_machine *f = *state;
	uint64_t pfn = fake_page(f);
	struct psc_xlat x;

	fake_set(f, VA, 1, proto_pte(PROTO) | 0x80);
	assert_int_equal(status(f, VA), PSC_VA_NOT_MAPPED);
	fake_w64(f, PROTO, PFN(pfn) | 0x8000000000000121);
	x = xlat(f, VA + 8);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_true(x.prototype && !x.transition && x.nx && !x.writable);
	assert_int_equal(x.pa, PFN(pfn) + 8);
	// The chain of a real image page ends in transition.
	fake_w64(f, PROTO, PFN(pfn) | 0x860);
	x = xlat(f, VA);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_true(x.prototype && x.transition);
	assert_false(x.nx);	// protection 3: execute, read
	fake_w64(f, PROTO, 0x0000123400002080);
	assert_int_equal(status(f, VA), PSC_VA_PAGED_OUT);
	fake_w64(f, PROTO, 0x80);
	assert_int_equal(status(f, VA), PSC_VA_DEMAND_ZERO);
	// Subsection: the page is in a mapped file.
	fake_w64(f, PROTO, proto_pte(0xffff800012345678) | 0x80);
	assert_int_equal(status(f, VA), PSC_VA_PAGED_OUT);
	// A prototype in a prototype.
	fake_w64(f, PROTO, 0x0000123412340400);
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
	fake_w64(f, PROTO, PFN(pfn) | 0x860);
	fake_drop(f, pfn);
	assert_int_equal(status(f, VA), PSC_VA_TRANSITION_ABSENT);
	fake_drop(f, psc_le64(fake_entry(f, PROTO, 1)) >> 12 & 0xfffff);
	assert_int_equal(status(f, VA), PSC_VA_TABLE_ABSENT);
}

static void prototype_rules(void **state)
{
	struct fake_machine *f = *state;

	// Not in the kernel half, not aligned.
	fake_set(f, VA, 1, proto_pte(0x12345678));
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
	fake_set(f, VA, 1, proto_pte(PROTO + 3));
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
	// See VAD.
	fake_set(f, VA, 1, 0xffffffff00000400);
	assert_int_equal(status(f, VA), PSC_VA_NOT_MAPPED);
	// A PTE that describes the page that holds it: ends by depth.
	uint64_t *loop = (uint64_t[]){ proto_pte(VA + 8) };
	fake_set(f, VA, 1, *loop);
	assert_int_equal(status(f, VA), PSC_VA_DAMAGED);
}

static void five_levels(void **state)
{
	struct fake_machine *f = *state;
	uint64_t va = 0xff11800000001000;

	fake_map(f, va)[0] = 1;
	assert_int_equal(status(f, va), PSC_VA_OK);
	assert_int_equal(status(f, va + (1ULL << 48)), PSC_VA_NOT_MAPPED);
	assert_int_equal(status(f, 0x0100000000000000), PSC_VA_NOT_MAPPED);
	fake_map(f, VA)[0] = 2;
	assert_int_equal(status(f, VA), PSC_VA_OK);
	fake_set(f, va, 5, 0x83);
	assert_int_equal(xlat(f, va).status, PSC_VA_DAMAGED);
	assert_int_equal(xlat(f, va).level, 5);
}

static void root_with_pcid_and_noflush(void **state)
{
	struct fake_machine *f = *state;

	fake_map(f, VA);
	f->root |= 0x8000000000000fff;
	assert_int_equal(status(f, VA), PSC_VA_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(valid_page),
		T(rights_of_all_levels_count),
		T(large_pages_mask_pat),
		T(nothing_there),
		T(absent_tables),
		T(transition_at_every_level),
		T(l1tf_mask),
		T(prototypes),
		T(prototype_rules),
		cmocka_unit_test_setup_teardown(five_levels, setup57, teardown),
		T(root_with_pcid_and_noflush),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
