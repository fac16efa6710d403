// SPDX-License-Identifier: MIT
// Debug directory: the CodeView record (dump-format 5.3, symbols 4.3).
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "pe/file.h"

enum {
	DIR_DEBUG = 6,
	ENTRY_BYTES = 28,
	ENTRIES_MAX = 64,
	TYPE_CODEVIEW = 2,
	RSDS_HEAD = 24,			// "RSDS", GUID, age
};

static size_t read_record(const struct psc_pe *pe, uint32_t rva,
			  uint32_t file_offset, uint8_t *buf, size_t n)
{
	const struct psc_pe_file *f = psc_pe_as_file(pe);

	// Linkers put records of RVA 0 outside every section.
	if (f && file_offset) {
		if (file_offset >= f->size)
			return 0;
		n = (size_t)PSC_MIN((uint64_t)n, f->size - file_offset);
		memcpy(buf, f->data + file_offset, n);
		return n;
	}
	return rva ? psc_pe_read(pe, rva, buf, n) : 0;
}

static bool parse_rsds(const uint8_t *p, size_t n, struct psc_pe_pdb *ret)
{
	char path[512];
	size_t len;

	if (n <= RSDS_HEAD || memcmp(p, "RSDS", 4))
		return false;
	len = strnlen((const char *)p + RSDS_HEAD, n - RSDS_HEAD);
	if (len == n - RSDS_HEAD || len >= sizeof(path))
		return false;
	memcpy(path, p + RSDS_HEAD, len + 1);
	const char *name = psc_path_base(path);
	if (strlen(name) >= sizeof(ret->name))
		return false;
	memcpy(ret->guid, p + 4, 16);
	ret->age = psc_le32(p + 20);
	strcpy(ret->name, name);
	return true;
}

struct psc_error *psc_pe_pdb(const struct psc_pe *pe, struct psc_pe_pdb *ret)
{
	const struct psc_pe_dir *d = &pe->dir[DIR_DEBUG];
	uint8_t e[ENTRY_BYTES], rec[RSDS_HEAD + 512];
	unsigned int n = PSC_MIN(d->size / ENTRY_BYTES, ENTRIES_MAX);
	bool missing = false;

	if (!d->rva || !n)
		return &psc_absent;
	for (unsigned int i = 0; i < n; i++) {
		size_t got;

		if (psc_pe_read(pe, d->rva + (uint64_t)i * ENTRY_BYTES, e,
				sizeof(e)) != sizeof(e)) {
			missing = true;
			continue;
		}
		if (psc_le32(e + 12) != TYPE_CODEVIEW)
			continue;
		got = read_record(pe, psc_le32(e + 20), psc_le32(e + 24), rec,
				  PSC_MIN(psc_le32(e + 16), sizeof(rec)));
		if (parse_rsds(rec, got, ret))
			return NULL;
		missing |= !got;
	}
	if (!missing || psc_pe_as_file(pe))
		return &psc_absent;
	return psc_error_at(PSC_ERR_NOT_IN_DUMP, PSC_WHERE_OFFSET, d->rva,
			    "debug directory or its record is not readable");
}
