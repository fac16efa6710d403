// SPDX-License-Identifier: MIT
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define MAP_FIRST_CAP 16

static uint64_t mix(uint64_t k)
{
	k ^= k >> 33;
	k *= 0xff51afd7ed558ccdULL;
	k ^= k >> 33;
	k *= 0xc4ceb9fe1a85ec53ULL;
	return k ^ k >> 33;
}

// Slot of key, or the free slot where it belongs. cap > n, so it ends.
static size_t map_find(const struct psc_map *m, uint64_t key)
{
	size_t i = (size_t)mix(key) & (m->cap - 1);

	while (m->used[i] && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

static bool map_rehash(struct psc_map *m, size_t cap)
{
	struct psc_map bigger = { .n = m->n, .cap = cap };

	bigger.slots = calloc(cap, sizeof(*bigger.slots));
	bigger.used = calloc(cap, 1);
	if (!bigger.slots || !bigger.used) {
		psc_map_free(&bigger);
		return false;
	}
	for (size_t i = 0; i < m->cap; i++) {
		if (!m->used[i])
			continue;
		size_t to = map_find(&bigger, m->slots[i].key);
		bigger.slots[to] = m->slots[i];
		bigger.used[to] = 1;
	}
	psc_map_free(m);
	*m = bigger;
	return true;
}

uint64_t *psc_map_get(const struct psc_map *m, uint64_t key)
{
	if (!m->n)
		return NULL;
	size_t i = map_find(m, key);
	return m->used[i] ? &m->slots[i].value : NULL;
}

uint64_t *psc_map_put(struct psc_map *m, uint64_t key, bool *added)
{
	if (m->n >= m->cap / 4 * 3 &&
	    !map_rehash(m, m->cap ? m->cap * 2 : MAP_FIRST_CAP))
		return NULL;
	size_t i = map_find(m, key);
	if (added)
		*added = !m->used[i];
	if (!m->used[i]) {
		m->used[i] = 1;
		m->slots[i].key = key;
		m->n++;
	}
	return &m->slots[i].value;
}

void psc_map_free(struct psc_map *m)
{
	free(m->slots);
	free(m->used);
	*m = (struct psc_map){ 0 };
}

bool psc_map_next(const struct psc_map *m, size_t *i,
		  struct psc_map_slot *slot)
{
	for (; *i < m->cap; ++*i) {
		if (m->used[*i]) {
			*slot = m->slots[(*i)++];
			return true;
		}
	}
	return false;
}

uint64_t psc_hash_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return h;
}

static size_t strmap_find(const struct psc_strmap *m, const char *key,
			  size_t len)
{
	size_t i = (size_t)mix(psc_hash_bytes(key, len)) & (m->cap - 1);

	while (m->slots[i].key && (m->slots[i].len != len ||
				   memcmp(m->slots[i].key, key, len) != 0))
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint64_t *psc_strmap_get(const struct psc_strmap *m, const char *key,
			 size_t len)
{
	if (!m->n)
		return NULL;
	size_t i = strmap_find(m, key, len);
	return m->slots[i].key ? &m->slots[i].value : NULL;
}

uint64_t *psc_strmap_put(struct psc_strmap *m, const char *key, size_t len,
			 bool *added)
{
	if (m->n >= m->cap / 4 * 3) {
		struct psc_strmap bigger = {
			.n = m->n, .cap = m->cap ? m->cap * 2 : MAP_FIRST_CAP,
		};
		bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
		if (!bigger.slots)
			return NULL;
		for (size_t i = 0; i < m->cap; i++) {
			if (!m->slots[i].key)
				continue;
			bigger.slots[strmap_find(&bigger, m->slots[i].key,
						 m->slots[i].len)] =
				m->slots[i];
		}
		free(m->slots);
		*m = bigger;
	}
	size_t i = strmap_find(m, key, len);
	if (added)
		*added = !m->slots[i].key;
	if (!m->slots[i].key) {
		m->slots[i].key = key;
		m->slots[i].len = len;
		m->n++;
	}
	return &m->slots[i].value;
}

void psc_strmap_free(struct psc_strmap *m)
{
	free(m->slots);
	*m = (struct psc_strmap){ 0 };
}
