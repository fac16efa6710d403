// SPDX-License-Identifier: MIT
/** @file
 * Inside of psc_mem, shared by the files of this layer.
 */
#ifndef PSC_MEM_MEM_IMPL_H
#define PSC_MEM_MEM_IMPL_H

#include "base/map.h"
#include "mem/mem.h"
#include "mem/paging.h"

/** A page table that a walk used last, with the rights on the way to it. */
struct psc_table_cache {
	bool used;
	bool writable, nx;
	bool checked;		/**< By ranges.c: not seen elsewhere. */
	uint64_t prefix;	/**< VA bits above the table's index. */
	uint64_t pa;
	const uint8_t *bytes;	/**< Into the dump or into copy. */
	uint8_t copy[PSC_PAGE_SIZE];
};

// Direct-mapped; the walk itself is cached per level, so this only spares
// typed reads of one structure the walk.
#define PSC_TLB_SIZE 512
struct psc_tlb_entry {
	uint64_t page_plus_1;	/**< VA >> 12, + 1; 0 = empty. */
	const uint8_t *bytes;	/**< Inside the dump's mapping. */
};

/** Distinct pages: VA >> 18 → bits of 64 pages. */
struct psc_page_set {
	struct psc_map map;
	uint64_t n;
};

struct psc_sparse;

struct psc_mem {
	// Sparse memory: blocks set, nothing of paging used.
	struct psc_sparse *blocks;	/**< Shared, counted. */

	const struct psc_paging_scheme *scheme;
	struct psc_paging paging;
	struct psc_phys phys;
	struct psc_table_cache table[PSC_PAGING_MAX_LEVELS];
	struct psc_tlb_entry tlb[PSC_TLB_SIZE];
	struct psc_map tables_seen;	/**< ranges.c: PFN → place. */

	uint64_t scratch_page_plus_1;	/**< What scratch holds. */
	uint8_t scratch[PSC_PAGE_SIZE];

	struct psc_page_set absent, paged_out;
	uint64_t unreadable;
};

/** Walk the tables; @c status is OK for a page that may yet be absent. */
struct psc_xlat psc_walk(struct psc_mem *m, uint64_t va);
/** Forget cached tables and translations. */
void psc_walk_flush(struct psc_mem *m);
/** Walk, then fetch the page's bytes. */
enum psc_va_status psc_walk_page(struct psc_mem *m, uint64_t va,
				 uint8_t *scratch, const uint8_t **ret);

/** Count a page that a read wanted and did not get. */
void psc_coverage_add(struct psc_mem *m, uint64_t va, enum psc_va_status s);

PSC_NODISCARD struct psc_error *
psc_sparse_new(const struct psc_va_block *blocks, size_t n,
	       struct psc_sparse **ret);
struct psc_sparse *psc_sparse_ref(struct psc_sparse *s);
void psc_sparse_unref(struct psc_sparse *s);
/** Longest run of stored bytes at @p va. @return its length, 0 = none. */
size_t psc_sparse_at(const struct psc_sparse *s, uint64_t va,
		     const uint8_t **ret);
/** First stored run that ends behind @p va, adjacent blocks joined. */
bool psc_sparse_next(const struct psc_sparse *s, uint64_t va,
		     struct psc_va_range *ret);
/** Lowest address that counts as the kernel's. */
uint64_t psc_sparse_kernel_start(const struct psc_sparse *s);

#endif
