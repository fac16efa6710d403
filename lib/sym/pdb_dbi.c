// SPDX-License-Identifier: MIT
#include "sym/pdb_dbi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/reader.h"
#include "base/vec.h"

#define DBI_HEADER_BYTES 64
#define MODULE_FIXED_BYTES 64
#define CONTRIB_V1 0xf12eba2dU	// 28-byte entries
#define CONTRIB_V2 0xf13151e4U	// 32-byte entries

// Sizes of the substreams in file order (symbols 2.3).
enum sub {
	SUB_MODULES,
	SUB_CONTRIBS,
	SUB_SECTION_MAP,
	SUB_FILES,
	SUB_TYPE_SERVERS,
	SUB_EC,
	SUB_DEBUG,
	SUB_COUNT,
};
struct substreams {
	uint32_t bytes[SUB_COUNT];
};

static struct psc_error *sub_size(struct psc_reader *r, const char *field,
				  uint32_t *ret)
{
	struct psc_error *err = psc_reader_u32(r, field, ret);

	if (!err && *ret > INT32_MAX)
		return psc_reader_error(r, PSC_ERR_DAMAGED, "size is negative");
	return err;
}

static struct psc_error *stream_numbers(struct psc_reader *r,
					struct pdb_dbi *d)
{
	struct psc_error *err;
	uint32_t signature, version;
	uint16_t skipped;

	if ((err = psc_reader_u32(r, "signature", &signature)))
		return err;
	if (signature != UINT32_MAX)
		return psc_reader_error(r, PSC_ERR_UNSUPPORTED,
					"%#" PRIx32 ": a DBI of before 1999",
					signature);
	if ((err = psc_reader_u32(r, "version", &version)) ||
	    (err = psc_reader_u32(r, "age", &d->age)) ||
	    (err = psc_reader_u16(r, "globals stream", &d->globals)) ||
	    (err = psc_reader_u16(r, "build", &skipped)) ||
	    (err = psc_reader_u16(r, "publics stream", &d->publics)) ||
	    (err = psc_reader_u16(r, "dll version", &skipped)) ||
	    (err = psc_reader_u16(r, "record stream", &d->records)))
		return err;
	return psc_reader_skip(r, "rbld", 2);
}

// The size fields of EC and debug header stand in the other order than the
// substreams themselves.
static struct psc_error *header(struct psc_reader *r, struct pdb_dbi *d,
				struct substreams *sub)
{
	struct psc_error *err;
	uint16_t flags;

	if ((err = stream_numbers(r, d)) ||
	    (err = sub_size(r, "module info", &sub->bytes[SUB_MODULES])) ||
	    (err = sub_size(r, "contributions", &sub->bytes[SUB_CONTRIBS])) ||
	    (err = sub_size(r, "section map", &sub->bytes[SUB_SECTION_MAP])) ||
	    (err = sub_size(r, "file info", &sub->bytes[SUB_FILES])) ||
	    (err = sub_size(r, "type servers",
			    &sub->bytes[SUB_TYPE_SERVERS])) ||
	    (err = psc_reader_skip(r, "MFC index", 4)) ||
	    (err = sub_size(r, "debug header", &sub->bytes[SUB_DEBUG])) ||
	    (err = sub_size(r, "EC", &sub->bytes[SUB_EC])) ||
	    (err = psc_reader_u16(r, "flags", &flags)) ||
	    (err = psc_reader_u16(r, "machine", &d->machine)))
		return err;
	return psc_reader_skip(r, "reserved", 4);
}

static struct psc_error *one_module(struct psc_reader *r,
				    struct pdb_module_info *m)
{
	const char *object;
	struct psc_error *err;
	uint16_t stream;

	if ((err = psc_reader_skip(r, "contribution", 34)) ||
	    (err = psc_reader_u16(r, "stream", &stream)) ||
	    (err = psc_reader_u32(r, "symbol bytes", &m->symbol_bytes)) ||
	    (err = psc_reader_u32(r, "C11 bytes", &m->c11_bytes)) ||
	    (err = psc_reader_u32(r, "C13 bytes", &m->c13_bytes)) ||
	    (err = psc_reader_skip(r, "files", 16)) ||
	    (err = psc_reader_cstr(r, "name", &m->name)) ||
	    (err = psc_reader_cstr(r, "object", &object)))
		return err;
	m->stream = stream;
	size_t pad = (4 - r->pos % 4) % 4;
	return pad < psc_reader_left(r) ? psc_reader_skip(r, "padding", pad)
					: psc_reader_seek(r, "end", r->len);
}

