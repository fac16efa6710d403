// SPDX-License-Identifier: MIT
// What the figures of a report lack, said once at its end.
#include <inttypes.h>

#include "base/bytes.h"
#include "base/str.h"
#include "render/text.h"

static void count_line(const struct text *t, const char *key, const char *one,
		       const char *many)
{
	char n[PSC_COUNT_TEXT];
	uint64_t v = 0;

	if (!psc_get_uint(psc_get(t->root, "missing"), key, &v) || !v)
		return;
	psc_count_text(v, n);
	fprintf(t->out, "  %s %s\n", n, v == 1 ? one : many);
}

// A dump without pages lacks several sections for one reason: say it once.
static void no_pages(const struct text *t, const char *why)
{
	bool first = true;

	for (size_t i = 0; i < psc_count(t->root); i++) {
		const char *key;
		const struct psc_value *v = psc_at(t->root, i, &key);

		if (!psc_get_str(v, "error"))
			continue;
		fprintf(t->out, "%s%s", first ? "  no " : ", ", key);
		first = false;
	}
	if (!first)
		fprintf(t->out, ": %s\n", why);
}

static void section_errors(const struct text *t)
{
	const char *why = psc_get_str(t->root, "dump.why_no_pages");

	if (why) {
		no_pages(t, why);
		return;
	}
	for (size_t i = 0; i < psc_count(t->root); i++) {
		const char *key;
		const struct psc_value *v = psc_at(t->root, i, &key);
		const char *error = psc_get_str(v, "error");

		if (error)
			fprintf(t->out, "  no %s: %s\n", key, error);
	}
}

static bool anything(const struct text *t)
{
	static const char *const keys[] = {
		"pages_not_in_file", "pages_paged_out",
		"structures_unreadable",
	};
	uint64_t v;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(keys); i++) {
		if (psc_get_uint(psc_get(t->root, "missing"), keys[i], &v) && v)
			return true;
	}
	for (size_t i = 0; i < psc_count(t->root); i++) {
		if (psc_get_str(psc_at(t->root, i, NULL), "error"))
			return true;
	}
	return psc_count(psc_get(t->root, "missing.reasons")) ||
	       psc_get_str(t->root, "symbols.wanted");
}

static void reasons(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "missing.reasons");

	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "  %s\n", psc_value_str(psc_at(list, i, NULL)));
}

void text_missing(const struct text *t)
{
	const char *wanted = psc_get_str(t->root, "symbols.wanted");

	if (!anything(t))
		return;
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "What this dump lacks\n");
	count_line(t, "pages_not_in_file", "page that was asked for is not in "
		   "the file", "pages that were asked for are not in the file");
	count_line(t, "pages_paged_out", "page had been paged out",
		   "pages had been paged out");
	count_line(t, "structures_unreadable", "structure could not be read",
		   "structures could not be read");
	reasons(t);
	section_errors(t);
	if (wanted)
		fprintf(t->out, "  %s\n", wanted);
}
