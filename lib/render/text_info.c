// SPDX-License-Identifier: MIT
// Which file, which machine, what stopped it.
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "render/text.h"

static const char *format_words(const char *format)
{
	static const struct {
		const char *format, *words;
	} table[] = {
		{ "full", "complete memory dump" },
		{ "summary-kernel", "kernel memory dump" },
		{ "header", "header-only dump" },
		{ "triage", "small (triage) dump" },
		{ "bitmap-full", "complete memory dump with bitmap" },
		{ "bitmap-kernel", "kernel memory dump with bitmap" },
		{ "range-kernel", "kernel memory dump with ranges" },
		{ "range-kernel-user", "kernel and user dump with ranges" },
		{ "range-complete", "complete memory dump with ranges" },
	};

	for (size_t i = 0; format && i < PSC_ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].format, format) == 0)
			return table[i].words;
	}
	return format ? format : "unknown dump";
}

static void file_facts(const struct text *t)
{
	const struct psc_value *d = psc_get(t->root, "dump");
	const char *compression = psc_get_str(d, "compression");
	uint64_t size = 0, type = 0, stored = 0, readable = 0;
	char bytes[PSC_BYTES_TEXT], n[PSC_COUNT_TEXT], of[PSC_COUNT_TEXT];
	bool truncated = false;

	psc_get_uint(d, "size_bytes", &size);
	psc_get_uint(d, "dump_type", &type);
	psc_get_bool(d, "truncated", &truncated);
	psc_bytes_text(size, bytes);
	text_fact(t, "file", "%s (%s%s%s)", text_str(d, "file"), bytes,
		  compression ? ", " : "", compression ? compression : "");
	text_fact(t, "format", "%s, type %" PRIu64 "%s",
		  format_words(psc_get_str(d, "format")), type,
		  truncated ? ", truncated" : "");
	psc_get_uint(d, "pages_stored", &stored);
	psc_get_uint(d, "pages_readable", &readable);
	if (!stored)
		return;
	psc_count_text(readable, n);
	psc_count_text(stored, of);
	psc_bytes_text(readable * 4096, bytes);
	if (readable == stored)
		text_fact(t, "pages", "%s (%s)", n, bytes);
	else
		text_fact(t, "pages", "%s of %s are in the file (%s)", n, of,
			  bytes);
}

static void machine_facts(const struct text *t)
{
	const struct psc_value *s = psc_get(t->root, "system");
	const char *version = psc_get_str(s, "version");
	uint64_t build = 0, processors = 0, base = 0, dtb = 0;

	psc_get_uint(s, "build", &build);
	psc_get_uint(s, "processors", &processors);
	text_fact(t, "system", "Windows build %" PRIu64 "%s%s%s, %s, %" PRIu64
		  " processor%s", build, version ? " (" : "",
		  version ? version : "", version ? ")" : "",
		  text_str(s, "architecture"), processors,
		  processors == 1 ? "" : "s");
	psc_get_hex(s, "directory_table_base", &dtb);
	if (psc_get_hex(s, "kernel_base", &base))
		text_fact(t, "kernel", "at 0x%" PRIx64
			  ", directory table base 0x%" PRIx64, base, dtb);
	else
		text_fact(t, "kernel",
			  "not found, directory table base 0x%" PRIx64, dtb);
}

static void symbol_facts(const struct text *t)
{
	const struct psc_value *s = psc_get(t->root, "symbols");
	const char *source = psc_get_str(s, "source");
	const char *file = psc_get_str(s, "file");
	uint64_t age = 0;

	psc_get_uint(s, "age", &age);
	if (psc_get_str(s, "guid"))
		text_fact(t, "kernel PDB", "%s %s age %" PRIu64,
			  text_str(s, "pdb"), text_str(s, "guid"), age);
	if (source && !strcmp(source, "recovered"))
		text_fact(t, "layouts", "%s", text_str(s, "what"));
	else if (source)
		text_fact(t, "layouts", "%s%s%s", source, file ? ", " : "",
			  file ? file : "");
	else
		text_fact(t, "layouts", "none");
}

void text_crash(const struct text *t)
{
	const struct psc_value *s = psc_get(t->root, "system");
	char up[64];
	double seconds;

	text_bugcheck(t);
	uint64_t when;
	char text[PSC_TIME_TEXT];
	if (psc_get_time(s, "crash_time", &when) && psc_time_text(when, text)) {
		text[10] = ' ';
		text[19] = '\0';	// seconds are enough for a reader
		text_fact(t, "crashed", "%s UTC", text);
	}
	if (psc_get_real(s, "uptime_seconds", &seconds)) {
		text_duration(seconds, up, sizeof(up));
		text_fact(t, "uptime", "%s", up);
	}
}

void text_bugcheck(const struct text *t)
{
	const struct psc_value *b = psc_get(t->root, "system.bugcheck");
	const struct psc_value *p = psc_get(b, "parameters");
	const char *name = psc_get_str(b, "name");
	uint64_t code = 0, v[4] = { 0 };

	if (!psc_get_hex(b, "code", &code))
		return;
	for (size_t i = 0; i < 4 && i < psc_count(p); i++)
		v[i] = psc_value_uint(psc_at(p, i, NULL));
	text_fact(t, "bug check", "0x%" PRIx64 "%s%s", code, name ? " " : "",
		  name ? name : "");
	text_fact(t, "parameters", "%" PRIx64 ", %" PRIx64 ", %" PRIx64
		  ", %" PRIx64, v[0], v[1], v[2], v[3]);
}

void text_machine(const struct text *t)
{
	file_facts(t);
	machine_facts(t);
	symbol_facts(t);
}

static void put_lines(const struct text *t, const char *heading,
		      const struct psc_value *list)
{
	if (!psc_count(list))
		return;
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "%s\n", heading);
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "  %s\n", psc_value_str(psc_at(list, i, NULL)));
}

/** What supports names and layouts that no symbols gave. */
static void put_proofs(const struct text *t, const struct psc_value *list)
{
	if (!psc_count(list))
		return;
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Recovered from the dump\n");
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *p = psc_at(list, i, NULL);
		bool proven = false;

		psc_get_bool(p, "proven", &proven);
		text_fact(t, text_str(p, "anchor"), "%s: %s",
			  proven ? "proven" : "NOT PROVEN",
			  text_str(p, "proof"));
	}
}

void text_view_info(const struct text *t)
{
	text_styled(t, TEXT_HEADING, "Dump\n");
	text_machine(t);
	text_crash(t);
	put_proofs(t, psc_get(t->root, "symbols.proofs"));
	put_lines(t, "Notes", psc_get(t->root, "symbols.notes"));
	put_lines(t, "Oddities of the file", psc_get(t->root, "dump.warnings"));
	text_missing(t);
}