static struct psc_error *modules(const uint8_t *p, uint32_t bytes,
				 uint64_t origin, struct pdb_dbi *d)
{
	PSC_VEC(struct pdb_module_info) v = { 0 };
	struct psc_reader r;
	struct psc_error *err = NULL;

	psc_reader_init(&r, p, bytes, PSC_WHERE_OFFSET, origin,
			"DBI stream 3: module info");
	while (psc_reader_left(&r) > MODULE_FIXED_BYTES) {
		struct pdb_module_info m;
		if ((err = one_module(&r, &m)))
			break;
		if (!psc_vec_push(&v, m)) {
			err = &psc_nomem;
			break;
		}
	}
	d->modules = v.v;
	d->n_modules = v.n;
	return err;
}

static int by_place(const void *a, const void *b)
{
	const struct pdb_contribution *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static struct psc_error *contributions(const uint8_t *p, uint32_t bytes,
				       struct pdb_dbi *d)
{
	uint32_t version = bytes >= 4 ? psc_le32(p) : 0;
	uint32_t each = version == CONTRIB_V1 ? 28 :
			version == CONTRIB_V2 ? 32 : 0;
	bool sorted = true;

	// An unknown version only costs the way from address to module.
	if (!each)
		return NULL;
	size_t n = (bytes - 4) / each;
	d->contribs = malloc((n ? n : 1) * sizeof(*d->contribs));
	if (!d->contribs)
		return &psc_nomem;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *e = p + 4 + i * each;
		d->contribs[i] = (struct pdb_contribution){
			.section = psc_le16(e),
			.offset = psc_le32(e + 4),
			.size = psc_le32(e + 8),
			.module = psc_le16(e + 16),
		};
		if (i && by_place(&d->contribs[i - 1], &d->contribs[i]) > 0)
			sorted = false;
	}
	d->n_contribs = n;
	if (!sorted)
		qsort(d->contribs, n, sizeof(*d->contribs), by_place);
	return NULL;
}

static void debug_header(const uint8_t *p, uint32_t bytes, struct pdb_dbi *d)
{
	for (uint32_t i = 0; i < PDB_DBG_COUNT; i++)
		d->debug[i] = i < bytes / 2 ? psc_le16(p + (size_t)i * 2)
					    : PSC_MSF_NO_STREAM;
}

static struct psc_error *read_dbi(struct pdb_dbi *d)
{
	struct substreams sub = { 0 };
	struct psc_reader r;
	struct psc_error *err;
	const uint8_t *part[SUB_COUNT];

	psc_reader_init(&r, d->s.data, d->s.size, PSC_WHERE_OFFSET, 0,
			"DBI stream 3");
	if ((err = header(&r, d, &sub)))
		return err;
	static const char *const names[] = {
		[SUB_MODULES] = "module info", [SUB_CONTRIBS] = "contributions",
		[SUB_SECTION_MAP] = "section map", [SUB_FILES] = "file info",
		[SUB_TYPE_SERVERS] = "type servers", [SUB_EC] = "EC",
		[SUB_DEBUG] = "debug header",
	};
	for (int i = 0; i < SUB_COUNT; i++) {
		if ((err = psc_reader_bytes(&r, names[i], sub.bytes[i],
					    &part[i])))
			return err;
	}
	debug_header(part[SUB_DEBUG], sub.bytes[SUB_DEBUG], d);
	if ((err = modules(part[SUB_MODULES], sub.bytes[SUB_MODULES],
			   DBI_HEADER_BYTES, d)))
		return err;
	return contributions(part[SUB_CONTRIBS], sub.bytes[SUB_CONTRIBS], d);
}

struct psc_error *pdb_dbi_read(const struct psc_msf *m, struct pdb_dbi *ret)
{
	struct pdb_dbi d = {
		.globals = PSC_MSF_NO_STREAM, .publics = PSC_MSF_NO_STREAM,
		.records = PSC_MSF_NO_STREAM,
	};

	debug_header(NULL, 0, &d);
	struct psc_error *err = psc_msf_read(m, 3, "DBI", &d.s);
	if (psc_error_catch(&err, PSC_ERR_ABSENT) || (!err && !d.s.size)) {
		*ret = d;
		return NULL;
	}
	if (!err)
		err = read_dbi(&d);
	if (err) {
		pdb_dbi_free(&d);
		return err;
	}
	d.present = true;
	*ret = d;
	return NULL;
}

void pdb_dbi_free(struct pdb_dbi *d)
{
	psc_msf_stream_free(&d->s);
	free(d->modules);
	free(d->contribs);
	*d = (struct pdb_dbi){ 0 };
}

const struct pdb_contribution *
pdb_dbi_contribution(const struct pdb_dbi *d, uint16_t section,
		     uint32_t offset)
{
	struct pdb_contribution key = { .section = section, .offset = offset };
	size_t lo = 0, hi = d->n_contribs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (by_place(&d->contribs[mid], &key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct pdb_contribution *c = &d->contribs[lo - 1];
	return c->section == section && offset - c->offset < c->size ? c : NULL;
}
