// SPDX-License-Identifier: MIT
#include "dump/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"

// Record signatures and sizes (PKWARE APPNOTE 4.3).
#define LOCAL_SIG 0x04034b50u
#define LOCAL_BYTES 30u
#define CENTRAL_SIG 0x02014b50u
#define CENTRAL_BYTES 46u
#define END_SIG 0x06054b50u
#define END_BYTES 22u
#define END64_LOCATOR_SIG 0x07064b50u
#define END64_LOCATOR_BYTES 20u
#define END64_SIG 0x06064b50u
#define END64_BYTES 56u
#define MAX_COMMENT 0xffffu
#define ZIP64_EXTRA 1u

#define FLAG_ENCRYPTED 1u
#define METHOD_STORED 0u
#define METHOD_DEFLATE 8u

// Names in the message about several files.
#define MAX_NAMES 4u

struct directory {
	uint64_t offset, size, entries;
};

struct entry {
	uint16_t flags, method;
	uint32_t crc;
	uint64_t packed, unpacked, local;	// local: offset of its header
	const char *name;
	uint16_t name_len;
};

bool psc_zip_is(const struct psc_file *f)
{
	const uint8_t *p = psc_file_at(f, 0, 4);

	return p && (psc_le32(p) == LOCAL_SIG || psc_le32(p) == END_SIG);
}

static const uint8_t *find_end(const struct psc_file *f)
{
	uint64_t most = END_BYTES + MAX_COMMENT;

	for (uint64_t back = END_BYTES; back <= most && back <= f->size; back++) {
		const uint8_t *p = f->data + f->size - back;
		if (psc_le32(p) == END_SIG && psc_le16(p + 20) == back - END_BYTES)
			return p;
	}
	return NULL;
}

// Zip64 end record, where the plain one has no room.
static bool read_end64(const struct psc_file *f, const uint8_t *end,
		       struct directory *d)
{
	uint64_t at = (uint64_t)(end - f->data);

	if (at < END64_LOCATOR_BYTES ||
	    psc_le32(end - END64_LOCATOR_BYTES) != END64_LOCATOR_SIG)
		return false;
	const uint8_t *p = psc_file_at(
		f, psc_le64(end - END64_LOCATOR_BYTES + 8), END64_BYTES);
	if (!p || psc_le32(p) != END64_SIG)
		return false;
	d->entries = psc_le64(p + 32);
	d->size = psc_le64(p + 40);
	d->offset = psc_le64(p + 48);
	return true;
}

static bool find_directory(const struct psc_file *f, struct directory *d)
{
	const uint8_t *end = find_end(f);

	if (!end)
		return false;
	if (!read_end64(f, end, d)) {
		d->entries = psc_le16(end + 10);
		d->size = psc_le32(end + 12);
		d->offset = psc_le32(end + 16);
	}
	return psc_file_at(f, d->offset, d->size) != NULL;
}

// Fields of 0xffffffff stand in the zip64 extra field, in this order.
static void read_extra64(const uint8_t *p, size_t n, struct entry *e)
{
	uint64_t *const fields[] = { &e->unpacked, &e->packed, &e->local };

	while (n >= 4) {
		size_t len = psc_le16(p + 2), at = 4;
		if (len > n - 4)
			return;
		for (size_t i = 0; psc_le16(p) == ZIP64_EXTRA && i < 3; i++) {
			if (*fields[i] != UINT32_MAX)
				continue;
			if (at + 8 > len + 4)
				return;
			*fields[i] = psc_le64(p + at);
			at += 8;
		}
		p += 4 + len;
		n -= 4 + len;
	}
}

// Entry of the central directory at p; 0 when it does not fit.
static uint64_t read_entry(const uint8_t *p, uint64_t n, struct entry *e)
{
	if (n < CENTRAL_BYTES || psc_le32(p) != CENTRAL_SIG)
		return 0;
	uint16_t name = psc_le16(p + 28), extra = psc_le16(p + 30);
	uint64_t total = CENTRAL_BYTES + (uint64_t)name + extra +
			 psc_le16(p + 32);
	if (total > n)
		return 0;
	*e = (struct entry){
		.flags = psc_le16(p + 8), .method = psc_le16(p + 10),
		.crc = psc_le32(p + 16), .packed = psc_le32(p + 20),
		.unpacked = psc_le32(p + 24), .local = psc_le32(p + 42),
		.name = (const char *)p + CENTRAL_BYTES, .name_len = name,
	};
	read_extra64(p + CENTRAL_BYTES + name, extra, e);
	return total;
}

static bool is_folder(const struct entry *e)
{
	return e->name_len && e->name[e->name_len - 1] == '/' && !e->unpacked;
}

