// SPDX-License-Identifier: MIT
/** @file
 * gzip (RFC 1952) and zip (one member, deflated) around a finished dump.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "out.h"

#define CHUNK (256u << 10)
#define MEMBER "MEMORY.DMP"
#define LOCAL_BYTES (30u + sizeof(MEMBER) - 1)

struct packer {
	struct mk *m;
	int fd;			/**< The compressed file. */
	uint64_t in, out;	/**< Bytes so far; out counts from 0. */
	uint64_t base;		/**< Where the data begins in the file. */
	uint32_t crc;
	z_stream z;
};

static void write_at(struct packer *p, uint64_t off, const void *b, size_t n)
{
	if (pwrite(p->fd, b, n, (off_t)off) != (ssize_t)n)
		mk_fail(p->m, "write: %s", strerror(errno));
}

static void drain(struct packer *p, int flush)
{
	static uint8_t out[CHUNK];

	do {
		p->z.next_out = out;
		p->z.avail_out = sizeof(out);
		deflate(&p->z, flush);
		size_t n = sizeof(out) - p->z.avail_out;

		write_at(p, p->base + p->out, out, n);
		p->out += n;
	} while (p->z.avail_out == 0);
}

/** @param window  zlib's window bits: 31 gzip, -15 raw deflate. */
static void pack(struct packer *p, int from, int window)
{
	static uint8_t in[CHUNK];
	ssize_t n;

	if (deflateInit2(&p->z, 6, Z_DEFLATED, window, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		mk_fail(p->m, "zlib does not start");
	while ((n = pread(from, in, sizeof(in), (off_t)p->in)) > 0) {
		p->crc = (uint32_t)crc32(p->crc, in, (uInt)n);
		p->in += (uint64_t)n;
		p->z.next_in = in;
		p->z.avail_in = (uInt)n;
		drain(p, Z_NO_FLUSH);
	}
	drain(p, Z_FINISH);
	deflateEnd(&p->z);
}

static void zip_headers(struct packer *p)
{
	uint8_t local[30] = "PK\3\4", central[46] = "PK\1\2";
	uint8_t end[22] = "PK\5\6";
	uint64_t at = p->base + p->out;

	if (p->in > UINT32_MAX || p->out > UINT32_MAX)
		mk_fail(p->m, "zip holds dumps below 4 GiB");
	psc_put16(local + 4, 20);			// version needed
	psc_put16(local + 8, 8);			// deflate
	psc_put32(local + 14, p->crc);
	psc_put32(local + 18, (uint32_t)p->out);
	psc_put32(local + 22, (uint32_t)p->in);
	psc_put16(local + 26, sizeof(MEMBER) - 1);
	write_at(p, 0, local, sizeof(local));
	write_at(p, sizeof(local), MEMBER, sizeof(MEMBER) - 1);
	psc_put16(central + 4, 20);
	memcpy(central + 6, local + 4, 26);		// shared fields
	write_at(p, at, central, sizeof(central));
	write_at(p, at + sizeof(central), MEMBER, sizeof(MEMBER) - 1);
	uint64_t central_bytes = sizeof(central) + sizeof(MEMBER) - 1;

	psc_put16(end + 8, 1);				// members
	psc_put16(end + 10, 1);
	psc_put32(end + 12, (uint32_t)central_bytes);
	psc_put32(end + 16, (uint32_t)at);
	write_at(p, at + central_bytes, end, sizeof(end));
}

void mk_compress(struct mk *m, const char *path)
{
	bool zip = !strcmp(m->out->compress, "zip");
	struct packer p = {.m = m, .base = zip ? LOCAL_BYTES : 0};

	// The plain file stays open, without a name, while it is packed.
	if (unlink(path))
		mk_fail(m, "%s: %s", path, strerror(errno));
	p.fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (p.fd < 0)
		mk_fail(m, "%s: %s", path, strerror(errno));
	pack(&p, m->out->fd, zip ? -15 : 31);
	if (zip)
		zip_headers(&p);
	close(m->out->fd);
	m->out->fd = p.fd;
}
