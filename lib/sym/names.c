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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool psc_guid_parse(const char *text, uint8_t guid[16])
{
	static const uint8_t order[16] = {	// of the bytes in the text
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
	};

	if (strlen(text) != 32)
		return false;
	for (unsigned int i = 0; i < 16; i++) {
		int hi = hex_digit(text[2 * i]);
		int lo = hex_digit(text[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		guid[order[i]] = (uint8_t)(hi << 4 | lo);
	}
	return true;
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
