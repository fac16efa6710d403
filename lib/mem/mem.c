// SPDX-License-Identifier: MIT
#include "mem/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "mem/mem_impl.h"

static const uint8_t zero_page[PSC_PAGE_SIZE];

static const struct {
	const char *text;
	enum psc_error_code code;
} statuses[] = {
	[PSC_VA_OK] = { "readable", PSC_ERR_ABSENT },
	[PSC_VA_NOT_MAPPED] = { "not mapped", PSC_ERR_NOT_MAPPED },
	[PSC_VA_DEMAND_ZERO] = { "never touched", PSC_ERR_NOT_MAPPED },
	[PSC_VA_PAGED_OUT] = { "paged out", PSC_ERR_PAGED_OUT },
	[PSC_VA_TRANSITION_ABSENT] = {
		"in transition, not in the dump", PSC_ERR_NOT_IN_DUMP },
	[PSC_VA_NOT_IN_DUMP] = { "not in the dump", PSC_ERR_NOT_IN_DUMP },
	[PSC_VA_TABLE_ABSENT] = {
		"its page table is not in the dump", PSC_ERR_NOT_IN_DUMP },
	[PSC_VA_DAMAGED] = { "damaged page-table entry", PSC_ERR_DAMAGED },
};

const char *psc_va_status_text(enum psc_va_status s)
{
	return statuses[s].text;
}

enum psc_error_code psc_va_status_code(enum psc_va_status s)
{
	return statuses[s].code;
}

// --- making ----------------------------------------------------------------

struct psc_error *psc_mem_new_paged(const struct psc_paging *p,
				    const struct psc_phys *phys,
				    struct psc_mem **ret)
{
	const struct psc_paging_scheme *s = psc_paging_scheme(p->mode);

	if (!s)
		return psc_error_new(PSC_ERR_USAGE, "no paging mode %d",
				     (int)p->mode);
	struct psc_mem *m = calloc(1, sizeof(*m));
	if (!m)
		return &psc_nomem;
	m->scheme = s;
	m->paging = *p;
	m->phys = *phys;
	*ret = m;
	return NULL;
}

struct psc_error *psc_mem_new_sparse(const struct psc_va_block *blocks,
				     size_t n, struct psc_mem **ret)
{
	struct psc_mem *m = calloc(1, sizeof(*m));

	if (!m)
		return &psc_nomem;
	struct psc_error *err = psc_sparse_new(blocks, n, &m->blocks);
	if (err) {
		free(m);
		return err;
	}
	*ret = m;
	return NULL;
}

struct psc_error *psc_mem_clone(const struct psc_mem *m, struct psc_mem **ret)
{
	if (!m->blocks)
		return psc_mem_new_paged(&m->paging, &m->phys, ret);
	struct psc_mem *clone = calloc(1, sizeof(*clone));
	if (!clone)
		return &psc_nomem;
	clone->blocks = psc_sparse_ref(m->blocks);
	*ret = clone;
	return NULL;
}

struct psc_error *psc_mem_with_root(const struct psc_mem *m, uint64_t root,
				    struct psc_mem **ret)
{
	if (m->blocks)
		return psc_error_new(PSC_ERR_USAGE,
				     "a triage dump has no page tables");
	struct psc_paging p = m->paging;
	p.root = root;
	return psc_mem_new_paged(&p, &m->phys, ret);
}

void psc_mem_free(struct psc_mem *m)
{
	if (!m)
		return;
	psc_sparse_unref(m->blocks);
	psc_map_free(&m->tables_seen);
	psc_map_free(&m->absent.map);
	psc_map_free(&m->paged_out.map);
	free(m);
}

bool psc_mem_is_sparse(const struct psc_mem *m)
{
	return m->blocks;
}

const struct psc_paging *psc_mem_paging(const struct psc_mem *m)
{
	return m->blocks ? NULL : &m->paging;
}

void psc_mem_set_pte_mask(struct psc_mem *m, uint64_t mask)
{
	m->paging.invalid_pte_mask = mask;
	psc_walk_flush(m);
}

void psc_mem_set_swizzled(struct psc_mem *m, bool swizzled)
{
	m->paging.swizzled = swizzled;
	psc_walk_flush(m);
}

bool psc_mem_is_kernel_va(const struct psc_mem *m, uint64_t va)
{
	if (m->blocks)
		return va >= psc_sparse_kernel_start(m->blocks);
	return va >= psc_paging_kernel_start(m->scheme) &&
	       psc_paging_canonical(m->scheme, va);
}

// --- reading ---------------------------------------------------------------

