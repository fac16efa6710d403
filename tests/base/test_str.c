// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static void tags(void **state)
{
	uint32_t tag;
	char text[PSC_TAG_TEXT], dbg[5];

	assert_true(psc_tag_parse("LkaL", &tag));
	assert_int_equal(tag, 0x4c616b4c);
	psc_tag_text(tag | 0x80000000u, text);
	assert_string_equal(text, "LkaL");
	assert_true(psc_tag_parse("Mm", &tag));
	assert_int_equal(tag, 0x20206d4d);
	assert_false(psc_tag_parse("", &tag));
	assert_false(psc_tag_parse("TooLong", &tag));
	psc_tag_text(0x005c0a41, text);
	assert_string_equal(text, "A\\x0a\\x5c\\x00");
	psc_tag_debugger(0x005c0a41, dbg);
	assert_string_equal(dbg, "A.\\.");
}

static void globs(void **state)
{
	assert_true(psc_glob_match("Ntf*", "Ntff"));
	assert_true(psc_glob_match("?il?", "File"));
	assert_false(psc_glob_match("file", "File"));
	assert_true(psc_glob_match("*a*b*", "xxaxxb"));
	assert_false(psc_glob_match("*a*b", "xxaxxbc"));
	assert_true(psc_glob_match("****", ""));
	assert_false(psc_glob_match("?", ""));
}

static void utf16(void **state)
{
	static const uint8_t ok[] = { 'A', 0, 0xe4, 0, 0x3d, 0xd8, 0, 0xde };
	static const uint8_t lone[] = { 0x3d, 0xd8, 'x', 0, 'y' };
	bool valid;
	char *s = psc_utf16_to_utf8(ok, sizeof(ok), &valid);

	assert_true(valid);
	assert_string_equal(s, "A\xc3\xa4\xf0\x9f\x98\x80");
	free(s);
	s = psc_utf16_to_utf8(lone, sizeof(lone), &valid);
	assert_false(valid);
	assert_string_equal(s, "\xef\xbf\xbdx");
	free(s);
	s = psc_utf16_to_utf8(NULL, 0, &valid);
	assert_true(valid);
	assert_string_equal(s, "");
	free(s);
}

static void escapes(void **state)
{
	static const char bad[] = "a\x1b[31m\xff\xc0\x80\xe2\x82\xac";
	char *s = psc_text_escape(bad, strlen(bad));

	assert_string_equal(s, "a\\x1b[31m\\xff\\xc0\\x80\xe2\x82\xac");
	free(s);
	// A C1 control (CSI), text turned around; but not a letter.
	s = psc_text_escape("\xc2\x9b" "2J\xe2\x80\xae" "exe\xc3\xa4", 12);
	assert_string_equal(s, "\\xc2\\x9b2J\\xe2\\x80\\xae" "exe\xc3\xa4");
	free(s);
}

static void sizes_and_counts(void **state)
{
	static const struct {
		uint64_t v;
		const char *bytes, *count;
	} t[] = {
		{ 0, "0 B", "0" },
		{ 999, "999 B", "999" },
		{ 1024, "1.0 KB", "1,024" },
		{ 1181116006, "1.1 GB", "1,181,116,006" },
		{ 161061273600, "150 GB", "161,061,273,600" },
		{ UINT64_MAX, "16.0 EB", "18,446,744,073,709,551,615" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char bytes[PSC_BYTES_TEXT], count[PSC_COUNT_TEXT];

		psc_bytes_text(t[i].v, bytes);
		psc_count_text(t[i].v, count);
		assert_string_equal(bytes, t[i].bytes);
		assert_string_equal(count, t[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test(globs),
		cmocka_unit_test(utf16),
		cmocka_unit_test(escapes),
		cmocka_unit_test(sizes_and_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
