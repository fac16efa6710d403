// SPDX-License-Identifier: MIT
/** @file
 * A crashed machine for the tests of lib/kernel: memory made of arrays, a
 * kernel image with a PDB identity of the built-in table, written as a complete
 * dump and opened as the program does.
 */
#ifndef PSC_TESTS_KERNEL_FAKE_KERNEL_H
#define PSC_TESTS_KERNEL_FAKE_KERNEL_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_machine.h"
#include "kernel/kernel.h"
#include "kernel/memory.h"
#include "sym/builtin.h"

#define FK_BASE		0xfffff8047ba00000ULL
#define FK_SIZE		0x1046000u
#define FK_VERSION	"10.0.19041.804"
// Inside the kernel's data section, where its symbols say.
#define FK_DATA_RVA	0xc00000u
#define FK_DATA_SIZE	0x140000u
#define FK_KDBG_RVA	0xc00b20u
#define FK_MODULES_RVA	0xc2a390u
#define FK_PROCESSES_RVA 0xc1e200u

struct fake_kernel {
	struct fake_machine m;
	// Header fields, set before opening.
	uint32_t build, processors;
	uint64_t kdbg, modules, processes, pfn_database, parameter1;
	struct psc_dump *d;
	struct psc_mem *mem;
	struct psc_kernel *k;
};

/** Nothing but page tables; header points to the usual places. */
static inline void fk_init(struct fake_kernel *f)
{
	memset(f, 0, sizeof(*f));
	fake_init(&f->m, false);
	f->build = 19041;
	f->processors = 4;
	f->kdbg = FK_BASE + FK_KDBG_RVA;
	f->modules = FK_BASE + FK_MODULES_RVA;
	f->processes = FK_BASE + FK_PROCESSES_RVA;
	f->pfn_database = FK_BASE + 0xcfc500;
}

static inline void fk_free(struct fake_kernel *f)
{
	psc_kernel_free(f->k);
	psc_mem_free(f->mem);
	psc_dump_close(f->d);
	fake_free(&f->m);
}

/** PE headers with one writable section, and an RSDS record. */
static inline void fk_image(struct fake_kernel *f, uint64_t base,
			    const struct psc_pdb_id *id)
{
	uint8_t h[0x600] = { 'M', 'Z' };
	uint8_t *pe = h + 0x80, *opt = pe + 0x18, *s = opt + 0xf0;

	psc_put32(h + 0x3c, 0x80);
	memcpy(pe, "PE", 2);
	psc_put16(pe + 4, 0x8664);
	psc_put16(pe + 6, 1);		// sections
	psc_put32(pe + 8, 0x5eed1234);	// time stamp of no real kernel
	psc_put16(pe + 0x14, 0xf0);
	psc_put16(opt, 0x20b);
	psc_put64(opt + 0x18, 0x140000000);
	psc_put32(opt + 0x20, 0x1000);
	psc_put32(opt + 0x24, 0x200);
	psc_put32(opt + 0x38, FK_SIZE);
	psc_put32(opt + 0x3c, 0x400);
	psc_put32(opt + 0x6c, 16);
	memcpy(s, ".data", 5);
	psc_put32(s + 8, FK_DATA_SIZE);
	psc_put32(s + 12, FK_DATA_RVA);
	psc_put32(s + 36, 0xc0000040);
	if (id) {
		psc_put32(opt + 0x70 + 6 * 8, 0x500);
		psc_put32(opt + 0x70 + 6 * 8 + 4, 28);
		psc_put32(h + 0x500 + 12, 2);
		psc_put32(h + 0x500 + 16, 24 + 13);
		psc_put32(h + 0x500 + 20, 0x540);
		memcpy(h + 0x540, "RSDS", 4);
		memcpy(h + 0x544, id->guid, 16);
		psc_put32(h + 0x554, id->age);
		strcpy((char *)h + 0x558, "ntkrnlmp.pdb");
	}
	fake_write(&f->m, base, h, sizeof(h));
}

/** The image of the built-in kernel FK_VERSION. */
static inline const struct psc_builtin_kernel *fk_known_image(
	struct fake_kernel *f)
{
	size_t i;

	assert_true(psc_builtin_find_version(FK_VERSION, "x64", &i));
	const struct psc_builtin_kernel *b = psc_builtin_at(i);
	fk_image(f, FK_BASE, &b->id);
	return b;
}

