// SPDX-License-Identifier: MIT
// What a walk of the pool's pages found, and whether the counters agree.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

/** Differences shown; JSON has all. */
#define MAX_ROWS 40u

static uint64_t number(const struct psc_value *o, const char *path)
{
	uint64_t v = 0;

	psc_get_uint(o, path, &v);
	return v;
}

static void pool_row(const struct text *t, const struct psc_value *p)
{
	char use[PSC_BYTES_TEXT], unused[PSC_BYTES_TEXT], cached[PSC_BYTES_TEXT];
	char over[PSC_BYTES_TEXT];
	uint64_t missing = number(p, "pages_missing");
	uint64_t out = number(p, "pages_paged_out");

	psc_bytes_text(number(p, "bytes_in_use"), use);
	psc_bytes_text(number(p, "bytes_free"), unused);
	psc_bytes_text(number(p, "bytes_cached"), cached);
	psc_bytes_text(number(p, "bytes_overhead"), over);
	fprintf(t->out, "%-12s %4" PRIu64 " %10" PRIu64 " %11" PRIu64
		" %12s %12s %10s %10s", text_str(p, "pool"), number(p, "node"),
		number(p, "pages_read"), number(p, "blocks"), use, unused,
		cached, over);
	if (missing)
		fprintf(t->out, "  %" PRIu64 " pages not in the dump", missing);
	if (out)
		fprintf(t->out, "  %" PRIu64 " paged out", out);
	fputc('\n', t->out);
}

static void pools(const struct text *t, const struct psc_value *walk)
{
	const struct psc_value *list = psc_get(walk, "pools");

	text_styled(t, TEXT_HEADING, "%-12s %4s %10s %11s %12s %12s %10s %10s\n",
		    "pool", "node", "pages", "blocks", "in use", "free",
		    "cached", "overhead");
	for (size_t i = 0; i < psc_count(list); i++)
		pool_row(t, psc_at(list, i, NULL));
}

static void difference(const struct text *t, const struct psc_value *d)
{
	const struct psc_value *why = psc_get(d, "explained_by");
	int64_t counter = 0;
	uint32_t tag = 0;
	char text[5];

	psc_get_tag(d, "tag", &tag);
	psc_get_int(d, "counter_bytes", &counter);
	psc_tag_debugger(tag, text);
	fprintf(t->out, "  %s %-8s %14" PRId64 " counted %14" PRIu64
		" found  ", text, text_str(d, "pool"), counter,
		number(d, "walked_bytes"));
	for (size_t i = 0; i < psc_count(why); i++)
		fprintf(t->out, "%s%s", i ? ", " : "",
			psc_value_str(psc_at(why, i, NULL)));
	fputc('\n', t->out);
}

static void reconciliation(const struct text *t, const struct psc_value *walk)
{
	const struct psc_value *list = psc_get(walk, "reconciliation");
	uint64_t bad = number(walk, "tags_unexplained");
	size_t n = psc_count(list);

	if (!list)
		return;
	fprintf(t->out, "\nCounters against pages: %" PRIu64 " agree, %" PRIu64
		" differ for a known reason, ", number(walk, "tags_equal"),
		number(walk, "tags_explained"));
	text_styled(t, bad ? TEXT_WARNING : TEXT_DIM,
		    "%" PRIu64 " unexplained\n", bad);
	for (size_t i = 0; i < n && i < MAX_ROWS; i++)
		difference(t, psc_at(list, i, NULL));
	if (n > MAX_ROWS)
		fprintf(t->out, "  … and %zu more\n", n - MAX_ROWS);
}

void text_view_walk(const struct text *t)
{
	const struct psc_value *walk = psc_get(t->root, "walk");
	const struct psc_value *notes = psc_get(walk, "notes");
	bool complete = true;
	char n[PSC_COUNT_TEXT];

	psc_count_text(number(walk, "blocks"), n);
	fprintf(t->out, "%s pool, %s blocks", text_str(walk, "design"), n);
	if (psc_get_str(walk, "keys_from"))
		fprintf(t->out, ", keys from %s", text_str(walk, "keys_from"));
	fputs("\n\n", t->out);
	pools(t, walk);
	reconciliation(t, walk);
	// Where the walk lacks something, they are among what the dump lacks.
	psc_get_bool(walk, "complete", &complete);
	for (size_t i = 0; complete && i < psc_count(notes); i++)
		text_styled(t, TEXT_DIM, "%snote: %s\n", i ? "" : "\n",
			    psc_value_str(psc_at(notes, i, NULL)));
	text_missing(t);
}
