// SPDX-License-Identifier: MIT
// One corrupted header: what broke, who is to blame, the blocks beside it, the
// evidence, its bytes, and its page in the form of !pool.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

/** Rows of the page shown on each side of the bad one. */
#define ROWS_AROUND 4u

static bool is_corrupt(const struct psc_value *f)
{
	return strcmp(text_str(f, "severity"), "corrupt") == 0;
}

/** The tag of @p o, four characters; "-" when it has none. */
static const char *tag_text(const struct psc_value *o, char buf[5])
{
	uint32_t tag;

	strcpy(buf, "-");
	if (psc_get_tag(o, "tag", &tag))
		psc_tag_debugger(tag, buf);
	return buf;
}

void text_finding_line(const struct text *t, const struct psc_value *f)
{
	uint64_t va = 0;
	char tag[5];

	psc_get_hex(f, "address", &va);
	text_styled(t, is_corrupt(f) ? TEXT_CRITICAL : TEXT_WARNING, "%-7s",
		    text_str(f, "severity"));
	fprintf(t->out, " %016" PRIx64 "  %-4s %s %s pool: %s (confidence %s)\n",
		va, text_str(f, "rule"), tag_text(f, tag), text_str(f, "pool"),
		text_str(f, "cause"), text_str(f, "confidence"));
}

static void label(const struct text *t, const char *name)
{
	fprintf(t->out, "  %-9s ", name);
}

void text_finding_suspect(const struct text *t, const struct psc_value *f)
{
	const struct psc_value *s = psc_get(f, "suspect");
	const char *module = psc_get_str(s, "module");
	uint64_t va = 0, pid = 0;
	char tag[5];

	if (psc_kind(s) != PSC_OBJECT)
		return;
	psc_get_hex(s, "address", &va);
	label(t, "suspect");
	fprintf(t->out, "block %016" PRIx64 " of tag %s, driver %s", va,
		tag_text(s, tag), module ? module : "(not in any tag list)");
	if (psc_get_uint(f, "process.pid", &pid))
		fprintf(t->out, ", paid by %s (pid %" PRIu64 ")",
			text_str(f, "process.name"), pid);
	fputc('\n', t->out);
}

static void rules(const struct text *t, const struct psc_value *f)
{
	const struct psc_value *list = psc_get(f, "rules");

	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, " %s", psc_value_str(psc_at(list, i, NULL)));
	if (!psc_count(list))
		fprintf(t->out, " %s", text_str(f, "rule"));
}

static void title(const struct text *t, const struct psc_value *f, size_t i,
		  size_t n)
{
	uint64_t va = 0;

	psc_get_hex(f, "address", &va);
	text_styled(t, TEXT_HEADING, "Finding %zu of %zu: ", i + 1, n);
	text_styled(t, is_corrupt(f) ? TEXT_CRITICAL : TEXT_WARNING, "%s",
		    text_str(f, "severity"));
	fprintf(t->out, " header %016" PRIx64 ", %s pool, breaks", va,
		text_str(f, "pool"));
	rules(t, f);
	fputc('\n', t->out);
}

static void cause(const struct text *t, const struct psc_value *f)
{
	bool hardware;

	label(t, "cause");
	fprintf(t->out, "%s, confidence %s", text_str(f, "cause"),
		text_str(f, "confidence"));
	if (psc_get_bool(f, "hardware", &hardware))
		fprintf(t->out, "; points at %s", hardware ? "hardware"
							    : "software");
	fputc('\n', t->out);
	// A rule's usual meaning does not hold for a flipped bit.
	if (psc_get_str(f, "meaning") &&
	    strcmp(text_str(f, "cause"), "bit-flip") != 0) {
		label(t, "meaning");
		fprintf(t->out, "%s\n", text_str(f, "meaning"));
	}
}

static void pair(const struct text *t, const struct psc_value *f)
{
	uint64_t expected, found = 0, n = 0;

	if (!psc_get_hex(f, "found", &found))
		return;
	label(t, text_str(f, "rule"));
	if (psc_get_hex(f, "expected", &expected))
		fprintf(t->out, "expected 0x%" PRIx64 ", ", expected);
	fprintf(t->out, "found 0x%" PRIx64, found);
	if (psc_get_uint(f, "bits_differ", &n))
		fprintf(t->out, ": %" PRIu64 " bit%s", n,
			n == 1 ? " differs" : "s differ");
	fputc('\n', t->out);
}

static void neighbour(const struct text *t, const struct psc_value *f,
		      const char *key, const char *name)
{
	const struct psc_value *b = psc_get(f, key);
	uint64_t va = 0, bytes = 0;
	char tag[5];

	if (psc_kind(b) != PSC_OBJECT)
		return;
	psc_get_hex(b, "address", &va);
	psc_get_uint(b, "bytes", &bytes);
	label(t, name);
	fprintf(t->out, "%016" PRIx64 " size: %4" PRIx64 "  %-8s %s  %s\n", va,
		bytes, text_str(b, "state"), tag_text(b, tag),
		psc_get_str(b, "module") ? text_str(b, "module")
					 : "(owner not known)");
}

static void lines(const struct text *t, const struct psc_value *list,
		  const char *name, const char *before)
{
	if (psc_count(list))
		fprintf(t->out, "  %s\n", name);
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "    %s%s\n", before,
			psc_value_str(psc_at(list, i, NULL)));
}

static void page(const struct text *t, const struct psc_value *f)
{
	const struct psc_value *p = psc_get(f, "page");

	if (!psc_count(psc_get(p, "blocks")) && !psc_get(p, "big"))
		return;
	fputs("  page, as !pool\n", t->out);
	text_pool_page(t, p, psc_get(f, "rules"), ROWS_AROUND);
}

void text_finding(const struct text *t, const struct psc_value *f, size_t i,
		  size_t n)
{
	title(t, f, i, n);
	cause(t, f);
	text_finding_suspect(t, f);
	pair(t, f);
	neighbour(t, f, "previous", "before");
	neighbour(t, f, "next", "behind");
	lines(t, psc_get(f, "evidence"), "evidence", "- ");
	lines(t, psc_get(f, "memory"), "memory", "");
	page(t, f);
	fputc('\n', t->out);
}
