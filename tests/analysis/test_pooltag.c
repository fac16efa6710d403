// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/pooltag.h"
#include "base/str.h"

static const char list[] =
	"rem a comment - with - hyphens\r\n"
	"REM - a.sys - a comment too\r\n"
	"RemX - b.sys - a tag\r\n"
	"\r\n"
	"<unknown>\r\n"
	"G??? - win32k.sys - graphics\r\n"
	"Gh05 - win32k.sys - a bitmap surface\r\n"
	"AtC  - <unknown>    - IDE disk configuration\r\n"
	"Dh 0 - dh.sys - blank inside the tag\r\n"
	"NtxF - ntfs.sys   -     FCB_NONPAGED   List - more\r\n"
	"CM* - nt!cm - registry\r\n"
	"CM?? - nt!cm - registry, two wildcards\r\n"
	"CM31 - nt!cm - registry bins\r\n"
	"Fatv - fastfat.sys - first\r\n"
	"Fatv - fastfat.sys - second\r\n"
	"Cont - <unknown> - Contiguous\n"
	"SmNp - nt!store or rdyboost.sys - store nodes\n"
	"Only - lonely.sys\n"
	"ends - here.sys - without newline";

static struct psc_pooltag find(const struct psc_pooltags *t, const char *text)
{
	struct psc_pooltag r = { "(none)", "(none)" };
	uint32_t tag;

	assert_true(psc_tag_parse(text, &tag));
	psc_pooltag_find(t, tag, &r);
	return r;
}

static void syntax(void **state)
{
	struct psc_pooltags *t;

	CHECK_OK(psc_pooltags_parse(list, strlen(list), &t));
	assert_int_equal(psc_pooltags_count(t), 14);
	assert_null(find(t, "AtC ").binary);
	assert_string_equal(find(t, "AtC ").description,
			    "IDE disk configuration");
	assert_string_equal(find(t, "Dh 0").binary, "dh.sys");
	// Only one blank belongs to the separator; later hyphens are text.
	assert_string_equal(find(t, "NtxF").description,
			    "    FCB_NONPAGED   List - more");
	assert_string_equal(find(t, "NtxF").binary, "ntfs.sys");
	assert_string_equal(find(t, "SmNp").binary, "nt!store or rdyboost.sys");
	assert_string_equal(find(t, "Only").binary, "lonely.sys");
	assert_string_equal(find(t, "RemX").binary, "b.sys");
	assert_string_equal(find(t, "REM ").description, "(none)");
	assert_string_equal(find(t, "Only").description, "");
	assert_string_equal(find(t, "ends").description, "without newline");
	psc_pooltags_free(t);
}

static void precedence(void **state)
{
	struct psc_pooltags *t;

	CHECK_OK(psc_pooltags_parse(list, strlen(list), &t));
	// Exact wins though the wildcard comes first.
	assert_string_equal(find(t, "Gh05").description, "a bitmap surface");
	assert_string_equal(find(t, "Gh06").description, "graphics");
	assert_string_equal(find(t, "CM31").description, "registry bins");
	// Equal literals: the first in the file.
	assert_string_equal(find(t, "CM25").description, "registry");
	assert_string_equal(find(t, "Fatv").description, "first");
	// Case counts; so does the protected bit not.
	assert_string_equal(find(t, "ConT").description, "(none)");
	struct psc_pooltag r;
	assert_true(psc_pooltag_find(t, 0xf46e6f43, &r));
	assert_string_equal(r.description, "Contiguous");
	psc_pooltags_free(t);
}

static void hostile_text(void **state)
{
	static const char *const lines[] = {
		"-", " - ", "- -", "a -", "abcd -", "abcd - ", "abcd-x-y",
		"\xff\xfe\x00\x01", "toolong - x - y", "rem", "    - b - d",
		"ab\0d - b - d", " - - - - - -",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct psc_pooltags *t;
		size_t n = strlen(lines[i]);
		char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, lines[i], n);
		CHECK_OK(psc_pooltags_parse(copy, n, &t));
		psc_pooltags_free(t);
		free(copy);
	}
	for (size_t n = 0; n <= strlen(list); n++) {	// every truncation
		struct psc_pooltags *t;
		char *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, list, n);
		CHECK_OK(psc_pooltags_parse(copy, n, &t));
		psc_pooltags_free(t);
		free(copy);
	}
}

static void builtin_list(void **state)
{
	struct psc_pooltags *t;

	CHECK_OK(psc_pooltags_builtin(&t));
	assert_true(psc_pooltags_count(t) > 250);
	assert_string_equal(psc_pooltags_from(t), "built-in list");
	assert_string_equal(find(t, "File").binary, "nt!io");
	assert_string_equal(find(t, "CM99").binary, "nt!cm");
	assert_string_equal(find(t, "LkaL").description, "(none)");
	psc_pooltags_free(t);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void found_beside_the_dump(void **state)
{
	char dir[] = "/tmp/pooltag-XXXXXX", dump[512], file[512];
	struct psc_pooltags *t;

	assert_non_null(mkdtemp(dir));
	snprintf(dump, sizeof(dump), "%s/MEMORY.DMP", dir);
	snprintf(file, sizeof(file), "%s/mine.txt", dir);
	put_file(dir, "pooltag.txt", "LkaL - one.sys - first\n");
	put_file(dir, "mine.txt", "LkaL - two.sys - second\n");

	CHECK_OK(psc_pooltags_for(dump, NULL, &t));
	assert_string_equal(find(t, "LkaL").binary, "one.sys");
	assert_string_equal(find(t, "File").binary, "(none)");
	psc_pooltags_free(t);

	CHECK_OK(psc_pooltags_for(dump, file, &t));
	assert_string_equal(find(t, "LkaL").binary, "two.sys");
	psc_pooltags_free(t);

	// The local list is the user's own: it wins.
	put_file(dir, "localtag.txt", "LkaL - local.sys - mine\n");
	CHECK_OK(psc_pooltags_for(dump, NULL, &t));
	assert_string_equal(find(t, "LkaL").binary, "local.sys");
	psc_pooltags_free(t);

	snprintf(file, sizeof(file), "%s/none.txt", dir);
	CHECK_ERR(psc_pooltags_for(dump, file, &t), PSC_ERR_OS);
	snprintf(dump, sizeof(dump), "rm -r %s", dir);
	assert_int_equal(system(dump), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syntax),
		cmocka_unit_test(precedence),
		cmocka_unit_test(hostile_text),
		cmocka_unit_test(builtin_list),
		cmocka_unit_test(found_beside_the_dump),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
