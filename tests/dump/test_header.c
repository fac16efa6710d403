// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dump/header.h"
#include "image.h"

static struct psc_dump_header parse(const struct image *m)
{
	struct psc_warnings w = { 0 };
	struct psc_dump_header h;

	psc_header_parse(m->p, &h, &w);
	psc_warnings_free(&w);
	return h;
}

static void golden64(void **state)
{
	struct image m = image_new(true, 6);
	struct psc_dump_header h = parse(&m);

	assert_true(h.is64);
	assert_int_equal(h.arch, PSC_ARCH_X64);
	assert_int_equal(h.machine_type, 0x8664);
	assert_int_equal(h.major, 0xf);
	assert_int_equal(h.build, 19041);
	assert_int_equal(h.processors, 16);
	assert_int_equal(h.dump_type, 6);
	assert_int_equal(h.directory_table_base, 0x1ad000);
	assert_int_equal(h.pfn_database, 0xfffff8047c6fc500);
	assert_int_equal(h.loaded_module_list, 0xfffff8047c62a390);
	assert_int_equal(h.active_process_head, 0xfffff8047c61e200);
	assert_int_equal(h.bugcheck_code, 0xd1);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(h.bugcheck_parameter[i],
				 0xffffffffc0000005 + i);
	assert_true(h.kdbg.set);
	assert_int_equal(h.kdbg.v, 0xfffff8047c600b20);
	assert_int_equal(h.system_time.v, 0x1d707f23dbb3399);
	assert_int_equal(h.uptime.v, 37470697);
	assert_int_equal(h.required_dump_space.v, 0x197915);
	assert_int_equal(h.product_type.v, 1);
	assert_int_equal(h.suite_mask.v, 0x110);
	assert_true(h.writer_status.set);
	assert_int_equal(h.minidump_fields.v, 0xcff);
	assert_false(h.attributes.set);
	assert_int_equal(h.context_offset, 0x348);
	assert_int_equal(h.context_size, 0x4d0);
	assert_int_equal(h.exception_offset, 0xf00);
	image_free(&m);
}

static void golden32(void **state)
{
	struct image m = image_new(false, 2);
	struct psc_dump_header h = parse(&m);

	assert_false(h.is64);
	assert_int_equal(h.arch, PSC_ARCH_X86_PAE);
	assert_int_equal(h.build, 7601);
	assert_int_equal(h.processors, 2);
	assert_int_equal(h.dump_type, 2);
	assert_int_equal(h.directory_table_base, 0x185000);
	assert_int_equal(h.pfn_database, 0x82b6e700);
	assert_int_equal(h.loaded_module_list, 0x82b6f850);
	assert_int_equal(h.active_process_head, 0x82b67e98);
	assert_int_equal(h.bugcheck_code, 0x50);
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(h.bugcheck_parameter[i], 0xc0000005 + i);
	assert_int_equal(h.kdbg.v, 0x82b4dbe8);
	assert_int_equal(h.system_time.v, 0x1d707f23dbb3399);
	assert_int_equal(h.uptime.v, 1234567);
	assert_int_equal(h.required_dump_space.v, 0x20000);
	assert_int_equal(h.product_type.v, 3);
	assert_int_equal(h.suite_mask.v, 0x112);
	assert_false(h.attributes.set);
	assert_int_equal(h.context_offset, 0x320);
	assert_int_equal(h.context_size, 0x2cc);
	assert_int_equal(h.exception_offset, 0x7d0);
	image_free(&m);
}

// A header in which nothing was ever filled in, by either kind of writer.
static void nothing_set(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct image m = image_new(i & 1, 0);
		for (size_t at = 8; at < m.n; at++)
			m.p[at] = i & 2 ? 'X' : (uint8_t)"PAGE"[at % 4];
		struct psc_dump_header h = parse(&m);
		assert_false(h.kdbg.set || h.system_time.set || h.uptime.set ||
			     h.required_dump_space.set || h.product_type.set ||
			     h.suite_mask.set || h.writer_status.set ||
			     h.attributes.set || h.minidump_fields.set);
		assert_int_equal(h.kdbg.v | h.system_time.v | h.attributes.v, 0);
		assert_int_equal(h.major | h.build | h.processors |
				 h.machine_type | h.dump_type |
				 h.bugcheck_code, 0);
		assert_int_equal(h.directory_table_base | h.pfn_database |
				 h.loaded_module_list | h.active_process_head |
				 h.bugcheck_parameter[3], 0);
		assert_int_equal(h.arch, PSC_ARCH_UNKNOWN);
		assert_int_equal(h.context_size, 0);
		CHECK_OK(psc_header_check(&h));
		image_free(&m);
	}
}

// Other writers zero what they do not know.
static void zeroed_fields(void **state)
{
	struct image m = image_new(true, 1);

	image_put64(&m, 0x80, 0);
	image_put64(&m, 0xfa8, 0);
	image_put64(&m, 0x1030, 0);
	image_put32(&m, 0x1050, 0);
	struct psc_dump_header h = parse(&m);
	assert_false(h.kdbg.set || h.system_time.set || h.uptime.set);
	assert_true(h.attributes.set);
	image_free(&m);
}

