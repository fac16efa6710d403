// SPDX-License-Identifier: MIT
// Corrupted pool headers: each with what was expected, what was found, who is
// to blame, and the bytes around it. Silent when the pool is sound.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

/** Corrupt headers that the report names. */
#define MAX_SHOWN 5u

static bool is_corrupt(const struct psc_value *f)
{
	return strcmp(text_str(f, "severity"), "corrupt") == 0;
}

void text_corruption(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "corruption");
	size_t shown = 0;

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);

		if (!is_corrupt(f) || shown++ >= MAX_SHOWN)
			continue;
		text_finding_line(t, f);
		text_finding_suspect(t, f);
	}
	if (shown > MAX_SHOWN)
		fprintf(t->out, "and %zu more: poolscope check shows them\n",
			shown - MAX_SHOWN);
	if (shown)
		fputc('\n', t->out);
}

static void new_drivers(const struct text *t, const struct psc_value *c)
{
	const struct psc_value *drivers = psc_get(c, "new_drivers");

	for (size_t i = 0; i < psc_count(drivers); i++) {
		const struct psc_value *d = psc_at(drivers, i, NULL);
		char built[PSC_TIME_TEXT] = "?";
		uint64_t when;

		if (psc_get_time(d, "built", &when))
			psc_time_text(when, built);
		fprintf(t->out, "%s%s (%.10s)", i ? ", "
			: "  Newer than the rest: ", text_str(d, "name"),
			built);
	}
	if (psc_count(drivers))
		fputs(".\n", t->out);
}

/** The first lines are read aloud: the answer, how sure, what to do. */
static void verdict(const struct text *t)
{
	const struct psc_value *c = psc_get(t->root, "check");
	uint64_t bad = 0, bits = 0;

	if (!psc_get_str(c, "verdict"))
		return;
	text_styled(t, TEXT_HEADING, "%s\n", text_str(c, "verdict"));
	fprintf(t->out, "  Confidence %s. Next step: %s.\n",
		text_str(c, "confidence"), text_str(c, "next_step"));
	if (psc_get_uint(c, "memory_errors.bad_pages", &bad) &&
	    psc_get_uint(c, "memory_errors.bit_errors", &bits))
		fprintf(t->out, "  Windows counted %" PRIu64 " bad pages and %"
			PRIu64 " bit errors since boot.\n", bad, bits);
	new_drivers(t, c);
	fputc('\n', t->out);
}

static void suspects(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "check.suspects");

	if (!psc_count(list))
		return;
	text_styled(t, TEXT_HEADING, "Suspects\n");
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *s = psc_at(list, i, NULL);
		const char *module = psc_get_str(s, "module");
		uint64_t n = 0;
		uint32_t tag = 0;
		char text[5];

		psc_get_uint(s, "findings", &n);
		psc_get_tag(s, "tag", &tag);
		psc_tag_debugger(tag, text);
		fprintf(t->out, "  %s  %-24s %" PRIu64 " finding%s (%s)\n", text,
			module ? module : "(not in any tag list)", n,
			n == 1 ? "" : "s", text_str(s, "cause"));
	}
	fputc('\n', t->out);
}

/** What is left out, and where it is to be had. */
static void left_out(const struct text *t)
{
	const struct psc_value *c = psc_get(t->root, "check");
	uint64_t suspect = 0, places = 0, pages = 0;

	psc_get_uint(c, "suspects_not_shown", &suspect);
	psc_get_uint(c, "places_not_shown", &places);
	psc_get_uint(c, "pages_not_shown", &pages);
	if (places)
		fprintf(t->out, "%" PRIu64 " more places are not listed.\n",
			places);
	if (pages)
		fprintf(t->out, "The pages of the last %" PRIu64 " findings are "
			"not shown: poolscope pool DUMP ADDRESS shows one.\n",
			pages);
	if (suspect)
		fprintf(t->out, "At %" PRIu64 " more place%s one check alone "
			"fails: --suspect shows %s.\n", suspect,
			suspect == 1 ? "" : "s", suspect == 1 ? "it" : "them");
}

static void rule_names(const struct text *t, const struct psc_value *list)
{
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "%s%s", i ? " " : "",
			psc_value_str(psc_at(list, i, NULL)));
}

/** A small dump is never clean by itself: what was looked at, what not. */
static void small_dump(const struct text *t)
{
	const struct psc_value *d = psc_get(t->root, "check.small_dump");
	const struct psc_value *list = psc_get(d, "not_checked");
	uint64_t pages = 0, blocks = 0;

	if (!d)
		return;
	psc_get_uint(d, "pages", &pages);
	psc_get_uint(d, "blocks", &blocks);
	text_styled(t, TEXT_HEADING, "What this small dump allows\n");
	fprintf(t->out, "  %" PRIu64 " blocks, %" PRIu64 " pages of pool in "
		"whole or in part; checked: ", blocks, pages);
	rule_names(t, psc_get(d, "checked"));
	fputs(psc_count(psc_get(d, "checked")) ? "\n" : "nothing\n", t->out);
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *v = psc_at(list, i, NULL);

		fprintf(t->out, "  not checked: %s (", text_str(v, "what"));
		rule_names(t, psc_get(v, "rules"));
		fprintf(t->out, "): %s\n", text_str(v, "why"));
	}
	fprintf(t->out, "  %s\n", text_str(d, "would_add"));
}

void text_view_check(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "corruption");
	size_t n = psc_count(list);

	verdict(t);
	suspects(t);
	text_bugcheck_explained(t, n || psc_get(t->root, "check.small_dump"));
	for (size_t i = 0; i < n; i++)
		text_finding(t, psc_at(list, i, NULL), i, n);
	if (n)
		left_out(t);
	small_dump(t);
	if (psc_get_str(t->root, "check.error"))
		text_styled(t, TEXT_WARNING, "%s\n",
			    text_str(t->root, "check.error"));
}
