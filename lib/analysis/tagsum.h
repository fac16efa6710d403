// SPDX-License-Identifier: MIT
/** @file
 * Blocks of a pool walk added up by tag. One per thread, joined at the end:
 * memory grows with tags, not with blocks.
 */
#ifndef PSC_ANALYSIS_TAGSUM_H
#define PSC_ANALYSIS_TAGSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/sink.h"

struct psc_tag_table;

struct psc_sum {
	uint64_t blocks, bytes;
};

/** Columns of a tag: where its blocks in use lie. */
struct psc_tagsum_row {
	uint32_t tag;
	bool used;		/**< Slot of the table is taken. */
	struct psc_sum nonpaged, paged, session, special;
	struct psc_sum big;	/**< Of the above: big allocations. */
	struct psc_sum cached;
	uint64_t headers;	/**< Blocks in use that have a header; */
	uint64_t billed;	/**< of those, with the quota bit. */
};

struct psc_tagsum {
	struct psc_tagsum_row *v; /**< Hash table; cap is a power of two. */
	size_t n, cap;
	uint64_t big_bytes[6];	/**< By enum psc_pool_kind. */
	bool nomem;
};

/** Count a block; free ones count nowhere. */
void psc_tagsum_add(struct psc_tagsum *s, const struct psc_block *b);
/** A sink that adds to @p s. */
struct psc_sink psc_tagsum_sink(struct psc_tagsum *s);
/** @p part into @p s. */
void psc_tagsum_join(struct psc_tagsum *s, const struct psc_tagsum *part);
/** Rows packed and sorted by tag characters; the table cannot grow again. */
void psc_tagsum_sort(struct psc_tagsum *s);
/** After psc_tagsum_sort(). */
const struct psc_tagsum_row *psc_tagsum_find(const struct psc_tagsum *s,
					     uint32_t tag);
/** Blocks of a row that the system's tag tables would count. */
uint64_t psc_tagsum_counted(const struct psc_tagsum_row *w);
/**
 * Do the counters of @p tag know of more blocks than the walk found?
 * After psc_tagsum_sort(); false for a tag without a row in @p t.
 */
bool psc_tagsum_lacks(const struct psc_tagsum *s,
		      const struct psc_tag_table *t, uint32_t tag);
void psc_tagsum_free(struct psc_tagsum *s);

#endif
