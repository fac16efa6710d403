// SPDX-License-Identifier: MIT
// Header and body of a dump: open it, then touch what it says is there.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump/dump.h"
#include "fuzz.h"

// Enough to reach every run and block kind, and no more.
#define MAX_TOUCHED 64

static unsigned int touch(const uint8_t *p, uint64_t n)
{
	unsigned int sum = 0;

	for (uint64_t i = 0; p && i < n; i += 61)
		sum += p[i];
	return n && p ? sum + p[n - 1] : sum;
}

static unsigned int touch_pages(const struct psc_dump *d)
{
	uint64_t limit = psc_dump_pfn_limit(d), pfn = 0;
	uint8_t scratch[0x1000];
	unsigned int sum = 0;

	if (psc_dump_pages_readable(d) > psc_dump_pages_stored(d))
		abort();
	for (int i = 0; i < MAX_TOUCHED; i++) {
		if (!psc_dump_next_page(d, pfn, &pfn))
			break;
		if (pfn >= limit)
			abort();
		sum += touch(psc_dump_page(d, pfn, scratch), 0x1000);
		pfn++;
	}
	if (limit)
		sum += touch(psc_dump_page(d, limit - 1, scratch), 0x1000);
	return sum;
}

static unsigned int touch_triage(const struct psc_triage *t)
{
	unsigned int sum = touch(t->kdbg, t->kdbg_size) +
			   touch(t->prcb, t->prcb_size) +
			   touch(t->process, t->process_size) +
			   touch(t->thread, t->thread_size);

	for (size_t i = 0; i < t->n_blocks; i++)
		sum += touch(t->blocks[i].data, t->blocks[i].size);
	for (size_t i = 0; i < t->n_drivers; i++)
		sum += (unsigned char)t->drivers[i].name[0];
	for (size_t i = 0; i < t->n_unloaded; i++)
		sum += (unsigned char)t->unloaded[i].name[0];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct psc_dump *d;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct psc_error *err = psc_dump_open(path, NULL, &d);
	close(fd);
	if (err) {
		psc_error_free(err);
		return 0;
	}
	fuzz_use(touch_pages(d));
	if (psc_dump_triage(d))
		fuzz_use(touch_triage(psc_dump_triage(d)));
	psc_dump_close(d);
	return 0;
}
