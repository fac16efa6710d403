// SPDX-License-Identifier: MIT
/** @file
 * Physical memory: runs of RAM of any size, of which only the pages that
 * somebody wrote cost memory.
 */
#include <stdlib.h>
#include <string.h>

#include "mk.h"

// After this many misses RAM is nearly full: look in order instead.
#define RANDOM_TRIES 64
// A small machine keeps half of its RAM free of scattered pages, so that runs
// of frames are to be had.
#define SMALL_PAGES 0x100000u

bool mk_bit(const uint8_t *bits, uint64_t i)
{
	return bits[i >> 3] >> (i & 7) & 1;
}

void mk_bit_set(uint8_t *bits, uint64_t i)
{
	bits[i >> 3] |= (uint8_t)(1u << (i & 7));
}

static void grow_bits(uint8_t **bits, uint64_t old_limit, uint64_t limit)
{
	uint8_t *grown = mk_calloc(limit / 8 + 1, 1);

	if (*bits)
		memcpy(grown, *bits, old_limit / 8 + 1);
	free(*bits);
	*bits = grown;
}

void mk_ram_add(struct mk *m, uint64_t base, uint64_t count)
{
	struct mk_phys *p = &m->phys;

	if (!count || base + count < base || base + count > 1ull << 40)
		mk_fail(m, "RAM run out of range");
	if (p->runs.n && base < p->limit)
		mk_fail(m, "RAM runs must ascend and not overlap");
	if (!psc_vec_push(&p->runs, (struct mk_run){base, count}))
		mk_fail(m, "out of memory");
	uint64_t old = p->limit;

	p->limit = base + count;
	p->n_pages += count;
	grow_bits(&p->used, old, p->limit);
	grow_bits(&p->kernel, old, p->limit);
	grow_bits(&p->user, old, p->limit);
	grow_bits(&p->dropped, old, p->limit);
	if (base == 0)
		mk_bit_set(p->used, 0);	// frame 0 would read as "no frame"
}

/** Frame of the @p i-th page of RAM. */
static uint64_t nth_frame(const struct mk_phys *p, uint64_t i)
{
	for (size_t r = 0; r < p->runs.n; r++) {
		if (i < p->runs.v[r].count)
			return p->runs.v[r].base + i;
		i -= p->runs.v[r].count;
	}
	return 0;
}

uint64_t mk_pfn_alloc(struct mk *m)
{
	struct mk_phys *p = &m->phys;
	uint64_t start = 0;

	if (!p->n_pages)
		mk_fail(m, "no RAM: 'ram' comes before what needs memory");
	for (int i = 0; i < RANDOM_TRIES; i++) {
		start = mk_random_below(&p->rng, p->n_pages < SMALL_PAGES
					? p->n_pages / 2 : p->n_pages);
		uint64_t pfn = nth_frame(p, start);

		if (!mk_bit(p->used, pfn)) {
			mk_bit_set(p->used, pfn);
			return pfn;
		}
	}
	for (uint64_t i = 0; i < p->n_pages; i++) {
		uint64_t pfn = nth_frame(p, (start + i) % p->n_pages);

		if (!mk_bit(p->used, pfn)) {
			mk_bit_set(p->used, pfn);
			return pfn;
		}
	}
	mk_fail(m, "RAM is full");
}

static bool run_is_free(const struct mk_phys *p, uint64_t base, uint64_t n,
			uint64_t *busy)
{
	for (uint64_t i = 0; i < n; i++) {
		if (mk_bit(p->used, base + i)) {
			*busy = base + i;
			return false;
		}
	}
	return true;
}

/** Search one RAM run from frame @p base on. @return 0: none. */
static uint64_t search_run(const struct mk_phys *p, const struct mk_run *run,
			   uint64_t base, uint64_t n, uint64_t align)
{
	base = (base + align - 1) / align * align;
	while (base + n <= run->base + run->count) {
		uint64_t busy;

		if (run_is_free(p, base, n, &busy))
			return base;
		base = (busy + align) / align * align;
	}
	return 0;
}

uint64_t mk_pfn_alloc_run(struct mk *m, uint64_t n, uint64_t align)
{
	struct mk_phys *p = &m->phys;
	uint64_t found = 0;

	// First behind the last one found, then everywhere.
	for (int pass = 0; pass < 2 && !found; pass++) {
		for (size_t r = p->runs.n; r-- > 0 && !found; ) {
			const struct mk_run *run = &p->runs.v[r];
			uint64_t from = run->base;

			if (pass == 0 && p->hint > from)
				from = p->hint;
			found = search_run(p, run, from, n, align);
		}
	}
	if (!found)
		mk_fail(m, "no %llu consecutive free pages of RAM",
			(unsigned long long)n);
	for (uint64_t i = 0; i < n; i++)
		mk_bit_set(p->used, found + i);
	p->hint = found + n;
	return found;
}

uint8_t *mk_pfn_bytes(struct mk *m, uint64_t pfn)
{
	bool added;
	uint64_t *slot = psc_map_put(&m->phys.data, pfn, &added);

	if (!slot)
		mk_fail(m, "out of memory");
	if (added)
		*slot = (uint64_t)(uintptr_t)mk_calloc(MK_PAGE, 1);
	return (uint8_t *)(uintptr_t)*slot;
}

const uint8_t *mk_pfn_peek(const struct mk *m, uint64_t pfn)
{
	const uint64_t *slot = psc_map_get(&m->phys.data, pfn);

	return slot ? (const uint8_t *)(uintptr_t)*slot : NULL;
}

void mk_phys_free(struct mk_phys *p)
{
	struct psc_map_slot slot;

	for (size_t i = 0; psc_map_next(&p->data, &i, &slot); )
		free((void *)(uintptr_t)slot.value);
	psc_map_free(&p->data);
	psc_vec_free(&p->runs);
	free(p->used);
	free(p->kernel);
	free(p->user);
	free(p->dropped);
}
