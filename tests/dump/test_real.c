// SPDX-License-Identifier: MIT
// Two real triage dumps, where they are at hand (POOLSCOPE_SHARED, else
// ../shared beside the sources): the values their headers and parts hold.
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "image.h"

// Section 6.4 of the format's description, one file each.
struct expected {
	const char *file;
	uint64_t size;
	enum psc_arch arch;
	uint32_t build, machine, processors, bugcheck;
	uint64_t p[4];
	uint64_t dtb, pfn, modules, processes, kdbg, time, uptime, space;
	bool has_attributes;
	uint32_t code;		// of the exception
	uint64_t address, pc;
	unsigned int pc_offset;
	uint64_t stack;
	size_t stack_size, blocks, n_drivers, n_unloaded, n_blobs;
	uint64_t block_va;
	uint32_t block_off, block_size;
	uint64_t base, image_size;
	uint32_t checksum, timestamp;
	const char *second, *last, *unloaded;
	uint64_t unloaded_start, unloaded_end;
	size_t prcb, process, thread;
	uint32_t prcb_off, process_off, thread_off, kdbg_off, name_off;
};

static const struct expected files[] = {
	{
		.file = "triage_x64.dmp", .size = 0x160ab4,
		.arch = PSC_ARCH_X64, .build = 19041, .machine = 0x8664,
		.processors = 16, .bugcheck = 0x1000007e,
		.p = { 0xffffffffc0000005, 0xfffff8048b58334c,
		       0xffff850429891ee8, 0xffff850429891720 },
		.dtb = 0x1ad000, .pfn = 0xfffff8047c6fc500,
		.modules = 0xfffff8047c62a390,
		.processes = 0xfffff8047c61e200, .kdbg = 0xfffff8047c600b20,
		.time = 0x1d707f23dbb3399, .uptime = 37470697,
		.space = 0x197915, .code = 0x80000003,
		.address = 0xfffff8047bdf5a80, .pc = 0xfffff8048b58334c,
		.pc_offset = 0xf8, .stack = 0xffff850429890ee8,
		.stack_size = 0x2118, .blocks = 1831, .n_drivers = 151,
		.n_unloaded = 4, .n_blobs = 20,
		.block_va = 0xfffff8047c62a7a0, .block_off = 0x206a8,
		.block_size = 0x9c, .base = 0xfffff8047ba00000,
		.image_size = 0x1046000, .checksum = 0xa5938c,
		.timestamp = 0x0d8333e6, .second = "\\system32\\hal.dll",
		.last = "\\SystemRoot\\System32\\drivers\\rdpbus.sys",
		.unloaded = "dam.sys", .unloaded_start = 0xfffff80487de0000,
		.unloaded_end = 0xfffff80487dfc000,
		.prcb = 0xaf00, .process = 0xa40, .thread = 0x898,
		.prcb_off = 0x21b8, .process_off = 0xd0b8,
		.thread_off = 0xdaf8, .kdbg_off = 0x104a8, .name_off = 0x5a8,
	}, {
		.file = "triage_arm64.dmp", .size = 0x128fac,
		.arch = PSC_ARCH_ARM64, .build = 22000, .machine = 0xaa64,
		.processors = 8, .bugcheck = 0x1c8,
		.p = { 0x1b58, 0xfffff803f3a20860, 0, 0 },
		.dtb = 0x946aa000, .pfn = 0xfffff803f3b19960,
		.modules = 0xfffff803f3a2aa20,
		.processes = 0xfffff803f3a1d1c0, .kdbg = 0xfffff803f3a00d00,
		.time = 0x1d7a9137c0dbdd7, .uptime = 7967053432,
		.space = 0x161714, .code = 0x80000003,
		.address = 0xfffff803f32de014, .pc = 0xfffff803f32de014,
		.pc_offset = 0x108, .stack = 0xffffe00e0e4bc4a0,
		.stack_size = 0xb60, .blocks = 679, .n_drivers = 245,
		.n_unloaded = 11, .n_blobs = 42,
		.block_va = 0xfffff803f3a20860, .block_off = 0x20120,
		.block_size = 0xa0, .base = 0xfffff803f2e00000,
		.image_size = 0x103e000, .checksum = 0xa892fc,
		.timestamp = 0xdf291b09, .second = "\\system32\\hal.dll",
		.last = "\\SystemRoot\\System32\\drivers\\terminpt.sys",
		.unloaded = "MSKSSRV.sys",
		.unloaded_start = 0xfffff803fa160000,
		.unloaded_end = 0xfffff803fa171000,
		.prcb = 0x9680, .process = 0xc80, .thread = 0x910,
		.prcb_off = 0x2340, .process_off = 0xb9c0,
		.thread_off = 0xc640, .kdbg_off = 0xdab0, .name_off = 0,
	},
};

