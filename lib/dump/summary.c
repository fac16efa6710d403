// SPDX-License-Identifier: MIT
#include <inttypes.h>

#include "base/bytes.h"
#include "dump/bitmap.h"

// The header of type 2 is known from type information alone, so where the
// bits begin is settled by the file itself (dump-format 2.2).
#define HEADER_BYTES 0x38u

struct summary {
	uint64_t first_page;		// HeaderSize
	uint32_t n_bits;		// BitmapSize
	uint32_t pages;
	uint32_t rtl_bits;		// Bitmap.SizeOfBitMap
};

static const uint64_t starts64[] = { 0x28, 0x24, 0x20 };
static const uint64_t starts32[] = { 0x20, 0x24, 0x28 };

// Do the bits at the place hold exactly the announced number of pages?
static struct psc_error *fits(const struct psc_body *b,
			      const struct psc_bitmap_where *w, bool *ret)
{
	struct psc_bytes bits;
	uint64_t bytes = (w->n_bits + 7) / 8;

	*ret = false;
	if (w->n_bits > PSC_DUMP_MAX_PFN || w->bits_offset > b->src->size ||
	    bytes > b->src->size - w->bits_offset ||
	    w->first_page < w->bits_offset + bytes)
		return NULL;
	struct psc_error *err = psc_source_load(b->src, w->bits_offset, bytes,
						"page bitmap", &bits);
	if (err)
		return err;
	*ret = psc_bitmap_popcount(bits.p, w->n_bits) == w->announced;
	psc_bytes_free(&bits);
	return NULL;
}

static struct psc_bitmap_where where_of(const struct psc_body *b,
					const struct summary *s, uint64_t start)
{
	return (struct psc_bitmap_where){
		.bits_offset = b->offset + start,
		.n_bits = s->n_bits,
		.first_page = s->first_page,
		.announced = s->pages,
	};
}

// The first place whose bits agree; *ret stays when none does.
static struct psc_error *find_bits(const struct psc_body *b,
				   const struct summary *s,
				   struct psc_bitmap_where *ret, bool *found)
{
	const uint64_t *start = b->header->is64 ? starts64 : starts32;
	struct psc_error *err = NULL;

	*found = false;
	for (unsigned int i = 0; i < 3 && !err && !*found; i++) {
		struct psc_bitmap_where w = where_of(b, s, start[i]);
		err = fits(b, &w, found);
		if (*found)
			*ret = w;
		if (*found && i)
			psc_warn(b->warnings, "summary header: the bitmap was "
				 "found at +0x%" PRIx64 " instead of +0x%" PRIx64,
				 start[i], start[0]);
	}
	return err;
}

// A type 2 file with the header of types 5 and 6.
static struct psc_error *find_bitmap_form(const struct psc_body *b,
					  const uint8_t *h,
					  struct psc_bitmap_where *ret,
					  bool *found)
{
	struct psc_bitmap_where w = {
		.bits_offset = b->offset + HEADER_BYTES,
		.first_page = psc_le64(h + 0x20),
		.announced = psc_le64(h + 0x28),
		.n_bits = psc_le64(h + 0x30),
	};
	struct psc_error *err;

	*found = false;
	if (w.first_page % PSC_DUMP_PAGE || w.first_page > b->src->size)
		return NULL;
	err = fits(b, &w, found);
	if (*found)
		*ret = w;
	return err;
}

static struct psc_error *locate(const struct psc_body *b, const uint8_t *h,
				struct psc_bitmap_where *ret)
{
	struct summary s = {
		.first_page = psc_le32(h + 0xc),
		.n_bits = psc_le32(h + 0x10),
		.pages = psc_le32(h + 0x14),
		.rtl_bits = psc_le32(h + 0x18),
	};
	bool found = false;
	struct psc_error *err = NULL;

	err = find_bits(b, &s, ret, &found);
	if (found && s.rtl_bits != s.n_bits)
		psc_warn(b->warnings, "summary header: BitmapSize %" PRIu32
			 " fits the bitmap, SizeOfBitMap %" PRIu32 " does not",
			 s.n_bits, s.rtl_bits);
	if (err || found)
		return err;
	err = find_bitmap_form(b, h, ret, &found);
	if (found)
		psc_warn(b->warnings, "summary dump (type 2) with the header of "
			 "a bitmap dump");
	if (err || found)
		return err;
	if (s.rtl_bits != s.n_bits)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET,
				    b->offset + 0x10, "summary header at 0x%"
				    PRIx64 ": BitmapSize %" PRIu32 " and "
				    "SizeOfBitMap %" PRIu32 " differ", b->offset,
				    s.n_bits, s.rtl_bits);
	// Damaged count or a cut file: the documented place is the best guess.
	*ret = where_of(b, &s, b->header->is64 ? starts64[0] : starts32[0]);
	return NULL;
}

struct psc_error *psc_pages_summary(const struct psc_body *b,
				    struct psc_pages **ret)
{
	uint8_t h[HEADER_BYTES];
	struct psc_bitmap_where where;

	if (!psc_source_read(b->src, b->offset, h, sizeof(h)))
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, b->offset,
				    "summary header at 0x%" PRIx64 ": need %zu "
				    "bytes, the file ends at 0x%" PRIx64,
				    b->offset, sizeof(h), b->src->size);
	struct psc_error *err = locate(b, h, &where);
	return err ? err : psc_pages_from_bitmap(b, &where, ret);
}
