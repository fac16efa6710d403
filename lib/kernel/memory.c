// SPDX-License-Identifier: MIT
#include "kernel/memory.h"

#include <stdlib.h>

#include "base/cleanup.h"

static const uint8_t *page(void *ctx, uint64_t pfn, uint8_t *scratch)
{
	return psc_dump_page(ctx, pfn, scratch);
}

// How well page tables fit: a list's head must be readable, and its first
// entry must point back to it.
static unsigned int fit(const struct psc_paging *p,
			const struct psc_phys *phys, uint64_t head)
{
	struct psc_mem *m;
	uint64_t flink = 0, back = 0;
	unsigned int score = 0;
	struct psc_error *err = psc_mem_new_paged(p, phys, &m);

	if (err) {
		psc_error_free(err);
		return 0;
	}
	if (psc_mem_read(m, head, &flink, 8, NULL) == 8 &&
	    psc_mem_is_kernel_va(m, flink))
		score = psc_mem_read(m, flink + 8, &back, 8, NULL) == 8 &&
			back == head ? 2 : 1;
	psc_mem_free(m);
	return score;
}

// One of the two heads may be left out, or its page.
static unsigned int fit_both(const struct psc_paging *p,
			     const struct psc_phys *phys,
			     const struct psc_dump_header *h)
{
	return fit(p, phys, h->loaded_module_list) +
	       fit(p, phys, h->active_process_head);
}

// LA57 kernels are recognised by a walk that works: everything else that
// tells (KDBG, KPRCB, the image's name) lies behind the page tables.
static enum psc_paging_mode x64_mode(const struct psc_dump_header *h,
				     const struct psc_phys *phys)
{
	struct psc_paging four = {
		.mode = PSC_PAGING_X64, .root = h->directory_table_base,
	};
	struct psc_paging five = four;

	five.mode = PSC_PAGING_X64_LA57;
	return fit_both(&five, phys, h) > fit_both(&four, phys, h)
		? PSC_PAGING_X64_LA57 : PSC_PAGING_X64;
}

static struct psc_error *paged(const struct psc_dump *dump,
			       const struct psc_dump_header *h,
			       struct psc_mem **ret)
{
	struct psc_phys phys = { .ctx = (void *)dump, .page = page };
	struct psc_paging p = { .root = h->directory_table_base };

	switch (h->arch) {
	case PSC_ARCH_X86:
		p.mode = PSC_PAGING_X86;
		break;
	case PSC_ARCH_X86_PAE:
		p.mode = PSC_PAGING_X86_PAE;
		break;
	case PSC_ARCH_ARM64:
		p.mode = PSC_PAGING_ARM64;
		break;
	case PSC_ARCH_X64:
	case PSC_ARCH_UNKNOWN:
		p.mode = x64_mode(h, &phys);
		break;
	}
	p.phys_end = psc_dump_pfn_limit(dump) << PSC_PAGE_SHIFT;
	// Kernels since August 2018; the kernel's own types correct it later.
	p.swizzled = h->is64;
	return psc_mem_new_paged(&p, &phys, ret);
}

struct psc_error *psc_kernel_memory(const struct psc_dump *dump,
				    struct psc_mem **ret)
{
	const struct psc_triage *t = psc_dump_triage(dump);

	if (!t && psc_dump_why_no_pages(dump))
		return psc_mem_new_sparse(NULL, 0, ret);
	if (!t)
		return paged(dump, psc_dump_header(dump), ret);
	PSC_FREE struct psc_va_block *b =
		calloc(t->n_blocks ? t->n_blocks : 1, sizeof(*b));
	if (!b)
		return &psc_nomem;
	for (size_t i = 0; i < t->n_blocks; i++)
		b[i] = (struct psc_va_block){
			.va = t->blocks[i].va, .size = t->blocks[i].size,
			.data = t->blocks[i].data,
		};
	return psc_mem_new_sparse(b, t->n_blocks, ret);
}
