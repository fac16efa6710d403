// SPDX-License-Identifier: MIT
#include "dump/triage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dump/triage_parts.h"

#define HEADER_BYTES32 0x68u
#define HEADER_BYTES64 0x80u
// Real ones have 0x10 bytes; anything large is no header.
#define MAX_BLOB_HEADER 0x10000u

bool psc_triage_has(const struct psc_triage_data *t,
		    enum psc_triage_field field)
{
	const struct psc_opt64 *fields = &t->header->minidump_fields;

	return !fields->set || fields->v & field;
}

const uint8_t *psc_triage_part(const struct psc_triage_data *t, uint64_t off,
			       uint64_t n, const char *what)
{
	if (off <= t->file.n && n <= t->file.n - off)
		return t->file.p + off;
	psc_warn(t->warnings, "triage dump: %s at 0x%" PRIx64 " + 0x%" PRIx64
		 " lies past the end of the file", what, off, n);
	return NULL;
}

// TRIAGE_DUMP64 and TRIAGE_DUMP32 (dump-format 6.1).
static void parse_header(struct psc_triage_data *t, const uint8_t *p)
{
	struct psc_triage_header *h = &t->h;
	bool is64 = t->header->is64;

	h->size_of_dump = psc_le32(p + 0x4);
	h->valid_offset = psc_le32(p + 0x8);
	h->mm = psc_le32(p + 0x14);
	h->unloaded = psc_le32(p + 0x18);
	h->prcb = psc_le32(p + 0x1c);
	h->process = psc_le32(p + 0x20);
	h->thread = psc_le32(p + 0x24);
	h->stack = psc_le32(p + 0x28);
	h->stack_size = psc_le32(p + 0x2c);
	h->drivers = psc_le32(p + 0x30);
	h->n_drivers = psc_le32(p + 0x34);
	h->stack_va = psc_le_uint(p + 0x48, is64 ? 8 : 4);
	h->data_page_va = psc_le_uint(p + (is64 ? 0x60 : 0x4c), is64 ? 8 : 4);
	p += is64 ? 0x68 : 0x50;
	h->data_page = psc_le32(p);
	h->data_page_size = psc_le32(p + 0x4);
	h->debugger_data = psc_le32(p + 0x8);
	h->debugger_data_size = psc_le32(p + 0xc);
	h->blocks = psc_le32(p + 0x10);
	h->n_blocks = psc_le32(p + 0x14);
}

static void check_end(struct psc_triage_data *t)
{
	const struct psc_triage_header *h = &t->h;

	if (h->size_of_dump > t->file.n) {
		t->truncated = true;
		psc_warn(t->warnings, "triage dump: SizeOfDump is 0x%" PRIx32
			 ", the file ends at 0x%" PRIx64, h->size_of_dump,
			 t->file.n);
		return;
	}
	if (t->file.n < 4 || h->valid_offset > t->file.n - 4 ||
	    memcmp(t->file.p + h->valid_offset, "TRGD", 4) != 0)
		psc_warn(t->warnings, "triage dump: no TRGD mark at 0x%" PRIx32
			 ", the writer may not have finished", h->valid_offset);
}

// DUMP_MM_STORAGE (dump-format 6.3): all in pages.
static void read_mm(struct psc_triage_data *t)
{
	struct psc_triage *c = &t->contents;
	unsigned int word = t->header->is64 ? 8 : 4;
	uint64_t *const to[] = {
		&c->max_nonpaged, &c->nonpaged, &c->max_paged, &c->paged,
		&c->committed, &c->committed_peak, &c->commit_limit,
	};

	// Most writers leave zeros here and the bit clear.
	if (!t->header->minidump_fields.set || !psc_triage_has(t, PSC_TRIAGE_MM))
		return;
	const uint8_t *p = psc_triage_part(t, t->h.mm,
					   0x18 + PSC_ARRAY_SIZE(to) * word,
					   "DUMP_MM_STORAGE");
	for (size_t i = 0; p && i < PSC_ARRAY_SIZE(to); i++) {
		*to[i] = psc_le_uint(p + 0x18 + i * word, word);
		c->has_mm |= *to[i] != 0;
	}
}

// Next blob behind the one at pos, 0 at the end of the stream.
static uint64_t next_blob(const struct psc_triage_data *t, uint64_t pos)
{
	const uint8_t *p = t->file.p + pos;
	uint64_t left = t->file.n - pos;

	if (left < 4 || !psc_le32(p))
		return 0;
	uint64_t size = psc_le32(p);
	if (size >= 0x20 && left >= 0x20)
		size += (uint64_t)psc_le32(p + 0x14) + psc_le32(p + 0x18) +
			psc_le32(p + 0x1c);
	if (psc_le32(p) >= 0x20 && size <= left)
		return pos + size;
	psc_warn(t->warnings, "DumpBlob stream: the blob at 0x%" PRIx64
		 " does not fit before the end of the file", pos);
	return 0;
}

// Tagged data of callbacks behind the triage data (dump-format 2.6).
static void walk_blobs(struct psc_triage_data *t)
{
	uint64_t pos = t->h.size_of_dump;

	if (pos > t->file.n || t->file.n - pos < 0x10 ||
	    memcmp(t->file.p + pos, "DumpBlob", 8) != 0)
		return;
	uint32_t size = psc_le32(t->file.p + pos + 8);
	if (size < 0x10 || size > t->file.n - pos || size > MAX_BLOB_HEADER) {
		psc_warn(t->warnings, "DumpBlob stream at 0x%" PRIx64 ": header "
			 "size 0x%" PRIx32 " is out of range", pos, size);
		return;
	}
	pos += size;
	while ((pos = next_blob(t, pos)))
		t->contents.n_blobs++;
}

static void triage_guard(struct psc_triage_data **t)
{
	psc_triage_close(*t);
}

struct psc_error *psc_triage_open(const struct psc_body *b,
				  struct psc_triage_data **ret)
{
	PSC_CLEANUP(triage_guard) struct psc_triage_data *t =
		calloc(1, sizeof(*t));
	uint64_t need = b->header->is64 ? HEADER_BYTES64 : HEADER_BYTES32;

	if (!t)
		return &psc_nomem;
	if (b->src->size - b->offset < need)
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, b->offset,
				    "triage header at 0x%" PRIx64 ": need 0x%"
				    PRIx64 " bytes, have 0x%" PRIx64, b->offset,
				    need, b->src->size - b->offset);
	struct psc_error *err = psc_source_load(b->src, 0, b->src->size,
						"triage dump", &t->file);
	if (err)
		return err;
	t->header = b->header;
	t->warnings = b->warnings;
	parse_header(t, t->file.p + b->offset);
	check_end(t);
	read_mm(t);
	walk_blobs(t);
	if (!psc_triage_blocks(t) || !psc_triage_drivers(t) ||
	    !psc_triage_unloaded_drivers(t))
		return &psc_nomem;
	*ret = PSC_TAKE(t);
	return NULL;
}

void psc_triage_close(struct psc_triage_data *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->contents.n_drivers; i++)
		free(t->contents.drivers[i].name);
	for (size_t i = 0; i < t->contents.n_unloaded; i++)
		free(t->contents.unloaded[i].name);
	free(t->contents.drivers);
	free(t->contents.unloaded);
	psc_vec_free(&t->blocks);
	psc_bytes_free(&t->file);
	free(t);
}

const struct psc_triage *psc_triage_contents(const struct psc_triage_data *t)
{
	return &t->contents;
}

bool psc_triage_truncated(const struct psc_triage_data *t)
{
	return t->truncated;
}
