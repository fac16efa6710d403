// SPDX-License-Identifier: MIT
#include "sym/unpack.h"

#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"

#define DECODER_MEMORY (128u << 20)	// xz -9 needs 65 MiB
#define FIRST_ROOM (1u << 20)

size_t psc_unpacked_room(struct psc_unpacked *u, size_t limit)
{
	if (u->n < u->cap)
		return u->cap - u->n;
	if (u->cap >= limit)
		return 0;
	size_t cap = u->cap ? PSC_MIN(limit, u->cap * 2)
			    : PSC_MIN(limit, FIRST_ROOM);
	uint8_t *grown = realloc(u->data, cap);
	if (!grown)
		return 0;
	u->data = grown;
	u->cap = cap;
	return u->cap - u->n;
}

static struct psc_error *full(const struct psc_unpacked *u, size_t limit,
			      const char *kind)
{
	if (u->cap < limit)
		return &psc_nomem;
	return psc_error_new(PSC_ERR_LIMIT, "%s: unpacks to more than %zu "
			     "bytes", kind, limit);
}

bool psc_is_xz(const uint8_t *p, uint64_t n)
{
	static const uint8_t magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	return n >= sizeof(magic) && memcmp(p, magic, sizeof(magic)) == 0;
}

bool psc_is_gzip(const uint8_t *p, uint64_t n)
{
	return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

static struct psc_error *xz_error(lzma_ret code)
{
	switch (code) {
	case LZMA_MEM_ERROR:
		return &psc_nomem;
	case LZMA_MEMLIMIT_ERROR:
		return psc_error_new(PSC_ERR_LIMIT, "XZ: the decoder asks for "
				     "more than %u bytes", DECODER_MEMORY);
	case LZMA_BUF_ERROR:
		return psc_error_new(PSC_ERR_TRUNCATED,
				     "XZ: the file ends too early");
	default:
		return psc_error_new(PSC_ERR_DAMAGED, "XZ: damaged (code %d)",
				     (int)code);
	}
}

struct psc_error *psc_unpack_xz(const uint8_t *p, uint64_t n, size_t limit,
				struct psc_unpacked *ret)
{
	lzma_stream z = LZMA_STREAM_INIT;
	struct psc_unpacked u = { 0 };
	struct psc_error *err = NULL;
	lzma_ret code = lzma_stream_decoder(&z, DECODER_MEMORY, 0);

	z.next_in = p;
	z.avail_in = n;
	while (!err && code == LZMA_OK) {
		size_t room = psc_unpacked_room(&u, limit);
		if (!room) {
			err = full(&u, limit, "XZ");
			break;
		}
		z.next_out = u.data + u.n;
		z.avail_out = room;
		code = lzma_code(&z, LZMA_FINISH);
		u.n += room - z.avail_out;
	}
	lzma_end(&z);
	if (!err && code != LZMA_STREAM_END)
		err = xz_error(code);
	if (err) {
		free(u.data);
		return err;
	}
	*ret = u;
	return NULL;
}

struct psc_error *psc_unpack_gzip(const uint8_t *p, uint64_t n, size_t limit,
				  struct psc_unpacked *ret)
{
	z_stream z = { 0 };
	struct psc_unpacked u = { 0 };
	struct psc_error *err = NULL;
	int code = inflateInit2(&z, 15 + 16);	// gzip only

	if (code != Z_OK)
		return &psc_nomem;
	if (n > UINT_MAX) {
		inflateEnd(&z);
		return psc_error_new(PSC_ERR_LIMIT, "gzip: above 4 GiB");
	}
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	while (!err && code == Z_OK) {
		size_t room = PSC_MIN(psc_unpacked_room(&u, limit), UINT_MAX);
		if (!room) {
			err = full(&u, limit, "gzip");
			break;
		}
		z.next_out = u.data + u.n;
		z.avail_out = (uInt)room;
		code = inflate(&z, Z_NO_FLUSH);
		u.n += room - z.avail_out;
	}
	inflateEnd(&z);
	if (!err && code == Z_BUF_ERROR)
		err = psc_error_new(PSC_ERR_TRUNCATED,
				    "gzip: the file ends too early");
	else if (!err && code != Z_STREAM_END)
		err = psc_error_new(PSC_ERR_DAMAGED, "gzip: damaged");
	if (err) {
		free(u.data);
		return err;
	}
	*ret = u;
	return NULL;
}
