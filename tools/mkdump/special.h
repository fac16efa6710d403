// SPDX-License-Identifier: MIT
/** @file
 * Special pool: one allocation per page, filled around with a pattern, a
 * guard page behind (pool 2.8). From 10 on it has a region of its own, in the
 * segment era heaps of its own (pool 3.10).
 */
#ifndef MK_SPECIAL_H
#define MK_SPECIAL_H

#include "big.h"
#include "recipe.h"

struct mk_special {
	uint64_t va;		/**< Of its page; 0 until placed. */
	uint32_t tag, bytes;
	enum mk_pool pool;
	bool front;		/**< Data behind the header, not at the end. */
	bool verifier;		/**< Tracked: longer header. */
	uint8_t pattern;
};

/** `special TAG POOL size=N[..M] [count=N] [front] [verifier] …`. */
void mk_do_special(struct mk *m, struct mk_args *a);
/** Give every allocation its page, and write it. */
void mk_special_place(struct mk *m);
/** Its blocks for the truth. */
void mk_special_truth(struct mk *m, struct json_object *blocks);

/** A page of the special heap for @p pool, its guard behind (segheap.c). */
uint64_t sg_special_page(struct mk *m, enum mk_pool pool);

#endif
