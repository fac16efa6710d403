// SPDX-License-Identifier: MIT
/** @file
 * Dumps of physical pages: runs, bitmaps, ranges (dump-format 2.1 to 2.4).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

#define HEADER_BYTES 0x2000u

static uint64_t round_page(uint64_t v)
{
	return (v + MK_PAGE - 1) & ~(uint64_t)(MK_PAGE - 1);
}

/** The header goes last: it holds the size of the whole. */
static void put_header(struct mk *m)
{
	uint8_t h[HEADER_BYTES];

	mk_header(m, h);
	mk_put(m, 0, h, sizeof(h));
}

void mk_write_full(struct mk *m)
{
	if (m->out->n_stored != m->phys.n_pages)
		mk_fail(m, "a type 1 dump holds all RAM: drop nothing");
	mk_put_pages(m, HEADER_BYTES);
	put_header(m);
}

void mk_write_header_only(struct mk *m)
{
	m->out->n_stored = 0;
	m->out->size = HEADER_BYTES;
	put_header(m);
}

/** The bitmap, with ones behind its last bit on request. */
static void put_bitmap(struct mk *m, uint64_t off, uint64_t bits)
{
	const struct mk_out *o = m->out;
	uint64_t bytes = (bits + 7) / 8, have = m->phys.limit / 8 + 1;
	uint8_t *map = mk_calloc(bytes, 1);

	memcpy(map, o->stored, PSC_MIN(bytes, have));
	if (o->dirty_tail && bits % 8)
		map[bytes - 1] |= (uint8_t)(0xff << bits % 8);
	// Large bitmaps are mostly holes too: write what is not zero.
	for (uint64_t i = 0; i < bytes; i += MK_PAGE) {
		size_t n = (size_t)PSC_MIN(bytes - i, MK_PAGE);

		if (map[i] || memcmp(map + i, map + i + 1, n - 1))
			mk_put(m, off + i, map + i, n);
	}
	free(map);
}

void mk_write_bitmap(struct mk *m)
{
	struct mk_out *o = m->out;
	uint64_t bits = o->bits ? o->bits : m->phys.limit;
	uint64_t first = round_page(HEADER_BYTES + 0x38 + (bits + 7) / 8) +
		o->gap;
	uint8_t b[0x38] = {0};

	if (bits < m->phys.limit)
		mk_fail(m, "bits= must cover RAM");
	memcpy(b, m->dump_type == 5 ? "FDMP" : "SDMP", 4);
	memcpy(b + 4, "DUMP", 4);
	psc_put64(b + 0x20, first);
	psc_put64(b + 0x28, o->n_stored);
	psc_put64(b + 0x30, bits);
	mk_put(m, HEADER_BYTES, b, sizeof(b));
	put_bitmap(m, HEADER_BYTES + 0x38, bits);
	mk_put_pages(m, first);
	put_header(m);
}

void mk_write_summary(struct mk *m)
{
	struct mk_out *o = m->out;
	uint64_t bits = o->bits ? o->bits : m->phys.limit;
	uint64_t first = round_page(HEADER_BYTES + 0x28 + (bits + 7) / 8);
	uint8_t b[0x28] = "SDMPDUMP";

	if (bits > UINT32_MAX || o->n_stored > UINT32_MAX)
		mk_fail(m, "type 2 counts pages in 32 bits");
	psc_put32(b + 0x08, 1);				// DumpOptions
	psc_put32(b + 0x0c, (uint32_t)first);		// HeaderSize
	psc_put32(b + 0x10, (uint32_t)bits);		// BitmapSize
	psc_put32(b + 0x14, (uint32_t)o->n_stored);	// Pages
	psc_put32(b + 0x18, (uint32_t)bits);		// SizeOfBitMap
	psc_put64(b + 0x20, 0xfffffa8003a51028);	// RTL_BITMAP.Buffer
	mk_put(m, HEADER_BYTES, b, sizeof(b));
	put_bitmap(m, HEADER_BYTES + 0x28, bits);
	mk_put_pages(m, first);
	put_header(m);
}

/** Next run of stored frames at or behind @p pos. */
static bool next_range(const struct mk *m, uint64_t *pos, uint64_t range[2])
{
	const uint8_t *stored = m->out->stored;
	uint64_t limit = m->phys.limit, i = *pos;

	while (i < limit && !mk_bit(stored, i))
		i += !(i & 7) && !stored[i >> 3] ? 8 : 1;
	if (i >= limit)
		return false;
	range[0] = i;
	while (i < limit && mk_bit(stored, i))
		i++;
	range[1] = i - range[0];
	*pos = i;
	return true;
}

void mk_write_ranges(struct mk *m)
{
	struct mk_out *o = m->out;
	uint64_t n = 0, pos = 0, range[2];
	uint8_t b[0x30] = {0};

	while (next_range(m, &pos, range))
		n++;
	// Count and total, the ranges, one zero entry behind them.
	uint64_t metadata = 0x10 + 16 * (n + 1);

	if (!o->unaligned)
		metadata = round_page(HEADER_BYTES + 0x20 + metadata) -
			HEADER_BYTES - 0x20;
	psc_put32(b, 0x40);
	memcpy(b + 4, "RDMPDUMP", 8);
	psc_put64(b + 0x10, metadata);
	psc_put64(b + 0x18, HEADER_BYTES + 0x20 + metadata);
	psc_put32(b + 0x20, (uint32_t)n);
	psc_put64(b + 0x28, o->n_stored);
	mk_put(m, HEADER_BYTES, b, sizeof(b));
	pos = 0;
	for (uint64_t i = 0; next_range(m, &pos, range); i++) {
		uint8_t e[16];

		psc_put64(e, range[0]);
		psc_put64(e + 8, range[1]);
		mk_put(m, HEADER_BYTES + 0x30 + i * 16, e, sizeof(e));
	}
	mk_put_pages(m, HEADER_BYTES + 0x20 + metadata);
	put_header(m);
}