static void check_header(const struct psc_dump *d, const struct expected *e)
{
	const struct psc_dump_header *h = psc_dump_header(d);

	assert_int_equal(psc_dump_file_size(d), e->size);
	assert_true(h->is64);
	assert_int_equal(h->arch, e->arch);
	assert_int_equal(h->major, 0xf);
	assert_int_equal(h->build, e->build);
	assert_int_equal(h->machine_type, e->machine);
	assert_int_equal(h->processors, e->processors);
	assert_int_equal(h->dump_type, 4);
	assert_int_equal(h->minidump_fields.v, 0xcff);
	assert_int_equal(h->bugcheck_code, e->bugcheck);
	for (int i = 0; i < 4; i++)
		assert_int_equal(h->bugcheck_parameter[i], e->p[i]);
	assert_int_equal(h->directory_table_base, e->dtb);
	assert_int_equal(h->pfn_database, e->pfn);
	assert_int_equal(h->loaded_module_list, e->modules);
	assert_int_equal(h->active_process_head, e->processes);
	assert_int_equal(h->kdbg.v, e->kdbg);
	assert_int_equal(h->system_time.v, e->time);
	assert_int_equal(h->uptime.v, e->uptime);
	assert_int_equal(h->required_dump_space.v, e->space);
	assert_int_equal(h->product_type.v, 1);
	assert_int_equal(h->suite_mask.v, 0x110);
	assert_true(h->writer_status.set);
	assert_int_equal(h->writer_status.v, 0);
	assert_false(h->attributes.set);
}

static uint64_t word_at(const struct psc_dump *d, uint64_t off, size_t n)
{
	uint64_t v = 0;

	assert_true(psc_dump_read_file(d, off, &v, n));
	return v;
}

static void check_records(const struct psc_dump *d, const struct expected *e)
{
	const struct psc_dump_header *h = psc_dump_header(d);

	assert_int_equal(word_at(d, h->exception_offset, 4), e->code);
	assert_int_equal(word_at(d, h->exception_offset + 0x10, 8), e->address);
	assert_int_equal(word_at(d, h->context_offset + e->pc_offset, 8),
			 e->pc);
}

// The part starts at that offset of the file.
static void check_place(const struct psc_dump *d, const uint8_t *p, size_t n,
			uint32_t off)
{
	uint8_t *want = malloc(n);

	assert_true(psc_dump_read_file(d, off, want, n));
	assert_memory_equal(p, want, n);
	free(want);
}

static const struct psc_triage_block *block(const struct psc_triage *t,
					    const uint8_t *data)
{
	for (size_t i = 0; i < t->n_blocks; i++) {
		if (t->blocks[i].data == data)
			return &t->blocks[i];
	}
	return NULL;
}

