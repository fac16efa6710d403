// SPDX-License-Identifier: MIT
/** @file
 * A machine made of an array: physical pages on demand and x64 page tables
 * over them, for tests of everything that reads virtual memory.
 */
#ifndef PSC_TESTS_FAKE_MACHINE_H
#define PSC_TESTS_FAKE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "mem/mem.h"

#define FAKE_MAX_PAGES 4096
#define FAKE_FIRST_PFN 0x100u

/** Zero-initialise, fake_init(), fake_free(). */
struct fake_machine {
	uint8_t *page[FAKE_MAX_PAGES];	/**< NULL: not in the dump. */
	size_t n;
	bool la57;
	bool copy;		/**< Answer from scratch, as compressed dumps. */
	uint64_t root;		/**< DirectoryTableBase. */
	unsigned long calls;	/**< Of the page callback. */
};

static inline uint64_t fake_page(struct fake_machine *f)
{
	assert_true(f->n < FAKE_MAX_PAGES);
	f->page[f->n] = calloc(1, PSC_PAGE_SIZE);
	assert_non_null(f->page[f->n]);
	return FAKE_FIRST_PFN + f->n++;
}

static inline uint8_t *fake_bytes(const struct fake_machine *f, uint64_t pfn)
{
	return pfn >= FAKE_FIRST_PFN && pfn - FAKE_FIRST_PFN < f->n
		? f->page[pfn - FAKE_FIRST_PFN] : NULL;
}

static inline void fake_init(struct fake_machine *f, bool la57)
{
	*f = (struct fake_machine){ .la57 = la57 };
	f->root = fake_page(f) << 12;
}

static inline void fake_free(struct fake_machine *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->page[i]);
}

/** Forget the bytes of a page, as if the dump had left it out. */
static inline void fake_drop(struct fake_machine *f, uint64_t pfn)
{
	free(f->page[pfn - FAKE_FIRST_PFN]);
	f->page[pfn - FAKE_FIRST_PFN] = NULL;
}

/** Bytes of the entry of @p va at @p level (1 = PTE), tables made. */
static inline uint8_t *fake_entry(struct fake_machine *f, uint64_t va,
				  unsigned int level)
{
	uint64_t table = f->root >> 12;

	for (unsigned int l = f->la57 ? 5 : 4; ; l--) {
		unsigned int index = (unsigned int)
			(va >> (12 + 9 * (l - 1)) & 0x1ff);
		uint8_t *e = fake_bytes(f, table) + index * 8;
		if (l == level)
			return e;
		if (!(psc_le64(e) & 1))
			psc_put64(e, fake_page(f) << 12 | 0x63);
		table = psc_le64(e) >> 12 & 0xfffffffff;
	}
}

/** Set the entry of @p va at @p level. */
static inline void fake_set(struct fake_machine *f, uint64_t va,
			    unsigned int level, uint64_t value)
{
	psc_put64(fake_entry(f, va, level), value);
}

/** Map the page of @p va if it is not; its bytes. */
static inline uint8_t *fake_map(struct fake_machine *f, uint64_t va)
{
	uint8_t *pte = fake_entry(f, va, 1);

	if (!psc_le64(pte))
		psc_put64(pte, fake_page(f) << 12 | 0x8000000000000063ULL);
	return fake_bytes(f, psc_le64(pte) >> 12 & 0xfffffffff);
}

/** Store bytes at @p va, mapping what is needed. */
static inline void fake_write(struct fake_machine *f, uint64_t va,
			      const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len) {
		size_t off = va & 0xfff, n = PSC_MIN(len, 0x1000 - off);
		memcpy(fake_map(f, va) + off, from, n);
		va += n;
		from += n;
		len -= n;
	}
}

static inline void fake_w64(struct fake_machine *f, uint64_t va, uint64_t v)
{
	fake_write(f, va, &v, 8);
}

static inline void fake_w32(struct fake_machine *f, uint64_t va, uint32_t v)
{
	fake_write(f, va, &v, 4);
}

static inline void fake_w16(struct fake_machine *f, uint64_t va, uint16_t v)
{
	fake_write(f, va, &v, 2);
}

static inline const uint8_t *fake_phys_page(void *ctx, uint64_t pfn,
					    uint8_t *scratch)
{
	struct fake_machine *f = ctx;
	const uint8_t *p = fake_bytes(f, pfn);

	f->calls++;
	if (!p || !f->copy)
		return p;
	memcpy(scratch, p, PSC_PAGE_SIZE);
	return scratch;
}

/** Its memory, patched software-PTE layout. Caller frees. */
static inline struct psc_mem *fake_mem(struct fake_machine *f)
{
	struct psc_paging p = {
		.mode = f->la57 ? PSC_PAGING_X64_LA57 : PSC_PAGING_X64,
		.root = f->root, .swizzled = true,
	};
	struct psc_phys phys = { .ctx = f, .page = fake_phys_page };
	struct psc_mem *m = NULL;
	struct psc_error *err = psc_mem_new_paged(&p, &phys, &m);

	assert_null(err);
	return m;
}

#endif
