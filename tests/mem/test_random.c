// SPDX-License-Identifier: MIT
// Random page tables: the walker against a second one, written without caches
// and without the table of schemes.
#include "test.h"

#include "fake_machine.h"

#define MASK (1ULL << 45)
#define ADDR 0x000ffffffffff000ULL

static struct fake_machine f;

static uint64_t rnd(void)
{
	static uint64_t s = 88172645463325252ULL;

	s ^= s << 13;
	s ^= s >> 7;
	return s ^= s << 17;
}

// Entries that lead somewhere often enough, of every kind.
static uint64_t random_entry(void)
{
	uint64_t pa = (FAKE_FIRST_PFN + rnd() % (f.n + 2)) << 12;
	uint64_t proto = (0xffff800000000000ULL | (rnd() & 0x4080200ff8ULL));

	switch (rnd() % 12) {
	case 0:
		return 0;
	case 1:
		return rnd();
	case 2:
		return pa | 0x880;
	case 3:
		return pa | 0x8a0 | MASK;
	case 4:
		return pa | 0xe3;
	case 5:
		return proto << 16 | 0x400 | (rnd() & 0x3e0) | 0x10;
	case 6:
		return rnd() << 32 | 0x80;
	case 7:
		return 0x80;
	default:
		return pa | 1 | (rnd() & 0x8000000000000f42ULL);
	}
}

static uint64_t unswizzle(uint64_t e)
{
	return e & 0x10 ? e & ~0x10ULL : e & ~MASK;
}

static bool naive(uint64_t va, int depth, int levels,
		  enum psc_va_status *s, uint64_t *pa);

static enum psc_va_status naive_soft(uint64_t raw, uint64_t va, int depth,
				     int levels, uint64_t *pa, bool in_proto)
{
	uint64_t e = unswizzle(raw), at = (uint64_t)((int64_t)e >> 16), ppa;
	uint64_t min = levels == 5 ? 0xff00000000000000 : 0xffff800000000000;
	enum psc_va_status s;

	if (e & 0x400) {
		if (in_proto)
			return at >= min ? PSC_VA_PAGED_OUT : PSC_VA_DAMAGED;
		if ((e >> 16) == 0xffffffff0000)
			return PSC_VA_NOT_MAPPED;
		if (depth == 2 || at % 4 || at < min || (at & 0xfff) > 0xff8)
			return PSC_VA_DAMAGED;
		if (!naive(at, depth + 1, levels, &s, &ppa))
			return s == PSC_VA_NOT_IN_DUMP ||
			       s == PSC_VA_TRANSITION_ABSENT
				? PSC_VA_TABLE_ABSENT : s;
		const uint8_t *p = fake_bytes(&f, ppa >> 12);
		if (!p)
			return PSC_VA_TABLE_ABSENT;
		e = psc_le64(p + (ppa & 0xfff));
		if (!(e & 1))
			return naive_soft(e, va, depth, levels, pa, true);
		*pa = (e & ADDR) | (va & 0xfff);
		return PSC_VA_OK;
	}
	if (e & 0x800) {
		*pa = (e & ADDR) | (va & 0xfff);
		return PSC_VA_OK;
	}
	if (e >> 32)
		return (uint32_t)e ? PSC_VA_PAGED_OUT : PSC_VA_NOT_MAPPED;
	return e & 0x3e0 ? PSC_VA_DEMAND_ZERO : PSC_VA_NOT_MAPPED;
}

// @return whether *s is OK. Presence of the page itself is not looked at.
static bool naive(uint64_t va, int depth, int levels,
		  enum psc_va_status *s, uint64_t *pa)
{
	uint64_t table = f.root & ADDR;

	*s = PSC_VA_NOT_MAPPED;
	if ((uint64_t)((int64_t)(va << (levels == 5 ? 7 : 16)) >>
		       (levels == 5 ? 7 : 16)) != va)
		return false;
	for (int l = levels; ; l--) {
		int shift = 12 + 9 * (l - 1);
		const uint8_t *p = fake_bytes(&f, table >> 12);

		*s = PSC_VA_TABLE_ABSENT;
		if (!p)
			return false;
		uint64_t e = psc_le64(p + (va >> shift & 511) * 8);
		if (!(e & 1)) {
			uint64_t u = unswizzle(e);
			if (l == 1)
				*s = naive_soft(e, va, depth, levels, pa,
						false);
			else if (u & 0x400)
				*s = PSC_VA_DAMAGED;
			else if (!(u & 0x800))
				*s = u >> 32 && (uint32_t)u ? PSC_VA_PAGED_OUT
							    : PSC_VA_NOT_MAPPED;
			if (l == 1 || !(u & 0x800) || u & 0x400)
				return *s == PSC_VA_OK;
			table = u & ADDR;
			continue;
		}
		if (l > 3 && e & 0x80) {
			*s = PSC_VA_DAMAGED;
			return false;
		}
		if (l == 1 || e & 0x80) {
			uint64_t low = (1ULL << shift) - 1;
			*s = PSC_VA_OK;
			*pa = (e & ADDR & ~low) | (va & low);
			return true;
		}
		table = e & ADDR;
	}
}

// Addresses near each other, so that caches are hit, and far ones.
static uint64_t random_va(uint64_t last)
{
	switch (rnd() % 6) {
	case 0:
		return rnd();
	case 1:
		return 0xffff800000000000ULL | (rnd() & 0x7fffffffffffULL);
	case 2:
		return last ^ 1ULL << rnd() % 57;
	default:
		return last + (rnd() & 0x3fff);
	}
}

static void against_naive(bool la57)
{
	unsigned long hits[PSC_VA_DAMAGED + 1] = { 0 };

	for (int round = 0; round < 300; round++) {
		fake_init(&f, la57);
		for (int i = 0; i < 7; i++)
			fake_page(&f);
		for (size_t i = 0; i < f.n; i++) {
			for (unsigned int k = 0; k < 512; k++)
				psc_put64(f.page[i] + k * 8, random_entry());
		}
		fake_drop(&f, FAKE_FIRST_PFN + 7);
		f.copy = round & 1;
		struct psc_mem *m = fake_mem(&f);
		psc_mem_set_pte_mask(m, MASK);
		uint64_t va = 0xffff800000000000ULL;
		for (int i = 0; i < 500; i++) {
			enum psc_va_status want;
			uint64_t pa = 0;
			va = random_va(va);
			naive(va, 0, la57 ? 5 : 4, &want, &pa);
			struct psc_xlat x = psc_mem_translate(m, va);
			if (want == PSC_VA_OK && !fake_bytes(&f, pa >> 12))
				want = x.transition ? PSC_VA_TRANSITION_ABSENT
						    : PSC_VA_NOT_IN_DUMP;
			assert_int_equal(x.status, want);
			hits[want]++;
			if (want == PSC_VA_OK)
				assert_int_equal(x.pa, pa);
		}
		psc_mem_free(m);
		fake_free(&f);
	}
	for (int s = 0; s <= PSC_VA_DAMAGED; s++)
		assert_true(hits[s] > 20);
}

static void four_levels(void **state)
{
	against_naive(false);
}

static void five_levels(void **state)
{
	against_naive(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_levels),
		cmocka_unit_test(five_levels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
