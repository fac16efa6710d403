// SPDX-License-Identifier: MIT
// Function bounds from the exception directory (callsites 3).
#include <stdlib.h>

#include "base/bytes.h"
#include "base/vec.h"
#include "pe/window.h"

enum {
	DIR_EXCEPTION = 3,
	X64_BYTES = 12,
	ARM64_BYTES = 8,
	FUNCTIONS_MAX = 1 << 20,
	CHAIN_MAX = 32,
	UNW_CHAININFO = 4,		// flag in UNWIND_INFO byte 0, bits 3..7
	INDIRECT = 1,			// bit 0 of UnwindData: another entry
	MACHINE_X64 = 0x8664,
	MACHINE_ARM64 = 0xaa64,
};

struct pdata_reader {
	struct psc_pe_window entries, unwind;
	const struct psc_pe *pe;
	PSC_VEC(struct psc_pe_function) out;
	bool incomplete;
};

struct x64_entry {
	uint32_t begin, end, unwind;
};

static bool read_x64(struct psc_pe_window *w, uint64_t rva,
		     struct x64_entry *ret)
{
	uint8_t b[X64_BYTES];

	if (!psc_pe_window_get(w, rva, b, sizeof(b)))
		return false;
	*ret = (struct x64_entry){ psc_le32(b), psc_le32(b + 4),
				   psc_le32(b + 8) };
	return true;
}

// The entry that @p e continues. @return false: it is the primary one.
static bool chained(struct pdata_reader *x, struct x64_entry *e)
{
	uint8_t head[4];
	uint64_t at;

	if (e->unwind & INDIRECT)
		return read_x64(&x->unwind, e->unwind & ~(uint32_t)INDIRECT, e);
	if (!psc_pe_window_get(&x->unwind, e->unwind, head, sizeof(head))) {
		x->incomplete = true;
		return false;
	}
	if (!(head[0] >> 3 & UNW_CHAININFO))
		return false;
	at = e->unwind + 4ull + 2 * ((head[2] + 1u) & ~1u);
	return read_x64(&x->unwind, at, e);
}

static bool add_x64(struct pdata_reader *x, uint64_t at)
{
	struct x64_entry e;
	struct psc_pe_function f;

	if (!read_x64(&x->entries, at, &e)) {
		x->incomplete = true;
		return true;
	}
	f = (struct psc_pe_function){ e.begin, e.end, e.begin };
	if (f.end <= f.begin || f.end > x->pe->image_size)
		return true;
	for (int i = 0; i < CHAIN_MAX && chained(x, &e); i++)
		f.parent = e.begin;
	return psc_vec_push(&x->out, f);
}

// Length in bytes; 0 when the .xdata record is not readable.
static uint32_t arm64_length(struct pdata_reader *x, uint32_t unwind)
{
	uint32_t head;

	if (unwind & 3)		// packed: 11 bits of words
		return (unwind >> 2 & 0x7ff) * 4;
	if (!psc_pe_window_u32(&x->unwind, unwind, &head)) {
		x->incomplete = true;
		return 0;
	}
	return (head & 0x3ffff) * 4;
}

static bool add_arm64(struct pdata_reader *x, uint64_t at)
{
	uint8_t b[ARM64_BYTES];
	struct psc_pe_function f;
	uint32_t length;

	if (!psc_pe_window_get(&x->entries, at, b, sizeof(b))) {
		x->incomplete = true;
		return true;
	}
	f.begin = f.parent = psc_le32(b);
	length = f.begin ? arm64_length(x, psc_le32(b + 4)) : 0;
	if (!length || f.begin >= x->pe->image_size ||
	    length > x->pe->image_size - f.begin)
		return true;
	f.end = f.begin + length;
	return psc_vec_push(&x->out, f);
}

static int by_begin(const void *a, const void *b)
{
	const struct psc_pe_function *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

struct psc_error *psc_pe_functions(const struct psc_pe *pe,
				   struct psc_pe_functions *ret)
{
	const struct psc_pe_dir *d = &pe->dir[DIR_EXCEPTION];
	bool arm = pe->machine == MACHINE_ARM64;
	uint32_t bytes = arm ? ARM64_BYTES : X64_BYTES, n;
	struct pdata_reader x = { .pe = pe };
	bool ok = true;

	if (!d->rva || !d->size || (!arm && pe->machine != MACHINE_X64))
		return &psc_absent;
	n = PSC_MIN(d->size, pe->image_size) / bytes;
	x.incomplete = n > FUNCTIONS_MAX;
	n = PSC_MIN(n, (uint32_t)FUNCTIONS_MAX);
	psc_pe_window_init(&x.entries, pe);
	psc_pe_window_init(&x.unwind, pe);
	for (uint32_t i = 0; ok && i < n; i++) {
		uint64_t at = d->rva + (uint64_t)i * bytes;
		ok = arm ? add_arm64(&x, at) : add_x64(&x, at);
	}
	if (!ok) {
		psc_vec_free(&x.out);
		return &psc_nomem;
	}
	if (x.out.n)
		qsort(x.out.v, x.out.n, sizeof(*x.out.v), by_begin);
	*ret = (struct psc_pe_functions){ x.out.v, x.out.n, x.incomplete };
	return NULL;
}

void psc_pe_functions_free(struct psc_pe_functions *f)
{
	free(f->v);
	*f = (struct psc_pe_functions){ 0 };
}
