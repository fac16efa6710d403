// SPDX-License-Identifier: MIT
#include "dump/index_file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cachefile.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/reader.h"
#include "base/str.h"

// Layout, little-endian: magic, path length u32, path, file size, time,
// offset of the compressed bytes, their length, unpacked size, points u64
// each; then per point in, out u64, bits, window size u32, the window; at the
// end CRC-32 of all before.
#define MAGIC "PSCIDX1\n"
#define MAGIC_BYTES 8u
#define POINT_BYTES 24u
// Deflate packs at most about 1032 to 1.
#define MAX_RATIO 1032u
#define NAME_BYTES 40u

// The key: the file's real path.
static bool real_path(const struct psc_file *f, char path[PATH_MAX])
{
	return realpath(f->path, path) != NULL;
}

static void file_name(const char *path, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "index-%016" PRIx64,
		 psc_hash_bytes(path, strlen(path)));
}

// --- saving ------------------------------------------------------------------

static void put32(struct psc_str *s, uint32_t v)
{
	psc_str_addn(s, (const char *)&v, sizeof(v));
}

static void put64(struct psc_str *s, uint64_t v)
{
	psc_str_addn(s, (const char *)&v, sizeof(v));
}

static void put_identity(struct psc_str *s, const char *path,
			 const struct psc_file *f,
			 const struct psc_deflate_input *in)
{
	psc_str_addn(s, MAGIC, MAGIC_BYTES);
	put32(s, (uint32_t)strlen(path));
	psc_str_add(s, path);
	put64(s, f->size);
	put64(s, f->mtime_ns);
	put64(s, (uint64_t)(in->data - f->data));
	put64(s, in->size);
}

static void put_point(struct psc_str *s, const struct psc_deflate_point *p)
{
	put64(s, p->in);
	put64(s, p->out);
	put32(s, p->bits);
	put32(s, p->window_size);
	if (p->window)
		psc_str_addn(s, (const char *)p->window, p->window_size);
}

static void str_guard(struct psc_str *s)
{
	psc_str_free(s);
}

static uint32_t crc_of(const void *p, size_t n)
{
	return (uint32_t)crc32_z(0, p, n);
}

struct psc_error *psc_index_file_save(const struct psc_file *f,
				      const struct psc_deflate_input *in,
				      const struct psc_inflate_index *x)
{
	PSC_CLEANUP(str_guard) struct psc_str s = { 0 };
	char path[PATH_MAX], name[NAME_BYTES];

	if (!real_path(f, path))
		return psc_error_new(PSC_ERR_OS, "%s: no real path", f->path);
	put_identity(&s, path, f, in);
	put64(&s, x->size);
	put64(&s, x->points.n);
	for (size_t i = 0; i < x->points.n; i++)
		put_point(&s, &x->points.v[i]);
	put32(&s, s.oom ? 0 : crc_of(s.s, s.len));
	if (s.oom)
		return &psc_nomem;
	file_name(path, name);
	return psc_cachefile_write(name, s.s, s.len);
}

// --- loading -----------------------------------------------------------------

// Does the file begin with exactly what saving would write?
static bool same_identity(struct psc_reader *r, const struct psc_file *f,
			  const struct psc_deflate_input *in)
{
	PSC_CLEANUP(str_guard) struct psc_str want = { 0 };
	PSC_ERROR_GUARD struct psc_error *err = NULL;
	char path[PATH_MAX];
	const uint8_t *p;

	if (!real_path(f, path))
		return false;
	put_identity(&want, path, f, in);
	if (want.oom)
		return false;
	err = psc_reader_bytes(r, "identity", want.len, &p);
	return !err && !memcmp(p, want.s, want.len);
}

// A point may start a decoder only where the bytes and the order allow it.
static bool point_is_sane(const struct psc_deflate_point *p,
			  const struct psc_deflate_point *before,
			  const struct psc_deflate_input *in, uint64_t size)
{
	if (p->in > in->size || p->out >= size || p->bits > 7 ||
	    (p->bits && !p->in) ||
	    p->window_size > compressBound(PSC_DEFLATE_WINDOW))
		return false;
	return before ? p->in >= before->in && p->out > before->out
		      : !p->out && !p->bits && !p->window_size;
}

static struct psc_error *read_point(struct psc_reader *r,
				    struct psc_deflate_point *ret)
{
	struct psc_deflate_point p = { 0 };
	uint32_t bits = 0;
	const uint8_t *window;
	struct psc_error *err;

	if ((err = psc_reader_u64(r, "in", &p.in)) ||
	    (err = psc_reader_u64(r, "out", &p.out)) ||
	    (err = psc_reader_u32(r, "bits", &bits)) ||
	    (err = psc_reader_u32(r, "window size", &p.window_size)) ||
	    (err = psc_reader_bytes(r, "window", p.window_size, &window)))
		return err;
	p.bits = bits > 7 ? UINT8_MAX : (uint8_t)bits;
	if (p.window_size) {
		p.window = malloc(p.window_size);
		if (!p.window)
			return &psc_nomem;
		memcpy(p.window, window, p.window_size);
	}
	*ret = p;
	return NULL;
}

static bool read_points(struct psc_reader *r, uint64_t n,
			const struct psc_deflate_input *in,
			struct psc_inflate_index *x)
{
	for (uint64_t i = 0; i < n; i++) {
		PSC_ERROR_GUARD struct psc_error *err = NULL;
		struct psc_deflate_point p;
		if ((err = read_point(r, &p)))
			return false;
		if (!psc_vec_push(&x->points, p)) {
			free(p.window);
			return false;
		}
		if (!point_is_sane(&p, i ? &x->points.v[i - 1] : NULL, in,
				   x->size))
			return false;
	}
	return psc_reader_left(r) == 0;
}

static bool parse(const struct psc_file *cache, const struct psc_file *f,
		  const struct psc_deflate_input *in,
		  struct psc_inflate_index *x)
{
	PSC_ERROR_GUARD struct psc_error *err = NULL;
	struct psc_reader r;
	uint64_t n = 0;

	if (cache->size < 4)
		return false;
	size_t len = (size_t)cache->size - 4;
	if (psc_le32(cache->data + len) != crc_of(cache->data, len))
		return false;
	psc_reader_init(&r, cache->data, len, PSC_WHERE_OFFSET, 0, "index");
	if (!same_identity(&r, f, in) ||
	    (err = psc_reader_u64(&r, "size", &x->size)) ||
	    (err = psc_reader_u64(&r, "points", &n)))
		return false;
	if (!n || n > psc_reader_left(&r) / POINT_BYTES || !x->size ||
	    x->size / MAX_RATIO > in->size)
		return false;
	x->clean = true;
	return read_points(&r, n, in, x);
}

bool psc_index_file_load(const struct psc_file *f,
			 const struct psc_deflate_input *in,
			 struct psc_inflate_index *ret)
{
	PSC_ERROR_GUARD struct psc_error *err = NULL;
	PSC_FREE char *cache_path = NULL;
	char path[PATH_MAX], name[NAME_BYTES];
	struct psc_file *cache;
	struct psc_inflate_index x = { 0 };

	if (!real_path(f, path))
		return false;
	file_name(path, name);
	if ((err = psc_cachefile_path(name, &cache_path)) ||
	    (err = psc_file_open(cache_path, &cache)))
		return false;
	bool ok = parse(cache, f, in, &x);
	psc_file_close(cache);
	if (ok)
		*ret = x;
	else
		psc_inflate_index_free(&x);
	return ok;
}
