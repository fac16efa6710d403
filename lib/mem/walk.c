// SPDX-License-Identifier: MIT
// The page walk. Tables that the last walk used are remembered per level, so
// a neighbouring address costs one load of one entry.
#include <string.h>

#include "base/bytes.h"
#include "mem/mem_impl.h"
#include "mem/pte_win.h"

// A prototype PTE lies in paged pool, which may itself be reached through one
// more: no deeper (dump-format 4.5).
#define PROTOTYPE_DEPTH 2

// ProtoAddress of user PTEs that are described by their VAD only.
#define PROTOTYPE_SEE_VAD 0xffffffff0000ULL

void psc_walk_flush(struct psc_mem *m)
{
	for (unsigned int i = 0; i < PSC_PAGING_MAX_LEVELS; i++)
		m->table[i].used = false;
	memset(m->tlb, 0, sizeof(m->tlb));
	m->scratch_page_plus_1 = 0;
}

// VA bits above the index of level i: which table of that level it is.
static uint64_t prefix_of(const struct psc_paging_scheme *s, unsigned int i,
			  uint64_t va)
{
	return i ? va >> s->level[i - 1].shift : 0;
}

static bool load_table(struct psc_mem *m, unsigned int i, uint64_t va,
		       const struct psc_paging_entry *e)
{
	struct psc_table_cache *t = &m->table[i];
	const uint8_t *page = m->phys.page(m->phys.ctx, e->pa >> PSC_PAGE_SHIFT,
					   t->copy);

	t->used = page;
	if (!page)
		return false;
	// Only the PAE root starts inside a page.
	t->bytes = page + (e->pa & (PSC_PAGE_SIZE - 1));
	t->pa = e->pa;
	t->prefix = prefix_of(m->scheme, i, va);
	t->writable = e->writable;
	t->nx = e->nx;
	t->checked = false;
	return true;
}

// Deepest level whose remembered table covers va; loads the root if need be.
static bool first_level(struct psc_mem *m, uint64_t va, unsigned int *ret)
{
	const struct psc_paging_scheme *s = m->scheme;

	for (unsigned int i = s->n_levels; i-- > 0; ) {
		if (m->table[i].used &&
		    m->table[i].prefix == prefix_of(s, i, va)) {
			*ret = i;
			return true;
		}
	}
	struct psc_paging_entry root = {
		.pa = m->paging.root & s->root_mask, .writable = true,
	};
	*ret = 0;
	return load_table(m, 0, va, &root);
}

static uint64_t load_entry(const struct psc_mem *m, unsigned int i,
			   uint64_t va)
{
	const struct psc_paging_level *l = &m->scheme->level[i];
	uint64_t index = va >> l->shift & ((1ULL << l->bits) - 1);
	unsigned int bytes = m->scheme->entry_bytes;

	return psc_le_uint(m->table[i].bytes + index * bytes, bytes);
}

// The page of a leaf. *x holds the rights of the tables on the way.
static void finish_page(struct psc_mem *m, unsigned int i, uint64_t va,
			const struct psc_paging_entry *e, struct psc_xlat *x)
{
	uint8_t shift = m->scheme->level[i].shift;

	x->status = PSC_VA_OK;
	x->page_shift = shift;
	x->pa = e->pa | (va & ((1ULL << shift) - 1));
	x->writable = x->writable && e->writable;
	x->nx = x->nx || e->nx;
}

// Protection of a software PTE: bit 1 execute, bit 2 write.
static struct psc_paging_entry soft_entry(const struct psc_soft_pte *p)
{
	return (struct psc_paging_entry){
		.kind = PSC_ENTRY_PAGE, .pa = p->address,
		.writable = p->protection & 4, .nx = !(p->protection & 2),
	};
}

static void walk(struct psc_mem *m, uint64_t va, unsigned int depth,
		 struct psc_xlat *x);

