// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"
#include "kernel/module.h"

#define ENTRY(i) (0xffffa00000100000ULL + (uint64_t)(i) * 0x1000)
#define IMAGE(i) (0xfffff80480000000ULL + (uint64_t)(i) * 0x10000)

static struct fake_kernel f;
static struct psc_modules *mods;

// Five drivers, highest base first in the list.
static int setup(void **state)
{
	char name[16];

	fk_init(&f);
	fk_known_image(&f);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_list_head(&f, f.modules);
	for (int i = 0; i < 5; i++) {
		fk_list_add(&f, f.modules, i ? ENTRY(i - 1) : f.modules,
			    ENTRY(i));
		fake_w64(&f.m, ENTRY(i) + 0x30, IMAGE(5 - i));
		fake_w32(&f.m, ENTRY(i) + 0x40, 0x8000);
		fake_w32(&f.m, ENTRY(i) + 0x9c, 0x60000000 + (unsigned)i);
		snprintf(name, sizeof(name), "drv%d.sys", i);
		fk_unicode(&f, ENTRY(i) + 0x58, ENTRY(i) + 0x200, name);
		snprintf(name, sizeof(name), "\\Dir\\drv%d.sys", i);
		fk_unicode(&f, ENTRY(i) + 0x48, ENTRY(i) + 0x300, name);
	}
	return 0;
}

static int teardown(void **state)
{
	psc_modules_free(mods);
	mods = NULL;
	fk_free(&f);
	return 0;
}

static void read_modules(bool details)
{
	fk_open(&f, NULL);
	CHECK_OK(psc_modules_read(f.k, details, &mods));
}

static void sorted_by_base(void **state)
{
	read_modules(false);
	assert_true(mods->complete);
	assert_int_equal(mods->n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(mods->v[i].base, IMAGE(i + 1));
	assert_string_equal(mods->v[0].name, "drv4.sys");
	assert_string_equal(mods->v[0].path, "\\Dir\\drv4.sys");
	assert_true(mods->v[0].has_timestamp);
	assert_int_equal(mods->v[0].timestamp, 0x60000004);
	assert_ptr_equal(psc_module_at(mods, IMAGE(2)), &mods->v[1]);
	assert_ptr_equal(psc_module_at(mods, IMAGE(2) + 0x7fff), &mods->v[1]);
	assert_null(psc_module_at(mods, IMAGE(2) + 0x8000));
	assert_null(psc_module_at(mods, IMAGE(1) - 1));
	assert_non_null(psc_module_at(mods, IMAGE(5) + 1));
}

static void names_fall_back(void **state)
{
	// No base name: last part of the path. Neither: the address.
	fake_w64(&f.m, ENTRY(4) + 0x60, 0xffffb00000000000);
	fake_w64(&f.m, ENTRY(3) + 0x60, 0xffffb00000000000);
	fake_w64(&f.m, ENTRY(3) + 0x50, 0xffffb00000000000);
	// A lone surrogate is no reason to lose the name.
	fake_w16(&f.m, ENTRY(2) + 0x200, 0xd800);
	read_modules(false);
	assert_string_equal(mods->v[0].name, "drv4.sys");
	assert_string_equal(mods->v[1].name, "0xfffff80480020000");
	assert_null(mods->v[1].path);
	assert_string_equal(mods->v[2].name, "\xef\xbf\xbdrv2.sys");
	assert_true(mods->complete);
}

static void cycle(void **state)
{
	fake_w64(&f.m, ENTRY(4), ENTRY(0));
	read_modules(false);
	assert_int_equal(mods->n, 5);
	assert_false(mods->complete);
	assert_non_null(strstr(mods->why_incomplete,
			       "PsLoadedModuleList: a cycle"));
}

// The record lies on two pages, the second of which is missing.
static void cut_record(void **state)
{
	uint64_t at = 0xffffa00000200fe0;

	fk_list_add(&f, f.modules, ENTRY(4), at);
	fake_w64(&f.m, at + 0x30, IMAGE(9));
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, at + 0x20, 1)) >> 12 &
			0xfffff);
	read_modules(false);
	assert_int_equal(mods->n, 5);
	assert_false(mods->complete);
	assert_string_equal(mods->why_incomplete, "the module entry at "
			    "0xffffa00000200fe0 cannot be read");
	assert_int_equal(psc_mem_coverage(f.mem).structures_unreadable, 1);
}

