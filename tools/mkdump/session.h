// SPDX-License-Identifier: MIT
/** @file
 * Session 1's own memory: pool, heap and tables that only its processes map
 * (pool 3.10, 4.6).
 */
#ifndef MK_SESSION_H
#define MK_SESSION_H

#include "mk.h"

/** Lists of _MM_SESSION_SPACE.Lookaside, by units of a block (pool 2.4). */
#define MK_SESSION_LOOKASIDES 21u

/** Address of session 1's _MM_SESSION_SPACE; fails without `session 1`. */
uint64_t mk_session_space(struct mk *m);
/** Where its pool lies: the same addresses in every session. */
uint64_t mk_session_pool_start(const struct mk *m);
/** Write them into the session object at @p session. */
void mk_session_pool_bounds(struct mk *m, uint64_t session);
/** First byte behind it. */
uint64_t mk_session_pool_end(const struct mk *m);
/** SLIST_HEADER for blocks of @p units. */
uint64_t mk_session_lookaside(struct mk *m, unsigned int units);
/** Make its heap, and the state that leads to it. */
uint64_t mk_session_heap(struct mk *m);
/** Take session space out of every address space that has no part in it. */
void mk_session_hide(struct mk *m);

#endif
