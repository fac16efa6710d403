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

static void head(const struct text *t, const struct psc_value *f)
{
	uint64_t va = 0;
	uint32_t tag;
	char text[5] = "-";

	psc_get_hex(f, "address", &va);
	if (psc_get_tag(f, "tag", &tag))
		psc_tag_debugger(tag, text);
	text_styled(t, is_corrupt(f) ? TEXT_CRITICAL : TEXT_WARNING, "%-7s",
		    text_str(f, "severity"));
	fprintf(t->out, " %016" PRIx64 "  %-4s %s %s pool: %s (confidence %s)\n",
		va, text_str(f, "rule"), text, text_str(f, "pool"),
		text_str(f, "cause"), text_str(f, "confidence"));
}

static void suspect(const struct text *t, const struct psc_value *f)
{
	const struct psc_value *s = psc_get(f, "suspect");
	const char *module = psc_get_str(s, "module");
	uint64_t va = 0, pid = 0;
	uint32_t tag = 0;
	char text[5];

	if (psc_kind(s) != PSC_OBJECT)
		return;
	psc_get_hex(s, "address", &va);
	psc_get_tag(s, "tag", &tag);
	psc_tag_debugger(tag, text);
	fprintf(t->out, "  suspect: block %016" PRIx64 " of tag %s, driver %s",
		va, text, module ? module : "(not in any tag list)");
	if (psc_get_uint(f, "process.pid", &pid))
		fprintf(t->out, ", paid by %s (pid %" PRIu64 ")",
			text_str(f, "process.name"), pid);
	fputc('\n', t->out);
}

static void texts(const struct text *t, const struct psc_value *list,
		  const char *indent)
{
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "%s%s\n", indent,
			psc_value_str(psc_at(list, i, NULL)));
}

static void finding(const struct text *t, const struct psc_value *f)
{
	head(t, f);
	suspect(t, f);
	texts(t, psc_get(f, "evidence"), "  - ");
	texts(t, psc_get(f, "memory"), "    ");
	fputc('\n', t->out);
}

void text_corruption(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "corruption");
	size_t shown = 0;

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);

		if (!is_corrupt(f) || shown++ >= MAX_SHOWN)
			continue;
		head(t, f);
		suspect(t, f);
	}
	if (shown > MAX_SHOWN)
		fprintf(t->out, "and %zu more: poolscope check shows them\n",
			shown - MAX_SHOWN);
	if (shown)
		fputc('\n', t->out);
}

static void verdict(const struct text *t)
{
	const struct psc_value *c = psc_get(t->root, "check");
	const struct psc_value *drivers = psc_get(c, "new_drivers");
	uint64_t bad = 0, bits = 0;

	if (!psc_get_str(c, "verdict"))
		return;
	text_styled(t, TEXT_HEADING, "Hardware or software?\n");
	fprintf(t->out, "  %s Confidence %s.\n", text_str(c, "verdict"),
		text_str(c, "confidence"));
	if (psc_get_uint(c, "memory_errors.bad_pages", &bad) &&
	    psc_get_uint(c, "memory_errors.bit_errors", &bits))
		fprintf(t->out, "  Windows counted %" PRIu64 " bad pages and %"
			PRIu64 " bit errors since boot.\n", bad, bits);
	for (size_t i = 0; i < psc_count(drivers); i++) {
		const struct psc_value *d = psc_at(drivers, i, NULL);
		char built[PSC_TIME_TEXT] = "?";
		uint64_t when;

		if (psc_get_time(d, "built", &when))
			psc_time_text(when, built);
		fprintf(t->out, "  newer than the rest: %s (%.10s)\n",
			text_str(d, "name"), built);
	}
	fprintf(t->out, "  Next step: %s.\n", text_str(c, "next_step"));
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
	if (psc_get_str(t->root, "check.verdict"))
		fputc('\n', t->out);
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

	text_bugcheck_explained(t, psc_count(list) ||
				   psc_get(t->root, "check.small_dump"));
	for (size_t i = 0; i < psc_count(list); i++)
		finding(t, psc_at(list, i, NULL));
	verdict(t);
	small_dump(t);
	if (psc_get_str(t->root, "check.error"))
		text_styled(t, TEXT_WARNING, "%s\n",
			    text_str(t->root, "check.error"));
}
