// SPDX-License-Identifier: MIT
// Page tables: a byte of mode, then records {u8 page, u16 entry index, u64
// entry} into sixteen physical pages, of which the last two are absent.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "mem/mem.h"

#define N_PAGES 16
#define N_STORED 14
#define RECORD 11

static uint8_t pages[N_STORED][PSC_PAGE_SIZE];

static const uint8_t *page(void *ctx, uint64_t pfn, uint8_t *scratch)
{
	if (pfn >= N_STORED)
		return NULL;
	if (!ctx)
		return pages[pfn];
	memcpy(scratch, pages[pfn], PSC_PAGE_SIZE);
	return scratch;
}

static void fill(const uint8_t *data, size_t size)
{
	memset(pages, 0, sizeof(pages));
	for (; size >= RECORD; data += RECORD, size -= RECORD) {
		unsigned int i = psc_le16(data + 1) & 511;
		psc_put64(pages[data[0] % N_STORED] + i * 8, psc_le64(data + 3));
	}
}

// Whatever the tables say: an answer, and the same one every time.
static void look(struct psc_mem *m, struct psc_mem *fresh, uint64_t va)
{
	struct psc_xlat a = psc_mem_translate(m, va);
	struct psc_xlat b = psc_mem_translate(fresh, va);
	uint8_t buf[64];
	enum psc_va_status why;

	if (a.status != b.status || a.pa != b.pa || a.entry != b.entry)
		abort();
	size_t n = psc_mem_read(m, va, buf, sizeof(buf), &why);
	if (n > sizeof(buf) || (n < sizeof(buf)) != (why != PSC_VA_OK))
		abort();
}

// Sixteen pages of tables: ranges end soon, in order, without overlap.
static void ranges(struct psc_mem *m)
{
	struct psc_va_range r;
	uint64_t pos = 0, last = 0;
	unsigned int runs = 0;

	while (runs++ < 200000 && psc_mem_next_range(m, &pos, UINT64_MAX, &r)) {
		if (!r.size || r.va < last || r.va + (r.size - 1) < r.va ||
		    pos != r.va + r.size)
			abort();
		last = pos;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct psc_phys phys = { .page = page };
	struct psc_mem *m, *fresh;

	if (!size)
		return 0;
	struct psc_paging p = {
		.mode = (enum psc_paging_mode)(data[0] % 5),
		.swizzled = data[0] & 0x20,
		.invalid_pte_mask = data[0] & 0x40 ? 1ULL << 45 : 0,
	};
	phys.ctx = data[0] & 0x80 ? pages : NULL;
	fill(data + 1, size - 1);
	psc_error_free(psc_mem_new_paged(&p, &phys, &m));
	for (size_t i = 1; i + 8 <= size; i += 3) {
		uint64_t va = psc_le64(data + i);
		psc_error_free(psc_mem_clone(m, &fresh));
		look(m, fresh, va);
		look(m, fresh, (uint64_t)((int64_t)(va << 16) >> 16));
		look(m, fresh, (uint64_t)((int64_t)va >> 16));
		psc_mem_free(fresh);
	}
	ranges(m);
	psc_mem_free(m);
	return 0;
}
