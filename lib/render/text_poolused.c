// SPDX-License-Identifier: MIT
// WinDbg's `!poolused`, column by column (vm-and-windbg-output 5.2).
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "psc/psc.h"
#include "render/text.h"

/** The columns of one pool, wrapped to the counters' width as the original
 *  prints them: a negative difference shows as a huge number. */
struct columns {
	uint64_t allocs, frees, diff, bytes;
};

// Any integer of the report as its 64-bit pattern.
static uint64_t raw(const struct psc_value *obj, const char *key)
{
	const struct psc_value *v = psc_get(obj, key);

	if (psc_kind(v) == PSC_UINT)
		return psc_value_uint(v);
	return psc_kind(v) == PSC_INT ? (uint64_t)psc_value_int(v) : 0;
}

static struct columns columns_of(const struct psc_value *row, const char *pool,
				 uint64_t bits)
{
	const struct psc_value *p = psc_get(row, pool);
	struct columns c = {
		.allocs = raw(p, "allocs"),
		.frees = raw(p, "frees"),
		.diff = raw(p, "diff"),
		.bytes = raw(p, "bytes"),
	};

	if (bits == 32)
		c.diff &= UINT32_MAX;
	return c;
}

static void put_short(const struct text *t, const char *head,
		      const struct columns c[2])
{
	fprintf(t->out, "%s %9" PRIu64 " %12" PRIu64 "  %9" PRIu64
		" %12" PRIu64, head, c[0].diff, c[0].bytes, c[1].diff,
		c[1].bytes);
}

static void put_verbose(const struct text *t, const char *head,
			const struct columns c[2])
{
	fputs(head, t->out);
	for (int i = 0; i < 2; i++)
		fprintf(t->out, "%s%11" PRIu64 " %11" PRIu64 " %9" PRIu64
			" %12" PRIu64, i ? "  " : " ", c[i].allocs, c[i].frees,
			c[i].diff, c[i].bytes);
}

static void put_description(const struct text *t, const struct psc_value *row,
			    const char *tag)
{
	const char *text = psc_get_str(row, "description");
	const char *binary = psc_get_str(row, "binary");

	const char *driver;
	uint32_t value = 0;

	psc_get_tag(row, "tag", &value);
	driver = text || binary ? NULL : text_tag_driver(t, value);
	if (driver)
		fprintf(t->out, "\tUNKNOWN pooltag '%s', Binary: %s (by its "
			"code)\n", tag, driver);
	else if (!text && !binary)
		fprintf(t->out, "\tUNKNOWN pooltag '%s', please update "
			"pooltag.txt\n", tag);
	else
		fprintf(t->out, "\t%s %s%s\n", text ? text : "",
			binary ? ", Binary: " : "", binary ? binary : "");
}

static const char *sorting(uint64_t flags)
{
	if (flags & PSC_POOLUSED_BY_NONPAGED)
		return "NonPaged Pool Consumed";
	if (flags & PSC_POOLUSED_BY_PAGED)
		return "Paged Pool Consumed";
	return "Tag";
}

static void put_head(const struct text *t, uint64_t flags)
{
	fprintf(t->out, "\n Sorting by %s\n\n", sorting(flags));
	if (flags & PSC_POOLUSED_VERBOSE)
		fprintf(t->out, "%28s%s%41s%s\n Tag       Allocs       Frees"
			"      Diff         Used       Allocs       Frees"
			"      Diff         Used\n\n", "", "NonPaged", "",
			"Paged");
	else
		fputs("               NonPaged                  Paged\n"
		      " Tag     Allocs         Used     Allocs         Used\n\n",
		      t->out);
}

static bool all_zero(const struct columns c[2], bool verbose)
{
	bool none = !c[0].diff && !c[0].bytes && !c[1].diff && !c[1].bytes;

	return none && (!verbose || (!c[0].allocs && !c[1].allocs));
}

static void put_row(const struct text *t, const struct psc_value *row,
		    uint64_t flags, uint64_t bits)
{
	struct columns c[2] = {
		columns_of(row, "nonpaged", bits),
		columns_of(row, "paged", bits),
	};
	bool verbose = flags & PSC_POOLUSED_VERBOSE;
	char tag[5], head[8];
	uint32_t value = 0;

	if (all_zero(c, verbose))
		return;
	psc_get_tag(row, "tag", &value);
	psc_tag_debugger(value, tag);
	snprintf(head, sizeof(head), " %s", tag);
	if (verbose)
		put_verbose(t, head, c);
	else
		put_short(t, head, c);
	put_description(t, row, tag);
}

static void put_total(const struct text *t, const struct psc_value *totals,
		      uint64_t flags)
{
	struct columns c[2] = {
		columns_of(totals, "nonpaged", 64),
		columns_of(totals, "paged", 64),
	};

	fputc('\n', t->out);
	if (flags & PSC_POOLUSED_VERBOSE)
		put_verbose(t, "TOTAL", c);
	else
		put_short(t, "TOTAL", c);
	fputc('\n', t->out);
}

// Not the debugger's: what the figures above lack.
static void put_incomplete(const struct text *t, const struct psc_value *from)
{
	uint64_t pages = 0;
	bool complete = true;

	psc_get_bool(from, "complete", &complete);
	psc_get_uint(from, "missing_pages", &pages);
	if (!complete && pages)
		fprintf(t->out, "\npoolscope: not exact, %" PRIu64 " page%s of "
			"the tag tables could not be read\n", pages,
			pages == 1 ? "" : "s");
	else if (!complete && psc_get_str(from, "note"))
		fprintf(t->out, "\npoolscope: not exact, %s\n",
			psc_get_str(from, "note"));
}

void text_view_poolused(const struct text *t)
{
	const struct psc_value *section = psc_get(t->root, "poolused");
	const struct psc_value *from = section;
	uint64_t flags = 0, bits = 64;

	psc_get_hex(section, "flags", &flags);
	psc_get_uint(section, "counter_bits", &bits);
	if (flags & PSC_POOLUSED_SESSION)
		from = psc_get(section, "session");
	const struct psc_value *tags = psc_get(from, "tags");

	put_head(t, flags);
	for (size_t i = 0; i < psc_count(tags); i++)
		put_row(t, psc_at(tags, i, NULL), flags, bits);
	put_total(t, psc_get(from, "totals"), flags);
	put_incomplete(t, from);
}
