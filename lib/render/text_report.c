// SPDX-License-Identifier: MIT
// The short report for a person, in the order of a good one: what stopped the
// machine; is a pool exhausted or failing; the names; the figures; what the
// dump lacks; the next step.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

#define TOP_TAGS 10
#define BAR_WIDTH 30

static enum text_style severity_style(const char *severity)
{
	if (strcmp(severity, "critical") == 0)
		return TEXT_CRITICAL;
	return strcmp(severity, "warning") == 0 ? TEXT_WARNING : TEXT_DIM;
}

static bool is_headline(const struct psc_value *finding)
{
	const char *code = psc_get_str(finding, "code");

	return code && (!strcmp(code, "tag-allocated-by") ||
			!strcmp(code, "pool-corrupt"));
}

static void findings_of(const struct text *t, const struct psc_value *list,
			const char *severity)
{
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);

		// A headline was said at the top.
		if (strcmp(text_str(f, "severity"), severity) != 0 ||
		    is_headline(f))
			continue;
		fputs("  ", t->out);
		text_styled(t, severity_style(severity), "%-9s", severity);
		fprintf(t->out, " %s\n", text_str(f, "text"));
	}
}

static void findings(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "findings");

	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Findings\n");
	if (!psc_count(list))
		fputs(psc_get(t->root, "vm.committed") ||
		      psc_get(t->root, "poolused.tags")
		      ? "  nothing stands out\n"
		      : "  the dump holds nothing to judge the pools by\n",
		      t->out);
	findings_of(t, list, "critical");
	findings_of(t, list, "warning");
	findings_of(t, list, "info");
}

static uint64_t bytes_of(const struct text *t, const char *counter, bool *have)
{
	uint64_t v = 0;

	*have = psc_get_uint(psc_get(psc_get(t->root, "vm"), counter), "bytes",
			     &v);
	return v;
}

static void usage_line(const struct text *t, const char *label, uint64_t used,
		       uint64_t limit, const char *of)
{
	char a[PSC_BYTES_TEXT], b[PSC_BYTES_TEXT], bar[BAR_WIDTH + 1];

	psc_bytes_text(used, a);
	psc_bytes_text(limit, b);
	text_bar(used, limit, BAR_WIDTH, bar);
	text_fact(t, label, "[%s] %3u %%  %s of %s%s", bar,
		  text_percent(used, limit), a, b, of);
}

// Limits of 16 TB say nothing: then the machine's memory is the measure
// (vm-and-windbg-output 9).
static void pool_line(const struct text *t, const char *label, uint64_t used,
		      const char *max_counter)
{
	bool has_max, has_ram;
	uint64_t max = bytes_of(t, max_counter, &has_max);
	uint64_t ram = bytes_of(t, "physical_memory", &has_ram);

	if (has_ram && (!has_max || max > ram))
		usage_line(t, label, used, ram, " of memory");
	else if (has_max)
		usage_line(t, label, used, max, " (its limit)");
}

static void memory(const struct text *t)
{
	bool has_np, has_nx, has_paged, has_commit, has_limit, has_ram, has_av;
	uint64_t np = bytes_of(t, "nonpaged_pool_usage", &has_np);
	uint64_t nx = bytes_of(t, "nonpaged_pool_nx_usage", &has_nx);
	uint64_t paged = bytes_of(t, "paged_pool_usage", &has_paged);
	uint64_t commit = bytes_of(t, "committed", &has_commit);
	uint64_t limit = bytes_of(t, "commit_limit", &has_limit);
	uint64_t ram = bytes_of(t, "physical_memory", &has_ram);
	uint64_t available = bytes_of(t, "available", &has_av);

	if (psc_get_str(t->root, "vm.error") || !psc_get(t->root, "vm"))
		return;
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Memory\n");
	if (has_np || has_nx)
		pool_line(t, "nonpaged pool", np + nx, "nonpaged_pool_max");
	if (has_paged)
		pool_line(t, "paged pool", paged, "paged_pool_max");
	if (has_commit && has_limit)
		usage_line(t, "commit", commit, limit, "");
	if (has_ram && has_av && available <= ram)
		usage_line(t, "memory in use", ram - available, ram, "");
}

static int64_t used_of(const struct psc_value *row, const char *pool)
{
	int64_t v = 0;

	psc_get_int(psc_get(row, pool), "bytes", &v);
	return v;
}

