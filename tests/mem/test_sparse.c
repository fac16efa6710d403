// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "mem/mem.h"

#define K 0xfffff8047ba00000ULL

static struct psc_mem *sparse(const struct psc_va_block *b, size_t n)
{
	struct psc_mem *m = NULL;

	CHECK_OK(psc_mem_new_sparse(b, n, &m));
	return m;
}

static void adjacent_blocks_join(void **state)
{
	static const uint8_t a[4] = "abcd", b[4] = "efgh";
	const struct psc_va_block blocks[] = {
		{ K + 4, 4, b }, { K, 4, a }, { K + 0x100, 4, a },
	};
	struct psc_mem *m = sparse(blocks, 3);
	enum psc_va_status why;
	uint8_t buf[16];

	assert_true(psc_mem_is_sparse(m));
	assert_null(psc_mem_paging(m));
	assert_int_equal(psc_mem_read(m, K + 2, buf, 16, &why), 6);
	assert_int_equal(why, PSC_VA_NOT_IN_DUMP);
	assert_memory_equal(buf, "cdefgh", 6);
	assert_int_equal(psc_mem_coverage(m).pages_not_in_file, 1);
	assert_int_equal(psc_mem_translate(m, K + 7).status, PSC_VA_OK);
	assert_int_equal(psc_mem_translate(m, K + 8).status,
			 PSC_VA_NOT_IN_DUMP);

	struct psc_va_range r;
	uint64_t pos = 0;
	assert_true(psc_mem_next_range(m, &pos, UINT64_MAX, &r));
	assert_true(r.va == K && r.size == 8);
	assert_true(psc_mem_next_range(m, &pos, K + 0x102, &r));
	assert_true(r.va == K + 0x100 && r.size == 2);
	assert_false(psc_mem_next_range(m, &pos, K + 0x102, &r));
	psc_mem_free(m);
}

static void first_of_overlapping_blocks_wins(void **state)
{
	static const uint8_t x[8] = "xxxxxxxx", y[16] = "yyyyyyyyyyyyyyyy",
			     z[32] = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
	const struct psc_va_block blocks[] = {
		{ K + 8, 8, x }, { K + 4, 16, y }, { K, 32, z },
		{ K + 8, 8, z },
	};
	struct psc_mem *m = sparse(blocks, 4);
	uint8_t buf[32];

	assert_int_equal(psc_mem_read(m, K, buf, 32, NULL), 32);
	assert_memory_equal(buf, "zzzzyyyyxxxxxxxxyyyyzzzzzzzzzzzz", 32);
	psc_mem_free(m);
}

// Against a byte map filled from the last block to the first.
static void random_blocks(void **state)
{
	uint8_t data[64], map[256], known[256], got;

	srand(7);
	for (int round = 0; round < 400; round++) {
		struct psc_va_block b[12];
		size_t n = (size_t)rand() % 13;

		memset(known, 0, sizeof(known));
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)rand();
		for (size_t i = 0; i < n; i++) {
			b[i].size = (uint64_t)(rand() % 30);
			b[i].va = K + (unsigned int)rand() % 220;
			b[i].data = data + rand() % 34;
		}
		for (size_t i = n; i-- > 0; ) {
			memcpy(map + (b[i].va - K), b[i].data, b[i].size);
			memset(known + (b[i].va - K), 1, b[i].size);
		}
		struct psc_mem *m = sparse(b, n);
		for (size_t i = 0; i < 256; i++) {
			assert_int_equal(psc_mem_read(m, K + i, &got, 1, NULL),
					 known[i]);
			if (known[i])
				assert_int_equal(got, map[i]);
		}
		psc_mem_free(m);
	}
}

static void whole_pages(void **state)
{
	static uint8_t data[0x3000];
	const struct psc_va_block blocks[] = {
		{ K + 0x800, 0x2000, data }, { K + 0x2800, 0x400, data },
		{ K + 0x2c00, 0x800, data },
	};
	struct psc_mem *m = sparse(blocks, 3);
	uint8_t scratch[PSC_PAGE_SIZE];
	const uint8_t *p = NULL;

	data[0x800] = 0x55;
	assert_int_equal(psc_mem_page(m, K + 0x1fff, scratch, &p), PSC_VA_OK);
	assert_ptr_equal(p, data + 0x800);
	// Put together from three blocks.
	assert_int_equal(psc_mem_page(m, K + 0x2000, scratch, &p), PSC_VA_OK);
	assert_ptr_equal(p, scratch);
	assert_int_equal(psc_mem_page(m, K, scratch, &p), PSC_VA_NOT_IN_DUMP);
	assert_int_equal(psc_mem_page(m, K + 0x3000, scratch, &p),
			 PSC_VA_NOT_IN_DUMP);
	psc_mem_free(m);
}

static void ends_of_the_address_space(void **state)
{
	static const uint8_t a[16] = "0123456789abcdef";
	const struct psc_va_block blocks[] = {
		{ UINT64_MAX - 3, 16, a }, { 0, 4, a }, { 5, 0, a },
	};
	struct psc_mem *m = sparse(blocks, 3);
	uint8_t buf[8];

	// The very last byte of the space is given up.
	assert_int_equal(psc_mem_read(m, UINT64_MAX - 3, buf, 8, NULL), 3);
	assert_int_equal(psc_mem_read(m, 0, buf, 8, NULL), 4);
	psc_mem_free(m);
	m = sparse(NULL, 0);
	assert_int_equal(psc_mem_read(m, K, buf, 1, NULL), 0);
	psc_mem_free(m);
}

static void kernel_half(void **state)
{
	static const uint8_t a[4];
	const struct psc_va_block narrow = { 0x81234567, 4, a };
	const struct psc_va_block wide = { 0xff11000000000000, 4, a };
	struct psc_mem *m = sparse(&(struct psc_va_block){ K, 4, a }, 1);

	assert_true(psc_mem_is_kernel_va(m, K));
	assert_false(psc_mem_is_kernel_va(m, 0xff11000000000000));
	psc_mem_free(m);
	m = sparse(&narrow, 1);
	assert_true(psc_mem_is_kernel_va(m, 0x80000000));
	assert_false(psc_mem_is_kernel_va(m, 0x7fffffff));
	psc_mem_free(m);
	m = sparse(&wide, 1);
	assert_true(psc_mem_is_kernel_va(m, 0xff11000000000000));
	psc_mem_free(m);
}

static void clones_share_the_blocks(void **state)
{
	static const uint8_t a[4] = "abcd";
	struct psc_mem *m = sparse(&(struct psc_va_block){ K, 4, a }, 1);
	struct psc_mem *clone, *other;
	uint32_t v;

	CHECK_OK(psc_mem_clone(m, &clone));
	psc_mem_free(m);
	CHECK_OK(psc_mem_u32(clone, K, "x", &v));
	assert_int_equal(v, 0x64636261);
	CHECK_ERR(psc_mem_with_root(clone, 0, &other), PSC_ERR_USAGE);
	psc_mem_free(clone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adjacent_blocks_join),
		cmocka_unit_test(first_of_overlapping_blocks_wins),
		cmocka_unit_test(random_blocks),
		cmocka_unit_test(whole_pages),
		cmocka_unit_test(ends_of_the_address_space),
		cmocka_unit_test(kernel_half),
		cmocka_unit_test(clones_share_the_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
