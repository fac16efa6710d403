// SPDX-License-Identifier: MIT
#include "sym/cabinet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/reader.h"

#define BLOCK_BYTES 32768u	// uncompressed, at most
#define FLAG_RESERVE 4u

enum method {
	METHOD_STORED,
	METHOD_MSZIP,
	METHOD_QUANTUM,
	METHOD_LZX,
};

/** What the headers say about the first file. */
struct cabinet {
	struct psc_reader r;
	uint8_t data_reserve;
	uint32_t first_block;
	uint16_t n_blocks;
	uint16_t method;
	uint32_t bytes;		// of the file
};

bool psc_is_cabinet(const uint8_t *p, uint64_t n)
{
	return n >= 4 && memcmp(p, "MSCF", 4) == 0;
}

static struct psc_error *header(struct cabinet *c, uint32_t *files,
				uint8_t *folder_reserve)
{
	struct psc_reader *r = &c->r;
	struct psc_error *err;
	uint16_t folders, n_files, flags, reserve;

	if ((err = psc_reader_skip(r, "signature and sizes", 16)) ||
	    (err = psc_reader_u32(r, "file entries", files)) ||
	    (err = psc_reader_skip(r, "version", 6)) ||
	    (err = psc_reader_u16(r, "folders", &folders)) ||
	    (err = psc_reader_u16(r, "files", &n_files)) ||
	    (err = psc_reader_u16(r, "flags", &flags)) ||
	    (err = psc_reader_skip(r, "set and index", 4)))
		return err;
	if (!folders || !n_files)
		return psc_reader_error(r, PSC_ERR_DAMAGED,
					"it holds no file");
	if (flags & ~FLAG_RESERVE)
		return psc_reader_error(r, PSC_ERR_UNSUPPORTED,
					"a cabinet of a set (flags %#x)",
					flags);
	*folder_reserve = 0;
	if (!(flags & FLAG_RESERVE))
		return NULL;
	if ((err = psc_reader_u16(r, "header reserve", &reserve)) ||
	    (err = psc_reader_u8(r, "folder reserve", folder_reserve)) ||
	    (err = psc_reader_u8(r, "data reserve", &c->data_reserve)))
		return err;
	return psc_reader_skip(r, "reserve", reserve);
}

static struct psc_error *open_cabinet(struct cabinet *c)
{
	struct psc_error *err;
	uint32_t files, offset;
	uint16_t type, folder;
	uint8_t folder_reserve;

	if ((err = header(c, &files, &folder_reserve)) ||
	    (err = psc_reader_u32(&c->r, "first block", &c->first_block)) ||
	    (err = psc_reader_u16(&c->r, "blocks", &c->n_blocks)) ||
	    (err = psc_reader_u16(&c->r, "compression", &type)))
		return err;
	c->method = type & 15;
	if (c->method == METHOD_LZX || c->method == METHOD_QUANTUM)
		return psc_reader_error(&c->r, PSC_ERR_UNSUPPORTED,
					"%s compression is not supported; "
					"unpack the file with cabextract",
					c->method == METHOD_LZX ? "LZX"
								: "Quantum");
	if (c->method > METHOD_LZX)
		return psc_reader_error(&c->r, PSC_ERR_DAMAGED,
					"method %u", c->method);
	if ((err = psc_reader_seek(&c->r, "file entry", files)) ||
	    (err = psc_reader_u32(&c->r, "file size", &c->bytes)) ||
	    (err = psc_reader_u32(&c->r, "file offset", &offset)) ||
	    (err = psc_reader_u16(&c->r, "file folder", &folder)))
		return err;
	if (offset || folder)
		return psc_reader_error(&c->r, PSC_ERR_UNSUPPORTED,
					"the first file is not the first of "
					"the first folder");
	return NULL;
}

