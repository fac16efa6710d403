// SPDX-License-Identifier: MIT
#include "sym/dwarf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/str.h"
#include "sym/coff_names.h"
#include "sym/dwarf_code.h"
#include "sym/dwarf_file.h"
#include "sym/dwarf_types.h"
#include "sym/elf_object.h"

/** An image (or ELF object) and, when split, its debug file. */
struct dwarf {
	struct psc_blob blob, debug_blob;
	struct psc_pe_file pe, debug_pe;
	struct elf elf;
	bool is_elf;		// layouts only: addresses mean nothing
	struct dwarf_file *file;	// NULL: the COFF table alone
	uint64_t base;		// image base that DWARF addresses include
	struct coff_names *coff;
	struct dwarf_code *code;	// on demand
	struct dwarf_types *types;	// on demand
};

static void destroy(void *self)
{
	struct dwarf *d = self;

	dwarf_code_free(d->code);
	dwarf_types_free(d->types);
	coff_names_free(d->coff);
	dwarf_file_free(d->file);
	elf_free(&d->elf);
	psc_blob_free(&d->debug_blob);
	psc_blob_free(&d->blob);
	free(d);
}

static struct psc_error *need_code(struct dwarf *d)
{
	if (!d->file || d->is_elf)
		return &psc_absent;
	return d->code ? NULL : dwarf_code_read(dwarf_file_debug(d->file),
						&d->code);
}

static struct psc_error *need_types(struct dwarf *d)
{
	if (!d->file)
		return &psc_absent;
	return d->types ? NULL : dwarf_types_read(dwarf_file_debug(d->file),
						  &d->types);
}

// --- questions -------------------------------------------------------------

static struct psc_error *symbol(void *self, const char *name, uint64_t *rva)
{
	struct dwarf *d = self;
	struct psc_error *err = need_code(d);

	if (!err) {
		uint64_t *slot = psc_strmap_get(&d->code->names, name,
						strlen(name));
		if (slot && *slot >= d->base) {
			*rva = *slot - d->base;
			return NULL;
		}
	} else if (!psc_error_catch(&err, PSC_ERR_ABSENT)) {
		return err;
	}
	return d->coff ? coff_names_find(d->coff, name, rva) : &psc_absent;
}

static struct psc_error *nearest(void *self, uint64_t rva,
				 struct psc_symname *ret)
{
	struct dwarf *d = self;
	struct psc_error *err = need_code(d);

	if (!err) {
		const struct dwarf_function *f =
			dwarf_code_function(d->code, rva + d->base);
		if (f && f->name) {
			*ret = (struct psc_symname){
				.name = f->name, .rva = f->low - d->base,
				.size = f->high - f->low, .is_function = true,
			};
			return NULL;
		}
	} else if (!psc_error_catch(&err, PSC_ERR_ABSENT)) {
		return err;
	}
	return d->coff ? coff_names_nearest(d->coff, rva, ret) : &psc_absent;
}

static struct psc_error *lines(void *self, uint64_t rva, struct psc_lines *ret)
{
	struct dwarf *d = self;
	struct psc_error *err = need_code(d);

	return err ? err : dwarf_code_lines(d->code, rva + d->base, ret);
}

static struct psc_error *type(void *self, const char *name,
			      struct psc_type *ret)
{
	struct dwarf *d = self;
	struct psc_error *err = need_types(d);

	return err ? err : dwarf_types_find(d->types, name, ret);
}

static struct psc_error *member(void *self, uint64_t id, const char *name,
				struct psc_field *ret)
{
	struct dwarf *d = self;
	struct psc_error *err = need_types(d);

	return err ? err : dwarf_types_member(d->types, id, name, ret);
}

static struct psc_error *members(void *self, uint64_t id, psc_member_fn each,
				 void *ctx)
{
	struct dwarf *d = self;
	struct psc_error *err = need_types(d);

	return err ? err : dwarf_types_members(d->types, id, each, ctx);
}

static struct psc_error *constant(void *self, const char *enum_name,
				  const char *name, int64_t *ret)
{
	struct dwarf *d = self;
	struct psc_error *err = need_types(d);

	return err ? err
		   : dwarf_types_constant(d->types, enum_name, name, ret);
}

static const struct psc_sym_ops dwarf_ops = {
	.source = "dwarf",
	.destroy = destroy,
	.symbol = symbol,
	.nearest = nearest,
	.type = type,
	.member = member,
	.members = members,
	.constant = constant,
	.lines = lines,
};

// --- split debug files -----------------------------------------------------

// .gnu_debuglink: a name, padded to 4, and the CRC of the whole file.
static const char *debug_link(const struct psc_pe_file *pe, uint32_t *crc)
{
	size_t n, end;
	const uint8_t *p = dwarf_pe_section(pe, ".gnu_debuglink", &n);

	if (!p || !memchr(p, 0, n))
		return NULL;
	const char *name = (const char *)p;
	end = (strlen(name) + 1 + 3) & ~(size_t)3;
	if (end > n || n - end < 4 || !*name ||
	    strcmp(psc_path_base(name), name) != 0)
		return NULL;	// a name with folders is not followed
	*crc = psc_le32(p + end);
	return name;
}