static void check_parts(const struct psc_dump *d, const struct expected *e)
{
	const struct psc_triage *t = psc_dump_triage(d);
	bool stack = false, first = false;

	assert_int_equal(t->prcb_size, e->prcb);
	assert_int_equal(t->process_size, e->process);
	assert_int_equal(t->thread_size, e->thread);
	assert_int_equal(t->kdbg_size, 0x380);
	check_place(d, t->prcb, e->prcb, e->prcb_off);
	check_place(d, t->process, e->process, e->process_off);
	check_place(d, t->thread, e->thread, e->thread_off);
	check_place(d, t->kdbg, 0x380, e->kdbg_off);
	// Stack, KDBG, PRCB, EPROCESS and ETHREAD join the data blocks.
	assert_int_equal(t->n_blocks, e->blocks + 5);
	for (size_t i = 0; i < t->n_blocks; i++) {
		const struct psc_triage_block *b = &t->blocks[i];
		stack |= b->va == e->stack && b->size == e->stack_size;
		if (b->va != e->block_va || b->size != e->block_size)
			continue;
		first = true;
		check_place(d, b->data, e->block_size, e->block_off);
	}
	assert_true(stack);
	assert_true(first);
	assert_non_null(block(t, t->prcb));
	assert_non_null(block(t, t->process));
	assert_non_null(block(t, t->thread));
	assert_int_equal(block(t, t->kdbg)->va, e->kdbg);
	if (e->name_off)	// ImageFileName of the 19041 x64 EPROCESS
		assert_string_equal((const char *)t->process + e->name_off,
				    "System");
	assert_false(t->has_mm);
	assert_int_equal(t->n_blobs, e->n_blobs);
}

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), k = strlen(tail);

	return n >= k && !strcmp(text + n - k, tail);
}

static void check_drivers(const struct psc_dump *d, const struct expected *e)
{
	const struct psc_triage *t = psc_dump_triage(d);

	assert_int_equal(t->n_drivers, e->n_drivers);
	assert_string_equal(t->drivers[0].name,
			    "\\SystemRoot\\system32\\ntoskrnl.exe");
	assert_int_equal(t->drivers[0].base, e->base);
	assert_int_equal(t->drivers[0].size, e->image_size);
	assert_int_equal(t->drivers[0].checksum, e->checksum);
	assert_int_equal(t->drivers[0].timestamp, e->timestamp);
	assert_true(ends_with(t->drivers[1].name, e->second));
	assert_string_equal(t->drivers[e->n_drivers - 1].name, e->last);
	assert_int_equal(t->n_unloaded, e->n_unloaded);
	assert_string_equal(t->unloaded[0].name, e->unloaded);
	assert_int_equal(t->unloaded[0].start, e->unloaded_start);
	assert_int_equal(t->unloaded[0].end, e->unloaded_end);
}

static void real_dumps(void **state)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(files); i++) {
		char path[4096];
		struct psc_dump *d;
		snprintf(path, sizeof(path), "%s/data/%s",
			 getenv("POOLSCOPE_SHARED"), files[i].file);
		CHECK_OK(psc_dump_open(path, NULL, &d));
		assert_int_equal(psc_dump_n_warnings(d), 0);
		assert_false(psc_dump_truncated(d));
		check_header(d, &files[i]);
		check_records(d, &files[i]);
		check_parts(d, &files[i]);
		check_drivers(d, &files[i]);
		psc_dump_close(d);
	}
}

// Both cut at every 4096 bytes: what is left is still shown.
static void truncated(void **state)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(files); i++) {
		char path[4096];
		struct psc_dump *d;
		snprintf(path, sizeof(path), "%s/data/%s",
			 getenv("POOLSCOPE_SHARED"), files[i].file);
		FILE *f = fopen(path, "rb");
		uint8_t *all = malloc(files[i].size);
		assert_non_null(f);
		assert_int_equal(fread(all, 1, files[i].size, f),
				 files[i].size);
		fclose(f);
		for (size_t n = 0x2080; n < files[i].size; n += 0x1000) {
			CHECK_OK(bytes_open(all, n, &d));
			assert_int_equal(psc_dump_header(d)->kdbg.v,
					 files[i].kdbg);
			psc_dump_close(d);
		}
		free(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_dumps),
		cmocka_unit_test(truncated),
	};
	const char *shared = getenv("POOLSCOPE_SHARED");
	char path[4096];

	snprintf(path, sizeof(path), "%s/data/triage_x64.dmp",
		 shared ? shared : "");
	if (!shared || access(path, R_OK)) {
		puts("1..0 # SKIP no real dumps here (POOLSCOPE_SHARED)");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
