// SPDX-License-Identifier: MIT
// A 32-bit machine (PAE): 512 pages at 0x80000000, tables in front of them.
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "kernel/memory.h"
#include "kernel/module.h"

#define BASE	0x80000000u
#define N_PAGES	512u
// Frames: root, page directory, page table, then the mapped pages.
#define FIRST	3u
#define HEAD	0x80001000u
#define KDBG	0x80002000u

static uint8_t ram[FIRST + N_PAGES][0x1000];
static struct psc_dump *d;
static struct psc_mem *m;
static struct psc_kernel *k;

static uint8_t *at(uint32_t va)
{
	return &ram[FIRST][0] + (va - BASE);
}

static void unicode(uint32_t va, uint32_t buffer, const char *text)
{
	size_t n = strlen(text);

	psc_put16(at(va), (uint16_t)(2 * n));
	psc_put16(at(va) + 2, (uint16_t)(2 * n));
	psc_put32(at(va) + 4, buffer);
	for (size_t i = 0; i < n; i++)
		psc_put16(at(buffer) + 2 * i, (uint8_t)text[i]);
}

static void add_module(uint32_t va, uint32_t next, uint32_t prev,
		       uint32_t base, const char *name)
{
	psc_put32(at(va), next);
	psc_put32(at(va) + 4, prev);
	psc_put32(at(va) + 0x18, base);
	psc_put32(at(va) + 0x20, 0x20000);
	unicode(va + 0x2c, va + 0x100, name);
}

static void fill_ram(void)
{
	memset(ram, 0, sizeof(ram));
	psc_put64(ram[0] + 2 * 8, 0x1001);
	psc_put64(ram[1], 0x2063);
	for (uint32_t i = 0; i < N_PAGES; i++)
		psc_put64(ram[2] + 8 * i, (uint64_t)(FIRST + i) << 12 | 0x63);
	psc_put32(at(HEAD), 0x80003000);
	psc_put32(at(HEAD) + 4, 0x80004000);
	add_module(0x80003000, 0x80004000, HEAD, 0x80100000, "ntkrnlpa.exe");
	add_module(0x80004000, HEAD, 0x80003000, 0x80180000, "lk.sys");
	// Slots are u64 there too, here sign-extended.
	memcpy(at(KDBG) + 0x10, "KDBG", 4);
	psc_put32(at(KDBG) + 0x14, 0x340);
	psc_put64(at(KDBG) + 0x18, 0xffffffff80100000);
	psc_put64(at(KDBG) + 0x48, 0xffffffff00000000 | HEAD);
}

static void write_dump(int fd)
{
	uint8_t h[0x1000];

	for (size_t i = 0; i < sizeof(h); i += 4)
		memcpy(h + i, "PAGE", 4);
	memcpy(h + 4, "DUMP", 4);
	psc_put32(h + 0xc, 7601);
	psc_put32(h + 0x10, 0);
	psc_put32(h + 0x18, HEAD);
	psc_put32(h + 0x1c, HEAD);
	psc_put32(h + 0x20, 0x14c);
	psc_put32(h + 0x24, 2);
	h[0x5c] = 1;
	psc_put32(h + 0x60, KDBG);
	psc_put32(h + 0x64, 1);
	psc_put32(h + 0x68, FIRST + N_PAGES);
	psc_put32(h + 0x6c, 0);
	psc_put32(h + 0x70, FIRST + N_PAGES);
	psc_put32(h + 0xf88, 1);
	assert_int_equal(write(fd, h, sizeof(h)), sizeof(h));
	assert_int_equal(write(fd, ram, sizeof(ram)), sizeof(ram));
}

static int setup(void **state)
{
	char path[32];
	int fd = memfd_create("x86", 0);

	fill_ram();
	write_dump(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_OK(psc_dump_open(path, NULL, &d));
	close(fd);
	CHECK_OK(psc_kernel_memory(d, &m));
	CHECK_OK(psc_kernel_open(d, m, NULL, &k));
	return 0;
}

static int teardown(void **state)
{
	psc_kernel_free(k);
	psc_mem_free(m);
	psc_dump_close(d);
	return 0;
}

static void addresses_are_32_bits_wide(void **state)
{
	uint64_t v;

	assert_int_equal(psc_mem_paging(m)->mode, PSC_PAGING_X86_PAE);
	assert_int_equal(psc_kernel_pointer_size(k), 4);
	assert_int_equal(psc_kernel_base(k), 0x80100000);
	assert_true(psc_kernel_kdbg(k, 0x48, &v));
	assert_int_equal(v, HEAD);
	CHECK_OK(psc_kernel_pointer(k, 0xffffffff00000000 | HEAD, "p", &v));
	assert_int_equal(v, 0x80003000);
}

static void modules(void **state)
{
	struct psc_modules *mods;

	CHECK_OK(psc_modules_read(k, false, &mods));
	assert_true(mods->complete);
	assert_int_equal(mods->n, 2);
	assert_string_equal(mods->v[0].name, "ntkrnlpa.exe");
	assert_int_equal(mods->v[1].base, 0x80180000);
	assert_int_equal(mods->v[1].size, 0x20000);
	assert_string_equal(mods->v[1].name, "lk.sys");
	psc_modules_free(mods);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_32_bits_wide),
		cmocka_unit_test(modules),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