static void architectures(void **state)
{
	static const struct {
		bool is64;
		uint32_t machine, build;
		uint8_t pae;
		enum psc_arch arch;
		const char *name;
		uint32_t root;
	} rows[] = {
		{ true, 0x8664, 9600, 0, PSC_ARCH_X64, "x64", 0 },
		{ true, 0xaa64, 22000, 0, PSC_ARCH_ARM64, "arm64", 0 },
		{ true, 0x200, 7601, 0, PSC_ARCH_UNKNOWN, "unknown", 0 },
		{ true, 0x14c, 7601, 0, PSC_ARCH_UNKNOWN, "unknown", 0 },
		{ false, 0x14c, 7601, 0, PSC_ARCH_X86, "x86", 0 },
		{ false, 0x14c, 7601, 1, PSC_ARCH_X86_PAE, "x86-pae", 0 },
		{ false, 0x14c, 7601, 'P', PSC_ARCH_X86, "x86", 0 },
		{ false, 0x14c, 9200, 'P', PSC_ARCH_X86_PAE, "x86-pae", 0 },
		{ false, 0x14c, 9200, 0, PSC_ARCH_X86_PAE, "x86-pae", 0 },
		{ false, 0x14c, 7601, 0, PSC_ARCH_X86_PAE, "x86-pae",
		  0x185020 },
		{ false, 0x14c, 7601, 'P', PSC_ARCH_X86_PAE, "x86-pae",
		  0x185800 },
		{ false, 0x14c, 7601, 0, PSC_ARCH_X86, "x86", 0x185018 },
		{ false, 0x8664, 9200, 1, PSC_ARCH_UNKNOWN, "unknown", 0 },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		struct image m = image_new(rows[i].is64, 3);
		struct psc_dump *d;
		image_put32(&m, rows[i].is64 ? 0x30 : 0x20, rows[i].machine);
		image_put32(&m, 0xc, rows[i].build);
		if (!rows[i].is64)
			m.p[0x5c] = rows[i].pae;
		if (rows[i].root)
			image_put32(&m, 0x10, rows[i].root);
		CHECK_OK(image_open(&m, &d));
		enum psc_arch arch = psc_dump_header(d)->arch;
		assert_int_equal(arch, rows[i].arch);
		assert_string_equal(psc_arch_name(arch), rows[i].name);
		assert_int_equal(has_warning(d, "not a machine"),
				 arch == PSC_ARCH_UNKNOWN);
		psc_dump_close(d);
		image_free(&m);
	}
}

static void what_the_writer_says(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_new(is64, 3);
		uint32_t attributes = is64 ? 0x1050 : 0x8a0;
		uint32_t status = is64 ? 0x1048 : 0xf9c;
		struct psc_dump *d;
		image_put32(&m, status, 0x45474150);
		CHECK_OK(image_open(&m, &d));	// nothing set, nothing said
		assert_int_equal(psc_dump_n_warnings(d), 0);
		psc_dump_close(d);
		image_put32(&m, attributes, 0xc);
		image_put32(&m, status, 0xc000007f);
		CHECK_OK(image_open(&m, &d));
		assert_int_equal(psc_dump_n_warnings(d), 3);
		assert_true(has_warning(d, "WriterStatus is 0xc000007f"));
		assert_true(has_warning(d, "too small"));
		assert_true(has_warning(d, "triage dump instead"));
		psc_dump_close(d);
		image_put32(&m, attributes, 0x10);
		image_put32(&m, status, 0);
		CHECK_OK(image_open(&m, &d));
		assert_int_equal(psc_dump_n_warnings(d), 1);
		assert_true(has_warning(d, "running system"));
		psc_dump_close(d);
		image_free(&m);
	}
}

// Bit 8 is set in the fill pattern as well.
static void encrypted(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_new(is64, 3);
		uint32_t at = is64 ? 0x1050 : 0x8a0;
		struct psc_dump *d;
		CHECK_OK(image_open(&m, &d));	// not set
		psc_dump_close(d);
		image_put32(&m, at, 0x104);
		CHECK_ERR(image_open(&m, &d), PSC_ERR_UNSUPPORTED);
		image_put32(&m, at, 0x200);	// decrypted
		CHECK_OK(image_open(&m, &d));
		psc_dump_close(d);
		image_free(&m);
	}
}

static void every_truncation(void **state)
{
	for (int is64 = 0; is64 < 2; is64++) {
		struct image m = image_new(is64, 3);
		struct psc_dump *d;
		for (size_t n = 0; n < m.n; n += n < 0x100 ? 1 : 61) {
			struct psc_error *err = bytes_open(m.p, n, &d);
			assert_non_null(err);
			assert_int_equal(err->code, n >= 4 && n < 8
					 ? PSC_ERR_DAMAGED : PSC_ERR_TRUNCATED);
			psc_error_free(err);
		}
		CHECK_OK(image_open(&m, &d));
		psc_dump_close(d);
		image_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden64),
		cmocka_unit_test(golden32),
		cmocka_unit_test(nothing_set),
		cmocka_unit_test(zeroed_fields),
		cmocka_unit_test(architectures),
		cmocka_unit_test(what_the_writer_says),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
