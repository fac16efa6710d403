// SPDX-License-Identifier: MIT
#include "test.h"

#include "mem/pte_win.h"

static struct psc_soft_pte decode(uint64_t pte, uint64_t mask, bool swizzled,
				  enum psc_paging_mode mode)
{
	struct psc_paging p = {
		.mode = mode, .invalid_pte_mask = mask, .swizzled = swizzled,
	};
	return psc_soft_pte(psc_paging_scheme(mode), &p, pte);
}

static struct psc_soft_pte x64(uint64_t pte)
{
	return decode(pte, 0, true, PSC_PAGING_X64);
}

static void published_values(void **state)
{
	struct psc_soft_pte p = x64(0x166b7880);

	assert_int_equal(p.kind, PSC_SOFT_TRANSITION);
	assert_int_equal(p.address, 0x166b7000);
	assert_int_equal(p.protection, 4);
	// Two links of a prototype chain of a real image page.
	p = x64(0xad0ec12a8f000400);
	assert_int_equal(p.kind, PSC_SOFT_PROTOTYPE);
	assert_true(p.address == 0xffffad0ec12a8f00);
	p = x64(0x121e2e860);
	assert_int_equal(p.kind, PSC_SOFT_TRANSITION);
	assert_int_equal(p.address, 0x121e2e000);
	// A freed paged-pool page: the high half is a time stamp.
	assert_int_equal(x64(0x41ba00000000).kind, PSC_SOFT_NONE);
}

static void arm64_values(void **state)
{
	struct psc_soft_pte p;

	p = decode(0xbb8ebbbe8c300c0c, 0, true, PSC_PAGING_ARM64);
	assert_int_equal(p.kind, PSC_SOFT_PROTOTYPE);
	assert_true(p.address == 0xffffbb8ebbbe8c30);
	p = decode(0x0002f47b00002088, 0, true, PSC_PAGING_ARM64);
	assert_int_equal(p.kind, PSC_SOFT_PAGED_OUT);
	assert_int_equal(p.file, 2);
	assert_int_equal(p.page, 0x2f47b);
	assert_int_equal(p.protection, 4);
	p = decode(0x000000013bcbe806, 0, true, PSC_PAGING_ARM64);
	assert_int_equal(p.kind, PSC_SOFT_TRANSITION);
	assert_int_equal(p.address, 0x13bcbe000);
}

// No mask known: the common bit, where the address cannot be memory.
static void mask_not_known(void **state)
{
	struct psc_paging p = {
		.mode = PSC_PAGING_X64, .swizzled = true,
		.phys_end = 1ULL << 33,
	};
	const struct psc_paging_scheme *s = psc_paging_scheme(p.mode);
	const uint64_t bit = 1ULL << 45;

	assert_int_equal(psc_soft_pte(s, &p, bit | 0x166b7880).address,
			 0x166b7000);
	assert_int_equal(psc_soft_pte(s, &p, 0x166b7880).address, 0x166b7000);
	// Stored as it was (bit 4), outside of memory without the bit too, or
	// a machine as large as that.
	assert_true(psc_soft_pte(s, &p, bit | 0x166b7890).address ==
		    (bit | 0x166b7000));
	assert_true(psc_soft_pte(s, &p, bit | 0x266b7880 | 1ULL << 34).address ==
		    (bit | 0x266b7000 | 1ULL << 34));
	p.phys_end = 1ULL << 46;
	assert_true(psc_soft_pte(s, &p, bit | 0x166b7880).address ==
		    (bit | 0x166b7000));
}

static void other_kinds(void **state)
{
	assert_int_equal(x64(0).kind, PSC_SOFT_NONE);
	assert_int_equal(x64(0x80).kind, PSC_SOFT_DEMAND_ZERO);
	struct psc_soft_pte p = x64(0x0000123400003080);
	assert_int_equal(p.kind, PSC_SOFT_PAGED_OUT);
	assert_int_equal(p.file, 3);
	assert_int_equal(p.page, 0x1234);
	// Nothing but a page-file number: no page, no protection.
	assert_int_equal(x64(0x2000).kind, PSC_SOFT_NONE);
}

static void unpatched_layout(void **state)
{
	// File number at bits 1-4, where patched kernels keep bit 4.
	struct psc_soft_pte p =
		decode(0x0000123400000096, 1ULL << 45, false, PSC_PAGING_X64);
	assert_int_equal(p.kind, PSC_SOFT_PAGED_OUT);
	assert_int_equal(p.file, 0xb);
	assert_int_equal(p.page, 0x1234);
	// Protection of a prototype stands in bits 11-15: bit 11 may be set.
	p = decode(0xfffff8a000002c00, 0, false, PSC_PAGING_X64);
	assert_int_equal(p.kind, PSC_SOFT_PROTOTYPE);
	assert_int_equal(p.protection, 5);
}

static void unswizzle(void **state)
{
	struct psc_paging p = {
		.invalid_pte_mask = 1ULL << 45, .swizzled = true,
	};
	// Bit 4 clear: the mask was set on storing.
	assert_true(psc_pte_unswizzle(&p, 0x2000166b7880) == 0x166b7880);
	// Bit 4 set: stored as it was.
	assert_true(psc_pte_unswizzle(&p, 0x2000166b7890) == 0x2000166b7880);
	assert_true(psc_pte_unswizzle(&p, 0) == 0);
	p.swizzled = false;
	assert_true(psc_pte_unswizzle(&p, 0x2000166b7880) == 0x2000166b7880);
	p.swizzled = true;
	p.invalid_pte_mask = 0;
	assert_true(psc_pte_unswizzle(&p, 0x166b7890) == 0x166b7890);
	// Only the mask set: an empty entry.
	assert_int_equal(decode(1ULL << 45, 1ULL << 45, true,
				PSC_PAGING_X64).kind, PSC_SOFT_NONE);
}

static void x86_forms(void **state)
{
	struct psc_soft_pte p;

	p = decode(0x8a123458000004a0, 0, false, PSC_PAGING_X86_PAE);
	assert_int_equal(p.kind, PSC_SOFT_PROTOTYPE);
	assert_true(p.address == 0x8a123458);
	// Transition PFN ends at bit 37 with PAE.
	p = decode(0xffffffc012345880, 0, false, PSC_PAGING_X86_PAE);
	assert_int_equal(p.kind, PSC_SOFT_TRANSITION);
	assert_true(p.address == 0x12345000);
	p = decode(0x12345886, 0, false, PSC_PAGING_X86);
	assert_int_equal(p.address, 0x12345000);
	// 0x80000000 | (pte >> 1 & 0x7ffffc00) | (pte << 1 & 0x3ff)
	p = decode(0x14001440, 0, false, PSC_PAGING_X86);
	assert_int_equal(p.kind, PSC_SOFT_PROTOTYPE);
	assert_true(p.address == (0x80000000 | 0xa000800 | 0x80));
	p = decode(0x00012084, 0, false, PSC_PAGING_X86);
	assert_int_equal(p.kind, PSC_SOFT_PAGED_OUT);
	assert_int_equal(p.page, 0x12);
	assert_int_equal(p.file, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values),
		cmocka_unit_test(arm64_values),
		cmocka_unit_test(mask_not_known),
		cmocka_unit_test(other_kinds),
		cmocka_unit_test(unpatched_layout),
		cmocka_unit_test(unswizzle),
		cmocka_unit_test(x86_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
