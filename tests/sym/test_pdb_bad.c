// SPDX-License-Identifier: MIT
// Damaged and hostile PDB files: one clear error, or an answer from what is
// whole; never a crash, never a hang.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "msf_make.h"
#include "sym/pdb.h"

// Ask everything; answers do not matter.
static void ask(const struct psc_sym *s)
{
	static const char *const paths[] = {
		"FX_ALL.Open", "FX_ALL.Bits.Wide", "FX_ALL.u.Half.High",
		"FX_ALL.Array[2].High", "FX_LATER.Owner", "FX_ALL.NoSuch",
	};
	struct psc_field f;
	struct psc_lines l;
	struct psc_symname near;
	uint64_t rva;
	int64_t v;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++)
		psc_error_free(psc_sym_field(s, paths[i], &f));
	psc_error_free(psc_sym_constant(s, "FX_STATE", "FxDead", &v));
	psc_error_free(psc_sym_rva(s, "FxWork", &rva));
	for (rva = 0x1000; rva < 0x1100; rva += 8) {
		psc_error_free(psc_sym_nearest(s, rva, &near));
		psc_error_free(psc_sym_lines(s, rva, &l));
	}
}

static void try_bytes(uint8_t *p, size_t n)
{
	struct psc_sym *s;
	struct psc_error *err = psc_pdb_open(psc_blob_of_heap(p, n), NULL, &s);

	if (err) {
		assert_true(*err->message);
		psc_error_free(err);
		return;
	}
	ask(s);
	psc_sym_free(s);
}

static void try_made(const struct msf_make *m)
{
	size_t n;
	uint8_t *p = msf_make_write(m, 512, false, &n);

	try_bytes(p, n);
}

static void load(struct msf_make *m)
{
	if (!msf_make_load(m, "x64.pdb"))
		skip();
}

static void every_truncation(void **state)
{
	size_t n;
	uint8_t *p = fixture_read("x64.pdb", &n);

	if (!p)
		skip();
	for (size_t cut = 0; cut < n; cut += cut < 5000 ? 1 : 511) {
		uint8_t *copy = malloc(cut ? cut : 1);
		struct psc_sym *s;
		memcpy(copy, p, cut);
		struct psc_error *err = psc_pdb_open(
			psc_blob_of_heap(copy, cut), NULL, &s);
		assert_non_null(err);
		assert_true(err->code == PSC_ERR_TRUNCATED ||
			    (cut < 32 && err->code == PSC_ERR_UNSUPPORTED));
		psc_error_free(err);
	}
	free(p);
}

static void every_stream_cut_short(void **state)
{
	struct msf_make m;

	load(&m);
	for (size_t i = 1; i < m.n; i++) {
		size_t whole = m.v[i].size, step = whole / 200 + 1;
		for (size_t cut = 0; cut < whole; cut += step) {
			m.v[i].size = cut;
			try_made(&m);
		}
		m.v[i].size = whole;
	}
	msf_make_free(&m);
}

// Any word of any stream becomes all ones, zero, or points to itself.
static void every_word_overwritten(void **state)
{
	static const uint32_t values[] = { UINT32_MAX, 0, 0x1003, 1000000000 };
	struct msf_make m;

	load(&m);
	for (size_t i = 1; i < m.n; i++) {
		size_t step = (m.v[i].size / 120 + 4) & ~(size_t)3;
		for (size_t at = 0; at + 4 <= m.v[i].size; at += step) {
			uint32_t old = psc_le32(m.v[i].data + at);
			for (size_t k = 0; k < PSC_ARRAY_SIZE(values); k++) {
				psc_put32(m.v[i].data + at, values[k]);
				try_made(&m);
			}
			psc_put32(m.v[i].data + at, old);
		}
	}
	msf_make_free(&m);
}

/** One wrong word in the container and the code that names it. */
static void check_word(const uint8_t *file, size_t n, size_t at, uint32_t v,
		       enum psc_error_code code)
{
	uint8_t *copy = malloc(n);
	struct psc_sym *s;

	memcpy(copy, file, n);
	psc_put32(copy + at, v);
	CHECK_ERR(psc_pdb_open(psc_blob_of_heap(copy, n), NULL, &s), code);
}

