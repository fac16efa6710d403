// SPDX-License-Identifier: MIT
/** @file
 * Virtual memory of the crashed machine. Two kinds stand behind one
 * interface: page tables over physical pages (full and kernel dumps) and
 * sparse blocks tagged with their VA (triage dumps). The layer knows no files:
 * physical pages come through a callback, so it is tested on arrays.
 *
 * A psc_mem is for one thread; psc_mem_clone() is cheap and shares the
 * immutable parts.
 */
#ifndef PSC_MEM_MEM_H
#define PSC_MEM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

#define PSC_PAGE_SIZE 0x1000u
#define PSC_PAGE_SHIFT 12

/** Why bytes can (not) be read. The words of the report. */
enum psc_va_status {
	PSC_VA_OK,
	PSC_VA_NOT_MAPPED,	/**< No translation (zero, freed, time stamp). */
	PSC_VA_DEMAND_ZERO,	/**< Reserved, never touched: reads as zero. */
	PSC_VA_PAGED_OUT,	/**< In a page file or a mapped file. */
	PSC_VA_TRANSITION_ABSENT, /**< On a page list, page not in the dump. */
	PSC_VA_NOT_IN_DUMP,	/**< Valid, page not in the dump. */
	PSC_VA_TABLE_ABSENT,	/**< A page table itself is not in the dump. */
	PSC_VA_DAMAGED,		/**< The entry contradicts its format. */
};

/** "paged out", "not in the dump", … */
const char *psc_va_status_text(enum psc_va_status s);
enum psc_error_code psc_va_status_code(enum psc_va_status s);

/** Where physical pages come from. */
struct psc_phys {
	void *ctx;
	/**
	 * @return the 4096 bytes of physical page @p pfn (unaligned, read-only),
	 *         either inside a long-lived mapping or in @p scratch; NULL when
	 *         the page is absent. Thread-safe.
	 */
	const uint8_t *(*page)(void *ctx, uint64_t pfn, uint8_t *scratch);
};

/** A page-table scheme: a row of the table in paging.c. */
enum psc_paging_mode {
	PSC_PAGING_X64,		/**< Four levels. */
	PSC_PAGING_X64_LA57,	/**< Five levels. */
	PSC_PAGING_X86,
	PSC_PAGING_X86_PAE,
	PSC_PAGING_ARM64,
};

struct psc_paging {
	enum psc_paging_mode mode;
	uint64_t root;		/**< DirectoryTableBase as stored; masked here. */
	/** Bits set in stored non-valid PTEs whose bit 4 is clear (L1TF);
	 *  0 = none. */
	uint64_t invalid_pte_mask;
	/** Physical addresses of stored pages end here; 0 = not known. Only
	 *  used where the mask is not known. */
	uint64_t phys_end;
	/** Software PTE layout: true = SwizzleBit at 4, fields of patched kernels
	 *  (facts dump-format 4.5); false = unpatched. */
	bool swizzled;
};

/** Result of a translation. */
struct psc_xlat {
	enum psc_va_status status;
	uint64_t pa;		/**< Physical address of the byte. */
	unsigned int page_shift; /**< 12, 21, 30 (22 for x86). */
	bool writable, nx, transition, prototype;
	uint64_t entry;		/**< Last entry looked at, raw. */
	unsigned int level;	/**< Its level, 1 = PTE. */
};

struct psc_mem;

/** A block of a triage dump. */
struct psc_va_block {
	uint64_t va, size;
	const uint8_t *data;	/**< Borrowed; may be unaligned. */
};

PSC_NODISCARD struct psc_error *
psc_mem_new_paged(const struct psc_paging *p, const struct psc_phys *phys,
		  struct psc_mem **ret);
/** Blocks in any order; overlaps keep the first. Copied. */
PSC_NODISCARD struct psc_error *
psc_mem_new_sparse(const struct psc_va_block *blocks, size_t n,
		   struct psc_mem **ret);
PSC_NODISCARD struct psc_error *
psc_mem_clone(const struct psc_mem *m, struct psc_mem **ret);
/** Same physical memory, another root (session or process space). */
PSC_NODISCARD struct psc_error *
psc_mem_with_root(const struct psc_mem *m, uint64_t root, struct psc_mem **ret);
void psc_mem_free(struct psc_mem *m);

