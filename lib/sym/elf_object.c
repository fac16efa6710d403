// SPDX-License-Identifier: MIT
#include "sym/elf_object.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/** A section header of either class. */
struct header {
	uint32_t name, type, link, info;
	uint64_t flags, offset, size;
};

/** The file while it is being read. */
struct file {
	const uint8_t *p;
	uint64_t n;
	bool is64;
	uint16_t machine, n_headers, names;
	uint64_t headers;
};

static struct psc_error *bad(const char *what)
{
	return psc_error_new(PSC_ERR_DAMAGED, "ELF: %s", what);
}

static struct psc_error *read_head(struct file *f)
{
	if (f->n < sizeof(Elf32_Ehdr) || memcmp(f->p, ELFMAG, SELFMAG) != 0)
		return psc_error_new(PSC_ERR_TRUNCATED, "ELF: no header");
	f->is64 = f->p[EI_CLASS] == ELFCLASS64;
	f->machine = psc_le16(f->p + 0x12);
	if (f->p[EI_DATA] != ELFDATA2LSB ||
	    (f->machine != EM_X86_64 && f->machine != EM_386 &&
	     f->machine != EM_AARCH64))
		return psc_error_new(PSC_ERR_UNSUPPORTED, "ELF: machine %u is "
				     "not read", f->machine);
	if (f->n < (f->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return psc_error_new(PSC_ERR_TRUNCATED, "ELF: short header");
	f->headers = f->is64 ? psc_le64(f->p + 0x28) : psc_le32(f->p + 0x20);
	const uint8_t *counts = f->p + (f->is64 ? 0x3a : 0x2e);
	f->n_headers = psc_le16(counts + 2);
	f->names = psc_le16(counts + 4);
	uint64_t each = f->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	if (psc_le16(counts) != each || f->headers > f->n ||
	    f->n_headers > (f->n - f->headers) / each)
		return bad("section headers lie outside the file");
	return NULL;
}

static struct header header_at(const struct file *f, unsigned int i)
{
	if (!f->is64) {
		const uint8_t *h = f->p + f->headers + i * sizeof(Elf32_Shdr);
		return (struct header){
			.name = psc_le32(h), .type = psc_le32(h + 4),
			.flags = psc_le32(h + 8), .offset = psc_le32(h + 0x10),
			.size = psc_le32(h + 0x14), .link = psc_le32(h + 0x18),
			.info = psc_le32(h + 0x1c),
		};
	}
	const uint8_t *h = f->p + f->headers + i * sizeof(Elf64_Shdr);
	return (struct header){
		.name = psc_le32(h), .type = psc_le32(h + 4),
		.flags = psc_le64(h + 8), .offset = psc_le64(h + 0x18),
		.size = psc_le64(h + 0x20), .link = psc_le32(h + 0x28),
		.info = psc_le32(h + 0x2c),
	};
}

// Bytes of a section that has some in the file.
static bool bytes_of(const struct file *f, const struct header *h,
		     const uint8_t **p)
{
	if (h->type == SHT_NOBITS || h->offset > f->n ||
	    h->size > f->n - h->offset)
		return false;
	*p = f->p + h->offset;
	return true;
}

static const char *name_of(const struct file *f, const struct header *names,
			   uint32_t at)
{
	const uint8_t *p;

	if (!bytes_of(f, names, &p) || at >= names->size ||
	    !memchr(p + at, 0, names->size - at))
		return "";
	return (const char *)p + at;
}

// --- relocations -----------------------------------------------------------

/** One table of relocations and the symbols that it refers to. */
struct relocs {
	const struct file *f;
	const uint8_t *p, *symbols;
	size_t n, n_symbols;	// entries
	size_t each;
	bool addends;
};

// Width of an absolute relocation; the others do not occur in debug sections.
static unsigned int width_of(uint16_t machine, uint32_t type)
{
	switch (machine) {
	case EM_X86_64:
		return type == R_X86_64_64 ? 8 : type == R_X86_64_32 ? 4 : 0;
	case EM_386:
		return type == R_386_32 ? 4 : 0;
	default:
		return type == R_AARCH64_ABS64 ? 8 :
		       type == R_AARCH64_ABS32 ? 4 : 0;
	}
}

static void apply_one(const struct relocs *r, size_t i, uint8_t *to, size_t n)
{
	const uint8_t *e = r->p + i * r->each;
	bool is64 = r->f->is64;
	uint64_t at = is64 ? psc_le64(e) : psc_le32(e);
	uint64_t info = is64 ? psc_le64(e + 8) : psc_le32(e + 4);
	uint64_t symbol = is64 ? info >> 32 : info >> 8;
	unsigned int width = width_of(r->f->machine, is64 ? (uint32_t)info
						     : (uint32_t)info & 0xff);

	if (!width || symbol >= r->n_symbols || at > n || width > n - at)
		return;
	const uint8_t *s = r->symbols + symbol * (is64 ? sizeof(Elf64_Sym)
						       : sizeof(Elf32_Sym));
	uint64_t v = is64 ? psc_le64(s + 8) : psc_le32(s + 4);
	if (r->addends)
		v += is64 ? psc_le64(e + 16) : psc_le32(e + 8);
	else
		v += psc_le_uint(to + at, width);
	memcpy(to + at, &v, width);
}

// Apply section i, a table of relocations, to a copy of its target.
static struct psc_error *apply(const struct file *f, struct elf *e,
			       const struct header *h)
{
	struct relocs r = { .f = f, .addends = h->type == SHT_RELA };

	if (h->info >= e->n || h->link >= f->n_headers ||
	    !e->v[h->info].data ||
	    strncmp(e->v[h->info].name, ".debug_", 7) != 0)
		return NULL;
	struct header symbols = header_at(f, h->link);
	if (!bytes_of(f, h, &r.p) || !bytes_of(f, &symbols, &r.symbols))
		return bad("relocations lie outside the file");
	r.each = (f->is64 ? 16u : 8u) + (r.addends ? (f->is64 ? 8u : 4u) : 0u);
	r.n = (size_t)h->size / r.each;
	r.n_symbols = (size_t)symbols.size / (f->is64 ? sizeof(Elf64_Sym)
						      : sizeof(Elf32_Sym));
	struct elf_section *to = &e->v[h->info];
	if (!to->heap) {
		to->heap = malloc(to->n ? to->n : 1);
		if (!to->heap)
			return &psc_nomem;
		memcpy(to->heap, to->data, to->n);
		to->data = to->heap;
	}
	for (size_t i = 0; i < r.n; i++)
		apply_one(&r, i, to->heap, to->n);
	return NULL;
}

// --- reading ---------------------------------------------------------------

static struct psc_error *read_sections(const struct file *f, struct elf *e)
{
	struct header names = f->names < f->n_headers
		? header_at(f, f->names) : (struct header){ 0 };

	for (unsigned int i = 0; i < f->n_headers; i++) {
		struct header h = header_at(f, i);
		const uint8_t *p;
		e->v[i].name = name_of(f, &names, h.name);
		if (strncmp(e->v[i].name, ".debug_", 7) != 0 ||
		    !bytes_of(f, &h, &p))
			continue;
		if (h.flags & SHF_COMPRESSED)
			return psc_error_new(PSC_ERR_UNSUPPORTED, "ELF: "
					     "section %s is compressed",
					     e->v[i].name);
		e->v[i].data = p;
		e->v[i].n = (size_t)h.size;
	}
	for (unsigned int i = 0; i < f->n_headers; i++) {
		struct header h = header_at(f, i);
		struct psc_error *err;
		if ((h.type == SHT_RELA || h.type == SHT_REL) &&
		    (err = apply(f, e, &h)))
			return err;
	}
	return NULL;
}

struct psc_error *elf_read(const uint8_t *data, uint64_t size,
			   struct elf *ret)
{
	struct file f = { .p = data, .n = size };
	struct elf e = { 0 };
	struct psc_error *err = read_head(&f);

	if (err)
		return err;
	e.v = calloc(f.n_headers ? f.n_headers : 1, sizeof(*e.v));
	if (!e.v)
		return &psc_nomem;
	e.n = f.n_headers;
	e.is64 = f.is64;
	if ((err = read_sections(&f, &e))) {
		elf_free(&e);
		return err;
	}
	*ret = e;
	return NULL;
}

void elf_free(struct elf *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->v[i].heap);
	free(e->v);
	*e = (struct elf){ 0 };
}
