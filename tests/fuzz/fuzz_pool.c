// SPDX-License-Identifier: MIT
// Decoders of pool pages. The first byte chooses the decoder and which pages
// are missing, the rest are pages; when they end in the middle of one, all are
// there in part: which, their first bytes tell.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pool/chain.h"
#include "pool/lfh.h"
#include "pool/segment.h"
#include "pool/special.h"
#include "pool/vs.h"

#define MAX_PAGES 8u
#define VA UINT64_C(0xffff9a8013405000)
#define HEAP_KEY UINT64_C(0x1122334455667788)
#define LFH_KEY UINT64_C(0xa1b2c3d4e5f60718)

struct sum {
	uint64_t bytes, faults;
};

static void add_block(void *ctx, const struct psc_block *b)
{
	((struct sum *)ctx)->bytes += b->bytes;
}

static void add_fault(void *ctx, const struct psc_fault *f)
{
	((struct sum *)ctx)->faults++;
}

static void add_range(void *ctx, const struct psc_range *r)
{
	if (r->first + r->units > PSC_SEGMENT_UNITS || !r->units)
		abort();
	((struct sum *)ctx)->bytes += r->bytes;
}

static void chains(const uint8_t *page, const struct psc_sink *s)
{
	struct psc_span_stats st = { 0 };
	struct psc_chain c = {
		.form = page[9] & 1 ? &psc_header32 : &psc_header64,
		.page = page, .va = VA, .check_quota = true, .index_limit = 4,
		.start = page[10] & 1 ? 0x340 : 0, .big_bytes = 0x5340,
	};

	psc_chain_is_plausible(&c);
	psc_chain_walk(&c, s, &st);
	if (st.in_use + st.free + st.cached + st.skipped + st.unattributed !=
	    PSC_PAGE_SIZE - c.start)
		abort();
}

static void decode(unsigned int what, const struct psc_pages *pages,
		   const struct psc_sink *s, void *ctx)
{
	struct psc_span_stats st = { 0 };
	const struct psc_vs vs = {
		.layout = &psc_heap_layout_common, .pages = *pages,
		.heap_key = HEAP_KEY, .cookie = 7, .paged = -1,
	};
	const struct psc_lfh lfh = {
		.layout = &psc_heap_layout_common, .pages = *pages,
		.lfh_key = LFH_KEY, .cookie = 7, .paged = -1,
	};
	const struct psc_segment seg = {
		.layout = &psc_heap_layout_common, .header = *pages,
		.context = VA, .heap_key = HEAP_KEY, .unit_shift = 12,
		.first_index = 2,
	};

	switch (what) {
	case 0:
		psc_vs_walk(&vs, s, &st);
		break;
	case 1:
		psc_lfh_walk(&lfh, s, &st);
		break;
	case 2:
		psc_segment_walk(&seg, add_range, ctx, s);
		break;
	default:
		if (!pages->v[0])
			break;
		chains(pages->v[0], s);
		psc_special_walk(pages->v[0], VA, 0, s, &st);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *page[MAX_PAGES];
	struct psc_page_part part[MAX_PAGES];
	struct sum sum = { 0 };
	const struct psc_sink s = { .ctx = &sum, .block = add_block,
				    .fault = add_fault };

	if (size < 2)
		return 0;
	size_t n = (size - 1 + PSC_PAGE_SIZE - 1) / PSC_PAGE_SIZE;
	n = n > MAX_PAGES ? MAX_PAGES : n;
	// Exact-size copies: a sanitizer sees a one-byte overread.
	uint8_t *copy = calloc(n, PSC_PAGE_SIZE);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1 > n * PSC_PAGE_SIZE
	       ? n * PSC_PAGE_SIZE : size - 1);
	for (size_t i = 0; i < n; i++) {
		page[i] = data[0] >> 2 & 1u << i ? NULL
						 : copy + i * PSC_PAGE_SIZE;
		memcpy(&part[i], copy + i * PSC_PAGE_SIZE, sizeof(part[i]));
	}
	const struct psc_pages pages = {
		.va = VA, .v = page, .n = n,
		.part = (size - 1) % PSC_PAGE_SIZE ? part : NULL,
	};
	decode(data[0] & 3, &pages, &s, &sum);
	free(copy);
	return 0;
}
