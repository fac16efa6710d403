// SPDX-License-Identifier: MIT
#include "dump/pages.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dump/header.h"
#include "dump/overlap.h"

struct runs {
	struct psc_pages pages;
	struct psc_run *v;		// ascending, disjoint, all inside the file
	size_t n;
};

// Index of the first run that ends behind pfn; n when there is none.
static size_t find(const struct runs *r, uint64_t pfn)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->v[mid].base + r->v[mid].count <= pfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool runs_offset(const struct psc_pages *p, uint64_t pfn, uint64_t *off)
{
	const struct runs *r = (const struct runs *)p;
	size_t i = find(r, pfn);

	if (i == r->n || pfn < r->v[i].base)
		return false;
	*off = r->v[i].offset + (pfn - r->v[i].base) * PSC_DUMP_PAGE;
	return true;
}

static bool runs_next(const struct psc_pages *p, uint64_t pfn, uint64_t *ret)
{
	const struct runs *r = (const struct runs *)p;
	size_t i = find(r, pfn);

	if (i == r->n)
		return false;
	*ret = PSC_MAX(pfn, r->v[i].base);
	return true;
}

static void runs_free(struct psc_pages *p)
{
	struct runs *r = (struct runs *)p;

	free(r->v);
	free(r);
}

static const struct psc_pages_ops runs_ops = {
	.offset = runs_offset,
	.next = runs_next,
	.free = runs_free,
};

// Count what is announced, then drop what lies past the end of the file.
static void clip(struct runs *r, uint64_t size)
{
	size_t kept = 0;

	if (r->n)
		r->pages.pfn_limit = r->v[r->n - 1].base + r->v[r->n - 1].count;
	for (size_t i = 0; i < r->n; i++) {
		struct psc_run run = r->v[i];
		uint64_t fit = run.offset < size
			? (size - run.offset) / PSC_DUMP_PAGE : 0;
		r->pages.stored += run.count;
		run.count = PSC_MIN(fit, run.count);
		r->pages.readable += run.count;
		if (run.count)
			r->v[kept++] = run;
	}
	r->n = kept;
}

struct psc_error *psc_pages_from_runs(const struct psc_body *b,
				      struct psc_run *runs, size_t n,
				      struct psc_pages **ret)
{
	struct psc_error *err = psc_runs_disjoint(&runs, &n, b->warnings);
	struct runs *r = err ? NULL : calloc(1, sizeof(*r));

	if (!r) {
		free(runs);
		return err ? err : &psc_nomem;
	}
	r->pages.ops = &runs_ops;
	r->v = runs;
	r->n = n;
	clip(r, b->src->size);
	*ret = &r->pages;
	return NULL;
}

struct psc_error *psc_run_append(const struct psc_body *b, struct psc_run *runs,
				 size_t *n, uint64_t index, struct psc_run run,
				 uint64_t *off)
{
	uint64_t bytes, end;

	if (!run.count) {
		psc_warn(b->warnings, "run %" PRIu64 " has no pages", index);
		return NULL;
	}
	if (run.base >= PSC_DUMP_MAX_PFN ||
	    run.count > PSC_DUMP_MAX_PFN - run.base)
		return psc_error_new(PSC_ERR_DAMAGED, "run %" PRIu64 ": frames 0x%"
				     PRIx64 " + 0x%" PRIx64 " lie beyond 52-bit "
				     "physical addresses", index, run.base,
				     run.count);
	if (!psc_mul_ok(run.count, PSC_DUMP_PAGE, &bytes) ||
	    !psc_add_ok(*off, bytes, &end))
		return psc_error_new(PSC_ERR_DAMAGED, "run %" PRIu64 ": file "
				     "offset 0x%" PRIx64 " + 0x%" PRIx64
				     " pages is out of range", index, *off,
				     run.count);
	run.offset = *off;
	*off = end;
	runs[(*n)++] = run;
	return NULL;
}

// PHYSICAL_MEMORY_DESCRIPTOR, both widths (dump-format 1.4).
struct layout {
	uint64_t offset;		// in the header
	uint32_t max_runs;
	unsigned int word;		// bytes of BasePage, PageCount, NumberOfPages
	unsigned int pages, first;	// NumberOfPages, Run[0]
};

static const struct layout layout32 = { 0x64, 86, 4, 4, 8 };
static const struct layout layout64 = { 0x88, 43, 8, 8, 0x10 };

static struct psc_error *descriptor(const struct psc_body *b,
				    const struct layout *l, uint32_t *n)
{
	uint32_t count = psc_le32(b->header_bytes + l->offset);

	if (psc_header_unset32(count))
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, l->offset,
				    "physical memory descriptor at 0x%" PRIx64
				    ": not filled in, so the pages cannot be "
				    "located", l->offset);
	if (!count || count > l->max_runs)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, l->offset,
				    "physical memory descriptor at 0x%" PRIx64
				    ": NumberOfRuns %" PRIu32 " is not in 1..%"
				    PRIu32, l->offset, count, l->max_runs);
	*n = count;
	return NULL;
}

struct psc_error *psc_pages_runs(const struct psc_body *b,
				 struct psc_pages **ret)
{
	const struct layout *l = b->header->is64 ? &layout64 : &layout32;
	const uint8_t *p = b->header_bytes + l->offset;
	uint64_t off = b->offset, sum = 0;
	uint32_t announced;
	size_t n = 0;
	struct psc_error *err = descriptor(b, l, &announced);

	if (err)
		return err;
	PSC_FREE struct psc_run *runs = calloc(announced, sizeof(*runs));
	if (!runs)
		return &psc_nomem;
	for (uint32_t i = 0; i < announced; i++) {
		const uint8_t *at = p + l->first + 2 * l->word * i;
		struct psc_run run = {
			.base = psc_le_uint(at, l->word),
			.count = psc_le_uint(at + l->word, l->word),
		};
		if ((err = psc_run_append(b, runs, &n, i, run, &off)))
			return psc_error_prefix(err, "physical memory "
						"descriptor at 0x%" PRIx64,
						l->offset);
		sum += run.count;
	}
	uint64_t total = psc_le_uint(p + l->pages, l->word);
	if (total != sum)
		psc_warn(b->warnings, "header: NumberOfPages is %" PRIu64
			 ", the runs hold %" PRIu64, total, sum);
	return psc_pages_from_runs(b, PSC_TAKE(runs), n, ret);
}
