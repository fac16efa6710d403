// SPDX-License-Identifier: MIT
/** @file
 * Where things lie in the kernel half of the address space, by family
 * (pool 2.9): fixed places up to 8.1, whole PML4 slots from 10 on.
 */
#include "area.h"

static const struct mk_places places[] = {
	// 7 and 2008 R2: fixed addresses.
	{7601, 0xfffff80002a4b000, 0xfffff68000000000, 0xfffffa8000000000,
	 {[MK_NONPAGED] = {0xfffffa8001a00000, 0x2000000000, 0},
	  [MK_PAGED] = {0xfffff8a000000000, 0x2000000000, 0},
	  [MK_STACKS] = {0xfffff88002000000, 0x1f00000000, 0},
	  [MK_IMAGES] = {0xfffff88000c00000, 0x1000000, 0},
	  [MK_SESSION] = {0xfffff90000000000, 0x8000000000, 0}}},
	{9600, 0xfffff80312e00000, 0xfffff68000000000, 0xfffffa8000000000,
	 {[MK_NONPAGED] = {0xffffe00000000000, 0x100000000000, 0},
	  [MK_PAGED] = {0xffffc00000000000, 0xf8000000000, 0},
	  [MK_STACKS] = {0xffffd00020000000, 0x8000000000, 0},
	  [MK_IMAGES] = {0xfffff80000c00000, 0x40000000, 0},
	  [MK_SESSION] = {0xfffff90000000000, 0x8000000000, 0}}},
	// 10 on: slots of 512 GiB, chosen at random by Windows.
	{14393, 0xfffff80312e00000, 0xffffe90000000000, 0xffffd50000000000,
	 {[MK_NONPAGED] = {0xffff880000000000, 0x100000000000, 0},
	  [MK_PAGED] = {0xffffa00000000000, 0xf8000000000, 0},
	  [MK_STACKS] = {0xffffc00000000000, 0x8000000000, 0},
	  [MK_IMAGES] = {0xfffff80320000000, 0x40000000, 0},
	  [MK_SESSION] = {0xffffd00000000000, 0x8000000000, 0},
	  [MK_SPECIAL] = {0xffffd10000000000, 0x8000000000, 0},
	  [MK_SPECIAL_PAGED] = {0xffffd20000000000, 0x8000000000, 0}}},
};

const struct mk_places *mk_places(const struct mk *m)
{
	const struct mk_places *best = &places[0];

	for (size_t i = 0; i < PSC_ARRAY_SIZE(places); i++) {
		if (places[i].family <= m->family)
			best = &places[i];
	}
	return best;
}

void mk_areas_init(struct mk *m)
{
	const struct mk_places *p = mk_places(m);

	for (int i = 0; i < MK_AREAS; i++) {
		m->area[i] = p->area[i];
		m->area[i].next = p->area[i].base;
	}
	// Fixed objects stand away from the region's start, where the pool's
	// own pages go.
	m->area[MK_NONPAGED].next += MK_OBJECTS_AT;
	m->area[MK_PAGED].next += MK_OBJECTS_AT;
	if (!m->pte_base)
		m->pte_base = p->pte_base;
	if (m->levels == 5)
		m->pte_base = 0xffed000000000000;
}

// Where fixed objects end: in the pool regions, before the pool's second part.
static uint64_t objects_end(const struct mk *m, enum mk_area area)
{
	const struct mk_area_state *a = &m->area[area];

	return a->base + (area <= MK_PAGED ? MK_POOL_REST_AT : a->bytes);
}

uint64_t mk_reserve(struct mk *m, enum mk_area area, uint64_t bytes,
		    uint64_t align)
{
	struct mk_area_state *a = &m->area[area];
	uint64_t va = (a->next + align - 1) / align * align;

	bytes = MK_PAGES(bytes) * MK_PAGE;
	if (va + bytes > objects_end(m, area))
		mk_fail(m, "address space of area %d is full", area);
	a->next = va + bytes;
	return va;
}

uint64_t mk_alloc(struct mk *m, enum mk_area area, uint64_t bytes)
{
	struct mk_area_state *a = &m->area[area];
	struct mk_map_opt opt = {.nx = area != MK_IMAGES};
	uint64_t va = (a->next + 15) & ~15ull;

	// Small objects share a page, but do not cross into the next one.
	if (bytes > MK_PAGE || (va & 0xfff) + bytes > MK_PAGE)
		va = (va + 0xfff) & ~0xfffull;
	if (va + bytes > objects_end(m, area))
		mk_fail(m, "address space of area %d is full", area);
	a->next = bytes > MK_PAGE ? (va + bytes + 0xfff) & ~0xfffull
				  : va + bytes;
	mk_map(m, va & ~0xfffull,
	       MK_PAGES((va & 0xfff) + bytes) * MK_PAGE, &opt);
	return va;
}
