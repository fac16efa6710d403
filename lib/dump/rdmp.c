// SPDX-License-Identifier: MIT
#include "dump/pages.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/vec.h"

// Header before the ranges, and one range (dump-format 2.4).
#define HEADER_BYTES 0x30u
#define RANGE_BYTES 0x10u
// A fragmented 64 TiB machine has fewer; a hostile one stops here.
#define MAX_RANGES (UINT64_C(1) << 24)

struct rdmp {
	uint64_t first_page, metadata;
	uint64_t total;			// pages; 0 = not known to be a count
	uint32_t ranges;
	uint64_t n_entries;		// that fit before the first page
};

static struct psc_error *read_header(const struct psc_body *b, struct rdmp *h)
{
	uint8_t p[HEADER_BYTES];

	if (!psc_source_read(b->src, b->offset, p, sizeof(p)))
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, b->offset,
				    "range list at 0x%" PRIx64 ": need %zu bytes, "
				    "the file ends at 0x%" PRIx64, b->offset,
				    sizeof(p), b->src->size);
	h->metadata = psc_le64(p + 0x10);
	h->first_page = psc_le64(p + 0x18);
	h->ranges = psc_le32(p + 0x20);
	// Types 8 and 9 are not known to keep a count here.
	h->total = b->header->dump_type == 0xa ? psc_le64(p + 0x28) : 0;
	uint64_t start = b->offset + HEADER_BYTES;
	if (h->first_page < start)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET,
				    b->offset + 0x18, "range list at 0x%" PRIx64
				    ": first page at 0x%" PRIx64 " lies inside "
				    "the headers", b->offset, h->first_page);
	if (h->first_page - (b->offset + 0x20) != h->metadata)
		psc_warn(b->warnings, "range list: MetadataSize 0x%" PRIx64
			 " does not reach the first page at 0x%" PRIx64,
			 h->metadata, h->first_page);
	uint64_t end = PSC_MIN(h->first_page, b->src->size);
	h->n_entries = (end - start) / RANGE_BYTES;
	if (end < h->first_page)
		psc_warn(b->warnings, "range list: the file ends inside it");
	return NULL;
}

static struct psc_error *read_ranges(const struct psc_body *b,
				     const struct rdmp *h,
				     struct psc_run **runs, size_t *n)
{
	PSC_VEC(struct psc_run) v = { 0 };
	uint64_t off = h->first_page, sum = 0;
	struct psc_error *err = NULL;

	for (uint64_t i = 0; i < h->n_entries && !err; i++) {
		uint8_t p[RANGE_BYTES];
		uint64_t at = b->offset + HEADER_BYTES + i * RANGE_BYTES;
		if (!psc_source_read(b->src, at, p, sizeof(p)))
			break;
		struct psc_run run = { .base = psc_le64(p),
				       .count = psc_le64(p + 8) };
		if (!run.count || (h->total && sum == h->total))
			break;	// zero entries end the list
		if (i == MAX_RANGES)
			err = psc_error_at(PSC_ERR_LIMIT, PSC_WHERE_OFFSET, at,
					   "more than %" PRIu64 " ranges",
					   MAX_RANGES);
		else if (!psc_vec_reserve(&v, v.n + 1))
			err = &psc_nomem;
		else
			err = psc_run_append(b, v.v, &v.n, i, run, &off);
		sum += run.count;
	}
	*runs = v.v;
	*n = v.n;
	return psc_error_prefix(err, "range list at 0x%" PRIx64, b->offset);
}

static void compare_counts(const struct psc_body *b, const struct rdmp *h,
			   const struct psc_run *runs, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += runs[i].count;
	if (h->total && sum != h->total)
		psc_warn(b->warnings, "range list: %" PRIu64 " pages announced, "
			 "the ranges hold %" PRIu64, h->total, sum);
	if (h->total && h->ranges != n)
		psc_warn(b->warnings, "range list: %" PRIu32 " ranges announced, "
			 "%zu found", h->ranges, n);
}

struct psc_error *psc_pages_rdmp(const struct psc_body *b,
				 struct psc_pages **ret)
{
	struct rdmp h;
	PSC_FREE struct psc_run *runs = NULL;
	size_t n;
	struct psc_error *err = read_header(b, &h);

	if (!err)
		err = read_ranges(b, &h, &runs, &n);
	if (err)
		return err;
	if (!n)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, b->offset,
				    "range list at 0x%" PRIx64 ": it names no "
				    "pages", b->offset);
	compare_counts(b, &h, runs, n);
	return psc_pages_from_runs(b, PSC_TAKE(runs), n, ret);
}
