// SPDX-License-Identifier: MIT
// What is this address, in the form of the debugger's !pool
// (vm-and-windbg-output 6.1), and the map of the pool.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

static const char *region(const char *pool)
{
	static const char *const names[][2] = {
		{ "nonpaged", "Nonpaged pool" },
		{ "nonpaged-nx", "Nonpaged pool" },
		{ "paged", "Paged pool" },
		{ "session", "Paged session pool" },
		{ "special", "Special pool" },
	};

	for (size_t i = 0; pool && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(pool, names[i][0]) == 0)
			return names[i][1];
	}
	return "Unknown";
}

static bool is_readable(const struct psc_value *pool)
{
	return strcmp(text_str(pool, "page_status"), "readable") == 0;
}

static void owner(const struct text *t, const struct psc_value *pool)
{
	const char *binary = psc_get_str(pool, "binary");
	const char *what = psc_get_str(pool, "description");
	uint32_t tag = 0;
	char text[5];

	psc_get_tag(pool, "tag", &tag);
	psc_tag_debugger(tag, text);
	if (!what)
		fputs("\t\tOwning component : Unknown (update pooltag.txt)\n",
		      t->out);
	else if (binary)
		fprintf(t->out, "\t\tPooltag %s : %s, Binary : %s\n", text,
			what, binary);
	else
		fprintf(t->out, "\t\tPooltag %s : %s\n", text, what);
}

static const char *state_text(const char *state)
{
	if (strcmp(state, "in-use") == 0)
		return "(Allocated)";
	// Freed, but kept in a cache: the debugger's second form.
	if (strcmp(state, "cached") == 0)
		return "(Free )";
	return strcmp(state, "free") == 0 ? "(Free)" : "(Unknown)";
}

static void mark(const struct text *t, const struct psc_value *rules)
{
	for (size_t i = 0; i < psc_count(rules); i++)
		text_styled(t, TEXT_CRITICAL, "%s%s", i ? " " : "  <- ",
			    psc_value_str(psc_at(rules, i, NULL)));
}

/** @param rules that the starred block breaks, or NULL. */
static void block(const struct text *t, const struct psc_value *pool,
		  const struct psc_value *b, const struct psc_value *rules)
{
	uint64_t va = 0, bytes = 0, previous = 0;
	bool here = false;
	uint32_t tag = 0;
	char text[5];

	psc_get_hex(b, "address", &va);
	psc_get_uint(b, "bytes", &bytes);
	psc_get_uint(b, "previous_bytes", &previous);
	psc_get_bool(b, "here", &here);
	psc_get_tag(b, "tag", &tag);
	psc_tag_debugger(tag, text);
	fprintf(t->out, "%c%016" PRIx64 " size: %4" PRIx64 " previous size: %4"
		PRIx64 "  %-11s %c%s", here ? '*' : ' ', va, bytes, previous,
		state_text(text_str(b, "state")), here ? '*' : ' ', text);
	if (here)
		mark(t, rules);
	fputc('\n', t->out);
	if (here)
		owner(t, pool);
}

static void big(const struct text *t, const struct psc_value *pool)
{
	const struct psc_value *b = psc_get(pool, "big");
	uint64_t va = 0, bytes = 0;
	uint32_t tag = 0;
	char text[5];

	psc_get_hex(b, "address", &va);
	psc_get_uint(b, "bytes", &bytes);
	psc_get_tag(b, "tag", &tag);
	psc_tag_debugger(tag, text);
	fprintf(t->out, "*%016" PRIx64 " : large page allocation, tag is %s, "
		"size is 0x%" PRIx64 " bytes\n", va, text, bytes);
	owner(t, pool);
}

static void place(const struct text *t, const struct psc_value *pool)
{
	static const char *const keys[] = { "heap", "segment", "subsegment" };
	bool any = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		uint64_t va;

		if (!psc_get_hex(pool, keys[i], &va))
			continue;
		text_styled(t, TEXT_DIM, "%s%s %016" PRIx64, any ? ", " : "\n",
			    keys[i], va);
		any = true;
	}
	if (any)
		text_styled(t, TEXT_DIM, " (%s)\n", text_str(pool, "kind"));
}

/** Index of the row to look at: the block of the address, else the one that
 *  follows it. */
static size_t row_of(const struct psc_value *list, uint64_t va)
{
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *b = psc_at(list, i, NULL);
		uint64_t start = 0;
		bool here = false;

		if (psc_get_bool(b, "here", &here) && here)
			return i;
		if (psc_get_hex(b, "address", &start) && start > va)
			return i;
	}
	return psc_count(list);
}

static void rows_cut(const struct text *t, size_t n)
{
	if (n)
		text_styled(t, TEXT_DIM, " … %zu more\n", n);
}

void text_pool_page(const struct text *t, const struct psc_value *pool,
		    const struct psc_value *rules, size_t around)
{
	const struct psc_value *list = psc_get(pool, "blocks");
	uint64_t va = 0;

	psc_get_hex(pool, "address", &va);
	if (psc_get(pool, "big"))
		big(t, pool);
	size_t n = psc_count(list), row = row_of(list, va);
	size_t first = row > around ? row - around : 0;
	size_t end = row + around + 1 < n ? row + around + 1 : n;
	rows_cut(t, first);
	for (size_t i = first; i < end; i++)
		block(t, pool, psc_at(list, i, NULL), rules);
	rows_cut(t, n - end);
}