static int by_used(const void *a, const void *b, void *pool)
{
	int64_t x = used_of(*(const struct psc_value *const *)a, pool);
	int64_t y = used_of(*(const struct psc_value *const *)b, pool);

	uint32_t s = 0, t = 0;

	if (x != y)
		return x < y ? 1 : -1;
	psc_get_tag(*(const struct psc_value *const *)a, "tag", &s);
	psc_get_tag(*(const struct psc_value *const *)b, "tag", &t);
	return memcmp(&s, &t, sizeof(s));
}

static void tag_row(const struct text *t, const struct psc_value *row,
		    const char *pool, uint64_t total)
{
	int64_t used = used_of(row, pool), blocks = 0;
	const char *text = psc_get_str(row, "description");
	const char *binary = psc_get_str(row, "binary");
	char bytes[PSC_BYTES_TEXT], n[PSC_COUNT_TEXT], tag[5];
	uint32_t value = 0;

	psc_get_tag(row, "tag", &value);
	const char *driver = binary || text ? NULL : text_tag_driver(t, value);
	psc_tag_debugger(value, tag);
	psc_get_int(psc_get(row, pool), "diff", &blocks);
	psc_bytes_text((uint64_t)used, bytes);
	psc_count_text(blocks > 0 ? (uint64_t)blocks : 0, n);
	fprintf(t->out, "  %s %10s %3u %% %13s blocks  %s%s%s\n", tag, bytes,
		text_percent((uint64_t)used, total), n,
		binary ? binary : text ? "" : driver ? driver
		: "(not in any tag list)",
		binary && text ? ": " : driver ? " (by its code)" : "",
		text ? text : "");
}

static void top_tags(const struct text *t, const char *pool, const char *title)
{
	const struct psc_value *section = psc_get(t->root, "poolused");
	const struct psc_value *tags = psc_get(section, "tags");
	int64_t total = used_of(psc_get(section, "totals"), pool);
	size_t n = psc_count(tags);
	const struct psc_value **sorted = calloc(n ? n : 1, sizeof(*sorted));

	if (!n || total <= 0 || !sorted) {
		free(sorted);
		return;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = psc_at(tags, i, NULL);
	qsort_r(sorted, n, sizeof(*sorted), by_used, (void *)(uintptr_t)pool);
	char bytes[PSC_BYTES_TEXT];
	psc_bytes_text((uint64_t)total, bytes);
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "%s by tag (%s in all)\n", title, bytes);
	for (size_t i = 0; i < n && i < TOP_TAGS; i++) {
		if (used_of(sorted[i], pool) > 0)
			tag_row(t, sorted[i], pool, (uint64_t)total);
	}
	free(sorted);
}

static void next_steps(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "next_steps");

	if (!psc_count(list))
		return;
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Next step\n");
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "  %s\n", psc_value_str(psc_at(list, i, NULL)));
}

// A damaged pool and the owner of a leak come before everything else.
static void headline(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "findings");
	bool any = false;

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);

		if (!is_headline(f))
			continue;
		text_styled(t, TEXT_WARNING, "%s\n", text_str(f, "text"));
		any = true;
	}
	if (any)
		fputc('\n', t->out);
}

// Whether the pages say what the counters say, in one line.
static void reconciled(const struct text *t)
{
	const struct psc_value *w = psc_get(t->root, "walk");
	uint64_t equal = 0, explained = 0, unexplained = 0, blocks = 0;
	char n[PSC_COUNT_TEXT];

	if (!psc_get_uint(w, "tags_equal", &equal))
		return;
	psc_get_uint(w, "tags_explained", &explained);
	psc_get_uint(w, "tags_unexplained", &unexplained);
	psc_get_uint(w, "blocks", &blocks);
	psc_count_text(blocks, n);
	text_fact(t, "pages walked", "%s blocks: %" PRIu64 " counters "
		  "agree, %" PRIu64 " differ for a known reason, %" PRIu64
		  " unexplained", n, equal, explained, unexplained);
}

void text_view_report(const struct text *t)
{
	headline(t);
	text_corruption(t);
	text_styled(t, TEXT_HEADING, "Crash\n");
	text_crash(t);
	text_bugcheck_words(t, false);
	findings(t);
	memory(t);
	reconciled(t);
	top_tags(t, "nonpaged", "Nonpaged pool");
	top_tags(t, "paged", "Paged pool");
	fputc('\n', t->out);
	text_styled(t, TEXT_HEADING, "Dump\n");
	text_machine(t);
	if (psc_get_str(t->root, "dump.why_no_pages") &&
	    psc_count(psc_get(t->root, "modules"))) {
		fputc('\n', t->out);
		text_modules(t);
	}
	text_missing(t);
	next_steps(t);
}
