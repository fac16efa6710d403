// SPDX-License-Identifier: MIT
// Allocations of a page and more, from the big-page table.
#include <inttypes.h>

#include "base/str.h"
#include "render/text.h"

void text_view_bigpool(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "bigpool");
	uint64_t total = 0, n_live = 0;
	char bytes[PSC_BYTES_TEXT], n[PSC_COUNT_TEXT];

	text_styled(t, TEXT_HEADING, "%-16s  %-4s  %12s  %s\n", "address",
		    "tag", "bytes", "pool");
	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *e = psc_at(list, i, NULL);
		uint64_t va = 0, size = 0;
		uint32_t tag = 0;
		char text[5];
		bool is_free = false;

		psc_get_hex(e, "address", &va);
		psc_get_uint(e, "bytes", &size);
		psc_get_tag(e, "tag", &tag);
		psc_get_bool(e, "free", &is_free);
		psc_tag_debugger(tag, text);
		fprintf(t->out, "%016" PRIx64 "  %s  %12" PRIu64 "  %s%s\n", va,
			text, size, text_str(e, "pool"),
			is_free ? " (free)" : "");
		if (!is_free) {
			total += size;
			n_live++;
		}
	}
	psc_bytes_text(total, bytes);
	psc_count_text(n_live, n);
	fprintf(t->out, "\n%s allocation%s, %s\n", n, n_live == 1 ? "" : "s",
		bytes);
	text_missing(t);
}
