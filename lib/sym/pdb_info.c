// SPDX-License-Identifier: MIT
#include "sym/pdb_info.h"

#include <inttypes.h>
#include <string.h>

#include "base/reader.h"

#define FEATURE_VC110 20091201U
#define FEATURE_VC140 20140508U
#define FEATURE_MINIMAL 0x494e494dU
#define NAMES_MAGIC 0xeffeeffeU

// A bit vector of the name table: word count, words. Borrow the words.
static struct psc_error *bit_words(struct psc_reader *r, const char *field,
				   const uint8_t **words, uint32_t *n)
{
	struct psc_error *err = psc_reader_u32(r, field, n);

	if (err)
		return err;
	if (*n > psc_reader_left(r) / 4)
		return psc_reader_error(r, PSC_ERR_DAMAGED,
					"%" PRIu32 " words do not fit", *n);
	return psc_reader_bytes(r, field, (size_t)*n * 4, words);
}

// Entries stand in the order of the present bits; only their count matters.
static struct psc_error *named_streams(struct psc_reader *r,
				       const uint8_t *pool, uint32_t pool_bytes,
				       struct pdb_info *ret)
{
	const uint8_t *present, *deleted;
	uint32_t count, capacity, n_present, n_deleted;
	struct psc_error *err;

	if ((err = psc_reader_u32(r, "name count", &count)) ||
	    (err = psc_reader_u32(r, "name capacity", &capacity)) ||
	    (err = bit_words(r, "present bits", &present, &n_present)) ||
	    (err = bit_words(r, "deleted bits", &deleted, &n_deleted)))
		return err;
	if (count > psc_reader_left(r) / 8)
		return psc_reader_error(r, PSC_ERR_DAMAGED,
					"%" PRIu32 " names do not fit", count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at, stream;
		if ((err = psc_reader_u32(r, "name offset", &at)) ||
		    (err = psc_reader_u32(r, "name stream", &stream)))
			return err;
		static const char wanted[] = "/names";
		if (at < pool_bytes && pool_bytes - at >= sizeof(wanted) &&
		    memcmp(pool + at, wanted, sizeof(wanted)) == 0)
			ret->names_stream = stream;
	}
	return NULL;
}

static struct psc_error *features(struct psc_reader *r, struct pdb_info *ret)
{
	struct psc_error *err;

	while (psc_reader_left(r) >= 4) {
		uint32_t code;
		if ((err = psc_reader_u32(r, "feature", &code)))
			return err;
		if (code == FEATURE_MINIMAL)
			ret->minimal = true;
		if (code == FEATURE_VC110 || code == FEATURE_VC140)
			ret->has_ids = true;
	}
	return NULL;
}

static struct psc_error *read_info(const struct psc_msf_stream *s,
				   struct pdb_info *ret)
{
	struct psc_reader r;
	struct psc_error *err;
	const uint8_t *guid, *pool;
	uint32_t pool_bytes;

	psc_reader_init(&r, s->data, s->size, PSC_WHERE_OFFSET, 0,
			"PDB info stream 1");
	if ((err = psc_reader_u32(&r, "version", &ret->version)) ||
	    (err = psc_reader_u32(&r, "signature", &ret->signature)) ||
	    (err = psc_reader_u32(&r, "age", &ret->age)) ||
	    (err = psc_reader_bytes(&r, "GUID", 16, &guid)) ||
	    (err = psc_reader_u32(&r, "name pool size", &pool_bytes)) ||
	    (err = psc_reader_bytes(&r, "name pool", pool_bytes, &pool)))
		return err;
	memcpy(ret->guid, guid, 16);
	if ((err = named_streams(&r, pool, pool_bytes, ret)))
		return err;
	// The next-index counter, then feature codes up to the end.
	if (psc_reader_left(&r) >= 4 &&
	    (err = psc_reader_skip(&r, "next index", 4)))
		return err;
	return features(&r, ret);
}

struct psc_error *pdb_info_read(const struct psc_msf *m, struct pdb_info *ret)
{
	struct pdb_info info = { .names_stream = PSC_MSF_NO_STREAM };
	struct psc_msf_stream s;
	struct psc_error *err = psc_msf_read(m, 1, "PDB info", &s);

	if (err)
		return psc_error_prefix(err, "PDB info stream 1");
	err = read_info(&s, &info);
	psc_msf_stream_free(&s);
	if (err)
		return err;
	*ret = info;
	return NULL;
}

struct psc_error *pdb_strings_read(const struct psc_msf *m,
				   const struct pdb_info *info,
				   struct pdb_strings *ret)
{
	struct pdb_strings t = { 0 };
	struct psc_reader r;
	struct psc_error *err;
	uint32_t magic, version, bytes;
	const uint8_t *text;

	err = psc_msf_read(m, info->names_stream, "/names", &t.s);
	if (psc_error_catch(&err, PSC_ERR_ABSENT)) {
		*ret = t;
		return NULL;
	}
	if (err)
		return err;
	psc_reader_init(&r, t.s.data, t.s.size, PSC_WHERE_OFFSET, 0, "/names");
	if ((err = psc_reader_u32(&r, "magic", &magic)) ||
	    (err = psc_reader_u32(&r, "version", &version)) ||
	    (err = psc_reader_u32(&r, "size", &bytes)) ||
	    (err = psc_reader_bytes(&r, "text", bytes, &text)))
		goto fail;
	if (magic != NAMES_MAGIC) {
		err = psc_error_new(PSC_ERR_DAMAGED,
				    "/names: magic is %#" PRIx32, magic);
		goto fail;
	}
	t.text = (const char *)text;
	t.n = bytes;
	*ret = t;
	return NULL;
fail:
	pdb_strings_free(&t);
	return err;
}

const char *pdb_strings_at(const struct pdb_strings *s, uint32_t at)
{
	if (at >= s->n || !memchr(s->text + at, 0, s->n - at))
		return NULL;
	return s->text + at;
}

void pdb_strings_free(struct pdb_strings *s)
{
	psc_msf_stream_free(&s->s);
	*s = (struct pdb_strings){ 0 };
}
