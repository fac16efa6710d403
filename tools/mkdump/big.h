// SPDX-License-Identifier: MIT
/** @file Big allocations and their table (pool 5). */
#ifndef MK_BIG_H
#define MK_BIG_H

#include "recipe.h"

enum mk_pool {
	MK_POOL_NONPAGED,
	MK_POOL_NX,
	MK_POOL_PAGED,
	MK_POOL_MMST,		/**< Paged pool of prototype PTEs. */
	MK_POOL_SESSION,	/**< Paged pool of session 1. */
	MK_POOLS,
};

struct mk_big_entry {
	uint64_t va, bytes;
	uint32_t tag;
	enum mk_pool pool;
	bool freed;		/**< Entry kept with bit 0 of Va set. */
	uint64_t process;	/**< EPROCESS that pays, 0 = none. */
	uint32_t slush;		/**< Bytes filled behind it, to its page's end. */
};

struct mk_big {
	PSC_VEC(struct mk_big_entry) v;
	PSC_VEC(struct mk_big_entry) session;	/**< Of session 1. */
	uint64_t size;		/**< Entries of the table, power of two. */
};

/** Put an entry into its table (counters are the caller's business). */
void mk_big_add(struct mk *m, const struct mk_big_entry *e);
/** Mark the entry at @p va freed: bit 0 of its address. */
void mk_big_free(struct mk *m, enum mk_pool pool, uint64_t va);
enum mk_pool mk_pool_parse(const struct mk *m, const char *text);
/** As the report names it: MmSt pool is paged pool. */
const char *mk_pool_name(enum mk_pool pool);

void mk_do_big(struct mk *m, struct mk_args *a);
void mk_do_big_table(struct mk *m, struct mk_args *a);
void mk_big_finish(struct mk *m);

#endif
