// SPDX-License-Identifier: MIT
#include "pe/window.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

void psc_pe_window_init(struct psc_pe_window *w, const struct psc_pe *pe)
{
	w->pe = pe;
	w->page = UINT64_MAX;
	w->have = 0;
}

// Readable bytes from rva to the end of its page, copied into the window.
static size_t window_at(struct psc_pe_window *w, uint64_t rva)
{
	uint64_t page = rva & ~(uint64_t)(PSC_PE_PAGE - 1);
	size_t in = (size_t)(rva - page);

	if (page != w->page) {
		w->page = page;
		w->have = psc_pe_read(w->pe, page, w->buf, PSC_PE_PAGE);
	}
	if (in < w->have)
		return w->have - in;
	// Sections of old drivers share pages: a hole between two of them must
	// not hide the second one.
	size_t got = psc_pe_read(w->pe, rva, w->buf + in, PSC_PE_PAGE - in);
	w->page = UINT64_MAX;
	return got;
}

bool psc_pe_window_get(struct psc_pe_window *w, uint64_t rva, void *buf,
		       size_t n)
{
	for (size_t done = 0; done < n; ) {
		size_t left = window_at(w, rva + done);
		size_t take = PSC_MIN(left, n - done);

		if (!take)
			return false;
		memcpy((uint8_t *)buf + done,
		       w->buf + ((rva + done) & (PSC_PE_PAGE - 1)), take);
		done += take;
	}
	return true;
}

bool psc_pe_window_u32(struct psc_pe_window *w, uint64_t rva, uint32_t *v)
{
	uint8_t b[4];

	if (!psc_pe_window_get(w, rva, b, sizeof(b)))
		return false;
	*v = psc_le32(b);
	return true;
}

char *psc_pe_window_text(struct psc_pe_window *w, uint64_t rva, size_t max,
			 bool *oom)
{
	struct psc_str s = { 0 };

	*oom = false;
	while (s.len < max) {
		size_t left = window_at(w, rva + s.len);
		size_t take = PSC_MIN(left, max - s.len);
		const char *p = (const char *)w->buf +
				((rva + s.len) & (PSC_PE_PAGE - 1));
		const char *nul = take ? memchr(p, 0, take) : NULL;

		if (!take)
			break;
		psc_str_addn(&s, p, nul ? (size_t)(nul - p) : take);
		if (s.oom) {
			*oom = true;
			break;
		}
		if (nul && s.len)
			return psc_str_take(&s);
		if (nul)
			break;
	}
	psc_str_free(&s);
	return NULL;
}
