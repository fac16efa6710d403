// SPDX-License-Identifier: MIT
// Who allocates: call sites as text, as CSV, and in pooltag.txt's syntax.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

enum { TAG_TEXT = 32 };

static const char *tag_text(const struct psc_value *row, char out[TAG_TEXT])
{
	uint32_t tag;

	if (psc_get_tag(row, "tag", &tag)) {
		psc_tag_text(tag, out);
		return out;
	}
	return psc_get_str(row, "tag") ? psc_get_str(row, "tag") : "-";
}

static void put_size(const struct text *t, const struct psc_value *row)
{
	uint64_t v;

	if (psc_get_uint(row, "bytes", &v))
		fprintf(t->out, "%8" PRIu64, v);
	else
		fprintf(t->out, "%8s", "-");
}

static void put_place(const struct text *t, const struct psc_value *row)
{
	uint64_t rva = 0, line = 0;
	const char *file = psc_get_str(row, "file");

	if (!psc_get_hex(row, "via.rva", &rva))
		psc_get_hex(row, "rva", &rva);
	fprintf(t->out, "  %s+0x%" PRIx64, text_str(row, "module"), rva);
	if (psc_get_str(row, "function"))
		fprintf(t->out, " %s", psc_get_str(row, "function"));
	if (file && psc_get_uint(row, "line", &line))
		fprintf(t->out, " (%s:%" PRIu64 ")", psc_path_base(file), line);
}

static void put_how(const struct text *t, const struct psc_value *row)
{
	const char *why = psc_get_str(row, "reason");
	uint64_t v;

	fprintf(t->out, "  [%s", text_str(row, "resolved_by"));
	if (why && *why)
		fprintf(t->out, ": %s", why);
	if (psc_get_hex(row, "variable", &v))
		fprintf(t->out, ", variable +0x%" PRIx64, v);
	if (psc_get_hex(row, "rewritten_by", &v))
		fprintf(t->out, ", rewritten by code at +0x%" PRIx64, v);
	if (psc_get_str(row, "wrapper.function"))
		fprintf(t->out, ", through %s",
			psc_get_str(row, "wrapper.function"));
	else if (psc_get_hex(row, "via.rva", &v) && psc_get_hex(row, "rva", &v))
		fprintf(t->out, ", through the call at +0x%" PRIx64, v);
	if (psc_get_str(row, "through"))
		fprintf(t->out, ", through %s", psc_get_str(row, "through"));
	fputs("]\n", t->out);
}

static void put_outstanding(const struct text *t, const struct psc_value *row)
{
	char bytes[PSC_BYTES_TEXT];
	int64_t v;
	uint64_t u;

	if (psc_get_uint(row, "outstanding.bytes", &u))
		psc_bytes_text(u, bytes);
	else if (psc_get_int(row, "outstanding.bytes", &v) && v >= 0)
		psc_bytes_text((uint64_t)v, bytes);
	else
		strcpy(bytes, "-");
	fprintf(t->out, " %10s", bytes);
}

const char *text_tag_driver(const struct text *t, uint32_t tag)
{
	const struct psc_value *rows = psc_get(t->root, "callsites");
	uint32_t other;

	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);
		if (psc_get_tag(r, "tag", &other) && other == tag &&
		    psc_get_str(r, "api"))
			return psc_get_str(r, "module");
	}
	return NULL;
}

static void put_module(const struct text *t, const struct psc_value *m)
{
	uint64_t sites = 0, rows = 0, known = 0, missing = 0;
	bool limited = false;
	const char *error = psc_get_str(m, "error");

	if (error) {
		fprintf(t->out, "  %-24s %s\n", text_str(m, "name"), error);
		return;
	}
	psc_get_uint(m, "sites", &sites);
	psc_get_uint(m, "rows", &rows);
	psc_get_uint(m, "rows_resolved", &known);
	psc_get_uint(m, "code_pages_missing", &missing);
	psc_get_bool(m, "limit_hit", &limited);
	if (!sites && !missing && !limited)
		return;
	fprintf(t->out, "  %-24s %5" PRIu64 " sites, %" PRIu64 " of %" PRIu64
		" tags known", text_str(m, "name"), sites, known, rows);
	if (missing)
		fprintf(t->out, ", %" PRIu64 " pages of code are not in the "
			"dump", missing);
	if (limited)
		fputs(", a limit was hit", t->out);
	if (psc_get_str(m, "version"))
		fprintf(t->out, "; %s", psc_get_str(m, "version"));
	if (psc_get_str(m, "company"))
		fprintf(t->out, ", %s", psc_get_str(m, "company"));
	if (psc_get_str(m, "signer"))
		fprintf(t->out, "; signature: %s", psc_get_str(m, "signer"));
	fputc('\n', t->out);
}

