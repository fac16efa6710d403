// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dump/lookalike.h"
#include "image.h"

struct row {
	const char *bytes;
	size_t n, offset;
	const char *text;
};

static const struct row rows[] = {
	{ "MDMP\x93\xa7", 6, 0, "user-mode minidump" },
	{ "hibr", 4, 0, "hibernation file" },
	{ "HIBR", 4, 0, "hibernation file" },
	{ "wake", 4, 0, "hibernation file" },
	{ "WAKE", 4, 0, "hibernation file" },
	{ "MSCF", 4, 0, "cabinet" },
	{ "\x7f" "ELF", 4, 0, "ELF" },
	{ "7z\xbc\xaf\x27\x1c", 6, 0, "7z" },
	{ "KDMV", 4, 0, "VMDK" },
	{ "# Disk DescriptorFile", 21, 0, "VMDK" },
	{ "Rar!", 4, 0, "RAR" },
	{ "ustar", 5, 0x101, "tar archive" },
	{ "BZh9", 4, 0, "bzip2" },
	{ "\xfd" "7zXZ", 5, 0, "xz" },
	{ "\x28\xb5\x2f\xfd", 4, 0, "zstd" },
	{ "MZ", 2, 0, "Windows program" },
	{ "\x53\xff\x00\xf0", 4, 0, "raw memory image" },
	{ "PAGEDU65", 8, 0, "ValidDump" },
};

static void by_name(void **state)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image m = { 0 };
		struct psc_dump *d;
		image_resize(&m, 0x1000);
		image_bytes(&m, rows[i].offset, rows[i].bytes, rows[i].n);
		struct psc_error *err = image_open(&m, &d);
		assert_non_null(err);
		assert_int_equal(err->code, rows[i].bytes[0] == 'P'
				 ? PSC_ERR_DAMAGED : PSC_ERR_UNSUPPORTED);
		if (!strstr(err->message, rows[i].text))
			fail_msg("'%s' lacks '%s'", err->message, rows[i].text);
		psc_error_free(err);
		image_free(&m);
	}
}

// Files shorter than what is looked for.
static void short_files(void **state)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		for (size_t n = 0; n <= rows[i].n && !rows[i].offset; n++) {
			uint8_t *copy = malloc(n ? n : 1);
			memcpy(copy, rows[i].bytes, n);
			struct psc_error *err = psc_lookalike_error(copy, n);
			assert_non_null(err);
			assert_true(strlen(err->message) > 10);
			psc_error_free(err);
			free(copy);
		}
	}
}

static void no_regular_file(void **state)
{
	struct psc_dump *d;

	CHECK_ERR(psc_dump_open("/nonexistent/MEMORY.DMP", NULL, &d),
		  PSC_ERR_OS);
	CHECK_ERR(psc_dump_open("/", NULL, &d), PSC_ERR_OS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),
		cmocka_unit_test(short_files),
		cmocka_unit_test(no_regular_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