static void add_name(struct psc_str *names, uint64_t n, const struct entry *e)
{
	char *text = n < MAX_NAMES ? psc_text_escape(e->name, e->name_len) : NULL;

	if (text)
		psc_str_addf(names, "%s'%s'", n ? ", " : "", text);
	else if (n == MAX_NAMES)
		psc_str_add(names, " and more");
	free(text);
}

static void str_guard(struct psc_str *s)
{
	psc_str_free(s);
}

static struct psc_error *the_one_file(const struct psc_file *f,
				      const struct directory *d,
				      struct entry *ret)
{
	PSC_CLEANUP(str_guard) struct psc_str names = { 0 };
	uint64_t at = 0, files = 0;

	for (uint64_t i = 0; i < d->entries; i++) {
		struct entry e;
		uint64_t n = read_entry(f->data + d->offset + at, d->size - at,
					&e);
		if (!n)
			return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET,
					    d->offset + at, "zip directory: "
					    "entry %" PRIu64 " at 0x%" PRIx64
					    " is damaged", i, d->offset + at);
		at += n;
		if (is_folder(&e))
			continue;
		add_name(&names, files, &e);
		if (!files++)
			*ret = e;
	}
	if (files == 1)
		return NULL;
	if (!files)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "the zip is empty");
	return psc_error_new(PSC_ERR_UNSUPPORTED, "the zip holds %" PRIu64
			     " files (%s): unpack the dump, or pack it alone",
			     files, names.oom ? "" : names.s);
}

static struct psc_error *check_entry(const struct entry *e)
{
	static const struct {
		uint16_t method;
		const char *name;
	} others[] = {
		{ 1, "shrink" }, { 6, "implode" }, { 9, "deflate64" },
		{ 12, "bzip2" }, { 14, "lzma" }, { 93, "zstd" }, { 95, "xz" },
		{ 98, "ppmd" }, { 99, "AES encryption" },
	};
	const char *name = "unknown";

	if (e->flags & FLAG_ENCRYPTED)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "the zip is encrypted: "
				     "unpack it with its password");
	if (e->method == METHOD_STORED || e->method == METHOD_DEFLATE)
		return NULL;
	for (size_t i = 0; i < PSC_ARRAY_SIZE(others); i++) {
		if (others[i].method == e->method)
			name = others[i].name;
	}
	return psc_error_new(PSC_ERR_UNSUPPORTED, "the zip uses method %" PRIu16
			     " (%s): unpack it first", e->method, name);
}

static struct psc_error *locate(const struct psc_file *f, const struct entry *e,
				struct psc_zip_member *ret)
{
	const uint8_t *p = psc_file_at(f, e->local, LOCAL_BYTES);

	if (!p || psc_le32(p) != LOCAL_SIG)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, e->local,
				    "zip: no local header at 0x%" PRIx64,
				    e->local);
	ret->offset = e->local + LOCAL_BYTES + psc_le16(p + 26) +
		      psc_le16(p + 28);
	if (ret->offset > f->size)
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, e->local,
				    "zip: the local header at 0x%" PRIx64
				    " reaches past the end of the file",
				    e->local);
	ret->size = PSC_MIN(e->packed, f->size - ret->offset);
	ret->unpacked = e->unpacked;
	ret->crc = e->crc;
	ret->stored = e->method == METHOD_STORED;
	return NULL;
}

// An upload that was cut off has no directory; its first member may do.
static struct psc_error *without_directory(const struct psc_file *f,
					   struct psc_warnings *w,
					   struct psc_zip_member *ret)
{
	const uint8_t *p = psc_file_at(f, 0, LOCAL_BYTES);
	struct psc_error *err;

	if (!p || psc_le32(p) != LOCAL_SIG)
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, 0,
				    "zip: no directory at its end and no local "
				    "header at 0x0");
	struct entry e = { .flags = psc_le16(p + 6), .method = psc_le16(p + 8),
			   .packed = UINT64_MAX };
	if ((err = check_entry(&e)) || (err = locate(f, &e, ret)))
		return err;
	psc_warn(w, "zip: the directory at its end is missing, the file is "
		 "truncated");
	return NULL;
}

struct psc_error *psc_zip_find(const struct psc_file *f, struct psc_warnings *w,
			       struct psc_zip_member *ret)
{
	struct psc_zip_member m = { 0 };
	struct directory d = { 0 };
	struct entry e;
	struct psc_error *err;

	if (!find_directory(f, &d)) {
		err = without_directory(f, w, &m);
	} else if (!(err = the_one_file(f, &d, &e)) &&
		   !(err = check_entry(&e))) {
		m.size_known = true;
		err = locate(f, &e, &m);
	}
	if (!err)
		*ret = m;
	return err;
}
