// SPDX-License-Identifier: MIT
/** @file Pool tag tables (pool 4). */
#ifndef MK_TAGS_H
#define MK_TAGS_H

#include "recipe.h"

struct mk_tag_counts {
	uint64_t allocs, frees, bytes;
};

struct mk_tag {
	uint32_t key;			/**< As stored. */
	bool expansion, overflow;	/**< Which table it stands in. */
	struct mk_tag_counts nonpaged, paged;
};

struct mk_tags {
	PSC_VEC(struct mk_tag) v;
	PSC_VEC(struct mk_tag) session;
	uint64_t size;			/**< Entries, 2^n + 1. */
	uint64_t expansion_size;	/**< 0: no expansion table. */
};

/**
 * Count allocations of @p tag, as the pool's own code would: what content
 * builders call so that tables and pages agree.
 */
void mk_tag_add(struct mk *m, uint32_t tag, bool paged, uint64_t allocs,
		uint64_t frees, uint64_t bytes);
/** The same for the paged pool of session 1. */
void mk_session_tag_add(struct mk *m, uint32_t tag, uint64_t allocs,
			uint64_t frees, uint64_t bytes);
/** Four characters to the tag's number; \xNN for bytes. */
uint32_t mk_tag_number(const struct mk *m, const char *text);
/** As reports write it: bytes outside 0x20..0x7e as \xNN. */
void mk_tag_text(uint32_t key, char out[17]);
/** Hash before the mask (pool 4.4). */
uint32_t mk_tag_hash(uint32_t tag);

void mk_do_tag(struct mk *m, struct mk_args *a);
/** `random-tags N`: what a machine has besides the tags that matter. */
void mk_do_random_tags(struct mk *m, struct mk_args *a);
void mk_do_session_tag(struct mk *m, struct mk_args *a);
void mk_do_tag_table(struct mk *m, struct mk_args *a);
void mk_tags_finish(struct mk *m);
/** The report's rows of @p n tags, and their totals. */
void mk_tags_truth(struct mk *m, const struct mk_tag *v, size_t n,
		   const char *section);

#endif
