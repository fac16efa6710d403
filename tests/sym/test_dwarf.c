// SPDX-License-Identifier: MIT
#include "test.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "msf_make.h"
#include "sym/sym_open.h"

static struct psc_sym *open_fixture(const char *name)
{
	struct psc_sym *s = NULL;

	if (!fixture_exists(name))
		skip();		// no compiler for it here
	CHECK_OK(psc_sym_open_file(fixture_path(name), NULL, false, &s));
	assert_string_equal(psc_sym_source(s), "dwarf");
	return s;
}

static void whole_driver(const char *name, uint64_t pointer)
{
	struct psc_sym *s = open_fixture(name);

	check_driver(s, pointer);
	check_inline(s);
	psc_sym_free(s);
}

static void dwarf_2_x64(void **state)
{
	whole_driver("dwarf2-x64.sys", 8);
}

static void dwarf_4_x64(void **state)
{
	whole_driver("dwarf4-x64.sys", 8);
}

static void dwarf_5_x64(void **state)
{
	whole_driver("dwarf5-x64.sys", 8);
}

static void dwarf_2_x86(void **state)
{
	whole_driver("dwarf2-x86.sys", 4);
}

static void dwarf_5_x86(void **state)
{
	whole_driver("dwarf5-x86.sys", 4);
}

// libdwarf's own PE reader refuses this one.
static void dwarf_4_arm64(void **state)
{
	whole_driver("dwarf-arm64.sys", 8);
}

static void split_file(void **state)
{
	struct psc_sym *s = open_fixture("split-x64.sys");

	check_driver(s, 8);
	check_inline(s);
	assert_non_null(strstr(psc_sym_what(s), "split"));
	psc_sym_free(s);
	whole_driver("split-x86.sys", 4);
	whole_driver("split-x64.debug", 8);
}

static void copy_file(const char *from, const char *to, bool damage)
{
	size_t n;
	uint8_t *p = fixture_read(from, &n);
	FILE *f = fopen(to, "wb");

	assert_non_null(p);
	assert_non_null(f);
	if (damage)
		p[n - 1] ^= 1;
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
	free(p);
}

// A debug file of another build has the right name and a wrong CRC.
static void split_file_with_a_wrong_crc(void **state)
{
	char dir[] = "/tmp/poolscope-XXXXXX", image[64], debug[64];
	struct psc_sym *s;
	struct psc_lines l;

	if (!fixture_exists("split-x64.sys"))
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(image, sizeof(image), "%s/split-x64.sys", dir);
	snprintf(debug, sizeof(debug), "%s/split-x64.debug", dir);
	copy_file("split-x64.sys", image, false);
	copy_file("split-x64.debug", debug, true);
	CHECK_OK(psc_sym_open_file(image, NULL, false, &s));
	// Names of the COFF table are left, lines are not.
	assert_true(rva_of(s, "FxAllocate") >= 0x1000);
	CHECK_ERR(psc_sym_lines(s, rva_of(s, "FxAllocate"), &l),
		  PSC_ERR_ABSENT);
	psc_sym_free(s);
	unlink(image);
	unlink(debug);
	rmdir(dir);
}

static void layout_object(void **state)
{
	struct psc_sym *s = open_fixture("layout.o");
	uint64_t rva;

	check_types(s, 8);
	CHECK_ERR(psc_sym_rva(s, "FxAllocate", &rva), PSC_ERR_ABSENT);
	psc_sym_free(s);
}

static void coff_names_of_x86_lose_their_decoration(void **state)
{
	struct psc_sym *s = open_fixture("dwarf5-x86.sys");
	struct psc_symname near;

	CHECK_OK(psc_sym_nearest(s, rva_of(s, "FxGlobal") + 4, &near));
	assert_string_equal(near.name, "FxGlobal");
	psc_sym_free(s);
}

static void an_image_without_anything(void **state)
{
	struct psc_sym *s;

	if (!fixture_exists("x64.sys"))
		skip();
	CHECK_ERR(psc_sym_open_file(fixture_path("x64.sys"), NULL, false, &s),
		  PSC_ERR_UNSUPPORTED);
}

// --- damage ----------------------------------------------------------------

static void ask(const struct psc_sym *s)
{
	struct psc_field f;
	struct psc_lines l;
	struct psc_symname near;
	int64_t v;

	psc_error_free(psc_sym_field(s, "FX_ALL.Bits.Wide", &f));
	psc_error_free(psc_sym_field(s, "FX_ALL.Matrix", &f));
	psc_error_free(psc_sym_constant(s, "FX_STATE", "FxDead", &v));
	for (uint64_t rva = 0x1000; rva < 0x1100; rva += 16) {
		psc_error_free(psc_sym_nearest(s, rva, &near));
		psc_error_free(psc_sym_lines(s, rva, &l));
	}
}

static void every_truncation(void **state)
{
	char path[] = "/tmp/poolscope-XXXXXX";
	size_t n;
	uint8_t *p = fixture_read("dwarf5-x64.sys", &n);
	int fd = p ? mkstemp(path) : -1;

	if (!p)
		skip();
	assert_int_equal(pwrite(fd, p, n, 0), n);
	for (size_t cut = n; cut > 97; cut -= 97) {
		struct psc_sym *s;
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		struct psc_error *err = psc_sym_open_file(path, NULL, false,
							  &s);
		if (!err) {
			ask(s);
			psc_sym_free(s);
		}
		psc_error_free(err);
	}
	close(fd);
	unlink(path);
	free(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dwarf_2_x64),
		cmocka_unit_test(dwarf_4_x64),
		cmocka_unit_test(dwarf_5_x64),
		cmocka_unit_test(dwarf_2_x86),
		cmocka_unit_test(dwarf_5_x86),
		cmocka_unit_test(dwarf_4_arm64),
		cmocka_unit_test(split_file),
		cmocka_unit_test(split_file_with_a_wrong_crc),
		cmocka_unit_test(layout_object),
		cmocka_unit_test(coff_names_of_x86_lose_their_decoration),
		cmocka_unit_test(an_image_without_anything),
		cmocka_unit_test(every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
