// SPDX-License-Identifier: MIT
// Loaded and unloaded drivers.
#include <inttypes.h>
#include <string.h>

#include "render/text.h"

static void module_row(const struct text *t, const struct psc_value *m)
{
	const struct psc_value *version = psc_get(m, "version");
	uint64_t base = 0, size = 0, stamp = 0;

	psc_get_hex(m, "base", &base);
	psc_get_uint(m, "size_bytes", &size);
	psc_get_hex(m, "timestamp", &stamp);
	const char *number = psc_get_str(version, "file");

	fprintf(t->out, "%016" PRIx64 " %016" PRIx64 " %08" PRIx64 "  %-*s",
		base, base + size, stamp, number ? 24 : 0, text_str(m, "name"));
	if (number)
		fprintf(t->out, " %s", number);
	if (psc_get_str(version, "company"))
		fprintf(t->out, ", %s", psc_get_str(version, "company"));
	fputc('\n', t->out);
}

static void unloaded_row(const struct text *t, const struct psc_value *m)
{
	uint64_t start = 0, end = 0, when;
	char text[PSC_TIME_TEXT] = "";

	psc_get_hex(m, "start", &start);
	psc_get_hex(m, "end", &end);
	if (psc_get_time(m, "time", &when) && psc_time_text(when, text)) {
		text[10] = ' ';
		text[19] = '\0';
	}
	fprintf(t->out, "%016" PRIx64 " %016" PRIx64 "           %s%s%s\n",
		start, end, text_str(m, "name"), *text ? "  " : "", text);
}

void text_modules(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "modules");
	const struct psc_value *gone = psc_get(t->root, "unloaded_modules");

	text_styled(t, TEXT_HEADING, "%-16s %-16s %-8s  %s\n", "start", "end",
		    "stamp", "module");
	for (size_t i = 0; i < psc_count(list); i++)
		module_row(t, psc_at(list, i, NULL));
	if (psc_count(gone)) {
		fputc('\n', t->out);
		text_styled(t, TEXT_HEADING, "Unloaded\n");
	}
	for (size_t i = 0; i < psc_count(gone); i++)
		unloaded_row(t, psc_at(gone, i, NULL));
	if (psc_get_str(t->root, "modules_incomplete"))
		fprintf(t->out, "\nthe list ends early: %s\n",
			psc_get_str(t->root, "modules_incomplete"));
}

void text_view_lm(const struct text *t)
{
	text_modules(t);
	text_missing(t);
}