static uint32_t crc_of(const struct psc_file *f)
{
	uLong crc = crc32(0, NULL, 0);

	for (uint64_t at = 0; at < f->size; ) {
		uint64_t n = PSC_MIN(f->size - at, UINT_MAX);
		crc = crc32(crc, f->data + at, (uInt)n);
		at += n;
	}
	return (uint32_t)crc;
}

// The file of that name in dir or dir/.debug, when its CRC is right.
static struct psc_file *find_split(const char *path, const char *name,
				   uint32_t crc)
{
	static const char *const folders[] = { "", ".debug/" };
	int dir = (int)(psc_path_base(path) - path);

	for (size_t i = 0; i < PSC_ARRAY_SIZE(folders); i++) {
		char full[PATH_MAX];
		struct psc_file *f;
		if ((size_t)snprintf(full, sizeof(full), "%.*s%s%s", dir,
				     path, folders[i], name) >= sizeof(full))
			continue;
		struct psc_error *err = psc_file_open(full, &f);
		if (!err && crc_of(f) == crc)
			return f;
		if (!err)
			psc_file_close(f);
		psc_error_free(err);
	}
	return NULL;
}

static struct psc_error *follow_split(struct dwarf *d, const char *path)
{
	uint32_t crc;
	const char *name = path ? debug_link(&d->pe, &crc) : NULL;
	struct psc_file *f = name ? find_split(path, name, crc) : NULL;
	struct psc_error *err;

	if (!f)
		return &psc_absent;
	d->debug_blob = psc_blob_of_file(f);
	err = psc_pe_open_file(f->data, f->size, name, &d->debug_pe);
	if (err)
		return err;
	d->base = d->debug_pe.pe.image_base;
	return dwarf_file_of_pe(&d->debug_pe, &d->file);
}

// --- opening ---------------------------------------------------------------

static bool is_elf(const struct psc_blob *b)
{
	return b->size >= 4 && memcmp(b->data, "\x7f" "ELF", 4) == 0;
}

bool psc_dwarf_is(const struct psc_blob *b)
{
	return is_elf(b) || (b->size >= 2 && memcmp(b->data, "MZ", 2) == 0);
}

static struct psc_error *open_image(struct dwarf *d, const char *path)
{
	struct psc_error *err = psc_pe_open_file(d->blob.data, d->blob.size,
						 "image", &d->pe);

	if (err)
		return err;
	d->base = d->pe.pe.image_base;
	err = dwarf_file_of_pe(&d->pe, &d->file);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		err = follow_split(d, path);
	if (err && err->code != PSC_ERR_ABSENT)
		return err;
	struct psc_error *none = coff_names_read(&d->pe, &d->coff);
	if (!psc_error_catch(&none, PSC_ERR_ABSENT) && none)
		return none;
	if (!d->file && !d->coff)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "an image without "
				     "DWARF and without a symbol table");
	psc_error_free(err);
	return NULL;
}

static struct psc_error *open_elf(struct dwarf *d)
{
	struct psc_error *err;

	d->is_elf = true;
	if (!(err = elf_read(d->blob.data, d->blob.size, &d->elf)))
		err = dwarf_file_of_elf(&d->elf, &d->file);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return psc_error_new(PSC_ERR_UNSUPPORTED,
				     "an ELF file without DWARF");
	return err;
}

static void identify(const struct dwarf *d, struct psc_pdb_id *id)
{
	struct psc_pe_pdb pdb;
	struct psc_error *err = d->is_elf ? &psc_absent
					  : psc_pe_pdb(&d->pe.pe, &pdb);

	// An image without RSDS has no identity to compare.
	if (err) {
		psc_error_free(err);
		return;
	}
	snprintf(id->name, sizeof(id->name), "%s", pdb.name);
	memcpy(id->guid, pdb.guid, sizeof(id->guid));
	id->age = pdb.age;
	id->known = true;
}

struct psc_error *psc_dwarf_open(struct psc_blob b, const char *path,
				 struct psc_sym **ret)
{
	struct dwarf *d = calloc(1, sizeof(*d));
	struct psc_pdb_id id = { 0 };
	struct psc_error *err;
	char what[320];

	if (!d) {
		psc_blob_free(&b);
		return &psc_nomem;
	}
	d->blob = b;
	err = is_elf(&b) ? open_elf(d) : open_image(d, path);
	if (err) {
		destroy(d);
		return err;
	}
	identify(d, &id);
	snprintf(what, sizeof(what), "%s of %.255s",
		 !d->file ? "symbol table" : d->debug_blob.size
		 ? "split DWARF" : "DWARF", path ? psc_path_base(path) : "?");
	return psc_sym_new(&dwarf_ops, d, &id, path, what, ret);
}
