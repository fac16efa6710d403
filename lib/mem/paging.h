// SPDX-License-Identifier: MIT
/** @file
 * Page-table schemes as rows of a table: what the hardware says about an entry
 * that is valid. What Windows says about the others is pte_win.h.
 */
#ifndef PSC_MEM_PAGING_H
#define PSC_MEM_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/mem.h"

#define PSC_PAGING_MAX_LEVELS 5

/** One level of tables, from the root downwards. */
struct psc_paging_level {
	uint8_t shift, bits;	/**< Of the index in the VA. */
	/** Address bits of an entry that maps a page at this level; 0: entries
	 *  of this level never map pages. */
	uint64_t page_mask;
	bool no_rights;		/**< Entries carry no write and no NX bit. */
};

/** How software PTEs are laid out. */
enum psc_pte_format {
	PSC_PTE_64,		/**< x64 and ARM64. */
	PSC_PTE_PAE,
	PSC_PTE_32,
};

struct psc_paging_scheme {
	const char *name;
	unsigned int n_levels, entry_bytes;
	struct psc_paging_level level[PSC_PAGING_MAX_LEVELS];
	uint64_t root_mask;	/**< Of DirectoryTableBase (dump-format 4.1). */
	uint64_t table_mask;	/**< Address of the next table. */
	uint8_t va_bits;	/**< Sign-extended from here up; 32: plain. */
	uint64_t page_bit;	/**< Above the last level: says page or table, */
	bool page_when;		/**< with this value meaning page. */
	bool last_needs_bit;	/**< Last level: valid only with page_bit set. */
	uint64_t write_bit;
	bool write_when;	/**< Value of write_bit that allows writing. */
	uint64_t nx_bit;
	enum psc_pte_format pte;
	uint64_t transition_mask; /**< Address bits of a transition PTE. */
};

/** NULL for a mode that does not exist. */
const struct psc_paging_scheme *psc_paging_scheme(enum psc_paging_mode mode);

/** Can @p va be an address in this scheme (canonical form)? */
bool psc_paging_canonical(const struct psc_paging_scheme *s, uint64_t va);
/** Lowest address of the upper half. */
uint64_t psc_paging_kernel_start(const struct psc_paging_scheme *s);

/** What a valid entry says. */
struct psc_paging_entry {
	enum { PSC_ENTRY_TABLE, PSC_ENTRY_PAGE, PSC_ENTRY_BAD } kind;
	uint64_t pa;		/**< Of the table or of the page's first byte. */
	bool writable, nx;
};

/** Decode a valid @p entry (bit 0 set) of level @p i, counted from the root. */
struct psc_paging_entry
psc_paging_decode(const struct psc_paging_scheme *s, unsigned int i,
		  uint64_t entry);

#endif
