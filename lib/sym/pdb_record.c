// SPDX-License-Identifier: MIT
#include "sym/pdb_record.h"

#include <string.h>

#include "base/bytes.h"

bool pdb_record_next(const uint8_t *base, size_t size, size_t *at,
		     struct pdb_raw *ret)
{
	if (*at > size || size - *at < 4)
		return false;
	const uint8_t *p = base + *at;
	size_t n = (size_t)psc_le16(p) + 2;
	if (n < 4 || n > size - *at)
		return false;
	*ret = (struct pdb_raw){
		.kind = psc_le16(p + 2), .at = *at, .p = p, .n = n,
	};
	*at += n;
	return true;
}

// NUL-terminated name at @p at of the record.
static bool name_at(const struct pdb_raw *r, size_t at, struct pdb_symbol *s)
{
	if (at >= r->n)
		return false;
	const uint8_t *end = memchr(r->p + at, 0, r->n - at);
	if (!end)
		return false;
	s->name = (const char *)r->p + at;
	s->name_len = (size_t)(end - (r->p + at));
	return true;
}

static bool parse_public(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 15)
		return false;
	s->flags = psc_le32(r->p + 4);
	s->offset = psc_le32(r->p + 8);
	s->section = psc_le16(r->p + 12);
	if (r->kind != PDB_S_PUB32_ST)
		return name_at(r, 14, s);
	s->name = (const char *)r->p + 15;
	s->name_len = r->p[14];
	return s->name_len <= r->n - 15;
}

static bool parse_data(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 15)
		return false;
	s->offset = psc_le32(r->p + 8);
	s->section = psc_le16(r->p + 12);
	return name_at(r, 14, s);
}

static bool parse_proc(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 40)
		return false;
	s->end = psc_le32(r->p + 8);
	s->length = psc_le32(r->p + 16);
	s->offset = psc_le32(r->p + 32);
	s->section = psc_le16(r->p + 36);
	return name_at(r, 39, s);
}

static bool parse_ref(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 15)
		return false;
	s->module_at = psc_le32(r->p + 8);
	s->module = psc_le16(r->p + 12);
	return name_at(r, 14, s);
}

static bool parse_thunk(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 26)
		return false;
	s->end = psc_le32(r->p + 8);
	s->offset = psc_le32(r->p + 16);
	s->section = psc_le16(r->p + 20);
	s->length = psc_le16(r->p + 22);
	return name_at(r, 25, s);
}

// The cold part of a function; it has no name of its own.
static bool parse_sepcode(const struct pdb_raw *r, struct pdb_symbol *s)
{
	if (r->n < 32)
		return false;
	s->end = psc_le32(r->p + 8);
	s->length = psc_le32(r->p + 12);
	s->offset = psc_le32(r->p + 20);
	s->parent_offset = psc_le32(r->p + 24);
	s->section = psc_le16(r->p + 28);
	s->parent_section = psc_le16(r->p + 30);
	s->name = "";
	return true;
}

bool pdb_symbol_parse(const struct pdb_raw *raw, struct pdb_symbol *ret)
{
	*ret = (struct pdb_symbol){ .kind = raw->kind };
	switch (raw->kind) {
	case PDB_S_PUB32:
	case PDB_S_PUB32_ST:
		return parse_public(raw, ret);
	case PDB_S_GDATA32:
	case PDB_S_LDATA32:
		return parse_data(raw, ret);
	case PDB_S_GPROC32:
	case PDB_S_LPROC32:
		return parse_proc(raw, ret);
	case PDB_S_PROCREF:
	case PDB_S_LPROCREF:
		return parse_ref(raw, ret);
	case PDB_S_THUNK32:
		return parse_thunk(raw, ret);
	case PDB_S_SEPCODE:
		return parse_sepcode(raw, ret);
	default:
		return false;
	}
}