// Each MSZIP block is one deflate stream whose dictionary is the output so
// far, 32 KiB at most.
static bool inflate_block(z_stream *z, struct psc_unpacked *u,
			  const uint8_t *p, uint16_t packed, uint16_t bytes)
{
	if (packed < 2 || p[0] != 'C' || p[1] != 'K')
		return false;
	if (inflateReset(z) != Z_OK)
		return false;
	size_t before = PSC_MIN(u->n, BLOCK_BYTES);
	if (before && inflateSetDictionary(z, u->data + u->n - before,
					   (uInt)before) != Z_OK)
		return false;
	z->next_in = (Bytef *)(uintptr_t)(p + 2);
	z->avail_in = packed - 2u;
	z->next_out = u->data + u->n;
	z->avail_out = bytes;
	return inflate(z, Z_FINISH) == Z_STREAM_END && !z->avail_out;
}

// Room for a whole block, so that a claimed size alone allocates nothing.
static struct psc_error *block_room(struct psc_unpacked *u, size_t bytes)
{
	if (u->data && u->cap - u->n >= bytes)
		return NULL;
	size_t cap = PSC_MAX(u->cap * 2, u->n + BLOCK_BYTES);
	uint8_t *grown = realloc(u->data, cap);
	if (!grown)
		return &psc_nomem;
	u->data = grown;
	u->cap = cap;
	return NULL;
}

static struct psc_error *one_block(struct cabinet *c, z_stream *z,
				   struct psc_unpacked *u)
{
	struct psc_error *err;
	uint16_t packed, bytes;
	const uint8_t *p;

	if ((err = psc_reader_skip(&c->r, "block checksum", 4)) ||
	    (err = psc_reader_u16(&c->r, "block packed size", &packed)) ||
	    (err = psc_reader_u16(&c->r, "block size", &bytes)))
		return err;
	if (bytes > BLOCK_BYTES)
		return psc_reader_error(&c->r, PSC_ERR_DAMAGED,
					"%u bytes in one block", bytes);
	if ((err = psc_reader_skip(&c->r, "block reserve",
				   c->data_reserve)) ||
	    (err = psc_reader_bytes(&c->r, "block", packed, &p)) ||
	    (err = block_room(u, bytes)))
		return err;
	bool ok = c->method == METHOD_STORED
		? packed == bytes : inflate_block(z, u, p, packed, bytes);
	if (!ok)
		return psc_reader_error(&c->r, PSC_ERR_DAMAGED,
					"cannot be unpacked");
	if (c->method == METHOD_STORED && bytes)
		memcpy(u->data + u->n, p, bytes);
	u->n += bytes;
	return NULL;
}

static struct psc_error *blocks(struct cabinet *c, z_stream *z,
				struct psc_unpacked *u)
{
	struct psc_error *err =
		psc_reader_seek(&c->r, "first block", c->first_block);

	for (uint16_t i = 0; !err && i < c->n_blocks && u->n < c->bytes; i++)
		err = one_block(c, z, u);
	if (!err && u->n < c->bytes)
		err = psc_error_new(PSC_ERR_TRUNCATED, "cabinet: %u blocks "
				    "give %zu of %" PRIu32 " bytes",
				    c->n_blocks, u->n, c->bytes);
	if (!err)
		u->n = c->bytes;
	return err;
}

struct psc_error *psc_cabinet_unpack(const uint8_t *p, uint64_t n,
				     size_t limit, struct psc_unpacked *ret)
{
	struct cabinet c = { 0 };
	struct psc_unpacked u = { 0 };
	struct psc_error *err;
	z_stream z = { 0 };

	psc_reader_init(&c.r, p, n, PSC_WHERE_OFFSET, 0, "cabinet");
	if ((err = open_cabinet(&c)))
		return err;
	if (c.bytes > limit)
		return psc_error_new(PSC_ERR_LIMIT, "cabinet: a file of %"
				     PRIu32 " bytes, the limit is %zu",
				     c.bytes, limit);
	if (inflateInit2(&z, -15) != Z_OK)
		return &psc_nomem;
	err = blocks(&c, &z, &u);
	inflateEnd(&z);
	if (err) {
		free(u.data);
		return err;
	}
	*ret = u;
	return NULL;
}
