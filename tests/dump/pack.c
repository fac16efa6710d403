// SPDX-License-Identifier: MIT
#include "pack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void append(struct image *to, const void *p, size_t n)
{
	if (n)
		image_bytes(to, to->n, p, n);
}

static void put(struct image *to, uint64_t v, size_t bytes)
{
	append(to, &v, bytes);
}

static size_t pack_raw(struct image *to, const void *p, size_t n)
{
	z_stream z = { 0 };
	size_t room = n + n / 8 + 256, before = to->n;

	if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		exit(99);
	image_resize(to, before + room);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = to->p + before;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		exit(99);
	image_resize(to, before + z.total_out);
	deflateEnd(&z);
	return to->n - before;
}

static uint32_t crc_of(const void *p, size_t n)
{
	return (uint32_t)crc32_z(0, p, n);
}

void pack_gzip(struct image *to, const void *p, size_t n, bool fields)
{
	append(to, fields ? "\x1f\x8b\x08\x1e\0\0\0\0\0\x03"
			  : "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	if (fields) {
		append(to, "\x04\0abcd", 6);
		append(to, "MEMORY.DMP", 11);
		append(to, "comment", 8);
		append(to, "\x12\x34", 2);
	}
	pack_raw(to, p, n);
	put(to, crc_of(p, n), 4);
	put(to, n, 4);
}

struct image gzip_of(const struct image *m)
{
	struct image z = { 0 };

	pack_gzip(&z, m->p, m->n, false);
	return z;
}

static size_t put_data(struct image *z, const struct zip_file *f,
		       uint16_t method)
{
	if (method == 8)
		return pack_raw(z, f->p, f->n);
	append(z, f->p, f->n);
	return f->n;
}

static size_t put_local(struct image *z, const struct zip_file *f,
			const struct zip_options *o)
{
	size_t name = strlen(f->name), at = z->n;
	uint16_t flags = (uint16_t)(o->flags | (o->descriptor ? 8 : 0));

	put(z, 0x04034b50, 4);
	put(z, 45, 2);
	put(z, flags, 2);
	put(z, o->method, 2);
	put(z, 0, 4);
	put(z, o->descriptor ? 0 : crc_of(f->p, f->n), 4);
	put(z, 0, 8);	// patched below
	put(z, name, 2);
	put(z, 0, 2);
	append(z, f->name, name);
	size_t packed = put_data(z, f, o->method);
	if (!o->descriptor) {
		image_put32(z, at + 18, (uint32_t)packed);
		image_put32(z, at + 22, (uint32_t)f->n);
		return packed;
	}
	put(z, 0x08074b50, 4);
	put(z, crc_of(f->p, f->n), 4);
	put(z, packed, 4);
	put(z, f->n, 4);
	return packed;
}

static void put_central(struct image *z, const struct zip_file *f,
			const struct zip_options *o, size_t packed,
			size_t local)
{
	size_t name = strlen(f->name);

	put(z, 0x02014b50, 4);
	put(z, 45, 2);
	put(z, 45, 2);
	put(z, o->flags | (o->descriptor ? 8u : 0u), 2);
	put(z, o->method, 2);
	put(z, 0, 4);
	put(z, crc_of(f->p, f->n), 4);
	put(z, o->zip64 ? UINT32_MAX : packed, 4);
	put(z, o->zip64 ? UINT32_MAX : f->n, 4);
	put(z, name, 2);
	put(z, o->zip64 ? 34 : 0, 2);
	put(z, 0, 2);
	put(z, 0, 8);
	put(z, o->zip64 ? UINT32_MAX : local, 4);
	append(z, f->name, name);
	if (!o->zip64)
		return;
	put(z, 0x5455, 2);	// another extra field comes first
	put(z, 2, 2);
	put(z, 0, 2);
	put(z, 1, 2);
	put(z, 24, 2);
	put(z, f->n, 8);
	put(z, packed, 8);
	put(z, local, 8);
}

static void put_end64(struct image *z, size_t n, size_t start, size_t size)
{
	size_t at = z->n;

	put(z, 0x06064b50, 4);
	put(z, 44, 8);
	put(z, 45, 2);
	put(z, 45, 2);
	put(z, 0, 8);
	put(z, n, 8);
	put(z, n, 8);
	put(z, size, 8);
	put(z, start, 8);
	put(z, 0x07064b50, 4);
	put(z, 0, 4);
	put(z, at, 8);
	put(z, 1, 4);
}

struct image zip_of(const struct zip_file *files, size_t n,
		    const struct zip_options *opt)
{
	struct image z = { 0 };
	size_t packed[8], local[8];

	for (size_t i = 0; i < n; i++) {
		local[i] = z.n;
		packed[i] = put_local(&z, &files[i], opt);
	}
	size_t start = z.n;
	for (size_t i = 0; i < n; i++)
		put_central(&z, &files[i], opt, packed[i], local[i]);
	size_t size = z.n - start;
	if (opt->zip64)
		put_end64(&z, n, start, size);
	put(&z, 0x06054b50, 4);
	put(&z, 0, 4);
	put(&z, opt->zip64 ? 0xffff : n, 2);
	put(&z, opt->zip64 ? 0xffff : n, 2);
	put(&z, opt->zip64 ? UINT32_MAX : size, 4);
	put(&z, opt->zip64 ? UINT32_MAX : start, 4);
	put(&z, 7, 2);
	append(&z, "comment", 7);
	return z;
}