// Bytes at va up to the end of its page or stored run.
static enum psc_va_status piece(struct psc_mem *m, uint64_t va,
				const uint8_t **ret, size_t *len)
{
	size_t off = va & (PSC_PAGE_SIZE - 1);

	if (m->blocks) {
		*len = psc_sparse_at(m->blocks, va, ret);
		return *len ? PSC_VA_OK : PSC_VA_NOT_IN_DUMP;
	}
	*len = PSC_PAGE_SIZE - off;
	if (m->scratch_page_plus_1 == (va >> PSC_PAGE_SHIFT) + 1) {
		*ret = m->scratch + off;
		return PSC_VA_OK;
	}
	const uint8_t *page;
	enum psc_va_status s = psc_walk_page(m, va, m->scratch, &page);
	if (s == PSC_VA_DEMAND_ZERO) {
		*ret = zero_page + off;
		return PSC_VA_OK;
	}
	// The callback may have written to scratch, whatever came of it.
	if (s != PSC_VA_OK || page == m->scratch)
		m->scratch_page_plus_1 = 0;
	if (s != PSC_VA_OK)
		return s;
	if (page == m->scratch)
		m->scratch_page_plus_1 = (va >> PSC_PAGE_SHIFT) + 1;
	*ret = page + off;
	return PSC_VA_OK;
}

size_t psc_mem_read(struct psc_mem *m, uint64_t va, void *buf, size_t len,
		    enum psc_va_status *why)
{
	enum psc_va_status s = PSC_VA_OK;
	uint8_t *to = buf;
	size_t done = 0;

	while (done < len) {
		const uint8_t *p;
		size_t n;

		s = PSC_VA_NOT_MAPPED;	// past the end of the address space
		if (va + done < va)
			break;
		s = piece(m, va + done, &p, &n);
		if (s != PSC_VA_OK) {
			psc_coverage_add(m, va + done, s);
			break;
		}
		n = PSC_MIN(n, len - done);
		memcpy(to + done, p, n);
		done += n;
	}
	if (why)
		*why = s;
	return done;
}

struct psc_error *psc_mem_read_all(struct psc_mem *m, uint64_t va, void *buf,
				   size_t len, const char *what)
{
	enum psc_va_status why;
	size_t got = psc_mem_read(m, va, buf, len, &why);

	if (got == len)
		return NULL;
	return psc_error_at(psc_va_status_code(why), PSC_WHERE_ADDRESS,
			    va + got, "%s at 0x%" PRIx64 ": 0x%" PRIx64 " %s",
			    what, va, va + got, psc_va_status_text(why));
}

#define PSC_MEM_UINT(suffix, type)                                       \
	struct psc_error *psc_mem_##suffix(struct psc_mem *m,            \
					   uint64_t va, const char *what, \
					   type *v)                      \
	{                                                                \
		type tmp;                                                \
		struct psc_error *err =                                  \
			psc_mem_read_all(m, va, &tmp, sizeof(tmp), what); \
		if (!err)                                                \
			*v = tmp;                                        \
		return err;                                              \
	}
PSC_MEM_UINT(u8, uint8_t)
PSC_MEM_UINT(u16, uint16_t)
PSC_MEM_UINT(u32, uint32_t)
PSC_MEM_UINT(u64, uint64_t)

static enum psc_va_status sparse_page(struct psc_mem *m, uint64_t va,
				      uint8_t *scratch, const uint8_t **ret)
{
	enum psc_va_status why;

	if (psc_sparse_at(m->blocks, va, ret) >= PSC_PAGE_SIZE)
		return PSC_VA_OK;
	*ret = scratch;
	psc_mem_read(m, va, scratch, PSC_PAGE_SIZE, &why);
	return why;
}

enum psc_va_status psc_mem_page(struct psc_mem *m, uint64_t va,
				uint8_t *scratch, const uint8_t **ret)
{
	const uint8_t *page = NULL;
	enum psc_va_status s;

	va &= ~(uint64_t)(PSC_PAGE_SIZE - 1);
	s = m->blocks ? sparse_page(m, va, scratch, &page)
		      : psc_walk_page(m, va, scratch, &page);
	if (s == PSC_VA_OK)
		*ret = page;
	else if (s == PSC_VA_DEMAND_ZERO)
		*ret = zero_page;
	else
		psc_coverage_add(m, va, s);
	return s;
}

struct psc_xlat psc_mem_translate(struct psc_mem *m, uint64_t va)
{
	const uint8_t *p;

	if (m->blocks) {
		struct psc_xlat x = { .status = PSC_VA_NOT_IN_DUMP };
		if (psc_sparse_at(m->blocks, va, &p)) {
			x.status = PSC_VA_OK;
			x.page_shift = PSC_PAGE_SHIFT;
		}
		return x;
	}
	struct psc_xlat x = psc_walk(m, va);
	uint8_t scratch[PSC_PAGE_SIZE];
	if (x.status == PSC_VA_OK &&
	    !m->phys.page(m->phys.ctx, x.pa >> PSC_PAGE_SHIFT, scratch))
		x.status = x.transition ? PSC_VA_TRANSITION_ABSENT
					: PSC_VA_NOT_IN_DUMP;
	return x;
}
