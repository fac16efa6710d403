// SPDX-License-Identifier: MIT
// A distilled table must say what its source says.
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "msf_make.h"
#include "sym/builtin.h"
#include "sym/isf.h"
#include "sym/sym_open.h"
#include "sym/table_write.h"

/** Two sources that are compared, member by member. */
struct pair {
	const struct psc_sym *a, *b;
	uint64_t id_b;
	const char *type;
	size_t n;
	int depth;
};

static bool same_member(void *ctx, const char *name,
			const struct psc_field *a);

static void same_type(struct pair *p, uint64_t id_a, uint64_t id_b)
{
	uint64_t before = p->id_b;

	if (p->depth == 4)
		return;
	p->depth++;
	p->id_b = id_b;
	CHECK_OK(psc_sym_members(p->a, id_a, same_member, p));
	p->id_b = before;
	p->depth--;
}

static bool same_member(void *ctx, const char *name, const struct psc_field *a)
{
	struct pair *p = ctx;
	struct psc_field b;

	CHECK_OK(psc_sym_member(p->b, p->id_b, name, &b));
	uint64_t bit_a = a->offset * 8 + a->bit, bit_b = b.offset * 8 + b.bit;
	if (bit_a != bit_b || a->bits != b.bits || a->count != b.count ||
	    a->cls != b.cls || (!a->bits && a->size != b.size) ||
	    (a->cls == PSC_TYPE_INT && a->is_signed != b.is_signed))
		fail_msg("%s: %s differs", p->type, name);
	p->n++;
	if (a->cls == PSC_TYPE_STRUCT && a->type_id)
		same_type(p, a->type_id, b.type_id);
	return true;
}

static struct psc_sym *through_table(const struct psc_sym *s,
				     struct psc_table_counts *counts)
{
	struct psc_sym *ret = NULL;
	char *text;

	CHECK_OK(psc_table_text(s, counts, &text));
	CHECK_OK(psc_isf_open(psc_blob_of_heap(text, strlen(text)), NULL,
			      &ret));
	return ret;
}

static void same_answers(const struct psc_sym *a)
{
	struct psc_table_counts counts;
	struct psc_sym *b = through_table(a, &counts);
	struct pair p = { .a = a, .b = b };
	const char *name;
	size_t symbols = 0;

	for (size_t i = 0; (name = psc_builtin_symbol_name(i)); i++) {
		uint64_t x, y;
		struct psc_error *err = psc_sym_rva(a, name, &x);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		CHECK_OK(psc_sym_rva(b, name, &y));
		assert_int_equal(x, y);
		symbols++;
	}
	for (uint64_t i = 1; (name = psc_builtin_type_name(i)); i++) {
		struct psc_type x, y;
		struct psc_error *err = psc_sym_type(a, name, &x);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		CHECK_OK(psc_sym_type(b, name, &y));
		assert_int_equal(x.size, y.size);
		p.type = name;
		same_type(&p, x.id, y.id);
	}
	assert_int_equal(symbols, counts.symbols);
	assert_in_range(p.n, 500, 10000000);
	assert_int_equal(psc_sym_id(a)->age, psc_sym_id(b)->age);
	assert_memory_equal(psc_sym_id(a)->guid, psc_sym_id(b)->guid, 16);
	psc_sym_free(b);
}

static void kernels_of_four_families(void **state)
{
	static const char *const versions[] = {
		"6.1.7601.24540", "10.0.14393.6343", "10.0.19041.804",
		"10.0.22000.2538",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(versions); i++) {
		struct psc_sym *s;
		size_t k;
		assert_true(psc_builtin_find_version(versions[i], "x64", &k));
		CHECK_OK(psc_builtin_open(k, &s));
		same_answers(s);
		psc_sym_free(s);
	}
}

static void a_driver_is_no_kernel(void **state)
{
	struct psc_table_counts counts;
	struct psc_sym *s;
	char *text;

	if (!fixture_exists("x64.pdb"))
		skip();
	CHECK_OK(psc_sym_open_file(fixture_path("x64.pdb"), NULL, false, &s));
	CHECK_ERR(psc_table_text(s, &counts, &text), PSC_ERR_UNSUPPORTED);
	psc_sym_free(s);
	if (!fixture_exists("layout.o"))
		return;
	CHECK_OK(psc_sym_open_file(fixture_path("layout.o"), NULL, false, &s));
	CHECK_ERR(psc_table_text(s, &counts, &text), PSC_ERR_UNSUPPORTED);
	psc_sym_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_of_four_families),
		cmocka_unit_test(a_driver_is_no_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
