// SPDX-License-Identifier: MIT
// Which addresses exist: a walk over the tables instead of over addresses.
#include "base/bytes.h"
#include "mem/mem_impl.h"

// A run is handed out when it has grown to this, so that a caller that caps
// its work gets the word in time.
#define RUN_MAX (1ULL << 30)

static uint64_t next_aligned(uint64_t va, unsigned int shift, uint64_t end)
{
	uint64_t next = ((va >> shift) + 1) << shift;

	return next <= va || next > end ? end : next;
}

// A table page is reached from one place only. The second place is the
// self-map, or damage that would let few pages map a whole address space.
// @return the level (from the root) of the entry that leads to a known table,
// or -1.
static int repeated_table(struct psc_mem *m, unsigned int deepest)
{
	for (unsigned int i = 0; i <= deepest; i++) {
		struct psc_table_cache *t = &m->table[i];
		bool added;

		if (t->checked)
			continue;
		uint64_t place = t->prefix << 3 | i;
		uint64_t *slot = psc_map_put(&m->tables_seen,
					     t->pa >> PSC_PAGE_SHIFT, &added);
		if (!slot)
			return -1;	// out of memory: only slower
		if (added)
			*slot = place;
		if (*slot != place)
			return (int)i - 1;
		t->checked = true;
	}
	return -1;
}

// Answer for va, and the first address that needs a new answer.
static struct psc_xlat look(struct psc_mem *m, uint64_t va, uint64_t end,
			    uint64_t *next)
{
	const struct psc_paging_scheme *s = m->scheme;

	if (!psc_paging_canonical(s, va)) {
		uint64_t kernel = psc_paging_kernel_start(s);
		*next = va < kernel && s->va_bits > 32 && kernel < end
			? kernel : end;
		return (struct psc_xlat){ .status = PSC_VA_NOT_MAPPED };
	}
	struct psc_xlat x = psc_walk(m, va);
	unsigned int level = s->n_levels - x.level;
	if (!m->table[0].used) {
		*next = end;	// the root itself is absent
		return x;
	}
	int repeat = repeated_table(m, level);
	if (repeat >= 0) {
		*next = next_aligned(va, s->level[repeat].shift, end);
		return (struct psc_xlat){ .status = PSC_VA_DAMAGED };
	}
	*next = next_aligned(va, s->level[level].shift, end);
	if (x.status != PSC_VA_OK)
		return x;

	uint8_t scratch[PSC_PAGE_SIZE];
	*next = next_aligned(va, PSC_PAGE_SHIFT, end);
	if (!m->phys.page(m->phys.ctx, x.pa >> PSC_PAGE_SHIFT, scratch))
		x.status = x.transition ? PSC_VA_TRANSITION_ABSENT
					: PSC_VA_NOT_IN_DUMP;
	return x;
}

static bool paged_next(struct psc_mem *m, uint64_t *pos, uint64_t end,
		       struct psc_va_range *ret)
{
	struct psc_va_range run = { 0 };

	while (*pos < end && run.size < RUN_MAX) {
		uint64_t next;
		struct psc_xlat x = look(m, *pos, end, &next);
		bool large = x.page_shift > PSC_PAGE_SHIFT;

		if (run.size && (x.status != run.status || x.nx != run.nx ||
				 large != run.large))
			break;
		if (x.status != PSC_VA_NOT_MAPPED) {
			if (!run.size)
				run = (struct psc_va_range){
					.va = *pos, .status = x.status,
					.nx = x.nx, .large = large,
				};
			run.size += next - *pos;
		}
		*pos = next;
	}
	*ret = run;
	return run.size;
}

static bool sparse_next(struct psc_mem *m, uint64_t *pos, uint64_t end,
			struct psc_va_range *ret)
{
	struct psc_va_range run;

	if (!psc_sparse_next(m->blocks, *pos, &run) || run.va >= end) {
		*pos = PSC_MAX(*pos, end);
		return false;
	}
	run.size = PSC_MIN(run.size, end - run.va);
	*pos = run.va + run.size;
	*ret = run;
	return true;
}

bool psc_mem_next_range(struct psc_mem *m, uint64_t *pos, uint64_t end,
			struct psc_va_range *ret)
{
	return m->blocks ? sparse_next(m, pos, end, ret)
			 : paged_next(m, pos, end, ret);
}
