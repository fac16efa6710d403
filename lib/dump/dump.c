// SPDX-License-Identifier: MIT
#include "dump/dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dump/header.h"
#include "dump/lookalike.h"
#include "dump/pages.h"
#include "dump/source.h"
#include "dump/triage.h"
#include "dump/warnings.h"

enum body_kind {
	BODY_NONE,	// no signature: page data, triage data or nothing
	BODY_FDMP,
	BODY_SDMP,
	BODY_RDMP,
};

/**
 * One dump layout. To add one: write psc_pages_<name>() in its own file, add a
 * row, a recipe in fixtures/, a seed in tests/fuzz/seeds/dump, and a line in
 * the README.
 */
struct format {
	uint32_t dump_type;
	enum body_kind body;		// what must stand behind the header
	const char *name;		// of the JSON contract
	/** NULL: no physical memory, and why_not says so. */
	struct psc_error *(*index)(const struct psc_body *,
				   struct psc_pages **);
	const char *why_not;
};

static const char no_pages_header[] =
	"the file is a dump header alone, it holds no memory: ask for a kernel "
	"memory dump (MEMORY.DMP)";
static const char no_pages_triage[] =
	"a triage dump (minidump) stores only what lies around the crash, no "
	"tag tables, counters or page lists: ask for a kernel or automatic "
	"memory dump (MEMORY.DMP)";

// The first row of a body kind is what a file of another type counts as.
static const struct format formats[] = {
	{ 0x1, BODY_NONE, "full", psc_pages_runs, NULL },
	{ 0x3, BODY_NONE, "header", NULL, no_pages_header },
	{ 0x4, BODY_NONE, "triage", NULL, no_pages_triage },
	{ 0x6, BODY_SDMP, "bitmap-kernel", psc_pages_bitmap, NULL },
	{ 0x5, BODY_FDMP, "bitmap-full", psc_pages_bitmap, NULL },
	{ 0x5, BODY_SDMP, "bitmap-full", psc_pages_bitmap, NULL },
	{ 0x6, BODY_FDMP, "bitmap-kernel", psc_pages_bitmap, NULL },
	// 7 is a setting of Windows; files are written as 6 (dump-format 2.0).
	{ 0x7, BODY_SDMP, "bitmap-kernel", psc_pages_bitmap, NULL },
	{ 0x7, BODY_FDMP, "bitmap-kernel", psc_pages_bitmap, NULL },
	{ 0x2, BODY_SDMP, "summary-kernel", psc_pages_summary, NULL },
	{ 0x8, BODY_RDMP, "range-kernel", psc_pages_rdmp, NULL },
	{ 0x9, BODY_RDMP, "range-kernel-user", psc_pages_rdmp, NULL },
	{ 0xa, BODY_RDMP, "range-complete", psc_pages_rdmp, NULL },
};

#define TYPE_TRIAGE 4u

struct psc_dump {
	struct psc_source src;
	struct psc_dump_header header;
	uint8_t header_bytes[PSC_HEADER64_SIZE];
	const struct format *format;
	struct psc_pages *pages;	// NULL without physical memory
	struct psc_triage_data *triage;	// NULL but for triage dumps
	struct psc_warnings warnings;
};

static struct psc_error *read_header(struct psc_dump *d, uint64_t *size)
{
	size_t n = (size_t)PSC_MIN(d->src.size, sizeof(d->header_bytes));

	if (!psc_source_read(&d->src, 0, d->header_bytes, n))
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, 0,
				    "dump header: it cannot be unpacked");
	*size = n < 8 ? 0 : psc_header_size(d->header_bytes);
	if (!*size)
		return psc_lookalike_error(d->header_bytes, n);
	if (n < *size)
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, 0,
				    "dump header: need 0x%" PRIx64 " bytes at "
				    "0x0, have 0x%zx", *size, n);
	psc_header_parse(d->header_bytes, &d->header, &d->warnings);
	return psc_header_check(&d->header);
}

static enum body_kind body_kind(const struct psc_dump *d, uint64_t offset)
{
	uint8_t p[12];

	if (!psc_source_read(&d->src, offset, p, sizeof(p)))
		return BODY_NONE;
	if (!memcmp(p, "FDMPDUMP", 8))
		return BODY_FDMP;
	if (!memcmp(p, "SDMPDUMP", 8))
		return BODY_SDMP;
	return psc_le32(p) == 0x40 && !memcmp(p + 4, "RDMPDUMP", 8)
		? BODY_RDMP : BODY_NONE;
}

static const struct format *find_format(uint32_t type, enum body_kind body)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(formats); i++) {
		if (formats[i].dump_type == type && formats[i].body == body)
			return &formats[i];
	}
	return NULL;
}

static const struct format *first_of(enum body_kind body)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(formats); i++) {
		if (formats[i].body == body)
			return &formats[i];
	}
	return NULL;
}

static bool type_is_known(uint32_t type)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(formats); i++) {
		if (formats[i].dump_type == type)
			return true;
	}
	return false;
}

// The signature of the body decides; DumpType names it (dump-format 1.6).
static struct psc_error *choose_format(struct psc_dump *d, uint64_t offset)
{
	uint32_t type = d->header.dump_type;
	enum body_kind body = body_kind(d, offset);

