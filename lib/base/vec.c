// SPDX-License-Identifier: MIT
#include "base/vec.h"

#include <string.h>

bool psc_vec_grow(void *v_slot, size_t *cap, size_t want, size_t size)
{
	size_t bytes, n = *cap ? *cap : 8;
	void *old, *grown;

	while (n < want) {
		if (__builtin_mul_overflow(n, (size_t)2, &n))
			return false;
	}
	if (__builtin_mul_overflow(n, size, &bytes))
		return false;
	memcpy(&old, v_slot, sizeof(old));
	grown = realloc(old, bytes);
	if (!grown)
		return false;
	memcpy(v_slot, &grown, sizeof(grown));
	*cap = n;
	return true;
}
