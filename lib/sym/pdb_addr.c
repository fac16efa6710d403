// SPDX-License-Identifier: MIT
#include "sym/pdb_addr.h"

#include <stdlib.h>

#include "base/bytes.h"

#define SECTION_HEADER_BYTES 40
#define SECTION_CODE 0x20000020U	// contains code, may be executed

static struct psc_error *sections(const struct psc_msf *m, uint16_t stream,
				  struct pdb_addr *a)
{
	struct psc_msf_stream s;
	struct psc_error *err = psc_msf_read(m, stream, "section headers", &s);

	if (err)
		return err;
	size_t n = s.size / SECTION_HEADER_BYTES;
	a->sections = calloc(n ? n : 1, sizeof(*a->sections));
	if (!a->sections) {
		psc_msf_stream_free(&s);
		return &psc_nomem;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *h = s.data + i * SECTION_HEADER_BYTES;
		a->sections[i] = (struct pdb_section){
			.size = psc_le32(h + 8),	// VirtualSize
			.rva = psc_le32(h + 12),	// VirtualAddress
			.flags = psc_le32(h + 36),	// Characteristics
		};
	}
	a->n_sections = n;
	psc_msf_stream_free(&s);
	return NULL;
}

static struct psc_error *omap(const struct psc_msf *m, uint16_t stream,
			      struct pdb_omap *ret)
{
	struct psc_error *err = psc_msf_read(m, stream, "OMAP", &ret->s);

	if (!err)
		ret->n = ret->s.size / 8;
	return err;
}

struct psc_error *pdb_addr_read(const struct psc_msf *m,
				const struct pdb_dbi *d, struct pdb_addr *ret)
{
	struct pdb_addr a = { 0 };
	struct psc_error *err;

	err = omap(m, d->debug[PDB_DBG_OMAP_FROM_SOURCE], &a.to_final);
	if (!err)
		err = sections(m, d->debug[PDB_DBG_ORIGINAL_SECTIONS], &a);
	if (!err && a.to_final.n) {
		a.reordered = true;
		err = omap(m, d->debug[PDB_DBG_OMAP_TO_SOURCE],
			   &a.to_original);
		(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	} else if (psc_error_catch(&err, PSC_ERR_ABSENT) || !err) {
		// One of the two is missing: the final layout alone counts.
		pdb_addr_free(&a);
		err = sections(m, d->debug[PDB_DBG_SECTIONS], &a);
		(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	}
	if (err) {
		pdb_addr_free(&a);
		return err;
	}
	*ret = a;
	return NULL;
}

void pdb_addr_free(struct pdb_addr *a)
{
	free(a->sections);
	psc_msf_stream_free(&a->to_final.s);
	psc_msf_stream_free(&a->to_original.s);
	*a = (struct pdb_addr){ 0 };
}

// Last pair with from <= rva; a target of 0 means that the piece is gone.
static bool omap_map(const struct pdb_omap *o, uint32_t rva, uint32_t *ret)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (psc_le32(o->s.data + mid * 8) <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	const uint8_t *pair = o->s.data + (lo - 1) * 8;
	uint32_t to = psc_le32(pair + 4);
	*ret = to + (rva - psc_le32(pair));
	return to != 0;
}

bool pdb_addr_rva(const struct pdb_addr *a, uint16_t section, uint32_t offset,
		  uint32_t *rva)
{
	if (!section || section > a->n_sections)
		return false;
	uint64_t v = (uint64_t)a->sections[section - 1].rva + offset;
	if (v > UINT32_MAX)
		return false;
	if (a->reordered)
		return omap_map(&a->to_final, (uint32_t)v, rva);
	*rva = (uint32_t)v;
	return true;
}

bool pdb_addr_place(const struct pdb_addr *a, uint64_t rva, uint16_t *section,
		    uint32_t *offset)
{
	uint32_t v = (uint32_t)rva;

	if (rva > UINT32_MAX ||
	    (a->reordered && !omap_map(&a->to_original, v, &v)))
		return false;
	for (size_t i = 0; i < a->n_sections && i < UINT16_MAX; i++) {
		if (v - a->sections[i].rva < a->sections[i].size) {
			*section = (uint16_t)(i + 1);
			*offset = v - a->sections[i].rva;
			return true;
		}
	}
	return false;
}

bool pdb_addr_is_code(const struct pdb_addr *a, uint16_t section)
{
	return section && section <= a->n_sections &&
	       (a->sections[section - 1].flags & SECTION_CODE) != 0;
}
