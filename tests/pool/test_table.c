// SPDX-License-Identifier: MIT
// Entries of every size over pages that are there, missing and paged out:
// each readable entry comes once, whole, under its own number.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "pool/fake.h"
#include "pool/table.h"

#define VA UINT64_C(0xffffb00012340000)

struct got {
	uint64_t size, next, n, stop_at;
	bool bad;
};

/** Entry @p i begins with its number. */
static bool take(void *ctx, uint64_t first, const uint8_t *bytes, uint64_t n)
{
	struct got *g = ctx;

	for (uint64_t i = 0; i < n; i++) {
		uint16_t number = psc_le16(bytes + i * g->size);
		uint8_t last = bytes[(i + 1) * g->size - 1];

		g->bad |= number != (uint16_t)(first + i) || last != 0x5a ||
			  first + i < g->next;
		g->next = first + i + 1;
		g->n++;
	}
	return !g->stop_at || g->n < g->stop_at;
}

static void make(uint64_t va, uint64_t size, uint64_t n)
{
	uint64_t base = va & ~UINT64_C(0xfff);

	fake_reset();
	uint8_t *p = fake_map(base, ((va - base + size * n) | 0xfff) + 1);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t *e = p + (va - base) + i * size;

		psc_put16(e, (uint16_t)i);
		e[size - 1] = 0x5a;
	}
}

static struct got scan(uint64_t va, uint64_t size, uint64_t n,
		       struct psc_table_stats *st)
{
	struct psc_table t = { va, size, n };
	struct got g = { .size = size };

	psc_table_scan(fake_mem(), &t, take, &g, st);
	assert_false(g.bad);
	assert_int_equal(g.n, st->entries_read);
	return g;
}

static void every_size_and_start(void **state)
{
	static const uint64_t sizes[] = { 3, 8, 0x18, 0x28, 0x50, 0x100 };
	static const uint64_t starts[] = { 0, 1, 0x10, 0xfe8, 0xfff };
	struct psc_table_stats st;

	for (size_t s = 0; s < PSC_ARRAY_SIZE(sizes); s++) {
		for (size_t i = 0; i < PSC_ARRAY_SIZE(starts); i++) {
			uint64_t n = 0x4000 / sizes[s] + 3;

			make(VA + starts[i], sizes[s], n);
			scan(VA + starts[i], sizes[s], n, &st);
			assert_int_equal(st.entries_read, n);
			assert_int_equal(st.pages_missing, 0);
		}
	}
}

/** What touches the page is left out, nothing else; the page is one. */
static void without_one_page(uint64_t size)
{
	struct psc_table_stats st;
	const uint64_t n = 0x4000 / size;

	for (unsigned int page = 0; page < 4; page++) {
		uint64_t lost = 0;

		for (uint64_t i = 0; i < n; i++)
			lost += i * size < (page + 1) * 0x1000u &&
				(i + 1) * size > page * 0x1000u;
		make(VA, size, n);
		fake_unmap(VA + page * 0x1000u, page & 1 ? PSC_VA_PAGED_OUT
							 : PSC_VA_NOT_IN_DUMP);
		scan(VA, size, n, &st);
		assert_int_equal(st.entries_read, n - lost);
		assert_int_equal(st.pages_missing, !(page & 1));
		assert_int_equal(st.pages_paged_out, page & 1);
	}
}

static void a_missing_page(void **state)
{
	without_one_page(0x28);
	without_one_page(0x10);	// none straddles
}

static void two_missing_pages_around_one(void **state)
{
	struct psc_table_stats st;

	make(VA + 8, 0x30, 300);	// 14 400 bytes on 4 pages
	fake_unmap(VA + 0x1000, PSC_VA_NOT_MAPPED);
	fake_unmap(VA + 0x3000, PSC_VA_NOT_IN_DUMP);
	scan(VA + 8, 0x30, 300, &st);
	assert_int_equal(st.pages_missing, 2);
	// 85 whole ones before offset ff8, those from 171 to 255 behind 1ff8.
	assert_int_equal(st.entries_read, 85 + (0x2ff8 / 0x30 - 171));
}

static void the_caller_stops(void **state)
{
	struct psc_table t = { VA, 0x18, 1000 };
	struct got g = { .size = 0x18, .stop_at = 171 };
	struct psc_table_stats st;

	make(VA, 0x18, 1000);
	psc_table_scan(fake_mem(), &t, take, &g, &st);
	// Whole pages are handed out: 170 entries, the one that straddles.
	assert_int_equal(g.n, 171);
	assert_int_equal(st.entries_read, 171);
}

/** Sizes and counts that no table can have are not looked at. */
static void impossible_tables(void **state)
{
	static const struct psc_table t[] = {
		{ VA, 0, 10 }, { VA, PSC_TABLE_MAX_ENTRY + 1, 10 },
		{ VA, 8, UINT64_MAX / 4 }, { UINT64_MAX - 15, 8, 3 },
		{ VA, 8, 0 },
	};

	make(VA, 8, 512);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(t); i++) {
		struct psc_table_stats st = { .entries_read = 99 };
		struct got g = { .size = 8 };

		psc_table_scan(fake_mem(), &t[i], take, &g, &st);
		assert_int_equal(g.n, 0);
		assert_int_equal(st.entries_read, 0);
		assert_int_equal(st.pages_missing, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_and_start),
		cmocka_unit_test(a_missing_page),
		cmocka_unit_test(two_missing_pages_around_one),
		cmocka_unit_test(the_caller_stops),
		cmocka_unit_test(impossible_tables),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
