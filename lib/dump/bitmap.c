// SPDX-License-Identifier: MIT
#include "dump/bitmap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

// One u64 of rank per 4096 bits: 1/64 of the bitmap's size.
#define BLOCK_BITS 4096u
#define BLOCK_BYTES (BLOCK_BITS / 8)

struct bitmap {
	struct psc_pages pages;
	struct psc_bytes bits;
	uint64_t n_bits;
	uint64_t first_page;
	uint64_t readable_end;	// frames from here on lie past the end
	uint64_t *rank;		// set bits before each block; one more at the end
	uint64_t n_blocks;
};

// Up to 64 bits at bit 64 * word; bits at and behind n_bits read as 0.
static uint64_t load_word(const uint8_t *bits, uint64_t n_bits, uint64_t word)
{
	uint64_t at = word * 64, v = 0;

	if (n_bits - at >= 64)
		return psc_le64(bits + word * 8);
	unsigned int left = (unsigned int)(n_bits - at);
	memcpy(&v, bits + word * 8, (left + 7) / 8);
	return v & ((UINT64_C(1) << left) - 1);
}

uint64_t psc_bitmap_popcount(const uint8_t *bits, uint64_t n_bits)
{
	uint64_t n = 0, whole = n_bits / 64;

	for (uint64_t i = 0; i < whole; i++)
		n += (uint64_t)__builtin_popcountll(psc_le64(bits + i * 8));
	if (n_bits % 64)
		n += (uint64_t)__builtin_popcountll(
			load_word(bits, n_bits, whole));
	return n;
}

static uint64_t block_bits(const struct bitmap *m, uint64_t block)
{
	uint64_t left = m->n_bits - block * BLOCK_BITS;

	return PSC_MIN(left, BLOCK_BITS);
}

static bool is_set(const struct bitmap *m, uint64_t pfn)
{
	return pfn < m->n_bits && m->bits.p[pfn / 8] >> pfn % 8 & 1;
}

// Set bits below pfn.
static uint64_t rank_of(const struct bitmap *m, uint64_t pfn)
{
	uint64_t block = pfn / BLOCK_BITS;

	return m->rank[block] +
	       psc_bitmap_popcount(m->bits.p + block * BLOCK_BYTES,
				   pfn % BLOCK_BITS);
}

static bool bitmap_offset(const struct psc_pages *p, uint64_t pfn,
			  uint64_t *off)
{
	const struct bitmap *m = (const struct bitmap *)p;

	if (pfn >= m->readable_end || !is_set(m, pfn))
		return false;
	*off = m->first_page + rank_of(m, pfn) * PSC_DUMP_PAGE;
	return true;
}

// First set bit >= pfn; empty blocks are skipped by their ranks.
static bool next_bit(const struct bitmap *m, uint64_t pfn, uint64_t *ret)
{
	while (pfn < m->n_bits) {
		uint64_t block = pfn / BLOCK_BITS;
		if (m->rank[block] == m->rank[block + 1]) {
			pfn = (block + 1) * BLOCK_BITS;
			continue;
		}
		uint64_t v = load_word(m->bits.p, m->n_bits, pfn / 64) &
			     ~UINT64_C(0) << pfn % 64;
		if (v) {
			*ret = pfn / 64 * 64 + (uint64_t)__builtin_ctzll(v);
			return true;
		}
		pfn = (pfn / 64 + 1) * 64;
	}
	return false;
}

static bool bitmap_next(const struct psc_pages *p, uint64_t pfn, uint64_t *ret)
{
	const struct bitmap *m = (const struct bitmap *)p;
	uint64_t found;

	if (!next_bit(m, pfn, &found) || found >= m->readable_end)
		return false;
	*ret = found;
	return true;
}

static void bitmap_free(struct psc_pages *p)
{
	struct bitmap *m = (struct bitmap *)p;

	psc_bytes_free(&m->bits);
	free(m->rank);
	free(m);
}

static const struct psc_pages_ops bitmap_ops = {
	.offset = bitmap_offset,
	.next = bitmap_next,
	.free = bitmap_free,
};

static struct psc_error *build_rank(struct bitmap *m,
				    const struct psc_progress *progress)
{
	uint64_t n = 0;

	m->n_blocks = (m->n_bits + BLOCK_BITS - 1) / BLOCK_BITS;
	m->rank = malloc((size_t)(m->n_blocks + 1) * sizeof(*m->rank));
	if (!m->rank)
		return &psc_nomem;
	for (uint64_t i = 0; i < m->n_blocks; i++) {
		m->rank[i] = n;
		n += psc_bitmap_popcount(m->bits.p + i * BLOCK_BYTES,
					 block_bits(m, i));
		if (i % 0x10000 == 0)
			psc_progress_update(progress, "counting pages", i,
					    m->n_blocks);
	}
	m->rank[m->n_blocks] = n;
	m->pages.stored = n;
	return NULL;
}

