// SPDX-License-Identifier: MIT
// Which distinct pages reads wanted and did not get.
#include "mem/mem_impl.h"

// 64 pages per map entry. Beyond this many entries (that is up to 64 million
// pages, 256 GiB) a page is no longer told from a new one and not counted:
// the figure is then a lower bound, and memory stays bounded.
#define PAGE_SET_MAX (1u << 20)

static void set_add(struct psc_page_set *s, uint64_t group, uint64_t bits)
{
	uint64_t *slot = s->map.n < PAGE_SET_MAX
		? psc_map_put(&s->map, group, NULL)
		: psc_map_get(&s->map, group);

	if (!slot)
		return;
	s->n += (uint64_t)__builtin_popcountll(bits & ~*slot);
	*slot |= bits;
}

static void set_union(struct psc_page_set *into, const struct psc_page_set *s)
{
	struct psc_map_slot slot;

	for (size_t i = 0; psc_map_next(&s->map, &i, &slot); )
		set_add(into, slot.key, slot.value);
}

void psc_coverage_add(struct psc_mem *m, uint64_t va, enum psc_va_status s)
{
	struct psc_page_set *set;
	uint64_t page = va >> PSC_PAGE_SHIFT;

	switch (s) {
	case PSC_VA_NOT_IN_DUMP:
	case PSC_VA_TRANSITION_ABSENT:
	case PSC_VA_TABLE_ABSENT:
		set = &m->absent;
		break;
	case PSC_VA_PAGED_OUT:
		set = &m->paged_out;
		break;
	default:
		return;
	}
	set_add(set, page >> 6, 1ULL << (page & 63));
}

struct psc_coverage psc_mem_coverage(const struct psc_mem *m)
{
	return (struct psc_coverage){
		.pages_not_in_file = m->absent.n,
		.pages_paged_out = m->paged_out.n,
		.structures_unreadable = m->unreadable,
	};
}

void psc_mem_count_unreadable(struct psc_mem *m)
{
	m->unreadable++;
}

void psc_mem_absorb(struct psc_mem *into, const struct psc_mem *clone)
{
	set_union(&into->absent, &clone->absent);
	set_union(&into->paged_out, &clone->paged_out);
	into->unreadable += clone->unreadable;
}
