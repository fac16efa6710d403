// SPDX-License-Identifier: MIT
// What the call sites say about a tag, in a sentence for a ticket.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/callers.h"
#include "analysis/finding.h"
#include "analysis/pooltag.h"
#include "base/bytes.h"
#include "base/str.h"
#include "pool/tagtable.h"

enum { DRIVERS_MAX = 4 };
#define WORTH_NAMING (16ull << 20)	/* bytes of a tag */

static void add_amount(struct psc_str *s, const struct psc_value *row)
{
	char text[PSC_BYTES_TEXT];
	uint64_t bytes, blocks;

	if (!psc_get_uint(row, "outstanding.bytes", &bytes) ||
	    !psc_get_uint(row, "outstanding.blocks", &blocks))
		return;
	psc_bytes_text(bytes, text);
	psc_str_addf(s, " holds %s in %" PRIu64 " blocks and", text, blocks);
}

static const struct psc_value *module_of(const struct psc_value *root,
					 const char *name)
{
	const struct psc_value *list = psc_get(root, "callsite_modules");

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *m = psc_at(list, i, NULL);
		const char *n = psc_get_str(m, "name");
		if (n && !strcmp(n, name))
			return m;
	}
	return NULL;
}

static void add_driver(struct psc_str *s, const struct psc_value *root,
		       const struct psc_value *row)
{
	const char *name = psc_get_str(row, "module");
	const struct psc_value *m = module_of(root, name ? name : "");
	const char *version = psc_get_str(m, "version");
	const char *company = psc_get_str(m, "company");

	psc_str_addf(s, "%s", name ? name : "?");
	if (version || company)
		psc_str_addf(s, " (%s%s%s)", version ? version : "",
			     version && company ? ", " : "",
			     company ? company : "");
}

static void add_place(struct psc_str *s, const struct psc_value *row)
{
	const char *fn = psc_get_str(row, "function");
	const char *file = psc_get_str(row, "file");
	uint64_t line = 0, rva = 0;

	if (!psc_get_hex(row, "via.rva", &rva))
		psc_get_hex(row, "rva", &rva);
	if (fn)
		psc_str_addf(s, " in %s", fn);
	else
		psc_str_addf(s, " at +0x%" PRIx64, rva);
	if (file && psc_get_uint(row, "line", &line))
		psc_str_addf(s, " (%s:%" PRIu64 ")", psc_path_base(file),
			     line);
}

// The size at the call against what the blocks of the tag average.
static void add_size(struct psc_str *s, const struct psc_value *row)
{
	uint64_t size, bytes, blocks;

	if (!psc_get_uint(row, "bytes", &size))
		return;
	psc_str_addf(s, ", %" PRIu64 " bytes at a time", size);
	if (!psc_get_uint(row, "outstanding.bytes", &bytes) ||
	    !psc_get_uint(row, "outstanding.blocks", &blocks) || !blocks)
		return;
	uint64_t mean = bytes / blocks;
	// A block carries a header and is rounded up, at most to its page.
	uint64_t most = size >= 0xff0 ? 0x1000 : 0x40;
	bool fits = mean >= size && mean - size < most;
	psc_str_addf(s, fits ? ", which is what its blocks measure"
			     : " (its blocks average %" PRIu64 ")", mean);
}

static bool row_of_tag(const struct psc_value *row, uint32_t tag)
{
	uint32_t t;

	return psc_get_tag(row, "tag", &t) &&
	       (t & PSC_TAG_MASK) == (tag & PSC_TAG_MASK) &&
	       psc_get_str(row, "api");
}

static bool named_before(const struct psc_value *rows, size_t i, uint32_t tag)
{
	const char *name = psc_get_str(psc_at(rows, i, NULL), "module");

	for (size_t k = 0; k < i; k++) {
		const struct psc_value *r = psc_at(rows, k, NULL);
		const char *n = psc_get_str(r, "module");
		if (row_of_tag(r, tag) && n && name && !strcmp(n, name))
			return true;
	}
	return false;
}

char *psc_callers_sentence(const struct psc_value *root, uint32_t tag)
{
	const struct psc_value *rows = psc_get(root, "callsites");
	struct psc_str s = { 0 };
	char text[PSC_TAG_TEXT];
	unsigned int sites = 0, drivers = 0;

	psc_tag_text(tag, text);
	for (size_t i = 0; i < psc_count(rows); i++) {
		const struct psc_value *r = psc_at(rows, i, NULL);

		if (!row_of_tag(r, tag))
			continue;
		if (!sites++) {
			psc_str_addf(&s, "tag '%s'", text);
			add_amount(&s, r);
			psc_str_add(&s, " is allocated by ");
			add_driver(&s, root, r);
			add_place(&s, r);
			psc_str_addf(&s, " through %s",
				     psc_get_str(r, "api"));
			add_size(&s, r);
			drivers++;
		} else if (!named_before(rows, i, tag) &&
			   drivers++ < DRIVERS_MAX) {
			psc_str_add(&s, "; also by ");
			add_driver(&s, root, r);
			add_place(&s, r);
		}
	}
	if (sites > drivers)
		psc_str_addf(&s, " (%u call sites in all)", sites);
	return sites ? psc_str_take(&s) : NULL;
}

// --- the short report -------------------------------------------------------

static int by_bytes(const void *a, const void *b)
{
	const struct psc_tag_row *x = *(const struct psc_tag_row *const *)a;
	const struct psc_tag_row *y = *(const struct psc_tag_row *const *)b;
	int64_t p = (int64_t)(x->nonpaged.bytes + x->paged.bytes);
	int64_t q = (int64_t)(y->nonpaged.bytes + y->paged.bytes);

	return p != q ? (p < q ? 1 : -1)
		      : (x->tag > y->tag) - (x->tag < y->tag);
}

size_t psc_callers_top_tags(const struct psc_analysis *a,
			    const struct psc_tag_table *t, uint32_t *out)
{
	const struct psc_tag_row **rows = calloc(t->n + 1, sizeof(*rows));
	struct psc_pooltag known;
	size_t n = 0, found = 0;

	for (size_t i = 0; rows && i < t->n; i++) {
		const struct psc_tag_row *r = &t->v[i];
		int64_t bytes = (int64_t)(r->nonpaged.bytes + r->paged.bytes);
		if (bytes >= (int64_t)WORTH_NAMING && !r->overflow &&
		    !psc_pooltag_find(a->tags, r->tag, &known))
			rows[n++] = r;
	}
	if (n)
		qsort(rows, n, sizeof(*rows), by_bytes);
	for (; found < n && found < PSC_CALLERS_TOP; found++)
		out[found] = rows[found]->tag;
	free(rows);
	return found;
}

void psc_callers_findings(struct psc_analysis *a, const uint32_t *tags,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *text = psc_callers_sentence(a->root, tags[i]);
		char tag[PSC_TAG_TEXT];

		psc_tag_text(tags[i], tag);
		if (text)
			psc_finding_add(a, "tag-allocated-by", PSC_WARNING,
					"/callsites", "%s", text);
		else
			psc_finding_add(a, "tag-without-call-site", PSC_INFO,
					"/callsites", "tag '%s' is in no tag "
					"list, and no call of an allocator in "
					"the drivers of this dump names it",
					tag);
		free(text);
	}
}
