// SPDX-License-Identifier: MIT
// The bug check in words: what it says, where it points, and what the checks
// say of exactly that place.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

static void names(const struct text *t, const struct psc_value *list)
{
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, " %s", psc_value_str(psc_at(list, i, NULL)));
}

static void parameters(const struct text *t, const struct psc_value *b)
{
	const struct psc_value *list = psc_get(b, "parameters");

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *p = psc_at(list, i, NULL);
		uint64_t v = 0;
		uint32_t tag;
		char text[5];

		if (!psc_get_str(p, "what"))
			continue;
		psc_get_hex(p, "value", &v);
		fprintf(t->out, "    %zu: 0x%" PRIx64 "  %s", i + 1, v,
			text_str(p, "what"));
		if (psc_get_tag(p, "tag", &tag)) {
			psc_tag_debugger(tag, text);
			fprintf(t->out, ": %s", text);
		}
		fputc('\n', t->out);
	}
}

static void pairs(const struct text *t, const struct psc_value *b)
{
	const struct psc_value *list = psc_get(b, "pairs");

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *p = psc_at(list, i, NULL);
		uint64_t n = 0, expected = 0, found = 0;

		psc_get_uint(p, "bits", &n);
		psc_get_hex(p, "expected", &expected);
		psc_get_hex(p, "found", &found);
		fprintf(t->out, "  expected 0x%" PRIx64 ", found 0x%" PRIx64
			": %" PRIu64 " bit%s%s\n", expected, found, n,
			n == 1 ? " differs" : "s differ",
			n == 1 ? ", a flipped bit" : "");
	}
}

static void block(const struct text *t, const struct psc_value *p)
{
	const struct psc_value *b = psc_get(p, "block");
	uint64_t va = 0, bytes = 0;
	uint32_t tag;
	char text[5];

	if (psc_kind(b) != PSC_OBJECT)
		return;
	psc_get_hex(b, "address", &va);
	psc_get_uint(b, "bytes", &bytes);
	fprintf(t->out, "block %016" PRIx64, va);
	if (psc_get_tag(b, "tag", &tag)) {
		psc_tag_debugger(tag, text);
		fprintf(t->out, " of tag %s", text);
	}
	fprintf(t->out, " (%s, 0x%" PRIx64 " bytes, %s) ", text_str(b, "kind"),
		bytes, text_str(b, "state"));
}

static void verdict(const struct text *t, const struct psc_value *p)
{
	const char *v = text_str(p, "verdict");

	if (strcmp(v, "broken") == 0) {
		text_styled(t, TEXT_CRITICAL, "breaks");
		names(t, psc_get(p, "rules"));
	} else if (strcmp(v, "passes") == 0) {
		fputs("passes every check:", t->out);
		names(t, psc_get(p, "checks"));
	} else if (strcmp(v, "not-in-dump") == 0) {
		fprintf(t->out, "is not in the dump (%s)",
			text_str(p, "page_status"));
	} else if (strcmp(v, "not-mapped") == 0) {
		fputs("is not mapped: no memory lies there", t->out);
	} else if (strcmp(v, "not-pool") == 0) {
		fputs("does not lie in the pool", t->out);
	} else {
		fputs("lies in the pool, but no block can be made out there",
		      t->out);
	}
	fputc('\n', t->out);
}

/** A break elsewhere in the page or subsegment: both are said. */
static void other_break(const struct text *t, const struct psc_value *b,
			const char *where, const char *part)
{
	uint64_t va = 0;
	bool same = true;

	if (!psc_get_bool(b, "same_header", &same) || same)
		return;
	psc_get_hex(b, "address", &va);
	fprintf(t->out, "    but the first break of %s%s is %s at %016" PRIx64
		"\n", where, part, text_str(b, "rule"), va);
}

static void place(const struct text *t, const struct psc_value *p)
{
	uint64_t va = 0;

	psc_get_hex(p, "address", &va);
	fprintf(t->out, "  %s, %016" PRIx64 ": ", text_str(p, "from"), va);
	block(t, p);
	verdict(t, p);
	other_break(t, psc_get(p, "first_break"), "its ", text_str(p, "part"));
	other_break(t, psc_get(p, "before.first_break"),
		    "the subsegment before it", "");
}

static void fault(const struct text *t, const struct psc_value *b)
{
	const struct psc_value *f = psc_get(b, "fault");
	const char *from = psc_get_str(f, "registers_from");
	bool inside = false;

	if (psc_kind(f) != PSC_OBJECT)
		return;
	bool known = psc_get_bool(f, "in_pool_routine", &inside);
	fprintf(t->out, "  the fault was at %s: %s\n", text_str(f, "place"),
		!known ? "whether that is a pool routine cannot be told"
		: inside ? "a pool routine" : "no pool routine");
	if (from && inside)
		fprintf(t->out, "  registers are from %s\n", from);
}

/** One that the table has, and no fault of which nobody knows where. */
static bool is_explained(const struct psc_value *b)
{
	bool inside = false, known;

	known = psc_get_bool(b, "fault.in_pool_routine", &inside);
	return psc_get_str(b, "meaning") &&
	       psc_kind(psc_get(b, "about_pool")) == PSC_BOOL &&
	       (!known || inside || psc_count(psc_get(b, "places")));
}

void text_bugcheck_words(const struct text *t, bool always)
{
	const struct psc_value *b = psc_get(t->root, "check.bugcheck");
	const struct psc_value *list = psc_get(b, "places");

	if (!b || (!always && !is_explained(b)))
		return;
	if (psc_get_str(b, "meaning"))
		fprintf(t->out, "  %s\n", text_str(b, "meaning"));
	parameters(t, b);
	pairs(t, b);
	fault(t, b);
	for (size_t i = 0; i < psc_count(list); i++)
		place(t, psc_at(list, i, NULL));
}

void text_bugcheck_explained(const struct text *t, bool always)
{
	const struct psc_value *b = psc_get(t->root, "check.bugcheck");

	if (!b || (!always && !is_explained(b)))
		return;
	text_styled(t, TEXT_HEADING, "The bug check\n");
	text_bugcheck(t);
	text_bugcheck_words(t, always);
	fputc('\n', t->out);
}
