// SPDX-License-Identifier: MIT
#include "dump/deflate.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

// z_stream counts in 32 bits.
#define MAX_FEED (UINT64_C(1) << 30)
#define GZIP_TRAILER 8u
// Flags of a gzip header (RFC 1952).
#define GZIP_CRC 0x02
#define GZIP_EXTRA 0x04
#define GZIP_NAME 0x08
#define GZIP_COMMENT 0x10

static uint64_t left(const struct psc_deflate *s)
{
	return (uint64_t)(s->input->data + s->input->size - s->z.next_in);
}

static bool skip_text(const uint8_t *p, uint64_t n, uint64_t *at)
{
	const uint8_t *nul = *at < n ? memchr(p + *at, 0, n - *at) : NULL;

	if (!nul)
		return false;
	*at = (uint64_t)(nul - p) + 1;
	return true;
}

// Length of the gzip header at p, 0 when the input ends inside it.
static uint64_t gzip_header(const uint8_t *p, uint64_t n)
{
	uint64_t at = 10;

	if (n < at)
		return 0;
	if (p[3] & GZIP_EXTRA) {
		if (n < at + 2)
			return 0;
		at += 2u + psc_le16(p + at);
	}
	if ((p[3] & GZIP_NAME && !skip_text(p, n, &at)) ||
	    (p[3] & GZIP_COMMENT && !skip_text(p, n, &at)))
		return 0;
	at += p[3] & GZIP_CRC ? 2 : 0;
	return at <= n ? at : 0;
}

// Zeros behind the last member are padding of tapes and disks.
static enum psc_deflate_state behind_members(const struct psc_deflate *s)
{
	return left(s) && *s->z.next_in ? PSC_DEFLATE_GARBAGE : PSC_DEFLATE_END;
}

// Step over a gzip header; sets state when there is none.
static void read_member_header(struct psc_deflate *s)
{
	const uint8_t *p = s->z.next_in;
	uint64_t n = left(s);

	if (n < 3 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8) {
		s->state = s->out || !n ? behind_members(s)
					: PSC_DEFLATE_DAMAGED;
		return;
	}
	uint64_t header = gzip_header(p, n);
	if (!header) {
		s->state = PSC_DEFLATE_SHORT;
		return;
	}
	s->z.next_in += header;
	s->header_next = false;
	s->fresh = true;
	s->member_start = s->out;
	s->crc = 0;
	if (inflateReset(&s->z) != Z_OK)
		s->state = PSC_DEFLATE_DAMAGED;
}

static void member_done(struct psc_deflate *s)
{
	const struct psc_deflate_input *in = s->input;

	if (!in->gzip) {
		if (in->check &&
		    (s->crc != in->check_crc || s->out != in->check_size))
			s->crc_wrong = true;
		s->state = PSC_DEFLATE_END;
		return;
	}
	if (left(s) < GZIP_TRAILER) {
		s->state = PSC_DEFLATE_SHORT;
		return;
	}
	if (psc_le32(s->z.next_in) != s->crc ||
	    psc_le32(s->z.next_in + 4) != (uint32_t)(s->out - s->member_start))
		s->crc_wrong = true;
	s->z.next_in += GZIP_TRAILER;
	s->header_next = true;
}

static bool restore_window(struct psc_deflate *s,
			   const struct psc_deflate_point *at)
{
	uint8_t window[PSC_DEFLATE_WINDOW];
	uLongf n = sizeof(window);

	if (at->bits) {
		int value = s->input->data[at->in - 1] >> (8 - at->bits);
		if (inflatePrime(&s->z, at->bits, value) != Z_OK)
			return false;
	}
	return !at->window_size ||
	       (uncompress(window, &n, at->window, at->window_size) == Z_OK &&
		inflateSetDictionary(&s->z, window, (uInt)n) == Z_OK);
}

bool psc_deflate_start(struct psc_deflate *s,
		       const struct psc_deflate_input *input,
		       const struct psc_deflate_point *at)
{
	*s = (struct psc_deflate){ .input = input, .header_next = input->gzip };
	s->fresh = !input->gzip;
	s->z.next_in = input->data;
	if (inflateInit2(&s->z, -15) != Z_OK)
		return false;
	s->live = true;
	if (!at)
		return true;
	s->header_next = false;
	s->z.next_in = input->data + at->in;
	s->out = at->out;
	return restore_window(s, at);
}

void psc_deflate_end(struct psc_deflate *s)
{
	if (s->live)
		inflateEnd(&s->z);
	s->live = false;
}

static void note_result(struct psc_deflate *s, int rc)
{
	if (rc == Z_STREAM_END)
		member_done(s);
	else if (rc == Z_MEM_ERROR)
		s->state = PSC_DEFLATE_NOMEM;
	else if (rc == Z_BUF_ERROR && !left(s))
		s->state = PSC_DEFLATE_SHORT;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		s->state = PSC_DEFLATE_DAMAGED;
}

size_t psc_deflate_step(struct psc_deflate *s, uint8_t *buf, size_t n,
			bool to_block)
{
	size_t made = 0;

	while (!made && s->state == PSC_DEFLATE_MORE) {
		if (s->header_next) {
			read_member_header(s);
			if (to_block)
				break;
			continue;
		}
		s->fresh = false;
		s->z.avail_in = (uInt)PSC_MIN(left(s), MAX_FEED);
		s->z.next_out = buf;
		s->z.avail_out = (uInt)n;
		int rc = inflate(&s->z, to_block ? Z_BLOCK : Z_NO_FLUSH);
		made = n - s->z.avail_out;
		s->crc = (uint32_t)crc32(s->crc, buf, (uInt)made);
		s->out += made;
		note_result(s, rc);
		if (to_block)
			break;
	}
	return made;
}

// zlib: bit 7 at the end of a block, bit 6 inside the last one.
bool psc_deflate_at_block(const struct psc_deflate *s)
{
	return s->state == PSC_DEFLATE_MORE && !s->header_next &&
	       (s->fresh || (s->z.data_type & 0xc0) == 0x80);
}

bool psc_deflate_point_make(struct psc_deflate *s,
			    struct psc_deflate_point *ret)
{
	uint8_t window[PSC_DEFLATE_WINDOW];
	uInt n = 0;
	struct psc_deflate_point p = {
		.in = (uint64_t)(s->z.next_in - s->input->data),
		.out = s->out,
		.bits = s->fresh ? 0 : s->z.data_type & 7,
	};

	if (!s->fresh && inflateGetDictionary(&s->z, window, &n) != Z_OK)
		return false;
	if (n) {
		uLongf size = compressBound(n);
		p.window = malloc(size);
		if (!p.window ||
		    compress2(p.window, &size, window, n, 1) != Z_OK) {
			free(p.window);
			return false;
		}
		uint8_t *fit = realloc(p.window, size);
		p.window = fit ? fit : p.window;
		p.window_size = (uint32_t)size;
	}
	*ret = p;
	return true;
}