/** A plain KDBG at @p va. */
static inline void fk_kdbg(struct fake_kernel *f, uint64_t va, uint32_t size)
{
	uint8_t b[0x380] = { 0 };

	psc_put64(b, FK_BASE + 0xc00af0);
	psc_put64(b + 8, FK_BASE + 0xc00af0);
	memcpy(b + 0x10, "KDBG", 4);
	psc_put32(b + 0x14, size);
	psc_put64(b + 0x18, FK_BASE);
	psc_put64(b + 0x48, f->modules);
	psc_put64(b + 0x50, f->processes);
	psc_put64(b + 0xc0, FK_BASE + 0xcfc500);
	psc_put64(b + 0x1b8, FK_BASE + 0xc168a8);
	psc_put64(b + 0x218, FK_BASE + 0xcfdc80);
	psc_put64(b + 0x360, 0xfffff68000000000);
	fake_write(&f->m, va, b, PSC_MIN(size, sizeof(b)));
}

/** An empty circular list. */
static inline void fk_list_head(struct fake_kernel *f, uint64_t head)
{
	fake_w64(&f->m, head, head);
	fake_w64(&f->m, head + 8, head);
}

/** Append @p links to the list at @p head whose last entry is @p last. */
static inline void fk_list_add(struct fake_kernel *f, uint64_t head,
			       uint64_t last, uint64_t links)
{
	fake_w64(&f->m, last, links);
	fake_w64(&f->m, links, head);
	fake_w64(&f->m, links + 8, last);
	fake_w64(&f->m, head + 8, links);
}

static inline void fk_unicode(struct fake_kernel *f, uint64_t va,
			      uint64_t buffer, const char *text)
{
	size_t n = strlen(text);

	fake_w16(&f->m, va, (uint16_t)(2 * n));
	fake_w16(&f->m, va + 2, (uint16_t)(2 * n + 2));
	fake_w64(&f->m, va + 8, buffer);
	for (size_t i = 0; i < n; i++)
		fake_w16(&f->m, buffer + 2 * i, (uint8_t)text[i]);
}

static inline void fk_header(const struct fake_kernel *f, uint8_t h[0x2000])
{
	for (int i = 0; i < 0x2000; i += 4)
		memcpy(h + i, "PAGE", 4);
	memcpy(h + 4, "DU64", 4);
	psc_put32(h + 8, 15);
	psc_put32(h + 0xc, f->build);
	psc_put64(h + 0x10, f->m.root);
	psc_put64(h + 0x18, f->pfn_database);
	psc_put64(h + 0x20, f->modules);
	psc_put64(h + 0x28, f->processes);
	psc_put32(h + 0x30, 0x8664);
	psc_put32(h + 0x34, f->processors);
	psc_put64(h + 0x40, f->parameter1);
	psc_put64(h + 0x80, f->kdbg);
	psc_put32(h + 0xf98, 1);
}

/** Write the machine as a complete dump: a descriptor of runs, the pages. */
static inline int fk_write(const struct fake_kernel *f)
{
	static uint8_t h[0x2000];
	int fd = memfd_create("fake", 0);
	uint32_t runs = 0;
	uint64_t pages = 0, in_run = 0;

	assert_true(fd >= 0);
	fk_header(f, h);
	assert_int_equal(lseek(fd, sizeof(h), SEEK_SET), sizeof(h));
	for (size_t i = 0; i < f->m.n; i++) {
		if (!f->m.page[i]) {
			in_run = 0;
			continue;
		}
		if (!in_run++) {
			assert_true(runs < 42);
			psc_put64(h + 0x98 + 16 * runs++, FAKE_FIRST_PFN + i);
		}
		psc_put64(h + 0x98 + 16 * (runs - 1) + 8, in_run);
		pages++;
		assert_int_equal(write(fd, f->m.page[i], 0x1000), 0x1000);
	}
	psc_put32(h + 0x88, runs);
	psc_put64(h + 0x90, pages);
	assert_int_equal(pwrite(fd, h, sizeof(h), 0), sizeof(h));
	return fd;
}

/** Open it all. */
static inline void fk_open(struct fake_kernel *f,
			   const struct psc_kernel_options *opt)
{
	char path[32];
	int fd = fk_write(f);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_OK(psc_dump_open(path, NULL, &f->d));
	close(fd);
	CHECK_OK(psc_kernel_memory(f->d, &f->mem));
	CHECK_OK(psc_kernel_open(f->d, f->mem, opt, &f->k));
}

static inline bool fk_has_note(const struct fake_kernel *f, const char *text)
{
	for (size_t i = 0; i < psc_kernel_n_notes(f->k); i++) {
		if (strstr(psc_kernel_note(f->k, i), text))
			return true;
	}
	return false;
}

#endif
