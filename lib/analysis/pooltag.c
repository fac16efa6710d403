// SPDX-License-Identifier: MIT
#include "analysis/pooltag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "analysis/pooltag_builtin.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

#define TAG_PROTECTED 0x80000000u

struct entry {
	char pattern[4];	/**< '?' any character, '*' the rest. */
	unsigned int literals;	/**< Characters that must match. */
	char *binary;		/**< NULL: unknown. */
	char *description;
};

struct psc_pooltags {
	PSC_VEC(struct entry) exact;
	PSC_VEC(struct entry) wild;
	struct psc_map by_tag;	/**< Tag → index in exact. */
	char *from;
};

struct psc_error *psc_pooltags_parse(const char *text, size_t n,
				     struct psc_pooltags **ret)
{
	struct psc_pooltags *t = calloc(1, sizeof(*t));
	struct psc_error *err;

	if (!t || !(t->from = strdup("a tag list"))) {
		free(t);
		return &psc_nomem;
	}
	if ((err = psc_pooltags_add(t, text, n))) {
		psc_pooltags_free(t);
		return err;
	}
	*ret = t;
	return NULL;
}

void psc_pooltags_free(struct psc_pooltags *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->exact.n; i++) {
		free(t->exact.v[i].binary);
		free(t->exact.v[i].description);
	}
	for (size_t i = 0; i < t->wild.n; i++) {
		free(t->wild.v[i].binary);
		free(t->wild.v[i].description);
	}
	psc_vec_free(&t->exact);
	psc_vec_free(&t->wild);
	psc_map_free(&t->by_tag);
	free(t->from);
	free(t);
}

// The first separator at or behind p: blanks, hyphen, blank or line end.
// @return its hyphen, and where the text before it ends.
static const char *separator(const char *p, const char *end,
			     const char **text_end)
{
	for (const char *s = p; s < end; s++) {
		if (*s != '-' || s == p || (s[-1] != ' ' && s[-1] != '\t'))
			continue;
		if (s + 1 < end && s[1] != ' ' && s[1] != '\t')
			continue;
		*text_end = s;
		while (*text_end > p && ((*text_end)[-1] == ' ' ||
					 (*text_end)[-1] == '\t'))
			--*text_end;
		return s;
	}
	return NULL;
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static bool is_unknown(const char *p, size_t n)
{
	static const char unknown[] = "<unknown>";

	return n == 0 || (n == sizeof(unknown) - 1 &&
			  strncasecmp(p, unknown, n) == 0);
}

static bool is_wild(const char pattern[4])
{
	return memchr(pattern, '*', 4) || memchr(pattern, '?', 4);
}

static unsigned int count_literals(const char pattern[4])
{
	unsigned int n = 0;

	for (int i = 0; i < 4 && pattern[i] != '*'; i++)
		n += pattern[i] != '?';
	return n;
}

static struct psc_error *keep(struct psc_pooltags *t, struct entry e)
{
	bool added = true;

	if (is_wild(e.pattern)) {
		e.literals = count_literals(e.pattern);
		if (!psc_vec_push(&t->wild, e))
			goto nomem;
		return NULL;
	}
	uint64_t *at = psc_map_put(&t->by_tag, psc_le32(e.pattern), &added);
	if (!at)
		goto nomem;
	if (!added) {		// duplicates occur: the first wins
		free(e.binary);
		free(e.description);
		return NULL;
	}
	*at = t->exact.n;
	if (psc_vec_push(&t->exact, e))
		return NULL;
nomem:
	free(e.binary);
	free(e.description);
	return &psc_nomem;
}

// Tags are columns 0 to 3, blanks and all. A tag shorter than its columns is
// followed by the separator at once: "Io - …" is "Io  ".
static bool take_pattern(const char *line, const char *end, char pattern[4])
{
	const char *text_end;
	const char *hyphen = separator(line, end, &text_end);

	if (!hyphen || hyphen == line)
		return false;
	memset(pattern, ' ', 4);
	size_t n = PSC_MIN((size_t)(hyphen - line), (size_t)4);
	memcpy(pattern, line, n);
	// Longer than four columns: prose with a hyphen, not a tag.
	return text_end - line <= 4;
}

// Comments begin with `rem`. Tags tell upper from lower case, so RemX is one.
static bool is_comment(const char *line, const char *end)
{
	return strncmp(line, "rem", 3) == 0 ||
	       (strncasecmp(line, "rem", 3) == 0 &&
		(end - line == 3 || line[3] == ' ' || line[3] == '\t'));
}

static struct psc_error *parse_line(struct psc_pooltags *t, const char *line,
				    const char *end)
{
	struct entry e = { 0 };
	const char *binary, *binary_end, *text_end;

	if (end - line < 3 || is_comment(line, end) ||
	    !take_pattern(line, end, e.pattern))
		return NULL;
	binary = skip_blanks(separator(line, end, &text_end) + 1, end);
	const char *second = separator(binary, end, &binary_end);
	const char *text = second ? second + 1 : end;
	if (!second)
		binary_end = end;
	// One blank belongs to the separator, more to the description.
	if (text < end && (*text == ' ' || *text == '\t'))
		text++;
	if (!is_unknown(binary, (size_t)(binary_end - binary)) &&
	    !(e.binary = psc_text_escape(binary,
					 (size_t)(binary_end - binary))))
		return &psc_nomem;
	e.description = psc_text_escape(text, (size_t)(end - text));
	if (!e.description) {
		free(e.binary);
		return &psc_nomem;
	}
	return keep(t, e);
}

struct psc_error *psc_pooltags_add(struct psc_pooltags *t, const char *text,
				   size_t n)
{
	const char *end = text + n;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		const char *stop = eol ? eol : end;

		while (stop > text && (stop[-1] == '\r' || stop[-1] == ' ' ||
				       stop[-1] == '\t'))
			stop--;
		struct psc_error *err = parse_line(t, text, stop);
		if (err)
			return err;
		text = eol ? eol + 1 : end;
	}
	return NULL;
}