static void more_than_the_limit(void **state)
{
	uint64_t at = 0xffffa10000000000;

	// 12,000 entries that share nothing but being too many.
	for (uint64_t i = 0; i < 12000; i++, at += 0xa0)
		fake_w64(&f.m, at, i == 11999 ? f.modules : at + 0xa0);
	fake_w64(&f.m, f.modules, 0xffffa10000000000);
	read_modules(false);
	assert_int_equal(mods->n, 10000);
	assert_false(mods->complete);
}

static void details_of_images(void **state)
{
	struct psc_pdb_id id = { .age = 7 };

	memset(id.guid, 0xab, 16);
	fk_image(&f, IMAGE(3), &id);
	// No stamp in the list: from the image.
	fake_w32(&f.m, ENTRY(2) + 0x9c, 0);
	fake_w32(&f.m, ENTRY(1) + 0x9c, 0);
	read_modules(true);
	assert_true(mods->v[2].has_pdb);
	assert_int_equal(mods->v[2].pdb.age, 7);
	assert_string_equal(mods->v[2].pdb.name, "ntkrnlmp.pdb");
	assert_int_equal(mods->v[2].timestamp, 0x5eed1234);
	assert_false(mods->v[3].has_timestamp);
	assert_false(mods->v[3].has_pdb);
	// Images that are not there are nothing that a report misses.
	assert_int_equal(psc_mem_coverage(f.mem).pages_not_in_file, 0);
}

static void image_source(void **state)
{
	struct psc_module_image img;
	uint8_t b[16];

	fake_write(&f.m, IMAGE(1) + 0x7ff8, "12345678", 8);
	read_modules(false);
	struct psc_image_source src =
		psc_module_source(&img, f.k, &mods->v[0]);
	assert_int_equal(src.read(src.ctx, 0x7ff8, b, 16), 8);
	assert_memory_equal(b, "12345678", 8);
	assert_int_equal(src.read(src.ctx, 0x8000, b, 16), 0);
	assert_int_equal(src.read(src.ctx, UINT64_MAX, b, 16), 0);
}

static void unloaded_drivers(void **state)
{
	uint64_t array = 0xffffa00000300000, var = FK_BASE + 0xc10000;

	fake_w64(&f.m, f.kdbg + 0x220, var);
	fake_w64(&f.m, var, array);
	// 50 slots: three used, one with an unreadable name.
	fake_map(&f.m, array);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t at = array + i * 7 * 0x28;
		fk_unicode(&f, at, array + 0x1000 + i * 0x100,
			   i == 1 ? "one.sys" : "other.sys");
		fake_w64(&f.m, at + 0x10, IMAGE(20 + i));
		fake_w64(&f.m, at + 0x18, IMAGE(20 + i) + 0x5000);
		fake_w64(&f.m, at + 0x20, i == 1 ? 300 : 100 + i);
	}
	fake_w64(&f.m, array + 2 * 7 * 0x28 + 8, 0xffffb00000000000);
	read_modules(false);
	assert_true(mods->complete);
	assert_int_equal(mods->n_unloaded, 3);
	assert_string_equal(mods->unloaded[0].name, "one.sys");
	assert_int_equal(mods->unloaded[0].time, 300);
	assert_int_equal(mods->unloaded[0].start, IMAGE(21));
	assert_int_equal(mods->unloaded[0].end, IMAGE(21) + 0x5000);
	assert_int_equal(mods->unloaded[1].time, 102);
	assert_string_equal(mods->unloaded[1].name, "?");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sorted_by_base),
		T(names_fall_back),
		T(cycle),
		T(cut_record),
		T(more_than_the_limit),
		T(details_of_images),
		T(image_source),
		T(unloaded_drivers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
