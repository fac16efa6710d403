// SPDX-License-Identifier: MIT
#include "loaded.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { DIR_IMPORT = 1, DIR_RELOC = 5 };
#define SECTION_DISCARD 0x02000000u

size_t loaded_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct loaded *l = ctx;
	size_t i = 0;

	for (; i < n && rva + i < l->size && l->present[(rva + i) >> 12]; i++)
		((uint8_t *)buf)[i] = l->bytes[rva + i];
	return i;
}

static void relocate(struct loaded *l, const struct psc_pe *pe)
{
	uint64_t delta = l->base - pe->image_base;
	uint32_t at = pe->dir[DIR_RELOC].rva;
	uint32_t end = at + pe->dir[DIR_RELOC].size;

	while (at && at + 8 <= end && end <= l->size) {
		uint32_t page = psc_le32(l->bytes + at);
		uint32_t n = psc_le32(l->bytes + at + 4);
		if (n < 8)
			break;
		for (uint32_t i = 8; i + 2 <= n; i += 2) {
			uint16_t e = psc_le16(l->bytes + at + i);
			uint8_t *p = l->bytes + page + (e & 0xfff);
			if (e >> 12 == 3)
				psc_put32(p, psc_le32(p) + (uint32_t)delta);
			else if (e >> 12 == 10)
				psc_put64(p, psc_le64(p) + delta);
		}
		at += n;
	}
	uint8_t *opt = l->bytes + psc_le32(l->bytes + 0x3c) + 24;
	if (pe->is64)
		psc_put64(opt + 24, l->base);
	else
		psc_put32(opt + 28, (uint32_t)l->base);
}

static void rewrite(struct loaded *l, uint32_t at, uint64_t slot_value)
{
	uint8_t *p = l->bytes + at;

	p[0] = 0x4c;			// mov r10, [slot]
	p[1] = 0x8b;
	p[2] = 0x15;
	p[7] = 0xe8;			// call the export itself
	psc_put32(p + 8, (uint32_t)(slot_value - (l->base + at + 12)));
	assert_true(l->n_rewritten < 256);
	l->rewritten[l->n_rewritten++] = at;
}

static void rewrite_calls(struct loaded *l, uint32_t slot_rva, uint64_t value)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x44, 0, 0 };

	for (uint32_t i = 0x1000; i + 12 <= l->size; i++) {
		const uint8_t *p = l->bytes + i;
		if (p[0] == 0x48 && p[1] == 0xff && p[2] == 0x15 &&
		    !memcmp(p + 7, nop, sizeof(nop)) &&
		    i + 7 + psc_le32(p + 3) == slot_rva)
			rewrite(l, i, value);
	}
}

static void bind(struct loaded *l, const struct psc_pe *pe,
		 loaded_resolve resolve, void *ctx)
{
	struct psc_pe_imports im;
	struct psc_error *err = psc_pe_imports(pe, &im);

	if (err) {
		psc_error_free(err);
		return;
	}
	for (size_t i = 0; i < im.n; i++) {
		// The one import by ordinal is the allocator.
		uint64_t to = resolve(ctx, im.v[i].name ? im.v[i].name
					   : "ExAllocatePoolWithTag");
		uint8_t *slot = l->bytes + im.v[i].slot_rva;
		if (pe->is64)
			psc_put64(slot, to);
		else
			psc_put32(slot, (uint32_t)to);
		if (to && pe->machine == 0x8664)
			rewrite_calls(l, im.v[i].slot_rva, to);
	}
	psc_pe_imports_free(&im);
}

void loaded_init(struct loaded *l, const char *name,
		 const struct psc_pe_file *f, uint64_t base,
		 loaded_resolve resolve, void *ctx)
{
	const struct psc_pe *pe = &f->pe;

	memset(l, 0, sizeof(*l));
	l->name = name;
	l->size = pe->image_size;
	l->base = base;
	l->bytes = calloc(1, l->size + 16);
	l->present = malloc(l->size / 0x1000 + 1);
	assert_true(l->bytes && l->present);
	memset(l->present, 1, l->size / 0x1000 + 1);
	for (uint32_t at = 0; at < l->size; at += 0x1000)
		psc_pe_read(pe, at, l->bytes + at,
			    PSC_MIN(0x1000u, l->size - at));
	relocate(l, pe);
	if (resolve)
		bind(l, pe, resolve, ctx);
	for (unsigned int i = 0; i < pe->n_sections; i++) {
		const struct psc_pe_section *s = &pe->section[i];
		if (!strcmp(s->name, "INIT") || s->flags & SECTION_DISCARD)
			memset(l->present + s->rva / 0x1000, 0,
			       (s->virtual_size + 0xfff) / 0x1000);
	}
}

void loaded_lose_names(struct loaded *l)
{
	uint8_t *opt = l->bytes + psc_le32(l->bytes + 0x3c) + 24;
	uint8_t *dirs = opt + (psc_le16(opt) == 0x20b ? 112 : 96);

	psc_put32(dirs + 8 * DIR_IMPORT, l->size);	// past the image
}

void loaded_free(struct loaded *l)
{
	free(l->bytes);
	free(l->present);
}
