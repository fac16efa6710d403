// SPDX-License-Identifier: MIT
#include "sym/sym.h"

#include <string.h>

#include "test.h"

// A source of three types:
//   _A { u32 x; _B b; _B many[3]; ptr p; union u1 { bits } dissolved as
//        "u1.low"; plain member "flags" of an anonymous union; _B tail[] }
//   _B { i16 s; bit field in a storage unit: offset 4, bit 21, 5 bits }

static const struct {
	uint64_t type;
	const char *name;
	struct psc_field f;
} members[] = {
	{ 1, "x", { 0, 4, 0, 0, false, PSC_TYPE_INT, 1, 0 } },
	{ 1, "b", { 8, 8, 0, 0, false, PSC_TYPE_STRUCT, 1, 2 } },
	{ 1, "many", { 0x10, 8, 0, 0, false, PSC_TYPE_STRUCT, 3, 2 } },
	{ 1, "p", { 0x28, 8, 0, 0, false, PSC_TYPE_POINTER, 1, 2 } },
	{ 1, "u1.low", { 0x30, 4, 0, 4, false, PSC_TYPE_INT, 1, 0 } },
	{ 1, "flags", { 0x34, 4, 0, 0, false, PSC_TYPE_INT, 1, 0 } },
	{ 1, "tail", { 0x38, 8, 0, 0, false, PSC_TYPE_STRUCT, 0, 2 } },
	{ 1, "opaque", { 0x38, 8, 0, 0, false, PSC_TYPE_STRUCT, 1, 9 } },
	{ 2, "s", { 0, 2, 0, 0, true, PSC_TYPE_INT, 1, 0 } },
	{ 2, "field", { 4, 4, 21, 5, false, PSC_TYPE_INT, 1, 0 } },
	{ 2, "words", { 0, 2, 0, 0, false, PSC_TYPE_INT, 4, 0 } },
};

static struct psc_error *fake_type(void *self, const char *name,
				   struct psc_type *ret)
{
	(void)self;
	if (!strcmp(name, "_Broken"))
		return psc_error_new(PSC_ERR_DAMAGED, "broken");
	if (strcmp(name, "_A") && strcmp(name, "_B"))
		return &psc_absent;
	*ret = (struct psc_type){ name[1] == 'A' ? 1 : 2,
				  name[1] == 'A' ? 0x38 : 8 };
	return NULL;
}

static struct psc_error *fake_member(void *self, uint64_t type_id,
				     const char *name, struct psc_field *ret)
{
	(void)self;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].type == type_id &&
		    !strcmp(members[i].name, name)) {
			*ret = members[i].f;
			return NULL;
		}
	}
	return &psc_absent;
}

static void fake_destroy(void *self)
{
	++*(int *)self;
}

static const struct psc_sym_ops full = {
	.source = "fake", .destroy = fake_destroy,
	.type = fake_type, .member = fake_member,
};

static struct psc_sym *open_fake(int *destroyed)
{
	struct psc_sym *s;
	struct psc_pdb_id id = { .name = "fake.pdb", .age = 7, .known = true };
	*destroyed = 0;
	CHECK_OK(psc_sym_new(&full, destroyed, &id, "/a/file", "a fake", &s));
	return s;
}

static void wrapper(void **state)
{
	(void)state;
	int destroyed;
	struct psc_sym *s = open_fake(&destroyed);
	uint64_t v;
	int64_t c;
	struct psc_symname near;
	struct psc_lines lines;
	assert_string_equal(psc_sym_source(s), "fake");
	assert_string_equal(psc_sym_file(s), "/a/file");
	assert_string_equal(psc_sym_what(s), "a fake");
	assert_int_equal(psc_sym_id(s)->age, 7);
	// What a source does not implement is absent, not an error.
	CHECK_ERR(psc_sym_rva(s, "x", &v), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_nearest(s, 1, &near), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_lines(s, 1, &lines), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_constant(s, "_E", "x", &c), PSC_ERR_ABSENT);
	CHECK_OK(psc_sym_sizeof(s, "_A", &v));
	assert_int_equal(v, 0x38);
	CHECK_ERR(psc_sym_sizeof(s, "_C", &v), PSC_ERR_ABSENT);
	psc_sym_free(s);
	assert_int_equal(destroyed, 1);
	psc_sym_free(NULL);
}

static void source_without_types(void **state)
{
	(void)state;
	static const struct psc_sym_ops none = { .source = "none" };
	struct psc_sym *s;
	struct psc_field f;
	uint64_t v;
	CHECK_OK(psc_sym_new(&none, NULL, NULL, NULL, "nothing", &s));
	assert_null(psc_sym_file(s));
	assert_false(psc_sym_id(s)->known);
	CHECK_ERR(psc_sym_field(s, "_A.x", &f), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_sizeof(s, "_A", &v), PSC_ERR_ABSENT);
	psc_sym_free(s);
}

