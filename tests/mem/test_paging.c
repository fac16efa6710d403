// SPDX-License-Identifier: MIT
// The schemes beside x64, which test_walk.c covers.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "mem/paging.h"

static uint8_t pages[8][PSC_PAGE_SIZE];

static const uint8_t *page(void *ctx, uint64_t pfn, uint8_t *scratch)
{
	return pfn < 8 ? pages[pfn] : NULL;
}

static struct psc_xlat xlat(enum psc_paging_mode mode, uint64_t root,
			    uint64_t va)
{
	struct psc_paging p = { .mode = mode, .root = root, .swizzled = true };
	struct psc_phys phys = { .page = page };
	struct psc_mem *m;

	CHECK_OK(psc_mem_new_paged(&p, &phys, &m));
	struct psc_xlat x = psc_mem_translate(m, va);
	psc_mem_free(m);
	return x;
}

static void x86(void **state)
{
	memset(pages, 0, sizeof(pages));
	psc_put32(&pages[1][0x204 * 4], 0x2063);
	psc_put32(&pages[2][0x345 * 4], 0x3063);
	struct psc_xlat x = xlat(PSC_PAGING_X86, 0x1018, 0x81345678);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_int_equal(x.pa, 0x3678);
	// 4 MiB page; PSE-36 bits 39:32 = 5.
	psc_put32(&pages[1][0x205 * 4], 0x00c000e3 | 5 << 13);
	x = xlat(PSC_PAGING_X86, 0x1000, 0x81745678);
	assert_int_equal(x.page_shift, 22);
	assert_true(x.pa == 0x500f45678);
	// Addresses beyond 32 bits do not exist.
	x = xlat(PSC_PAGING_X86, 0x1000, 0xffffffff81345678);
	assert_int_equal(x.status, PSC_VA_NOT_MAPPED);
}

static void pae(void **state)
{
	memset(pages, 0, sizeof(pages));
	// The root is 32-byte aligned inside its page.
	psc_put64(&pages[1][0x60 + 2 * 8], 0x2001);
	psc_put64(&pages[2][8 * 9], 0x3063);
	psc_put64(&pages[3][8 * 0x145], 0x8000000000004063);
	struct psc_xlat x = xlat(PSC_PAGING_X86_PAE, 0x1060, 0x81345678);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_int_equal(x.pa, 0x4678);
	// The PDPTE has no write bit: that does not make all read-only.
	assert_true(x.writable && x.nx);
	// PFN beyond 32 bits.
	psc_put64(&pages[2][8 * 9], 0x8000001234a000e3);
	x = xlat(PSC_PAGING_X86_PAE, 0x1060, 0x81345678);
	assert_true(x.pa == 0x1234945678 + 0x1000 * 0x200);
	assert_int_equal(x.page_shift, 21);
}

static void arm64(void **state)
{
	uint64_t va = 0xffffa88000000000;

	memset(pages, 0, sizeof(pages));
	psc_put64(&pages[1][8 * 0x151], 0x2003);
	psc_put64(&pages[2][0], 0x3003);
	psc_put64(&pages[3][0], 0x4003);
	psc_put64(&pages[4][0], 0x0060000000005703);
	// ASID in the high bits, CnP in bit 0.
	struct psc_xlat x = xlat(PSC_PAGING_ARM64, 0x00aa000000001001, va + 9);
	assert_int_equal(x.status, PSC_VA_OK);
	assert_int_equal(x.pa, 0x5009);
	assert_true(x.nx && x.writable);
	// AP[2]: read-only.
	psc_put64(&pages[4][0], 0x5783);
	x = xlat(PSC_PAGING_ARM64, 0x1000, va);
	assert_false(x.nx || x.writable);
	// Bit 1 clear: invalid in the last level, a block above it.
	psc_put64(&pages[4][0], 0x5701);
	x = xlat(PSC_PAGING_ARM64, 0x1000, va);
	assert_int_equal(x.status, PSC_VA_DAMAGED);
	psc_put64(&pages[3][0], 0x40200701);
	x = xlat(PSC_PAGING_ARM64, 0x1000, va + 0x1234);
	assert_int_equal(x.page_shift, 21);
	assert_int_equal(x.pa, 0x40201234);
	psc_put64(&pages[1][8 * 0x151], 0x2001);
	x = xlat(PSC_PAGING_ARM64, 0x1000, va);
	assert_int_equal(x.status, PSC_VA_DAMAGED);
}

static void halves(void **state)
{
	const struct psc_paging_scheme *s = psc_paging_scheme(PSC_PAGING_X64);

	assert_true(psc_paging_canonical(s, 0x00007fffffffffff));
	assert_false(psc_paging_canonical(s, 0x0000800000000000));
	assert_false(psc_paging_canonical(s, 0xffff7fffffffffff));
	assert_true(psc_paging_canonical(s, 0xffff800000000000));
	s = psc_paging_scheme(PSC_PAGING_X64_LA57);
	assert_true(psc_paging_canonical(s, 0x00ffffffffffffff));
	assert_false(psc_paging_canonical(s, 0x0100000000000000));
	assert_true(psc_paging_canonical(s, 0xff00000000000000));
	assert_true(psc_paging_kernel_start(s) == 0xff00000000000000);
	assert_null(psc_paging_scheme((enum psc_paging_mode)99));
}

static void unknown_mode(void **state)
{
	struct psc_paging p = { .mode = (enum psc_paging_mode)77 };
	struct psc_phys phys = { .page = page };
	struct psc_mem *m = NULL;

	CHECK_ERR(psc_mem_new_paged(&p, &phys, &m), PSC_ERR_USAGE);
	assert_null(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86),
		cmocka_unit_test(pae),
		cmocka_unit_test(arm64),
		cmocka_unit_test(halves),
		cmocka_unit_test(unknown_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