void text_view_callers(const struct text *t)
{
	const struct psc_value *rows = psc_get(t->root, "callsites");
	const struct psc_value *modules = psc_get(t->root, "callsite_modules");
	bool counted = psc_get(t->root, "dump") != NULL;
	char tag[TAG_TEXT];

	if (psc_get_str(t->root, "ticket"))
		fprintf(t->out, "%s\n\n", psc_get_str(t->root, "ticket"));
	text_styled(t, TEXT_HEADING, "%-6s%s %-28s %-24s %8s  %s\n", "tag",
		    counted ? "outstanding" : "", "allocator", "type", "bytes",
		    "place");
	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);

		fprintf(t->out, "%-6s", tag_text(r, tag));
		if (counted)
			put_outstanding(t, r);
		fprintf(t->out, " %-28s %-24s ", text_str(r, "api"),
			text_str(r, "type"));
		put_size(t, r);
		put_place(t, r);
		put_how(t, r);
	}
	if (!psc_count(rows))
		fputs("no call site\n", t->out);
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Modules\n");
	for (size_t i = 0; i < psc_count(modules); i++)
		put_module(t, psc_at(modules, i, NULL));
	text_missing(t);
}

// --- CSV ---------------------------------------------------------------------

static void csv_field(const struct text *t, const char *s, bool last)
{
	// A leading '=', '+', '-' or '@' is a formula to spreadsheets.
	bool quote = s && (strpbrk(s, ",\"\r\n ") || strchr("=+-@", *s));

	if (quote)
		fputc('"', t->out);
	if (quote && strchr("=+-@", *s) && *s)
		fputc('\'', t->out);
	for (; s && *s; s++) {
		if (*s == '"')
			fputc('"', t->out);
		fputc(*s, t->out);
	}
	if (quote)
		fputc('"', t->out);
	fputs(last ? "\r\n" : ",", t->out);
}

static void csv_number(const struct text *t, const struct psc_value *row,
		       const char *path, bool hex)
{
	char text[32] = "";
	uint64_t v;
	int64_t n;

	if (hex ? psc_get_hex(row, path, &v) : psc_get_uint(row, path, &v))
		snprintf(text, sizeof(text), hex ? "0x%" PRIx64 : "%" PRIu64,
			 v);
	else if (!hex && psc_get_int(row, path, &n))
		snprintf(text, sizeof(text), "%" PRId64, n);
	fprintf(t->out, "%s,", text);
}

void text_view_callers_csv(const struct text *t)
{
	const struct psc_value *rows = psc_get(t->root, "callsites");
	char tag[TAG_TEXT];

	fputs("tag,module,rva,via,api,type,pool_flags,bytes,function,file,line,"
	      "outstanding_blocks,outstanding_bytes,resolved_by,reason\r\n",
	      t->out);
	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);

		csv_field(t, psc_kind(psc_get(r, "tag")) == PSC_NULL ? NULL
			  : tag_text(r, tag), false);
		csv_field(t, psc_get_str(r, "module"), false);
		csv_number(t, r, "rva", true);
		csv_number(t, r, "via.rva", true);
		csv_field(t, psc_get_str(r, "api"), false);
		csv_field(t, psc_get_str(r, "type"), false);
		csv_number(t, r, "pool_flags", true);
		csv_number(t, r, "bytes", false);
		csv_field(t, psc_get_str(r, "function"), false);
		csv_field(t, psc_get_str(r, "file"), false);
		csv_number(t, r, "line", false);
		csv_number(t, r, "outstanding.blocks", false);
		csv_number(t, r, "outstanding.bytes", false);
		csv_field(t, psc_get_str(r, "resolved_by"), false);
		csv_field(t, psc_get_str(r, "reason"), true);
	}
}

// --- pooltag.txt -------------------------------------------------------------

/** A line of the list: one tag of one driver. */
struct tag_line {
	uint32_t tag;
	const char *module, *function;
};

static int by_tag(const void *a, const void *b)
{
	const struct tag_line *x = a, *y = b;
	int order = 0;

	// As the list is read: by its characters.
	for (unsigned int i = 0; i < 4 && !order; i++)
		order = (int)(x->tag >> 8 * i & 0xff) -
			(int)(y->tag >> 8 * i & 0xff);
	if (!order)
		order = strcmp(x->module, y->module);
	return order ? order : strcmp(x->function, y->function);
}

static void put_tag_lines(const struct text *t, const struct tag_line *v,
			  size_t n)
{
	for (size_t i = 0; i < n; ) {
		size_t k = i;
		unsigned int shown = 0;
		char tag[5];

		psc_tag_debugger(v[i].tag, tag);
		fprintf(t->out, "%s - %s -", tag, v[i].module);
		for (; k < n && v[k].tag == v[i].tag &&
		     !strcmp(v[k].module, v[i].module); k++) {
			bool again = k > i && !strcmp(v[k].function,
						      v[k - 1].function);
			if (!*v[k].function || again || shown++ >= 4)
				continue;
			fprintf(t->out, "%s %s", shown > 1 ? "," : "",
				v[k].function);
		}
		fputs("\r\n", t->out);
		i = k;
	}
}

void text_view_callers_pooltag(const struct text *t)
{
	const struct psc_value *rows = psc_get(t->root, "callsites");
	struct tag_line *v = calloc(psc_count(rows) + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);
		const char *f = psc_get_str(r, "function");
		struct tag_line l = { .module = psc_get_str(r, "module"),
				      .function = f ? f : "" };

		if (l.module && psc_get_str(r, "api") &&
		    psc_get_tag(r, "tag", &l.tag))
			v[n++] = l;
	}
	if (n)
		qsort(v, n, sizeof(*v), by_tag);
	fputs("rem Written by poolscope from the drivers' own code.\r\n",
	      t->out);
	if (v)
		put_tag_lines(t, v, n);
	free(v);
}
