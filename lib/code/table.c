// SPDX-License-Identifier: MIT
// Tables of tags: where does one end? At the next thing that code or data
// refers to, or at the first entry that is no plain tag.
#include "code/sites.h"

#include <ctype.h>

enum { TABLE_BYTES = 0x4000 };

// Letters, digits, blanks, '_': what ends a table is often a string, and a
// missing tag is better than an invented one.
static bool plain(uint32_t tag)
{
	for (unsigned int i = 0; i < 4; i++) {
		int c = (int)(tag >> 8 * i & 0xff);
		if (!isalnum(c) && c != '_' && c != ' ')
			return false;
	}
	return (tag & 0xff) != ' ';
}

static void lower(uint64_t v, uint64_t from, uint64_t *end)
{
	if (v >= from && v < *end)
		*end = v;
}

// An operand of 32-bit code that is an absolute address: push, mov, or memory
// without a base.
static bool absolute(const uint8_t *p)
{
	return p[-1] == 0x68 || (p[-1] & 0xf8) == 0xb8 || p[-1] == 0xa1 ||
	       p[-1] == 0xa3 || (p[-1] & 0xc7) == 5 ||
	       ((p[-1] & 7) == 5 && (p[-2] & 0xc7) == 4);
}

// lea, mov or a vector move of a rip-relative place; adrp and add on ARM64.
static bool code_reference(const struct psc_flat *f, uint32_t i, uint32_t *rva)
{
	const uint8_t *p = f->bytes + i;
	uint8_t op = p[-2];

	if (f->pe.machine == 0xaa64) {
		uint32_t a = psc_le32(p), b = psc_le32(p + 4);
		if (i & 3 || (a & 0x9f000000) != 0x90000000 ||
		    (b & 0xffc00000) != 0x91000000)
			return false;
		*rva = (i & ~0xfffu) + (uint32_t)
			((int32_t)(a << 8) >> 13) * 0x4000 +
			(a >> 29 & 3) * 0x1000 + (b >> 10 & 0xfff);
		return true;
	}
	if (f->ptr == 4)
		return absolute(p) && psc_flat_rva(f, psc_le32(p), rva);
	if ((p[-1] & 0xc7) != 5 ||
	    (op != 0x8d && op != 0x8b && op != 0x89 && op != 0x10 &&
	     op != 0x28 && op != 0x6f))
		return false;
	*rva = i + 4 + psc_le32(p);
	return true;
}

// First reference at or behind @p from.
static uint64_t next_reference(const struct psc_engine *e, uint64_t from)
{
	const struct psc_flat *f = e->flat;
	uint64_t end = PSC_MIN(from + TABLE_BYTES, (uint64_t)f->size);
	uint32_t rva;

	for (unsigned int k = 0; k < f->pe.n_sections; k++) {
		const struct psc_pe_section *s = &f->pe.section[k];
		uint64_t stop = PSC_MIN((uint64_t)s->rva + s->virtual_size,
					(uint64_t)f->size);
		bool code = psc_flat_executable(f, s->rva);

		for (uint64_t i = s->rva + 8ull; code && i + 4 <= stop; i++) {
			if (code_reference(f, (uint32_t)i, &rva))
				lower(rva, from, &end);
		}
		for (uint64_t i = s->rva; !code && i + f->ptr <= stop;
		     i += f->ptr) {
			if (psc_flat_rva(f, psc_le_uint(f->bytes + i, f->ptr),
					 &rva))
				lower(rva, from, &end);
		}
	}
	return end;
}

unsigned int psc_table_tags(const struct psc_engine *e,
			    const struct psc_atom *table,
			    uint32_t out[PSC_TABLE_TAGS])
{
	uint32_t step = PSC_MAX(table->aux, 4u);
	uint64_t end;
	unsigned int n = 0;

	if (table->size != 4)
		return 0;
	end = next_reference(e, table->val + step);
	for (uint64_t at = table->val; at + 4 <= end && n < PSC_TABLE_TAGS;
	     at += step) {
		uint32_t tag;
		if (!psc_flat_has(e->flat, at, 4))
			break;
		tag = psc_le32(e->flat->bytes + at);
		// An unused first entry is common.
		if (!tag && at == table->val)
			continue;
		if (!plain(tag))
			break;
		out[n++] = tag;
	}
	return n;
}
