// SPDX-License-Identifier: MIT
// Headers and sections (dump-format 5.3, symbols 7.1).
#include "pe/pe.h"

#include <inttypes.h>
#include <string.h>

#include "base/reader.h"
#include "pe/file.h"

enum {
	DOS_E_LFANEW = 0x3c,
	FILE_HEADER_BYTES = 24,		// signature and IMAGE_FILE_HEADER
	OPTIONAL_MAX = 112 + 16 * 8,	// PE32+ with all directories
	SECTION_BYTES = 40,
	MAGIC_PE32 = 0x10b,
	MAGIC_PE32PLUS = 0x20b,
};

// Bytes that are not there: cut off in a file, left out in a dump.
static struct psc_error *missing(const struct psc_pe *pe, const char *what,
				 const char *field, uint64_t rva)
{
	bool file = psc_pe_as_file(pe) != NULL;

	return psc_error_at(file ? PSC_ERR_TRUNCATED : PSC_ERR_NOT_IN_DUMP,
			    PSC_WHERE_OFFSET, rva,
			    "%s: %s at 0x%" PRIx64 " is %s", what, field, rva,
			    file ? "past the end of the file"
				 : "not readable");
}

static struct psc_error *read_all(const struct psc_pe *pe, const char *what,
				  const char *field, uint64_t rva, void *buf,
				  size_t n)
{
	if (pe->src.read(pe->src.ctx, rva, buf, n) != n)
		return missing(pe, what, field, rva);
	return NULL;
}

static struct psc_error *read_optional(struct psc_reader *r, struct psc_pe *pe)
{
	struct psc_error *err;
	uint16_t magic;
	uint32_t base32 = 0, n_dirs;

	if ((err = psc_reader_u16(r, "Magic", &magic)))
		return err;
	if (magic != MAGIC_PE32 && magic != MAGIC_PE32PLUS)
		return psc_reader_error(r, PSC_ERR_DAMAGED,
					"0x%x is no PE magic", magic);
	pe->is64 = magic == MAGIC_PE32PLUS;
	if ((err = psc_reader_seek(r, "AddressOfEntryPoint", 16)) ||
	    (err = psc_reader_u32(r, "AddressOfEntryPoint", &pe->entry_rva)) ||
	    (err = psc_reader_seek(r, "ImageBase", pe->is64 ? 24 : 28)) ||
	    (err = pe->is64 ? psc_reader_u64(r, "ImageBase", &pe->image_base)
			    : psc_reader_u32(r, "ImageBase", &base32)) ||
	    (err = psc_reader_seek(r, "SizeOfImage", 56)) ||
	    (err = psc_reader_u32(r, "SizeOfImage", &pe->image_size)) ||
	    (err = psc_reader_u32(r, "SizeOfHeaders", &pe->headers_size)) ||
	    (err = psc_reader_u32(r, "CheckSum", &pe->checksum)) ||
	    (err = psc_reader_seek(r, "NumberOfRvaAndSizes",
				   pe->is64 ? 108 : 92)) ||
	    (err = psc_reader_u32(r, "NumberOfRvaAndSizes", &n_dirs)))
		return err;
	if (!pe->is64)
		pe->image_base = base32;
	// Headers that announce more than they hold keep what is there.
	n_dirs = PSC_MIN(n_dirs, 16);
	for (; pe->n_dirs < n_dirs && psc_reader_left(r) >= 8; pe->n_dirs++) {
		struct psc_pe_dir *d = &pe->dir[pe->n_dirs];

		if ((err = psc_reader_u32(r, "VirtualAddress", &d->rva)) ||
		    (err = psc_reader_u32(r, "Size", &d->size)))
			return err;
	}
	return NULL;
}

static struct psc_pe_section parse_section(const uint8_t *p)
{
	struct psc_pe_section s = {
		.virtual_size = psc_le32(p + 8),
		.rva = psc_le32(p + 12),
		.file_size = psc_le32(p + 16),
		.file_offset = psc_le32(p + 20),
		.flags = psc_le32(p + 36),
	};

	memcpy(s.name, p, 8);
	return s;
}

// Rows that a missing page hides are left out: the rest of the image is
// still of use.
static struct psc_error *read_sections(struct psc_pe *pe, const char *what,
				       uint64_t rva, unsigned int n)
{
	uint8_t row[SECTION_BYTES];

	if (n > PSC_PE_MAX_SECTIONS)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, rva,
				    "%s: NumberOfSections: %u, at most %u",
				    what, n, PSC_PE_MAX_SECTIONS);
	for (unsigned int i = 0; i < n; i++, rva += SECTION_BYTES) {
		if (pe->src.read(pe->src.ctx, rva, row, sizeof(row)) !=
		    sizeof(row)) {
			if (psc_pe_as_file(pe))
				return missing(pe, what, "section header", rva);
			break;
		}
		pe->section[pe->n_sections++] = parse_section(row);
	}
	return NULL;
}

struct psc_error *psc_pe_open(const struct psc_image_source *src,
			      const char *what, struct psc_pe *ret)
{
	struct psc_error *err;
	struct psc_pe pe = { .src = *src };
	uint8_t dos[64], fh[FILE_HEADER_BYTES], opt[OPTIONAL_MAX];

	if ((err = read_all(&pe, what, "DOS header", 0, dos, sizeof(dos))))
		return err;
	if (dos[0] != 'M' || dos[1] != 'Z')
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, 0,
				    "%s: no MZ signature", what);
	uint64_t at = psc_le32(dos + DOS_E_LFANEW);
	if ((err = read_all(&pe, what, "PE header", at, fh, sizeof(fh))))
		return err;
	if (memcmp(fh, "PE\0\0", 4))
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, at,
				    "%s: no PE signature", what);
	pe.machine = psc_le16(fh + 4);
	pe.timestamp = psc_le32(fh + 8);
	pe.symbols_offset = psc_le32(fh + 12);
	pe.n_symbols = psc_le32(fh + 16);

	uint16_t opt_size = psc_le16(fh + 20);
	size_t n = PSC_MIN((size_t)opt_size, sizeof(opt));
	struct psc_reader r;
	at += FILE_HEADER_BYTES;
	if ((err = read_all(&pe, what, "optional header", at, opt, n)))
		return err;
	psc_reader_init(&r, opt, n, PSC_WHERE_OFFSET, at, "optional header");
	if ((err = read_optional(&r, &pe)))
		return psc_error_prefix(err, "%s", what);
	if ((err = read_sections(&pe, what, at + opt_size, psc_le16(fh + 6))))
		return err;
	*ret = pe;
	return NULL;
}

const struct psc_pe_section *psc_pe_section_of(const struct psc_pe *pe,
					       uint64_t rva)
{
	for (unsigned int i = 0; i < pe->n_sections; i++) {
		const struct psc_pe_section *s = &pe->section[i];
		uint32_t size = s->virtual_size ? s->virtual_size
						: s->file_size;

		if (rva >= s->rva && rva - s->rva < size)
			return s;
	}
	return NULL;
}

size_t psc_pe_read(const struct psc_pe *pe, uint64_t rva, void *buf, size_t n)
{
	if (rva >= pe->image_size)
		return 0;
	n = PSC_MIN(n, (size_t)(pe->image_size - rva));
	return pe->src.read(pe->src.ctx, rva, buf, n);
}
