// SPDX-License-Identifier: MIT
#include "sym/pdb_bounds.h"

#include <stdlib.h>

#include "base/bytes.h"

#define PDATA_HEAD_BYTES 32
#define FRAME_DATA_BYTES 32
#define FRAME_FUNCTION_START 4u
#define FPO_BYTES 16
#define MACHINE_X64 0x8664
#define MACHINE_ARM64 0xaa64

static bool add(struct pdb_bounds *b, uint32_t begin, uint32_t size)
{
	if (!size || begin > UINT32_MAX - size)
		return true;
	return psc_vec_push(&b->v, (struct pdb_range){ begin, begin + size });
}

// x64: begin, end, unwind. ARM64: begin, unwind; the packed form tells the
// length in words (bits 2-12), the other form needs .xdata and is left out.
static bool add_pdata(struct pdb_bounds *b, uint16_t machine,
		      const uint8_t *p, size_t n)
{
	size_t each = machine == MACHINE_ARM64 ? 8 : 12;

	for (size_t at = 0; n - at >= each; at += each) {
		uint32_t begin = psc_le32(p + at);
		uint32_t word = psc_le32(p + at + 4);
		uint32_t size = machine == MACHINE_X64
			? (word > begin ? word - begin : 0)
			: (word & 3 ? (word >> 2 & 0x7ff) * 4 : 0);
		if (!add(b, begin, size))
			return false;
	}
	return true;
}

static bool add_frames(struct pdb_bounds *b, const uint8_t *p, size_t n)
{
	for (size_t at = 0; n - at >= FRAME_DATA_BYTES;
	     at += FRAME_DATA_BYTES) {
		if ((psc_le32(p + at + 28) & FRAME_FUNCTION_START) &&
		    !add(b, psc_le32(p + at), psc_le32(p + at + 4)))
			return false;
	}
	return true;
}

static bool add_fpo(struct pdb_bounds *b, const uint8_t *p, size_t n)
{
	for (size_t at = 0; n - at >= FPO_BYTES; at += FPO_BYTES) {
		if (!add(b, psc_le32(p + at), psc_le32(p + at + 4)))
			return false;
	}
	return true;
}

static bool add_stream(struct pdb_bounds *b, const struct pdb_dbi *d,
		       enum pdb_debug_stream kind, const uint8_t *p, size_t n)
{
	if (kind == PDB_DBG_FRAME_DATA)
		return add_frames(b, p, n);
	if (kind == PDB_DBG_FPO)
		return add_fpo(b, p, n);
	if (n < PDATA_HEAD_BYTES ||
	    (d->machine != MACHINE_X64 && d->machine != MACHINE_ARM64))
		return true;
	size_t head = psc_le32(p + 4);		// its own size
	return head > n || add_pdata(b, d->machine, p + head, n - head);
}

static int by_begin(const void *a, const void *b)
{
	const struct pdb_range *x = a, *y = b;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

struct psc_error *pdb_bounds_read(const struct psc_msf *m,
				  const struct pdb_dbi *d,
				  struct pdb_bounds *ret)
{
	static const enum pdb_debug_stream kinds[] = {
		PDB_DBG_PDATA, PDB_DBG_FRAME_DATA, PDB_DBG_FPO,
	};
	struct pdb_bounds b = { 0 };

	for (size_t i = 0; i < PSC_ARRAY_SIZE(kinds); i++) {
		struct psc_msf_stream s = { 0 };
		struct psc_error *err = psc_msf_read(m, d->debug[kinds[i]],
						     "function table", &s);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		if (!err && !add_stream(&b, d, kinds[i], s.data, s.size))
			err = &psc_nomem;
		if (err) {
			psc_msf_stream_free(&s);
			pdb_bounds_free(&b);
			return err;
		}
		psc_msf_stream_free(&s);
	}
	if (b.v.n)
		qsort(b.v.v, b.v.n, sizeof(*b.v.v), by_begin);
	*ret = b;
	return NULL;
}

void pdb_bounds_free(struct pdb_bounds *b)
{
	psc_vec_free(&b->v);
}

// Number of ranges that begin at or before rva.
static size_t begun(const struct pdb_bounds *b, uint32_t rva)
{
	size_t lo = 0, hi = b->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->v.v[mid].begin <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool pdb_bounds_same(const struct pdb_bounds *b, uint32_t symbol, uint32_t rva)
{
	size_t i = begun(b, rva);

	if (!i)
		return true;	// the tables do not reach here
	const struct pdb_range *r = &b->v.v[i - 1];
	// Leaf functions are in no table: both must lie behind the range.
	if (rva >= r->end)
		return symbol >= r->end;
	while (r > b->v.v && symbol < r->begin && r[-1].end >= r->begin)
		r--;
	return symbol >= r->begin;
}
