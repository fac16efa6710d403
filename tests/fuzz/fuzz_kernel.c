// SPDX-License-Identifier: MIT
// A small machine with a kernel, modules and processes, damaged by records
// {u8 page, u16 offset, u8 length, bytes}; page 0xff is the dump header.
#include "test.h"

#include "../kernel/fake_kernel.h"
#include "fuzz.h"
#include "kernel/module.h"
#include "kernel/process.h"
#include "kernel/processor.h"

#define ENTRY(i) (0xffffa00000100000ULL + (uint64_t)(i) * 0x400)
#define PROCESS(i) (0xffffa00000200000ULL + (uint64_t)(i) * 0xa40)

static void add_modules(struct fake_kernel *f)
{
	fk_list_head(f, f->modules);
	for (unsigned int i = 0; i < 4; i++) {
		fk_list_add(f, f->modules, i ? ENTRY(i - 1) : f->modules,
			    ENTRY(i));
		fake_w64(&f->m, ENTRY(i) + 0x30, FK_BASE + i * 0x10000000);
		fake_w32(&f->m, ENTRY(i) + 0x40, i ? 0x8000 : FK_SIZE);
		fk_unicode(f, ENTRY(i) + 0x48, ENTRY(i) + 0x100, "\\a\\drv.sys");
		fk_unicode(f, ENTRY(i) + 0x58, ENTRY(i) + 0x200, "drv.sys");
	}
}

static void add_processes(struct fake_kernel *f)
{
	fk_list_head(f, f->processes);
	for (unsigned int i = 0; i < 4; i++) {
		fk_list_add(f, f->processes,
			    i ? PROCESS(i - 1) + 0x448 : f->processes,
			    PROCESS(i) + 0x448);
		fake_w64(&f->m, PROCESS(i) + 0x440, 4 * i + 4);
		fake_w64(&f->m, PROCESS(i) + 0x570, PROCESS(i) + 0x600);
		fake_w64(&f->m, PROCESS(i) + 0x5c0, PROCESS(i) + 0x700);
		fk_unicode(f, PROCESS(i) + 0x700, PROCESS(i) + 0x710,
			   "\\x\\a.exe");
	}
}

static void build(struct fake_kernel *f)
{
	uint64_t unloaded = 0xffffa00000300000;

	fk_init(f);
	fk_known_image(f);
	fk_kdbg(f, f->kdbg, 0x380);
	fake_w64(&f->m, f->kdbg + 0x220, FK_BASE + 0xc10000);
	fake_w64(&f->m, FK_BASE + 0xc10000, unloaded);
	fk_unicode(f, unloaded, unloaded + 0x900, "gone.sys");
	fake_w64(&f->m, unloaded + 0x10, FK_BASE);
	fake_w64(&f->m, unloaded + 0x18, FK_BASE + 1);
	fake_map(&f->m, FK_BASE + 0xcfdc80);
	add_modules(f);
	add_processes(f);
}

// Records for the header go into it, all others into physical pages.
static void damage(struct fake_kernel *f, uint8_t *header,
		   const uint8_t *data, size_t size)
{
	while (size >= 4) {
		size_t off = psc_le16(data + 1) & 0xfff;
		size_t n = PSC_MIN(data[3], size - 4);
		n = PSC_MIN(n, 0x1000 - off);
		uint8_t *to = data[0] == 0xff ? header + off
			: f->m.page[data[0] % f->m.n] + off;
		memcpy(to, data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
}

static struct psc_dump *open_damaged(struct fake_kernel *f,
				     const uint8_t *data, size_t size)
{
	uint8_t header[0x2000];
	struct psc_dump *d = NULL;
	char path[32];
	int fd = fk_write(f);

	if (pread(fd, header, sizeof(header), 0) != sizeof(header))
		abort();
	damage(f, header, data, size);
	if (pwrite(fd, header, sizeof(header), 0) != sizeof(header))
		abort();
	for (size_t i = 0; i < f->m.n; i++) {
		if (pwrite(fd, f->m.page[i], 0x1000,
			   (off_t)(0x2000 + i * 0x1000)) != 0x1000)
			abort();
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	psc_error_free(psc_dump_open(path, NULL, &d));
	close(fd);
	return d;
}

static void use(struct psc_kernel *k)
{
	struct psc_modules *m = NULL;
	struct psc_processes *p = NULL;
	struct psc_processors cpus = { 0 };
	char place[PSC_PLACE_TEXT];

	psc_error_free(psc_modules_read(k, true, &m));
	psc_error_free(psc_processes_read(k, &p));
	psc_error_free(psc_processors_read(k, &cpus));
	psc_kernel_place(k, psc_kernel_base(k) + 0x1234, place);
	psc_kernel_place(k, psc_kernel_base(k) + 0x10001234, place);
	psc_modules_free(m);
	psc_processes_free(p);
	psc_processors_free(&cpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_kernel f;
	struct psc_kernel_options opt = { .deep = size & 1 };

	build(&f);
	f.d = open_damaged(&f, data, size);
	if (f.d) {
		psc_error_free(psc_kernel_memory(f.d, &f.mem));
		psc_error_free(psc_kernel_open(f.d, f.mem, &opt, &f.k));
		use(f.k);
	}
	fk_free(&f);
	return 0;
}
