// SPDX-License-Identifier: MIT
#include "code/flat.h"

#include <stdlib.h>
#include <string.h>

enum {
	SECTION_EXECUTE = 0x20000000,
};
#define SECTION_WRITE 0x80000000u

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

// Pages of zeros are not written, so that memory grows with what the image
// really holds and not with the sizes its headers announce.
static void load_pages(struct psc_flat *f)
{
	uint8_t page[PSC_FLAT_PAGE];

	for (uint32_t rva = 0; rva < f->size; rva += PSC_FLAT_PAGE) {
		uint32_t want = PSC_MIN(PSC_FLAT_PAGE, f->size - rva);
		size_t got = psc_pe_read(&f->pe, rva, page, want);

		// Sections of old drivers start inside a page, after a hole.
		for (size_t at = got; at < want && got < want; at += 0x20) {
			size_t more = psc_pe_read(&f->pe, rva + at, page + at,
						  want - at);
			if (!more) {
				memset(page + at, 0, PSC_MIN(0x20u, want - at));
				continue;
			}
			at += more & ~(size_t)0x1f;
			got = PSC_MAX(got, at);
		}
		if (!got)
			continue;
		f->present[rva / PSC_FLAT_PAGE] = 1;
		if (!all_zero(page, want))
			memcpy(f->bytes + rva, page, want);
	}
}

// Tables are read out of the copy: the source belongs to one thread.
static size_t flat_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct psc_flat *f = ctx;
	size_t done = 0;

	while (done < n && rva + done < f->size &&
	       f->present[(rva + done) / PSC_FLAT_PAGE]) {
		size_t left = PSC_FLAT_PAGE -
			      (size_t)((rva + done) % PSC_FLAT_PAGE);
		size_t take = PSC_MIN(n - done, left);
		memcpy((uint8_t *)buf + done, f->bytes + rva + done, take);
		done += take;
	}
	return done;
}

struct psc_error *psc_flat_load(const struct psc_image_source *src,
				const char *name, uint64_t base, bool memory,
				struct psc_flat *ret)
{
	struct psc_flat f = { .memory = memory };
	struct psc_error *err = psc_pe_open(src, name, &f.pe);

	if (err)
		return err;
	if (!f.pe.image_size || f.pe.image_size > PSC_FLAT_MAX)
		return psc_error_new(PSC_ERR_LIMIT,
				     "%s: SizeOfImage 0x%x is not analysed",
				     name, f.pe.image_size);
	f.pe.unbound = !memory;
	f.size = f.pe.image_size;
	f.base = base ? base : f.pe.image_base;
	f.ptr = f.pe.is64 ? 8 : 4;
	// One spare page: scans may load a whole word at the last byte.
	f.bytes = calloc(1, (size_t)f.size + PSC_FLAT_PAGE);
	f.present = calloc(1, f.size / PSC_FLAT_PAGE + 2);
	if (!f.bytes || !f.present) {
		psc_flat_free(&f);
		return &psc_nomem;
	}
	load_pages(&f);
	*ret = f;
	ret->pe.src = (struct psc_image_source){ ret, flat_read };
	return NULL;
}

void psc_flat_free(struct psc_flat *f)
{
	free(f->bytes);
	free(f->present);
	f->bytes = f->present = NULL;
}

bool psc_flat_executable(const struct psc_flat *f, uint64_t rva)
{
	const struct psc_pe_section *s = psc_pe_section_of(&f->pe, rva);

	return s && s->flags & SECTION_EXECUTE;
}

bool psc_flat_writable(const struct psc_flat *f, uint64_t rva)
{
	const struct psc_pe_section *s = psc_pe_section_of(&f->pe, rva);

	return s && s->flags & SECTION_WRITE;
}