static void container_rules(void **state)
{
	struct msf_make m;
	size_t n;

	load(&m);
	uint8_t *p = msf_make_write(&m, 1024, false, &n);
	uint32_t map = psc_le32(p + 0x34);
	uint32_t dir = psc_le32(p + (size_t)map * 1024);

	check_word(p, n, 0x20, 1000, PSC_ERR_DAMAGED);	// block size
	check_word(p, n, 0x20, 65536, PSC_ERR_DAMAGED);
	check_word(p, n, 0x24, 3, PSC_ERR_DAMAGED);	// free block map
	check_word(p, n, 0x28, 1u << 30, PSC_ERR_TRUNCATED);
	check_word(p, n, 0x2c, 0, PSC_ERR_DAMAGED);	// directory
	check_word(p, n, 0x2c, UINT32_MAX, PSC_ERR_DAMAGED);
	check_word(p, n, 0x34, 1357, PSC_ERR_DAMAGED);	// map block
	check_word(p, n, 0x34, 0, PSC_ERR_DAMAGED);
	check_word(p, n, (size_t)map * 1024, 99999, PSC_ERR_DAMAGED);
	check_word(p, n, (size_t)dir * 1024, 1000000000, PSC_ERR_DAMAGED);
	check_word(p, n, (size_t)dir * 1024 + 8, 1000000000, PSC_ERR_DAMAGED);
	free(p);
	msf_make_free(&m);
}

static void other_kinds_are_named(void **state)
{
	static const struct {
		const char *bytes, *named;
	} kinds[] = {
		{ "Microsoft C/C++ program database 2.00\r\n\x1aJG", "2.00" },
		{ "BSJB", "portable .NET" },
		{ "<!DOCTYPE html><html>not here</html>", "HTML" },
		{ "<html><head><title>404</title></head></html>", "HTML" },
		{ "version https://git-lfs.github.com/spec/v1", "git LFS" },
		{ "nothing that anybody knows, but long enough to be told so",
		  "not a PDB" },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].bytes);
		uint8_t *p = malloc(n);
		struct psc_sym *s;
		memcpy(p, kinds[i].bytes, n);
		struct psc_error *err = psc_pdb_open(psc_blob_of_heap(p, n),
						     NULL, &s);
		assert_non_null(err);
		assert_int_equal(err->code, PSC_ERR_UNSUPPORTED);
		assert_non_null(strstr(err->message, kinds[i].named));
		psc_error_free(err);
	}
}

static void fastlink_is_refused(void **state)
{
	struct msf_make m;
	struct psc_sym *s;
	size_t n;

	load(&m);
	struct msf_make_stream *info = &m.v[1];
	info->data = realloc(info->data, info->size + 4);
	psc_put32(info->data + info->size, 0x494e494d);
	info->size += 4;
	uint8_t *p = msf_make_write(&m, 4096, false, &n);
	struct psc_error *err = psc_pdb_open(psc_blob_of_heap(p, n), NULL, &s);
	assert_non_null(err);
	assert_int_equal(err->code, PSC_ERR_UNSUPPORTED);
	assert_non_null(strstr(err->message, "FASTLINK"));
	psc_error_free(err);
	msf_make_free(&m);
}

// --- types made by hand ----------------------------------------------------

struct tpi {
	uint8_t p[4096];
	size_t n;
	uint32_t next;
};

static void tpi_begin(struct tpi *t)
{
	*t = (struct tpi){ .n = 56, .next = 0x1000 };
	psc_put32(t->p, 20040203);
	psc_put32(t->p + 4, 56);
	psc_put32(t->p + 8, 0x1000);
	psc_put16(t->p + 20, 0xffff);
}

static void tpi_record(struct tpi *t, uint16_t leaf, const void *payload,
		       size_t n)
{
	psc_put16(t->p + t->n, (uint16_t)(n + 2));
	psc_put16(t->p + t->n + 2, leaf);
	memcpy(t->p + t->n + 4, payload, n);
	t->n += n + 4;
	t->next++;
}

static struct psc_sym *tpi_open(struct tpi *t)
{
	struct msf_make m;
	struct psc_sym *s = NULL;
	size_t n;

	load(&m);
	psc_put32(t->p + 12, t->next);
	psc_put32(t->p + 16, (uint32_t)(t->n - 56));
	msf_make_set(&m, 2, t->p, t->n);
	uint8_t *p = msf_make_write(&m, 4096, false, &n);
	CHECK_OK(psc_pdb_open(psc_blob_of_heap(p, n), NULL, &s));
	msf_make_free(&m);
	return s;
}

