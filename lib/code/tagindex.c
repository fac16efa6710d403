// SPDX-License-Identifier: MIT
#include "code/tagindex.h"

#include <stdlib.h>

enum { HITS_MAX = 4096 };

static bool wanted(const uint32_t *tags, size_t n, uint32_t v)
{
	for (size_t i = 0; i < n; i++) {
		if (tags[i] == v)
			return true;
	}
	return false;
}

// Byte before an immediate that makes it likely one: mov r32, imm32 and
// group 1 or mov r/m32, imm32 with a simple operand.
static bool after_opcode(const uint8_t *p)
{
	return (p[-1] >= 0xb8 && p[-1] <= 0xbf) || p[-1] == 0x68 ||
	       p[-2] == 0x81 || p[-2] == 0xc7 || p[-3] == 0xc7 ||
	       p[-4] == 0xc7 || p[-1] == 0x3d || p[-6] == 0xc7;
}

static bool add(struct psc_hit_list *out, uint32_t tag, uint32_t rva,
		uint32_t fn, bool in_code)
{
	struct psc_tag_hit h = { tag, rva, fn, in_code };

	return out->v.n >= HITS_MAX || psc_vec_push(&out->v, h);
}

static bool code_x86(struct psc_engine *e, uint32_t from, uint32_t to,
		     const uint32_t *tags, size_t n, struct psc_hit_list *out)
{
	const uint8_t *p = e->flat->bytes;

	for (uint32_t i = from + 8; i + 4 <= to; i++) {
		uint32_t v = psc_le32(p + i);
		if (wanted(tags, n, v) && after_opcode(p + i) &&
		    !add(out, v, i, psc_bounds_function(e, i), true))
			return false;
	}
	return true;
}

// movz and movk of the two halves within a few instructions.
static bool code_arm64(struct psc_engine *e, uint32_t from, uint32_t to,
		       const uint32_t *tags, size_t n,
		       struct psc_hit_list *out)
{
	const uint8_t *p = e->flat->bytes;

	for (uint32_t i = (from + 3) & ~3u; i + 4 <= to; i += 4) {
		uint32_t a = psc_le32(p + i);
		if ((a & 0x7fe00000) != 0x52800000)	// movz, lsl #0
			continue;
		for (uint32_t k = i + 4; k <= i + 32 && k + 4 <= to; k += 4) {
			uint32_t b = psc_le32(p + k), v;
			if ((b & 0x7fe00000) != 0x72a00000 ||
			    (a & 31) != (b & 31))
				continue;
			v = (b >> 5 & 0xffff) << 16 | (a >> 5 & 0xffff);
			if (wanted(tags, n, v) &&
			    !add(out, v, i, psc_bounds_function(e, i), true))
				return false;
			break;
		}
	}
	return true;
}

static bool data(struct psc_engine *e, uint32_t from, uint32_t to,
		 const uint32_t *tags, size_t n, struct psc_hit_list *out)
{
	for (uint32_t i = (from + 3) & ~3u; i + 4 <= to; i += 4) {
		uint32_t v = psc_le32(e->flat->bytes + i);
		if (wanted(tags, n, v) && !add(out, v, i, 0, false))
			return false;
	}
	return true;
}

bool psc_tag_index(struct psc_engine *e, const uint32_t *tags, size_t n,
		   struct psc_hit_list *out)
{
	const struct psc_pe *pe = &e->flat->pe;
	bool ok = true;

	for (unsigned int i = 0; ok && n && i < pe->n_sections; i++) {
		const struct psc_pe_section *s = &pe->section[i];
		uint32_t size = s->virtual_size ? s->virtual_size
						: s->file_size;
		uint32_t end = (uint32_t)PSC_MIN((uint64_t)s->rva + size,
						 (uint64_t)e->flat->size);

		if (s->rva >= end)
			continue;
		if (!psc_flat_executable(e->flat, s->rva))
			ok = data(e, s->rva, end, tags, n, out);
		else if (pe->machine == 0xaa64)
			ok = code_arm64(e, s->rva, end, tags, n, out);
		else
			ok = code_x86(e, s->rva, end, tags, n, out);
	}
	return ok;
}
