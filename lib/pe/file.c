// SPDX-License-Identifier: MIT
// Image files: raw data moved to RVAs, and the parts that have none
// (long section names, certificates).
#include "pe/file.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	SECTOR = 0x200,			// loader's unit of PointerToRawData
	COFF_SYMBOL_BYTES = 18,
	CERT_DIR = 4,			// rva field is a file offset
	CERT_HEADER_BYTES = 8,
	CERT_TYPE_PKCS7 = 2,
};

static size_t copy_raw(const struct psc_pe_file *f, uint64_t off, void *buf,
		       size_t n)
{
	if (off >= f->size)
		return 0;
	n = (size_t)PSC_MIN((uint64_t)n, f->size - off);
	memcpy(buf, f->data + off, n);
	return n;
}

// Bytes of one section from rva on: raw data first, then zeros up to its
// virtual size.
static size_t read_section(const struct psc_pe_file *f,
			   const struct psc_pe_section *s, uint64_t rva,
			   void *buf, size_t n)
{
	uint64_t in = rva - s->rva;
	uint64_t size = s->virtual_size ? s->virtual_size : s->file_size;
	uint64_t raw = PSC_MIN(size, (uint64_t)s->file_size);
	uint64_t start = s->file_offset & ~(uint64_t)(SECTOR - 1);

	// Images with small section alignment are not rounded.
	if (s->rva < PSC_MIN(f->pe.headers_size, 0x1000u) ||
	    s->rva == s->file_offset)
		start = s->file_offset;
	n = (size_t)PSC_MIN((uint64_t)n, size - in);
	if (in < raw)
		return copy_raw(f, start + in, buf,
				(size_t)PSC_MIN((uint64_t)n, raw - in));
	memset(buf, 0, n);
	return n;
}

static size_t file_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct psc_pe_file *f = ctx;
	size_t done = 0;

	// While the headers are being parsed there is no section to map by.
	if (!f->pe.src.read)
		return copy_raw(f, rva, buf, n);
	while (done < n) {
		uint64_t at = rva + done;
		const struct psc_pe_section *s = psc_pe_section_of(&f->pe, at);
		uint8_t *to = (uint8_t *)buf + done;
		size_t got = 0;

		if (s)
			got = read_section(f, s, at, to, n - done);
		else if (at < f->pe.headers_size)
			got = copy_raw(f, at, to, (size_t)PSC_MIN(
				(uint64_t)(n - done), f->pe.headers_size - at));
		if (!got)
			break;
		done += got;
	}
	return done;
}

struct psc_error *psc_pe_open_file(const uint8_t *data, uint64_t size,
				   const char *what, struct psc_pe_file *ret)
{
	struct psc_image_source src = { .ctx = ret, .read = file_read };
	struct psc_error *err;
	struct psc_pe pe;

	*ret = (struct psc_pe_file){ .data = data, .size = size };
	if ((err = psc_pe_open(&src, what, &pe)))
		return err;
	ret->pe = pe;
	ret->pe.unbound = true;
	return NULL;
}

const struct psc_pe_file *psc_pe_as_file(const struct psc_pe *pe)
{
	return pe->src.read == file_read ? pe->src.ctx : NULL;
}

const uint8_t *psc_pe_file_section(const struct psc_pe_file *f,
				   const struct psc_pe_section *s, size_t *n)
{
	uint64_t len = s->virtual_size
		? PSC_MIN(s->virtual_size, s->file_size) : s->file_size;

	if (s->file_offset > f->size || len > f->size - s->file_offset)
		return NULL;
	*n = (size_t)len;
	return f->data + s->file_offset;
}

void psc_pe_file_section_name(const struct psc_pe_file *f,
			      const struct psc_pe_section *s, char *out,
			      size_t cap)
{
	uint64_t table = f->pe.symbols_offset +
			 (uint64_t)COFF_SYMBOL_BYTES * f->pe.n_symbols;
	char *end;
	unsigned long off;
	size_t n = 0;

	out[0] = '\0';
	if (s->name[0] != '/' || s->name[1] < '0' || s->name[1] > '9') {
		strncat(out, s->name, cap - 1);
		return;
	}
	off = strtoul(s->name + 1, &end, 10);
	if (*end || !f->pe.symbols_offset || table + off >= f->size) {
		strncat(out, s->name, cap - 1);
		return;
	}
	const char *text = (const char *)f->data + table + off;
	n = strnlen(text, (size_t)PSC_MIN(f->size - table - off,
					  (uint64_t)cap - 1));
	memcpy(out, text, n);
	out[n] = '\0';
}

bool psc_pe_file_signature(const struct psc_pe_file *f, const uint8_t **data,
			   size_t *n)
{
	if (f->pe.n_dirs <= CERT_DIR)
		return false;
	uint64_t off = f->pe.dir[CERT_DIR].rva;
	uint64_t end = off + f->pe.dir[CERT_DIR].size;

	end = PSC_MIN(end, f->size);
	if (!off)
		return false;
	// Entries are 8-aligned, each at least its header: the loop ends.
	while (off < end && end - off > CERT_HEADER_BYTES) {
		const uint8_t *p = f->data + off;
		uint64_t len = psc_le32(p);

		if (len <= CERT_HEADER_BYTES || len > end - off)
			return false;
		if (psc_le16(p + 6) == CERT_TYPE_PKCS7) {
			*data = p + CERT_HEADER_BYTES;
			*n = (size_t)len - CERT_HEADER_BYTES;
			return true;
		}
		off += (len + 7) & ~(uint64_t)7;
	}
	return false;
}