static void paths(void **state)
{
	static const struct {
		const char *path;
		uint64_t offset;
		unsigned int size, bit, bits, count;
	} want[] = {
		{ "_A.x", 0, 4, 0, 0, 1 },
		{ "_A.b.s", 8, 2, 0, 0, 1 },
		{ "_A.many", 0x10, 8, 0, 0, 3 },
		{ "_A.many[2]", 0x20, 8, 0, 0, 1 },
		{ "_A.many[2].words[3]", 0x26, 2, 0, 0, 1 },
		// Bit 21 of a unit at 4 is bit 5 of byte 6, and 5 bits from
		// there touch two bytes.
		{ "_A.many[1].field", 0x1e, 2, 5, 5, 1 },
		{ "_A.u1.low", 0x30, 1, 0, 4, 1 },
		// The source dissolved the union without a trace.
		{ "_A.u2.flags", 0x34, 4, 0, 0, 1 },
		{ "_A.tail[1000].s", 0x38 + 8000, 2, 0, 0, 1 },
	};
	(void)state;
	int destroyed;
	struct psc_sym *s = open_fake(&destroyed);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct psc_field f;
		struct psc_error *err = psc_sym_field(s, want[i].path, &f);
		if (err)
			fail_msg("%s: %s", want[i].path, err->message);
		assert_int_equal(f.offset, want[i].offset);
		assert_int_equal(f.size, want[i].size);
		assert_int_equal(f.bit, want[i].bit);
		assert_int_equal(f.bits, want[i].bits);
		assert_int_equal(f.count, want[i].count);
	}
	psc_sym_free(s);
}

static void bad_paths(void **state)
{
	static const struct {
		const char *path;
		enum psc_error_code code;
	} want[] = {
		{ "_C.x", PSC_ERR_ABSENT },
		{ "_Broken.x", PSC_ERR_DAMAGED },
		{ "_A.no", PSC_ERR_ABSENT },
		{ "_A.b.no", PSC_ERR_ABSENT },
		{ "_A.u", PSC_ERR_ABSENT },
		{ "_A.under.flags", PSC_ERR_ABSENT },
		{ "_A.many[3]", PSC_ERR_ABSENT },
		{ "_A.x[1]", PSC_ERR_ABSENT },
		{ "_A.tail[18446744073709551615].s", PSC_ERR_ABSENT },
		{ "_A.opaque.s", PSC_ERR_ABSENT },
		{ "_A.many.s", PSC_ERR_USAGE },
		{ "_A.p.s", PSC_ERR_USAGE },
		{ "_A.x.y", PSC_ERR_USAGE },
		{ "_A", PSC_ERR_USAGE },
		{ "", PSC_ERR_USAGE },
		{ ".x", PSC_ERR_USAGE },
		{ "_A.", PSC_ERR_USAGE },
		{ "_A..x", PSC_ERR_USAGE },
		{ "_A.many[", PSC_ERR_USAGE },
		{ "_A.many[]", PSC_ERR_USAGE },
		{ "_A.many[-1]", PSC_ERR_USAGE },
		{ "_A.many[1]x", PSC_ERR_USAGE },
		{ "_A.[1]", PSC_ERR_USAGE },
		{ "_A.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", PSC_ERR_USAGE },
	};
	(void)state;
	int destroyed;
	struct psc_sym *s = open_fake(&destroyed);
	struct psc_field f;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CHECK_ERR(psc_sym_field(s, want[i].path, &f), want[i].code);
	char longest[400];
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "_A.", 3);
	longest[sizeof(longest) - 1] = '\0';
	CHECK_ERR(psc_sym_field(s, longest, &f), PSC_ERR_USAGE);
	psc_sym_free(s);
}

static void extract(void **state)
{
	static const uint8_t bytes[9] = {
		0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xff,
	};
	static const struct {
		struct psc_field f;
		uint64_t want;
	} t[] = {
		{ { .size = 8 }, 0x123456789abcdef0 },
		{ { .size = 1 }, 0xf0 },
		{ { .size = 1, .is_signed = true }, 0xfffffffffffffff0 },
		{ { .size = 2 }, 0xdef0 },
		{ { .size = 4 }, 0x9abcdef0 },
		{ { .size = 4, .is_signed = true }, 0xffffffff9abcdef0 },
		{ { .size = 1, .bit = 4, .bits = 3 }, 7 },
		{ { .size = 1, .bit = 4, .bits = 4, .is_signed = true },
		  UINT64_MAX },
		{ { .size = 2, .bit = 4, .bits = 8 }, 0xef },
		{ { .size = 8, .bits = 64 }, 0x123456789abcdef0 },
		{ { .size = 9, .bit = 4, .bits = 64 }, 0xf123456789abcdef },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(psc_field_extract(&t[i].f, bytes), t[i].want);
}

static void guid(void **state)
{
	(void)state;
	static const uint8_t raw[16] = {
		0x13, 0x74, 0x9e, 0x33, 0x76, 0x35, 0x9c, 0x43,
		0xbc, 0xdf, 0x7e, 0x02, 0x29, 0xda, 0x37, 0x73,
	};
	char text[33];
	psc_guid_text(raw, text);
	assert_string_equal(text, "339E74133576439CBCDF7E0229DA3773");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrapper),
		cmocka_unit_test(source_without_types),
		cmocka_unit_test(paths),
		cmocka_unit_test(bad_paths),
		cmocka_unit_test(extract),
		cmocka_unit_test(guid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
