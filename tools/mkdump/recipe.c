// SPDX-License-Identifier: MIT
#include "recipe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INCLUDES 8

static void push(struct mk_args *a, char *word, bool quoted)
{
	char *eq = quoted ? NULL : strchr(word, '=');
	struct mk_arg arg = {.value = word};

	if (eq) {
		*eq = '\0';
		arg.key = word;
		arg.value = eq + 1;
	}
	if (!psc_vec_push(&a->v, arg))
		mk_fail(a->m, "out of memory");
}

/** Next word of @p p, in place; quotes may begin behind a '='. */
static char *next_word(const struct mk *m, char **p, bool *quoted)
{
	char *s = *p + strspn(*p, " \t\r\n"), *out = s, *word = s;
	bool inside = false;

	*quoted = *s == '"';
	if (!*s || *s == '#') {
		*p = s;
		return NULL;
	}
	for (; *s && (inside || !isspace((unsigned char)*s)); s++) {
		if (*s == '"')
			inside = !inside;
		else
			*out++ = *s;
	}
	if (inside)
		mk_fail(m, "a quote is not closed");
	*p = *s ? s + 1 : s;
	*out = '\0';
	return word;
}

static void check_used(const struct mk *m, const struct mk_args *a)
{
	for (size_t i = 0; i < a->v.n; i++) {
		const struct mk_arg *arg = &a->v.v[i];

		if (!arg->used)
			mk_fail(m, "'%s%s%s' means nothing here",
				arg->key ? arg->key : "",
				arg->key ? "=" : "", arg->value);
	}
}

static void run_line(struct mk *m, char *line, int depth);

static void run_file(struct mk *m, const char *path, int depth)
{
	FILE *f = fopen(path, "r");
	const char *outer = m->recipe;
	unsigned int outer_line = m->line;
	char *line = NULL;
	size_t cap = 0;

	if (!f)
		mk_fail(m, "%s: %s", path, strerror(errno));
	m->recipe = path;
	m->line = 0;
	while (getline(&line, &cap, f) > 0) {
		m->line++;
		run_line(m, line, depth);
	}
	free(line);
	fclose(f);
	m->recipe = outer ? outer : path;
	m->line = outer ? outer_line : m->line;
}

static void include(struct mk *m, struct mk_args *a, int depth)
{
	const char *name = mk_word(a, 0), *slash = strrchr(m->recipe, '/');
	char path[4096];

	if (depth == MAX_INCLUDES)
		mk_fail(m, "too many nested includes");
	snprintf(path, sizeof(path), "%.*s%s",
		 slash ? (int)(slash - m->recipe + 1) : 0, m->recipe, name);
	run_file(m, path, depth + 1);
}

static void run_line(struct mk *m, char *line, int depth)
{
	bool quoted;
	char *p = line, *name = next_word(m, &p, &quoted), *word;
	struct mk_args a = {.m = m};
	const struct mk_directive *d = mk_directives;

	if (!name)
		return;
	while ((word = next_word(m, &p, &quoted)))
		push(&a, word, quoted);
	if (!strcmp(name, "include")) {
		include(m, &a, depth);
	} else {
		while (d->name && strcmp(d->name, name))
			d++;
		if (!d->name)
			mk_fail(m, "unknown directive '%s'", name);
		d->run(m, &a);
		check_used(m, &a);
	}
	psc_vec_free(&a.v);
}

void mk_recipe_run(struct mk *m, const char *path)
{
	run_file(m, path, 0);
}

void mk_recipe_run_text(struct mk *m, const char *name, const char *text)
{
	char *copy = mk_strdup(text), *save = NULL;

	m->recipe = name;
	for (char *line = strtok_r(copy, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		m->line++;
		run_line(m, line, 0);
	}
	free(copy);
}

const char *mk_word_opt(struct mk_args *a, size_t i)
{
	for (size_t k = 0; k < a->v.n; k++) {
		if (!a->v.v[k].key && i-- == 0) {
			a->v.v[k].used = true;
			return a->v.v[k].value;
		}
	}
	return NULL;
}

const char *mk_word(struct mk_args *a, size_t i)
{
	const char *s = mk_word_opt(a, i);

	if (!s)
		mk_fail(a->m, "word %zu is missing", i + 1);
	return s;
}

const char *mk_key(struct mk_args *a, const char *key)
{
	for (size_t k = 0; k < a->v.n; k++) {
		if (a->v.v[k].key && !strcmp(a->v.v[k].key, key)) {
			a->v.v[k].used = true;
			return a->v.v[k].value;
		}
	}
	return NULL;
}

bool mk_flag(struct mk_args *a, const char *flag)
{
	for (size_t k = 0; k < a->v.n; k++) {
		if (!a->v.v[k].key && !strcmp(a->v.v[k].value, flag)) {
			a->v.v[k].used = true;
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *text, uint64_t *ret)
{
	static const char suffix[] = "KMGT";
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 0);
	if (*end && strchr(suffix, *end)) {
		*ret <<= 10 * (strchr(suffix, *end) - suffix + 1);
		end++;
	}
	return !*end && !errno;
}

uint64_t mk_number(const struct mk *m, const char *text)
{
	uint64_t v;

	if (!parse_number(text, &v))
		mk_fail(m, "'%s' is no number", text);
	return v;
}

uint64_t mk_key_num(struct mk_args *a, const char *key, uint64_t otherwise)
{
	const char *s = mk_key(a, key);

	return s ? mk_number(a->m, s) : otherwise;
}

struct mk_range mk_key_range(struct mk_args *a, const char *key)
{
	const char *text = mk_key(a, key), *dots;
	struct mk_range r;
	char low[32];

	if (!text)
		mk_fail(a->m, "%s= is missing", key);
	dots = strstr(text, "..");
	snprintf(low, sizeof(low), "%.*s",
		 dots ? (int)(dots - text) : (int)strlen(text), text);
	r.low = mk_number(a->m, low);
	r.high = dots ? mk_number(a->m, dots + 2) : r.low;
	if (!r.low || r.high < r.low)
		mk_fail(a->m, "%s '%s' is no range", key, text);
	return r;
}

uint64_t mk_random_in(uint64_t *state, struct mk_range r)
{
	return r.low + mk_random_below(state, r.high - r.low + 1);
}

uint64_t mk_word_num(struct mk_args *a, size_t i)
{
	return mk_number(a->m, mk_word(a, i));
}

// Length of the first term; labels hold '-', so that only "-0x" subtracts.
static size_t term_length(const char *text)
{
	const char *minus = strstr(text, "-0x");
	size_t n = strcspn(text, "+");

	return minus && (size_t)(minus - text) < n ? (size_t)(minus - text) : n;
}

static uint64_t term(struct mk *m, const char *text, size_t n)
{
	char name[256];
	uint64_t v;

	snprintf(name, sizeof(name), "%.*s", (int)n, text);
	if (parse_number(name, &v) || mk_label_find(m, name, &v))
		return v;
	// "_TYPE.path": where the member lies.
	return name[0] == '_' && strchr(name, '.') ? mk_offset(m, name)
						   : mk_symbol(m, name);
}

uint64_t mk_expr(struct mk *m, const char *text)
{
	bool deref = *text == '*';
	size_t n = term_length(text += deref);
	uint64_t v = term(m, text, n);

	while (text[n]) {
		bool minus = text[n] == '-';

		text += n + 1;
		n = term_length(text);
		uint64_t t = term(m, text, n);
		v += minus ? -t : t;
	}
	return deref ? mk_read64(m, v) : v;
}