	d->format = find_format(type, body);
	if (d->format)
		return NULL;
	if (body != BODY_NONE) {
		d->format = first_of(body);
		psc_warn(&d->warnings, "header: DumpType %" PRIu32 " does not "
			 "agree with the signature at 0x%" PRIx64 "; read as %s",
			 type, offset, d->format->name);
		return NULL;
	}
	if (!type_is_known(type))
		return psc_error_at(PSC_ERR_UNSUPPORTED, PSC_WHERE_OFFSET,
				    d->header.is64 ? 0xf98 : 0xf88,
				    "dump header: DumpType %" PRIu32 " is not "
				    "known", type);
	return psc_error_at(d->src.size < offset + 12 ? PSC_ERR_TRUNCATED
						      : PSC_ERR_DAMAGED,
			    PSC_WHERE_OFFSET, offset, "dump body at 0x%" PRIx64
			    ": no signature for DumpType %" PRIu32, offset,
			    type);
}

static struct psc_error *open_body(struct psc_dump *d, uint64_t offset,
				   const struct psc_dump_options *opt)
{
	struct psc_body body = {
		.src = &d->src,
		.header = &d->header,
		.header_bytes = d->header_bytes,
		.offset = offset,
		.progress = opt ? opt->progress : NULL,
		.warnings = &d->warnings,
	};
	struct psc_error *err = NULL;

	if (d->format->index)
		err = d->format->index(&body, &d->pages);
	else if (d->format->dump_type == TYPE_TRIAGE)
		err = psc_triage_open(&body, &d->triage);
	if (!err && psc_dump_truncated(d) && d->pages)
		psc_warn(&d->warnings, "the file is truncated: %" PRIu64 " of %"
			 PRIu64 " pages are past its end",
			 d->pages->stored - d->pages->readable,
			 d->pages->stored);
	return err;
}

static void dump_guard(struct psc_dump **d)
{
	psc_dump_close(*d);
}

struct psc_error *psc_dump_open(const char *path,
				const struct psc_dump_options *opt,
				struct psc_dump **ret)
{
	PSC_CLEANUP(dump_guard) struct psc_dump *d = calloc(1, sizeof(*d));
	uint64_t size;
	struct psc_error *err;

	if (!d)
		return &psc_nomem;
	if ((err = psc_source_open(path, opt, &d->warnings, &d->src)))
		return err;
	if ((err = read_header(d, &size)) ||
	    (err = choose_format(d, size)) ||
	    (err = open_body(d, size, opt)))
		return psc_error_prefix(err, "%s", path);
	*ret = PSC_TAKE(d);
	return NULL;
}

void psc_dump_close(struct psc_dump *d)
{
	if (!d)
		return;
	if (d->pages)
		d->pages->ops->free(d->pages);
	psc_triage_close(d->triage);
	psc_source_close(&d->src);
	psc_warnings_free(&d->warnings);
	free(d);
}

const struct psc_dump_header *psc_dump_header(const struct psc_dump *d)
{
	return &d->header;
}

const char *psc_dump_path(const struct psc_dump *d)
{
	return d->src.file->path;
}

const char *psc_dump_format(const struct psc_dump *d)
{
	return d->format->name;
}

const char *psc_dump_why_no_pages(const struct psc_dump *d)
{
	return d->format->why_not;
}

uint64_t psc_dump_file_size(const struct psc_dump *d)
{
	return d->src.file->size;
}

uint64_t psc_dump_size(const struct psc_dump *d)
{
	return d->src.size;
}

const char *psc_dump_compression(const struct psc_dump *d)
{
	return d->src.compression;
}

bool psc_dump_truncated(const struct psc_dump *d)
{
	if (d->triage)
		return psc_triage_truncated(d->triage);
	return d->pages && d->pages->readable < d->pages->stored;
}

uint64_t psc_dump_pages_stored(const struct psc_dump *d)
{
	return d->pages ? d->pages->stored : 0;
}

uint64_t psc_dump_pages_readable(const struct psc_dump *d)
{
	return d->pages ? d->pages->readable : 0;
}

uint64_t psc_dump_pfn_limit(const struct psc_dump *d)
{
	return d->pages ? d->pages->pfn_limit : 0;
}

size_t psc_dump_n_warnings(const struct psc_dump *d)
{
	return d->warnings.n;
}

const char *psc_dump_warning(const struct psc_dump *d, size_t i)
{
	return d->warnings.v[i];
}

const uint8_t *psc_dump_page(const struct psc_dump *d, uint64_t pfn,
			     uint8_t *scratch)
{
	uint64_t off;

	if (!d->pages || !d->pages->ops->offset(d->pages, pfn, &off))
		return NULL;
	if (d->src.data)	// the index names only pages inside the file
		return d->src.data + off;
	return psc_source_read(&d->src, off, scratch, PSC_DUMP_PAGE)
		? scratch : NULL;
}

bool psc_dump_next_page(const struct psc_dump *d, uint64_t pfn, uint64_t *ret)
{
	return d->pages && d->pages->ops->next(d->pages, pfn, ret);
}

bool psc_dump_read_file(const struct psc_dump *d, uint64_t off, void *buf,
			size_t n)
{
	return psc_source_read(&d->src, off, buf, n);
}

const struct psc_triage *psc_dump_triage(const struct psc_dump *d)
{
	return d->triage ? psc_triage_contents(d->triage) : NULL;
}

const char *psc_arch_name(enum psc_arch a)
{
	static const char *const names[] = {
		[PSC_ARCH_UNKNOWN] = "unknown",
		[PSC_ARCH_X86] = "x86",
		[PSC_ARCH_X86_PAE] = "x86-pae",
		[PSC_ARCH_X64] = "x64",
		[PSC_ARCH_ARM64] = "arm64",
	};
	return names[a];
}
