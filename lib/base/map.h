// SPDX-License-Identifier: MIT
/** @file
 * Hash maps: u64 → u64 (addresses, page numbers, tags; also a set), and
 * string → u64. Open addressing; iteration order is unspecified, so sort
 * before printing.
 */
#ifndef PSC_BASE_MAP_H
#define PSC_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct psc_map_slot {
	uint64_t key, value;
};

/** Zero-initialise; psc_map_free(). */
struct psc_map {
	struct psc_map_slot *slots;
	uint8_t *used;
	size_t n, cap;		/**< cap is 0 or a power of two. */
};

/** @return the value's place, or NULL. Valid until the next insertion. */
uint64_t *psc_map_get(const struct psc_map *m, uint64_t key);

/**
 * Find or insert @p key (new values are 0).
 * @param[out] added whether it is new; may be NULL.
 * @return the value's place, or NULL when out of memory.
 */
uint64_t *psc_map_put(struct psc_map *m, uint64_t key, bool *added);

void psc_map_free(struct psc_map *m);

/** for (size_t i = 0; psc_map_next(m, &i, &slot); ) … */
bool psc_map_next(const struct psc_map *m, size_t *i,
		  struct psc_map_slot *slot);

struct psc_strmap_slot {
	const char *key;	/**< Borrowed: must outlive the map. */
	size_t len;
	uint64_t value;
};

/** Zero-initialise; psc_strmap_free(). Keys are borrowed. */
struct psc_strmap {
	struct psc_strmap_slot *slots;
	size_t n, cap;
};

uint64_t *psc_strmap_get(const struct psc_strmap *m, const char *key,
			 size_t len);
uint64_t *psc_strmap_put(struct psc_strmap *m, const char *key, size_t len,
			 bool *added);
void psc_strmap_free(struct psc_strmap *m);

/** FNV-1a, 64 bits. */
uint64_t psc_hash_bytes(const void *p, size_t n);

#endif