void text_view_pool(const struct text *t)
{
	const struct psc_value *pool = psc_get(t->root, "pool");
	const struct psc_value *list = psc_get(pool, "blocks");
	uint64_t va = 0;

	psc_get_hex(pool, "address", &va);
	fprintf(t->out, "Pool page %016" PRIx64 " region is %s\n", va,
		region(psc_get_str(pool, "pool")));
	if (psc_get(pool, "big"))
		big(t, pool);
	for (size_t i = 0; i < psc_count(list); i++)
		block(t, pool, psc_at(list, i, NULL), NULL);
	if (!psc_get(pool, "big") && !psc_count(list)) {
		fprintf(t->out, "%016" PRIx64 " is not valid pool. Checking for"
			" freed (or corrupt) pool\n", va);
		if (!is_readable(pool))
			fprintf(t->out, "Address %016" PRIx64 " could not be "
				"read (%s). It may be a freed, invalid or "
				"paged out page\n", va,
				text_str(pool, "page_status"));
	}
	place(t, pool);
}

/** The field that a rule judges, in the debugger's words; NULL: its own. */
static const char *field_name(const char *rule)
{
	static const char *const names[][2] = {
		{ "L1", "previous size" }, { "L2", "size" }, { "L3", "size" },
		{ "L4", "previous size" }, { "L5", "size" },
		{ "L6", "pool type" }, { "L7", "pool index" },
		{ "L8", "pool tag" }, { "L14", "process billed" },
		{ "V2", "chunk header" }, { "V3", "chunk previous size" },
		{ "V6", "size" }, { "V7", "previous size" },
		{ "V12", "pool type" }, { "F5", "pool header" },
		{ "Q1", "process billed" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(rule, names[i][0]) == 0)
			return names[i][1];
	}
	return NULL;
}

static void complaint(const struct text *t, const struct psc_value *f)
{
	const char *field = field_name(text_str(f, "rule"));
	uint64_t va = 0, found = 0, expected;

	psc_get_hex(f, "address", &va);
	psc_get_hex(f, "found", &found);
	if (field)
		fprintf(t->out, "[ %016" PRIx64 " ]: invalid %s [ 0x%" PRIx64
			" ]", va, field, found);
	else
		fprintf(t->out, "[ %016" PRIx64 " ]: %s broken (%s) [ 0x%"
			PRIx64 " ]", va, text_str(f, "rule"),
			text_str(f, "test"), found);
	if (psc_get_hex(f, "expected", &expected))
		fprintf(t->out, " should be [ 0x%" PRIx64 " ]", expected);
	fputc('\n', t->out);
}

static void single_bits(const struct text *t, const struct psc_value *list)
{
	size_t n = 0;

	fputs("\n\nScanning for single bit errors...\n\n", t->out);
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);
		bool flip = false;
		uint64_t va = 0;

		psc_get_hex(f, "address", &va);
		if (!psc_get_bool(f, "bit_flip", &flip) || !flip)
			continue;
		const char *field = field_name(text_str(f, "rule"));
		fprintf(t->out, "[ %016" PRIx64 " ]: one bit of %s\n", va,
			field ? field : text_str(f, "rule"));
		n++;
	}
	if (!n)
		fputs("None found\n", t->out);
}

/** The form of !poolval (vm-and-windbg-output 6.2). */
void text_view_poolval(const struct text *t)
{
	const struct psc_value *pool = psc_get(t->root, "pool");
	const struct psc_value *list = psc_get(pool, "faults");
	uint64_t va = 0, page;

	psc_get_hex(pool, "address", &va);
	page = va & ~UINT64_C(0xfff);
	fprintf(t->out, "Pool page %016" PRIx64 " region is %s\n\nValidating "
		"Pool headers for pool page: %016" PRIx64 "\n\n", va,
		region(psc_get_str(pool, "pool")), page);
	if (strcmp(text_str(pool, "kind"), "vs") == 0 ||
	    strcmp(text_str(pool, "kind"), "lfh") == 0)
		fprintf(t->out, "The page belongs to a segment heap: its %s "
			"subsegment is checked instead of a chain of headers."
			"\n\n", text_str(pool, "kind"));
	if (!psc_count(psc_get(pool, "blocks"))) {
		fprintf(t->out, "Pool page [ %016" PRIx64 " ] holds no block "
			"that can be checked (%s).\n", page,
			psc_get(pool, "big") ? "large page allocation"
			: is_readable(pool) ? "not pool"
					    : text_str(pool, "page_status"));
		return;
	}
	if (!psc_count(list)) {
		fprintf(t->out, "Pool page [ %016" PRIx64 " ] is VALID.\n",
			page);
		return;
	}
	fprintf(t->out, "Pool page [ %016" PRIx64 " ] is INVALID.\n\n"
		"Analyzing linked list...\n", page);
	for (size_t i = 0; i < psc_count(list); i++)
		complaint(t, psc_at(list, i, NULL));
	single_bits(t, list);
}

void text_view_poolmap(const struct text *t)
{
	const struct psc_value *map = psc_get(t->root, "poolmap");
	const struct psc_value *rows = psc_get(map, "rows");
	uint64_t last = 0, step = 0;

	psc_get_uint(map, "row_bytes", &step);
	text_styled(t, TEXT_DIM, "each row 2 MB, each cell 32 KB: # full, 9…1 "
		    "tenths in use, . free\n");
	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);
		uint64_t va = 0;

		psc_get_hex(r, "address", &va);
		if (last && va != last + step)
			fputc('\n', t->out);
		last = va;
		fprintf(t->out, "%016" PRIx64 " |%s| %s\n", va,
			text_str(r, "cells"), text_str(r, "pool"));
	}
	text_missing(t);
}