// struct LOOP { T Member; } with T = type of the member.
static void loop_struct(struct tpi *t, uint32_t fields, uint32_t member_type)
{
	uint8_t list[] = { 0x0d, 0x15, 3, 0, 0, 0, 0, 0, 0, 0,
			   'M', 0, 0xf2, 0xf1 };
	uint8_t udt[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			  8, 0, 'L', 0, 0xf2, 0xf1 };

	psc_put32(list + 4, member_type);
	psc_put32(udt + 4, fields);
	tpi_record(t, 0x1203, list, sizeof(list));
	tpi_record(t, 0x1505, udt, sizeof(udt));
}

static void types_that_refer_to_themselves(void **state)
{
	struct psc_field f;
	struct tpi t;

	tpi_begin(&t);
	loop_struct(&t, 0x1000, 0x1002);
	// 0x1002: a modifier of itself; then an array of itself.
	tpi_record(&t, 0x1001, (uint8_t[]){ 2, 0x10, 0, 0, 1, 0, 0xf2, 0xf1 },
		   8);
	struct psc_sym *s = tpi_open(&t);
	CHECK_ERR(psc_sym_field(s, "L.M", &f), PSC_ERR_DAMAGED);
	psc_sym_free(s);

	tpi_begin(&t);
	loop_struct(&t, 0x1000, 0x1002);
	tpi_record(&t, 0x1503, (uint8_t[]){ 2, 0x10, 0, 0, 0x23, 0, 0, 0,
					    16, 0, 0, 0 }, 12);
	s = tpi_open(&t);
	CHECK_ERR(psc_sym_field(s, "L.M", &f), PSC_ERR_DAMAGED);
	psc_sym_free(s);
}

static void a_field_list_that_continues_in_itself(void **state)
{
	struct psc_field f;
	struct tpi t;

	tpi_begin(&t);
	loop_struct(&t, 0x1002, 0x74);
	// 0x1002: LF_INDEX to 0x1002
	tpi_record(&t, 0x1203, (uint8_t[]){ 0x04, 0x14, 0, 0, 2, 0x10, 0, 0 },
		   8);
	struct psc_sym *s = tpi_open(&t);
	CHECK_ERR(psc_sym_field(s, "L.M", &f), PSC_ERR_DAMAGED);
	psc_sym_free(s);
}

static void an_unknown_member_leaf(void **state)
{
	struct psc_field f;
	struct tpi t;

	tpi_begin(&t);
	uint8_t list[] = { 0x0d, 0x15, 3, 0, 0x74, 0, 0, 0, 0, 0, 'A', 0,
			   0x99, 0x99, 3, 0 };
	tpi_record(&t, 0x1203, list, sizeof(list));
	uint8_t udt[] = { 2, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			  8, 0, 'L', 0, 0xf2, 0xf1 };
	tpi_record(&t, 0x1505, udt, sizeof(udt));
	struct psc_sym *s = tpi_open(&t);
	CHECK_OK(psc_sym_field(s, "L.A", &f));	// before the damage
	CHECK_ERR(psc_sym_field(s, "L.B", &f), PSC_ERR_DAMAGED);
	psc_sym_free(s);
}

// A billion types, members, lines: counts are compared with bytes.
static void absurd_counts(void **state)
{
	struct msf_make m;
	struct psc_sym *s;
	uint64_t size;
	size_t n;

	load(&m);
	psc_put32(m.v[2].data + 12, 0x1000 + 1000000000);
	uint8_t *p = msf_make_write(&m, 4096, false, &n);
	CHECK_OK(psc_pdb_open(psc_blob_of_heap(p, n), NULL, &s));
	CHECK_ERR(psc_sym_sizeof(s, "FX_ALL", &size), PSC_ERR_DAMAGED);
	psc_sym_free(s);
	msf_make_free(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_stream_cut_short),
		cmocka_unit_test(every_word_overwritten),
		cmocka_unit_test(container_rules),
		cmocka_unit_test(other_kinds_are_named),
		cmocka_unit_test(fastlink_is_refused),
		cmocka_unit_test(types_that_refer_to_themselves),
		cmocka_unit_test(a_field_list_that_continues_in_itself),
		cmocka_unit_test(an_unknown_member_leaf),
		cmocka_unit_test(absurd_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
