// SPDX-License-Identifier: MIT
#include "dump/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dump/index_file.h"
#include "dump/inflate.h"
#include "dump/zip.h"

// Copies out of compressed dumps: bitmaps (32 TiB of RAM) and minidumps.
#define MAX_LOAD (UINT64_C(1) << 30)

static bool is_gzip(const struct psc_file *f)
{
	const uint8_t *p = psc_file_at(f, 0, 3);

	return p && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

// A cache that cannot be written costs the next start time, nothing else.
static void save_index(const struct psc_file *f,
		       const struct psc_deflate_input *in,
		       const struct psc_inflate_index *x,
		       struct psc_warnings *w)
{
	PSC_ERROR_GUARD struct psc_error *err = psc_index_file_save(f, in, x);

	if (err)
		psc_warn(w, "the index of the compressed dump could not be "
			 "kept: %s", err->message);
}

static struct psc_error *get_index(const struct psc_source *s,
				   const struct psc_deflate_input *in,
				   const struct psc_dump_options *opt,
				   struct psc_warnings *w,
				   struct psc_inflate_index *x)
{
	bool cache = opt && opt->cache_index;

	if (cache && psc_index_file_load(s->file, in, x))
		return NULL;
	struct psc_error *err = psc_inflate_index_build(
		in, opt ? opt->progress : NULL, w, x);
	// Warnings of a damaged stream must come again the next time.
	if (!err && cache && x->clean)
		save_index(s->file, in, x, w);
	return err;
}

static struct psc_error *open_stream(struct psc_source *s,
				     const struct psc_deflate_input *in,
				     const struct psc_dump_options *opt,
				     struct psc_warnings *w)
{
	struct psc_inflate_index x = { 0 };
	struct psc_error *err = get_index(s, in, opt, w, &x);

	if (err)
		return err;
	s->size = x.size;
	return psc_inflate_new(in, &x, &s->stream);
}

static struct psc_error *open_zip(struct psc_source *s,
				  const struct psc_dump_options *opt,
				  struct psc_warnings *w)
{
	struct psc_zip_member m;
	struct psc_error *err = psc_zip_find(s->file, w, &m);

	if (err)
		return err;
	s->compression = "zip";
	if (m.stored) {
		s->data = s->file->data + m.offset;
		s->size = m.size;
		return NULL;
	}
	struct psc_deflate_input in = {
		.data = s->file->data + m.offset, .size = m.size,
		.check = m.size_known, .check_size = m.unpacked,
		.check_crc = m.crc,
	};
	return open_stream(s, &in, opt, w);
}

static struct psc_error *open_any(struct psc_source *s,
				  const struct psc_dump_options *opt,
				  struct psc_warnings *w)
{
	struct psc_deflate_input in = {
		.data = s->file->data, .size = s->file->size, .gzip = true,
	};

	if (is_gzip(s->file)) {
		s->compression = "gzip";
		return open_stream(s, &in, opt, w);
	}
	if (psc_zip_is(s->file))
		return open_zip(s, opt, w);
	s->data = s->file->data;
	s->size = s->file->size;
	return NULL;
}

struct psc_error *psc_source_open(const char *path,
				  const struct psc_dump_options *opt,
				  struct psc_warnings *w,
				  struct psc_source *ret)
{
	struct psc_source s = { 0 };
	struct psc_error *err = psc_file_open(path, &s.file);

	if (err)
		return err;
	err = open_any(&s, opt, w);
	if (err) {
		psc_source_close(&s);
		return psc_error_prefix(err, "%s", path);
	}
	if (s.data)	// pages of virtual memory lie anywhere
		psc_file_will_be_random(s.file);
	*ret = s;
	return NULL;
}

void psc_source_close(struct psc_source *s)
{
	psc_inflate_free(s->stream);
	psc_file_close(s->file);
	*s = (struct psc_source){ 0 };
}

bool psc_source_read(const struct psc_source *s, uint64_t off, void *buf,
		     size_t n)
{
	if (off > s->size || n > s->size - off)
		return false;
	if (!n)
		return true;
	if (!s->data)
		return psc_inflate_read(s->stream, off, buf, n);
	memcpy(buf, s->data + off, n);
	return true;
}

struct psc_error *psc_source_load(const struct psc_source *s, uint64_t off,
				  uint64_t n, const char *what,
				  struct psc_bytes *ret)
{
	*ret = (struct psc_bytes){ .n = n };
	if (s->data || !n) {
		ret->p = n ? s->data + off : NULL;
		return NULL;
	}
	if (n > MAX_LOAD)
		return psc_error_at(PSC_ERR_LIMIT, PSC_WHERE_OFFSET, off,
				    "%s at 0x%" PRIx64 ": 0x%" PRIx64 " bytes are "
				    "too many to unpack into memory: unpack the "
				    "file first", what, off, n);
	uint8_t *copy = malloc((size_t)n);
	if (!copy)
		return &psc_nomem;
	if (!psc_source_read(s, off, copy, (size_t)n)) {
		free(copy);
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, off,
				    "%s at 0x%" PRIx64 ": cannot be unpacked",
				    what, off);
	}
	ret->p = ret->owned = copy;
	return NULL;
}

void psc_bytes_free(struct psc_bytes *b)
{
	free(b->owned);
	*b = (struct psc_bytes){ 0 };
}