static bool read_prototype(struct psc_mem *m, uint64_t at, unsigned int depth,
			   uint64_t *entry, enum psc_va_status *why)
{
	uint8_t scratch[PSC_PAGE_SIZE];
	struct psc_xlat x = { 0 };
	unsigned int bytes = m->scheme->entry_bytes;

	walk(m, at, depth + 1, &x);
	*why = x.status;
	if (x.status != PSC_VA_OK)
		return false;
	const uint8_t *p = m->phys.page(m->phys.ctx, x.pa >> PSC_PAGE_SHIFT,
					scratch);
	if (!p) {
		*why = PSC_VA_TABLE_ABSENT;
		return false;
	}
	// Aligned, so it does not cross the page.
	*entry = psc_le_uint(p + (x.pa & (PSC_PAGE_SIZE - 1)), bytes);
	return true;
}

// What an entry of a prototype array says. Bit 10 there means "subsection":
// the page lies in a mapped file. A target that cannot be one is damage: such
// an entry would be a prototype inside a prototype.
static void finish_prototype(struct psc_mem *m, uint64_t entry, uint64_t va,
			     struct psc_xlat *x)
{
	unsigned int last = m->scheme->n_levels - 1;

	x->prototype = true;
	if (entry & 1) {
		struct psc_paging_entry e =
			psc_paging_decode(m->scheme, last, entry);
		if (e.kind == PSC_ENTRY_PAGE)
			finish_page(m, last, va, &e, x);
		else
			x->status = PSC_VA_DAMAGED;
		return;
	}
	struct psc_soft_pte p = psc_soft_pte(m->scheme, &m->paging, entry);
	struct psc_paging_entry e = soft_entry(&p);
	switch (p.kind) {
	case PSC_SOFT_TRANSITION:
		x->transition = true;
		finish_page(m, last, va, &e, x);
		break;
	case PSC_SOFT_PROTOTYPE:
		x->status = psc_mem_is_kernel_va(m, p.address)
			? PSC_VA_PAGED_OUT : PSC_VA_DAMAGED;
		break;
	case PSC_SOFT_PAGED_OUT:
		x->status = PSC_VA_PAGED_OUT;
		break;
	case PSC_SOFT_DEMAND_ZERO:
		x->status = PSC_VA_DEMAND_ZERO;
		break;
	case PSC_SOFT_NONE:
		x->status = PSC_VA_NOT_MAPPED;
		break;
	}
}

static void follow_prototype(struct psc_mem *m, const struct psc_soft_pte *p,
			     uint64_t va, unsigned int depth,
			     struct psc_xlat *x)
{
	enum psc_va_status why;
	uint64_t entry;

	if ((p->address & 0xffffffffffffULL) == PROTOTYPE_SEE_VAD) {
		x->status = PSC_VA_NOT_MAPPED;
	} else if (depth >= PROTOTYPE_DEPTH || p->address % 4 ||
		   !psc_mem_is_kernel_va(m, p->address) ||
		   (p->address & (PSC_PAGE_SIZE - 1)) >
			   PSC_PAGE_SIZE - m->scheme->entry_bytes) {
		x->prototype = true;
		x->status = PSC_VA_DAMAGED;
	} else if (read_prototype(m, p->address, depth, &entry, &why)) {
		finish_prototype(m, entry, va, x);
	} else {
		x->prototype = true;
		x->status = why == PSC_VA_NOT_IN_DUMP ||
			    why == PSC_VA_TRANSITION_ABSENT
			? PSC_VA_TABLE_ABSENT : why;
	}
}

// An entry with bit 0 clear. @return true when it leads to a table: *e.
static bool soft_step(struct psc_mem *m, unsigned int i, uint64_t va,
		      unsigned int depth, struct psc_paging_entry *e,
		      struct psc_xlat *x)
{
	bool last = i + 1 == m->scheme->n_levels;
	struct psc_soft_pte p = psc_soft_pte(m->scheme, &m->paging, x->entry);