// Block that holds set bit number index (counted from 0).
static uint64_t block_of(const struct bitmap *m, uint64_t index)
{
	uint64_t low = 0, high = m->n_blocks;

	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;
		if (m->rank[mid] <= index)
			low = mid;
		else
			high = mid;
	}
	return low;
}

// Frame number of set bit number index; n_bits when there is none.
static uint64_t select_bit(const struct bitmap *m, uint64_t index)
{
	if (index >= m->pages.stored)
		return m->n_bits;

	uint64_t word = block_of(m, index) * (BLOCK_BITS / 64);
	uint64_t left = index - m->rank[word / (BLOCK_BITS / 64)];
	for (;; word++) {
		uint64_t v = load_word(m->bits.p, m->n_bits, word);
		uint64_t n = (uint64_t)__builtin_popcountll(v);
		if (left >= n) {
			left -= n;
			continue;
		}
		while (left--)
			v &= v - 1;
		return word * 64 + (uint64_t)__builtin_ctzll(v);
	}
}

static void count_pages(struct bitmap *m, uint64_t size)
{
	uint64_t fit = m->first_page < size
		? (size - m->first_page) / PSC_DUMP_PAGE : 0;

	m->pages.readable = PSC_MIN(fit, m->pages.stored);
	m->readable_end = select_bit(m, m->pages.readable);
	if (m->pages.stored)
		m->pages.pfn_limit = select_bit(m, m->pages.stored - 1) + 1;
}

static struct psc_error *check_where(const struct psc_body *b,
				     const struct psc_bitmap_where *w)
{
	if (w->n_bits > PSC_DUMP_MAX_PFN)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, b->offset,
				    "bitmap header at 0x%" PRIx64 ": %" PRIu64
				    " bits are more than 52-bit physical "
				    "addresses have pages", b->offset, w->n_bits);
	if (w->first_page < w->bits_offset + (w->n_bits + 7) / 8)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, b->offset,
				    "bitmap header at 0x%" PRIx64 ": first page "
				    "at 0x%" PRIx64 " lies inside the bitmap (0x%"
				    PRIx64 " + %" PRIu64 " bits)", b->offset,
				    w->first_page, w->bits_offset, w->n_bits);
	if (w->first_page % PSC_DUMP_PAGE)
		psc_warn(b->warnings, "bitmap header: first page at 0x%" PRIx64
			 " is not page-aligned", w->first_page);
	return NULL;
}

// The count of the header and that of the bits.
static void compare_counts(const struct psc_body *b,
			   const struct psc_bitmap_where *w, struct bitmap *m)
{
	if (m->n_bits == w->n_bits) {
		if (m->pages.stored != w->announced)
			psc_warn(b->warnings, "bitmap header: %" PRIu64
				 " pages announced, %" PRIu64 " bits are set",
				 w->announced, m->pages.stored);
		return;
	}
	psc_warn(b->warnings, "bitmap: the file ends inside it; %" PRIu64
		 " of %" PRIu64 " bits are there", m->n_bits, w->n_bits);
	// What the cut bits said is lost; the header still tells how many.
	if (w->announced <= w->n_bits && w->announced > m->pages.stored)
		m->pages.stored = w->announced;
}

struct psc_error *psc_pages_from_bitmap(const struct psc_body *b,
					const struct psc_bitmap_where *where,
					struct psc_pages **ret)
{
	struct psc_error *err = check_where(b, where);
	uint64_t have = b->src->size - where->bits_offset;
	struct bitmap *m = err ? NULL : calloc(1, sizeof(*m));

	if (!m)
		return err ? err : &psc_nomem;
	m->pages.ops = &bitmap_ops;
	m->first_page = where->first_page;
	m->n_bits = have < (where->n_bits + 7) / 8 ? have * 8 : where->n_bits;
	err = psc_source_load(b->src, where->bits_offset, (m->n_bits + 7) / 8,
			      "page bitmap", &m->bits);
	if (!err)
		err = build_rank(m, b->progress);
	if (err) {
		bitmap_free(&m->pages);
		return err;
	}
	count_pages(m, b->src->size);
	compare_counts(b, where, m);
	*ret = &m->pages;
	return NULL;
}

// Types 5 and 6; the 32-bit header has the same fields (dump-format 2.3).
struct psc_error *psc_pages_bitmap(const struct psc_body *b,
				   struct psc_pages **ret)
{
	uint8_t h[0x38];
	struct psc_bitmap_where where = { .bits_offset = b->offset + sizeof(h) };

	if (!psc_source_read(b->src, b->offset, h, sizeof(h)))
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, b->offset,
				    "bitmap header at 0x%" PRIx64 ": need %zu "
				    "bytes, the file ends at 0x%" PRIx64,
				    b->offset, sizeof(h), b->src->size);
	where.first_page = psc_le64(h + 0x20);
	where.announced = psc_le64(h + 0x28);
	where.n_bits = psc_le64(h + 0x30);
	return psc_pages_from_bitmap(b, &where, ret);
}