bool psc_mem_is_sparse(const struct psc_mem *m);
/** NULL for sparse memory. */
const struct psc_paging *psc_mem_paging(const struct psc_mem *m);
/** Learned later (from symbols): the L1TF mask, and whether software PTEs
 *  have the layout of patched kernels. */
void psc_mem_set_pte_mask(struct psc_mem *m, uint64_t mask);
void psc_mem_set_swizzled(struct psc_mem *m, bool swizzled);
/** Is @p va a canonical kernel-half address in this scheme? */
bool psc_mem_is_kernel_va(const struct psc_mem *m, uint64_t va);

/**
 * Read up to @p len bytes; stops at the first byte that cannot be read.
 * Demand-zero pages read as zeros, as they would on the running system.
 * @param[out] why the reason it stopped (PSC_VA_OK when it did not); may be
 *             NULL.
 * @return bytes read.
 */
size_t psc_mem_read(struct psc_mem *m, uint64_t va, void *buf, size_t len,
		    enum psc_va_status *why);

/** All or an error that names @p what, the address and the reason. */
PSC_NODISCARD struct psc_error *
psc_mem_read_all(struct psc_mem *m, uint64_t va, void *buf, size_t len,
		 const char *what);
PSC_NODISCARD struct psc_error *
psc_mem_u8(struct psc_mem *m, uint64_t va, const char *what, uint8_t *v);
PSC_NODISCARD struct psc_error *
psc_mem_u16(struct psc_mem *m, uint64_t va, const char *what, uint16_t *v);
PSC_NODISCARD struct psc_error *
psc_mem_u32(struct psc_mem *m, uint64_t va, const char *what, uint32_t *v);
PSC_NODISCARD struct psc_error *
psc_mem_u64(struct psc_mem *m, uint64_t va, const char *what, uint64_t *v);

/**
 * The page that holds @p va, without a copy where the dump allows it.
 * Sparse memory answers when the whole page is stored. A demand-zero page
 * gives that status and a page of zeros.
 * @param scratch PSC_PAGE_SIZE bytes of the caller's, used when a copy is
 *                needed; @p *ret may point into it.
 */
enum psc_va_status psc_mem_page(struct psc_mem *m, uint64_t va,
				uint8_t *scratch, const uint8_t **ret);

/**
 * Translate one address and look whether its page is there; not counted as a
 * read in vain. Sparse memory: PSC_VA_NOT_IN_DUMP unless stored, no @c pa.
 */
struct psc_xlat psc_mem_translate(struct psc_mem *m, uint64_t va);

/** A run of consecutive VAs with one status, as the page tables tell. */
struct psc_va_range {
	uint64_t va, size;	/**< Bytes. */
	enum psc_va_status status;
	bool nx, large;		/**< large: mapped by a 2 MB or 1 GB page. */
};

/**
 * Walk [start, end) by page tables, skipping holes at the highest level that
 * is empty. Cost is in proportion to page tables present, not to the span: a
 * table that is reached from a second place (the self-map, or damage) gives one
 * PSC_VA_DAMAGED run for all that lies below. Runs are handed out when they
 * reach 1 GiB, so equal runs may touch. Not counted as reads in vain.
 * Sparse memory: the stored runs.
 * @return true with the next run that is not PSC_VA_NOT_MAPPED, whose
 *         @c va >= *pos, and *pos moved behind it; false at the end.
 */
bool psc_mem_next_range(struct psc_mem *m, uint64_t *pos, uint64_t end,
			struct psc_va_range *ret);

/**
 * Coverage: which distinct pages reads asked for in vain, since the psc_mem
 * was made. Clones count into their own; psc_mem_absorb() adds them up.
 */
struct psc_coverage {
	uint64_t pages_not_in_file;	/**< NOT_IN_DUMP, TRANSITION_ABSENT, TABLE_ABSENT. */
	uint64_t pages_paged_out;
	uint64_t structures_unreadable;	/**< Counted by callers. */
};
struct psc_coverage psc_mem_coverage(const struct psc_mem *m);
/** A caller could not make sense of a structure it read. */
void psc_mem_count_unreadable(struct psc_mem *m);
void psc_mem_absorb(struct psc_mem *into, const struct psc_mem *clone);

#endif