	switch (p.kind) {
	case PSC_SOFT_TRANSITION:
		*e = soft_entry(&p);
		if (!last) {
			// Rights of a table in transition: those below decide.
			e->writable = true;
			e->nx = false;
			return true;
		}
		x->transition = true;
		finish_page(m, i, va, e, x);
		return false;
	case PSC_SOFT_PROTOTYPE:
		if (last)
			follow_prototype(m, &p, va, depth, x);
		else
			x->status = PSC_VA_DAMAGED;
		return false;
	case PSC_SOFT_PAGED_OUT:
		x->status = PSC_VA_PAGED_OUT;
		return false;
	case PSC_SOFT_DEMAND_ZERO:
		// A table that was never touched maps nothing.
		x->status = last ? PSC_VA_DEMAND_ZERO : PSC_VA_NOT_MAPPED;
		return false;
	case PSC_SOFT_NONE:
		break;
	}
	x->status = PSC_VA_NOT_MAPPED;
	return false;
}

// One entry. @return true when it leads to a table: *e.
static bool step(struct psc_mem *m, unsigned int i, uint64_t va,
		 unsigned int depth, struct psc_paging_entry *e,
		 struct psc_xlat *x)
{
	x->entry = load_entry(m, i, va);
	x->level = m->scheme->n_levels - i;
	// Copied now: a prototype PTE's own walk replaces the cached tables.
	x->writable = m->table[i].writable;
	x->nx = m->table[i].nx;
	if (!(x->entry & 1))
		return soft_step(m, i, va, depth, e, x);
	*e = psc_paging_decode(m->scheme, i, x->entry);
	if (e->kind == PSC_ENTRY_TABLE)
		return true;
	if (e->kind == PSC_ENTRY_PAGE)
		finish_page(m, i, va, e, x);
	else
		x->status = PSC_VA_DAMAGED;
	return false;
}

static void walk(struct psc_mem *m, uint64_t va, unsigned int depth,
		 struct psc_xlat *x)
{
	struct psc_paging_entry e;
	unsigned int i;

	x->level = m->scheme->n_levels;
	x->status = PSC_VA_NOT_MAPPED;
	if (!psc_paging_canonical(m->scheme, va))
		return;
	x->status = PSC_VA_TABLE_ABSENT;
	if (!first_level(m, va, &i))
		return;
	// The last level has no tables below, so this ends there at the latest.
	while (step(m, i, va, depth, &e, x)) {
		e.writable = e.writable && x->writable;
		e.nx = e.nx || x->nx;
		if (!load_table(m, ++i, va, &e)) {
			x->status = PSC_VA_TABLE_ABSENT;
			return;
		}
	}
}

struct psc_xlat psc_walk(struct psc_mem *m, uint64_t va)
{
	struct psc_xlat x = { 0 };

	walk(m, va, 0, &x);
	if (x.status != PSC_VA_OK)
		x.writable = x.nx = false;
	return x;
}

enum psc_va_status psc_walk_page(struct psc_mem *m, uint64_t va,
				 uint8_t *scratch, const uint8_t **ret)
{
	uint64_t page = (va >> PSC_PAGE_SHIFT) + 1;
	struct psc_tlb_entry *t = &m->tlb[page % PSC_TLB_SIZE];

	if (t->page_plus_1 == page) {
		*ret = t->bytes;
		return PSC_VA_OK;
	}
	struct psc_xlat x = psc_walk(m, va);
	if (x.status != PSC_VA_OK)
		return x.status;
	*ret = m->phys.page(m->phys.ctx, x.pa >> PSC_PAGE_SHIFT, scratch);
	if (!*ret)
		return x.transition ? PSC_VA_TRANSITION_ABSENT
				    : PSC_VA_NOT_IN_DUMP;
	if (*ret != scratch)
		*t = (struct psc_tlb_entry){ page, *ret };
	return PSC_VA_OK;
}