struct psc_error *psc_pooltags_builtin(struct psc_pooltags **ret)
{
	struct psc_error *err = psc_pooltags_parse(
		psc_pooltag_builtin, strlen(psc_pooltag_builtin), ret);

	if (err)
		return err;
	free((*ret)->from);
	(*ret)->from = strdup("built-in list");
	if ((*ret)->from)
		return NULL;
	psc_pooltags_free(*ret);
	return &psc_nomem;
}

static struct psc_error *add_file(struct psc_pooltags *t, const char *path)
{
	struct psc_file *f;
	struct psc_error *err = psc_file_open(path, &f);

	if (err)
		return err;
	err = psc_pooltags_add(t, (const char *)f->data, (size_t)f->size);
	psc_file_close(f);
	if (err)
		return err;
	free(t->from);
	return (t->from = strdup(path)) ? NULL : &psc_nomem;
}

// A list that lies beside @p path, if one does.
static struct psc_error *add_beside(struct psc_pooltags *t, const char *path,
				    const char *name, bool *found)
{
	PSC_FREE char *beside = NULL;
	int dir = (int)(psc_path_base(path) - path);

	if (asprintf(&beside, "%.*s%s", dir, path, name) < 0)
		return &psc_nomem;
	struct psc_error *err = add_file(t, beside);
	*found = !err;
	psc_error_catch(&err, PSC_ERR_OS);
	return err;
}

struct psc_error *psc_pooltags_for(const char *dump_path, const char *file,
				   struct psc_pooltags **ret)
{
	struct psc_pooltags *t;
	bool local, found = true;
	struct psc_error *err = psc_pooltags_parse("", 0, &t);

	if (err)
		return err;
	// User additions first: the first line of a tag wins.
	err = add_beside(t, file ? file : dump_path, "localtag.txt", &local);
	if (!err)
		err = file ? add_file(t, file)
			   : add_beside(t, dump_path, "pooltag.txt", &found);
	if (!err && !found) {
		err = psc_pooltags_add(t, psc_pooltag_builtin,
				       strlen(psc_pooltag_builtin));
		if (!err && !local) {
			free(t->from);
			t->from = strdup("built-in list");
			err = t->from ? NULL : &psc_nomem;
		}
	}
	if (err)
		psc_pooltags_free(t);
	else
		*ret = t;
	return err;
}

const char *psc_pooltags_from(const struct psc_pooltags *t)
{
	return t->from;
}

size_t psc_pooltags_count(const struct psc_pooltags *t)
{
	return t->exact.n + t->wild.n;
}

static bool matches(const struct entry *e, const char tag[4])
{
	for (int i = 0; i < 4; i++) {
		if (e->pattern[i] == '*')
			return true;
		if (e->pattern[i] != '?' && e->pattern[i] != tag[i])
			return false;
	}
	return true;
}

bool psc_pooltag_find(const struct psc_pooltags *t, uint32_t tag,
		      struct psc_pooltag *ret)
{
	char bytes[4];
	const struct entry *best = NULL;

	tag &= ~TAG_PROTECTED;
	const uint64_t *at = psc_map_get(&t->by_tag, tag);
	if (at)
		best = &t->exact.v[*at];
	psc_put32(bytes, tag);
	for (size_t i = 0; !at && i < t->wild.n; i++) {
		const struct entry *e = &t->wild.v[i];

		if (matches(e, bytes) &&
		    (!best || e->literals > best->literals))
			best = e;
	}
	if (best)
		*ret = (struct psc_pooltag){ best->binary, best->description };
	return best;
}
