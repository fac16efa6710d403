// SPDX-License-Identifier: MIT
/** @file
 * Tag tables: what the pool manager counted per tag (pool 4). Every processor
 * has a table; entry i of each belongs to the same tag, so they are added up
 * by index.
 */
#ifndef PSC_POOL_TAGTABLE_H
#define PSC_POOL_TAGTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

/** Bit 31 of a tag: the free must name the same tag (pool 1.6). */
#define PSC_TAG_PROTECTED 0x80000000u
#define PSC_TAG_MASK 0x7fffffffu

/** Counters of one tag in one kind of pool. */
struct psc_tag_counts {
	uint64_t allocs, frees;	/**< Modulo the width of the table's counters. */
	uint64_t bytes;		/**< Outstanding, modulo 2^64; signed. */
};

struct psc_tag_row {
	uint32_t tag;		/**< Protected bit removed. */
	bool is_protected;	/**< It was set. */
	bool overflow;		/**< The bucket of tags that found no place. */
	bool expansion;		/**< From the expansion table. */
	bool lost_key;		/**< The first table counts, without a key. */
	bool keys_differ;	/**< Another table names another tag. */
	uint32_t index;		/**< In its table. */
	struct psc_tag_counts nonpaged, paged;
};

struct psc_tag_table {
	struct psc_tag_row *v;	/**< Table order, expansion entries last. */
	size_t n;
	unsigned int counter_bits; /**< 32 or 64. */
	unsigned int sum_bits;	/**< Of the byte sums: 32 on x86. */
	uint64_t base, expansion; /**< VA of the first table; 0 = none. */
	uint64_t entries;	/**< Of one processor's table. */
	uint64_t entry_bytes;
	unsigned int processors;	/**< Tables that were added up: */
	uint64_t *tables;	/**< their addresses. NULL for a session. */
	uint64_t key;		/**< Offset of Key in an entry. */
	uint64_t session;	/**< VA of the session, 0 = the system's tables. */
	uint64_t va;		/**< Of a session's table, in its space. */
	uint64_t pages_missing, pages_paged_out;
	/** Entries without a key whose counters are not zero. */
	uint64_t keyless;
	struct psc_tag_row keyless_row; /**< The first of them. */
	bool lower_bound;	/**< Tags may be counted where nobody looked. */
	bool complete;		/**< Nothing was missing. */
	char *note;		/**< What was odd, or NULL. */
};

/** allocs − frees modulo the table's width, as a signed number. */
int64_t psc_tag_outstanding(const struct psc_tag_table *t,
			    const struct psc_tag_counts *c);

/**
 * Read and add up the system's tables of all processors, with the expansion
 * table. Missing pages make the result incomplete, not an error.
 * @return &psc_absent when the kernel's names are not known;
 *         PSC_ERR_DAMAGED when the table's size contradicts itself;
 *         the reason when the table's address cannot be read.
 * @param[out] ret caller frees with psc_tag_table_free().
 */
PSC_NODISCARD struct psc_error *
psc_tag_table_read(const struct psc_kernel *k, struct psc_tag_table **ret);

/**
 * Read the table of one session, in the address space of a process of it
 * (pool 4.6). @return &psc_absent when this kernel has no session pool.
 * @param mem      of that process (psc_mem_with_root()).
 * @param session  VA of its session object.
 */
PSC_NODISCARD struct psc_error *
psc_tag_session_read(const struct psc_kernel *k, struct psc_mem *mem,
		     uint64_t session, struct psc_tag_table **ret);

void psc_tag_table_free(struct psc_tag_table *t);

/** Row of @p tag (protected bit ignored), or NULL. Linear. */
const struct psc_tag_row *psc_tag_find(const struct psc_tag_table *t,
				       uint32_t tag);

/** Hash that places a tag in a table (pool 4.4); mask with entries − 2. */
uint32_t psc_tag_hash(uint32_t tag);

#endif
