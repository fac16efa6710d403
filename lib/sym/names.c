// SPDX-License-Identifier: MIT
#include "sym/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

size_t psc_name_undecorate(const char **name, size_t n)
{
	const char *s = *name;

	if (n < 2 || (s[0] != '_' && s[0] != '@'))
		return n;
	bool fastcall = s[0] == '@';
	size_t end = n;
	while (end > 1 && s[end - 1] >= '0' && s[end - 1] <= '9')
		end--;
	bool counted = end < n && end > 2 && s[end - 1] == '@';
	if (fastcall && !counted)
		return n;
	*name = s + 1;
	return counted ? end - 2 : n - 1;
}

bool psc_name_is_noise(const char *name)
{
	static const char *const noise[] = {
		"??_C@", "??_7", "??_R", "__real@", "__xmm@", "__ymm@",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(noise); i++) {
		if (strncmp(name, noise[i], strlen(noise[i])) == 0)
			return true;
	}
	return false;
}

const char *psc_names_keep(struct psc_names *s, const char *text, size_t n)
{
	uint64_t *old = psc_strmap_get(&s->map, text, n);

	if (old)
		return (const char *)(uintptr_t)*old;
	char *copy = malloc(n + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, n);
	copy[n] = 0;
	uint64_t *slot = psc_strmap_put(&s->map, copy, n, NULL);
	if (!slot) {
		free(copy);
		return NULL;
	}
	*slot = (uintptr_t)copy;
	return copy;
}

void psc_names_free(struct psc_names *s)
{
	for (size_t i = 0; i < s->map.cap; i++) {
		if (s->map.slots[i].key)
			free((void *)(uintptr_t)s->map.slots[i].value);
	}
	psc_strmap_free(&s->map);
}
