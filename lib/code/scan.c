// SPDX-License-Identifier: MIT
// Raw search for references: a relative 32-bit field that ends 4 bytes on
// (x64, x86), an absolute address (x86), bl/b and adrp (ARM64).
#include "code/engine.h"

#include <stdlib.h>

bool psc_wanted_init(struct psc_wanted *w)
{
	*w = (struct psc_wanted){ .low = calloc(1, 0x10000 / 8) };
	return w->low != NULL;
}

bool psc_wanted_add(struct psc_wanted *w, int64_t rva)
{
	w->low[(rva & 0xffff) / 8] |= (uint8_t)(1 << (rva & 7));
	return psc_map_put(&w->set, (uint64_t)rva, NULL) != NULL;
}

void psc_wanted_free(struct psc_wanted *w)
{
	psc_map_free(&w->set);
	free(w->low);
	w->low = NULL;
}

static inline bool wanted(const struct psc_wanted *w, int64_t rva)
{
	return w->low[(rva & 0xffff) / 8] >> (rva & 7) & 1 &&
	       psc_map_get(&w->set, (uint64_t)rva);
}

static bool scan_x86(const struct psc_engine *e, const struct psc_wanted *w,
		     uint32_t from, uint32_t to, struct psc_refs *ret)
{
	const uint8_t *p = e->flat->bytes;
	bool absolute = e->flat->ptr == 4;
	uint32_t base = (uint32_t)e->flat->base;

	for (uint32_t i = PSC_MAX(from, 1u); i < to; i++) {
		uint32_t field = psc_le32(p + i);
		int64_t rel = (int64_t)i + 4 + (int32_t)field;

		// Thunks and tail jumps may be short.
		int64_t near = p[i - 1] == 0xeb ? (int64_t)i + 1 + (int8_t)p[i]
						: rel;

		if (!wanted(w, rel) && !wanted(w, near) &&
		    !(absolute && wanted(w, (uint32_t)(field - base))))
			continue;
		if (!psc_vec_push(&ret->v, i))
			return false;
	}
	return true;
}

// A page address counts when any wanted RVA lies on the page.
static bool page_wanted(const struct psc_wanted *pages, int64_t page)
{
	return wanted(pages, page);
}

static bool scan_arm64(const struct psc_engine *e, const struct psc_wanted *w,
		       const struct psc_wanted *pages, uint32_t from,
		       uint32_t to, struct psc_refs *ret)
{
	for (uint32_t i = (from + 3) & ~3u; i + 4 <= to; i += 4) {
		uint32_t in = psc_le32(e->flat->bytes + i);
		bool hit = false;

		if ((in >> 26 & 0x1f) == 5)		// b, bl
			hit = wanted(w, i + (int64_t)
				     ((int32_t)(in << 6) >> 6) * 4);
		else if ((in & 0x9f000000) == 0x90000000) {	// adrp
			int64_t pages_on = (int64_t)
				((int32_t)(in << 8) >> 13) * 4 + (in >> 29 & 3);
			hit = page_wanted(pages, (int64_t)(i & ~0xfffu) +
					  pages_on * 0x1000);
		} else if ((in & 0x3b000000) == 0x18000000) {	// ldr literal
			hit = wanted(w, i + (int64_t)
				     ((int32_t)(in << 8) >> 13) * 4);
		}
		if (hit && !psc_vec_push(&ret->v, i))
			return false;
	}
	return true;
}

static bool wanted_pages(const struct psc_wanted *w, struct psc_wanted *pages)
{
	struct psc_map_slot s;

	if (!psc_wanted_init(pages))
		return false;
	for (size_t i = 0; psc_map_next(&w->set, &i, &s); ) {
		if (!psc_wanted_add(pages, (int64_t)s.key & ~(int64_t)0xfff))
			return false;
	}
	return true;
}

bool psc_scan_refs(const struct psc_engine *e, const struct psc_wanted *w,
		   struct psc_refs *ret)
{
	const struct psc_pe *pe = &e->flat->pe;
	bool arm = pe->machine == 0xaa64, ok = true;
	struct psc_wanted pages = { 0 };

	if (arm && !wanted_pages(w, &pages)) {
		psc_wanted_free(&pages);
		return false;
	}
	for (unsigned int i = 0; ok && i < pe->n_sections; i++) {
		const struct psc_pe_section *s = &pe->section[i];
		uint32_t size = s->virtual_size ? s->virtual_size
						: s->file_size;
		uint64_t end = PSC_MIN((uint64_t)s->rva + size,
				       (uint64_t)e->flat->size);

		if (!psc_flat_executable(e->flat, s->rva) || s->rva >= end)
			continue;
		ok = arm ? scan_arm64(e, w, &pages, s->rva, (uint32_t)end, ret)
			 : scan_x86(e, w, s->rva, (uint32_t)end, ret);
	}
	psc_wanted_free(&pages);
	return ok;
}
