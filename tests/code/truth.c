// SPDX-License-Identifier: MIT
#include "truth.h"

#include "test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// x86 names carry '_' in front and '@N' behind.
static void plain_name(const char *in, char *out, size_t cap)
{
	size_t n;

	in += in[0] == '_' && in[1] != '_';
	n = strnlen(in, cap - 1);
	memcpy(out, in, n);
	out[n] = '\0';
	char *at = strchr(out, '@');
	if (at)
		*at = '\0';
}

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return n >= 8 && !s[n];
}

// " 0001:00000014  name  0000000140001014  obj" (linker) or
// "0000000140001014 T name" (nm).
static void map_line(struct truths *t, const char *line, uint64_t base)
{
	char a[128], b[128], c[128];
	const char *name, *address;

	if (sscanf(line, " %127s %127s %127s", a, b, c) != 3)
		return;
	if (is_hex(a) && strlen(b) == 1) {
		address = a;
		name = c;
	} else if (strchr(a, ':') && is_hex(c)) {
		address = c;
		name = b;
	} else {
		return;
	}
	uint64_t va = strtoull(address, NULL, 16);
	if (va < base || t->n_labels == LABELS_MAX)
		return;
	struct label *l = &t->label[t->n_labels++];
	plain_name(name, l->name, sizeof(l->name));
	l->rva = (uint32_t)(va - base);
}

static void truth_line(struct truths *t, char *line)
{
	struct truth r = { .via = "-" };
	char *word[8] = { 0 };
	unsigned int n = 0, i = 0;

	for (char *w = strtok(line, " \n"); w && n < 8; w = strtok(NULL, " \n"))
		word[n++] = w;
	if (!n || word[0][0] == '#')
		return;
	if (!strcmp(word[0], "disk") || !strcmp(word[0], "memory")) {
		r.disk_only = word[i][0] == 'd';
		r.memory_only = !r.disk_only;
		i++;
	}
	r.by_function = word[i][0] == '@';
	snprintf(r.site, sizeof(r.site), "%s", word[i++] + r.by_function);
	if (n == i + 1 && word[i][0] == 'n') {
		r.none = true;
	} else {
		if (!r.by_function)
			snprintf(r.via, sizeof(r.via), "%s", word[i++]);
		assert_int_equal(n, i + 4);
		snprintf(r.tag, sizeof(r.tag), "%s", word[i]);
		snprintf(r.by, sizeof(r.by), "%s", word[i + 1]);
		r.has_type = word[i + 2][0] != '-';
		char *bar;
		r.type = strtoull(word[i + 2], &bar, 16);
		r.type_or = *bar == '|' ? strtoull(bar + 1, NULL, 16) : 0;
		r.has_size = word[i + 3][0] != '-';
		r.size = strtoull(word[i + 3], NULL, 16);
	}
	assert_true(t->n < TRUTH_MAX);
	t->v[t->n++] = r;
}

static FILE *open_text(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		fail_msg("%s cannot be read", path);
	return f;
}

void truth_read(struct truths *t, const char *map, const char *truth,
		uint64_t image_base)
{
	char line[512];
	FILE *f = open_text(map);

	t->n = t->n_labels = 0;
	while (fgets(line, sizeof(line), f))
		map_line(t, line, image_base);
	fclose(f);
	f = open_text(truth);
	while (fgets(line, sizeof(line), f))
		truth_line(t, line);
	fclose(f);
	assert_true(t->n > 0);
}

uint32_t truth_rva(const struct truths *t, const char *name)
{
	for (unsigned int i = 0; i < t->n_labels; i++) {
		if (!strcmp(t->label[i].name, name))
			return t->label[i].rva;
	}
	fail_msg("no label %s in the map", name);
	return 0;
}
