// SPDX-License-Identifier: MIT
/** @file
 * Growing array: `PSC_VEC(struct module) mods = {0};` then
 * `if (!psc_vec_push(&mods, m)) return &psc_nomem;` … psc_vec_free(&mods).
 */
#ifndef PSC_BASE_VEC_H
#define PSC_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define PSC_VEC(type)             \
	struct {                  \
		type *v;          \
		size_t n, cap;    \
	}

/** Make room for @p want elements of @p size bytes. */
bool psc_vec_grow(void *v_slot, size_t *cap, size_t want, size_t size);

/** Room for at least @p want elements. @return false when out of memory. */
#define psc_vec_reserve(vec, want)                                        \
	((want) <= (vec)->cap ||                                          \
	 psc_vec_grow(&(vec)->v, &(vec)->cap, (want), sizeof(*(vec)->v)))

/** Append one element. @return false when out of memory. */
#define psc_vec_push(vec, ...)                               \
	(psc_vec_reserve((vec), (vec)->n + 1) &&             \
	 (((vec)->v[(vec)->n++] = (__VA_ARGS__)), true))

#define psc_vec_free(vec)               \
	do {                            \
		free((vec)->v);         \
		(vec)->v = NULL;        \
		(vec)->n = (vec)->cap = 0; \
	} while (0)

#endif
