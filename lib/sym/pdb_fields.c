// SPDX-License-Identifier: MIT
#include "sym/pdb_fields.h"

#include <string.h>

#include "base/bytes.h"

#define MAX_LISTS 256		// continuations of one list: 16 MB of members
#define MAX_DEPTH 64		// modifiers, arrays and enums on each other
#define PAD_FIRST 0xf1		// 0xf1..0xff: low nibble = bytes to skip

void pdb_fields_begin(struct pdb_fields *f, const struct pdb_types *t,
		      uint32_t list)
{
	*f = (struct pdb_fields){ .t = t, .next_list = list };
}

// Enter the next list of the chain.
static bool open_list(struct pdb_fields *f)
{
	uint32_t list = f->next_list;

	f->next_list = 0;
	if (!list || f->hops++ >= MAX_LISTS ||
	    pdb_types_record(f->t, list, &f->r) != PDB_LF_FIELDLIST) {
		f->incomplete |= list != 0;
		return false;
	}
	return true;
}

static void skip_padding(struct psc_reader *r)
{
	while (psc_reader_left(r) && r->base[r->pos] >= PAD_FIRST) {
		size_t n = r->base[r->pos] & 15;
		r->pos += PSC_MIN(n, psc_reader_left(r));
	}
}

static bool text(struct psc_reader *r, const char **ret)
{
	const uint8_t *p = r->base + r->pos;
	const uint8_t *end = memchr(p, 0, psc_reader_left(r));

	if (!end)
		return false;
	*ret = (const char *)p;
	r->pos += (size_t)(end - p) + 1;
	return true;
}

// What stands behind attributes and type, by leaf: N numeric, T text, 4 a
// u32, and V a u32 for introducing virtual methods only.
static const struct shape {
	uint16_t leaf;
	bool typed;		// u32 type after the u16
	const char *rest;
} shapes[] = {
	{ PDB_LF_MEMBER, true, "NT" },
	{ PDB_LF_ENUMERATE, false, "NT" },
	{ PDB_LF_STMEMBER, true, "T" },
	{ PDB_LF_NESTTYPE, true, "T" },
	{ PDB_LF_NESTTYPEEX, true, "T" },
	{ PDB_LF_INDEX, true, "" },
	{ PDB_LF_BCLASS, true, "N" },
	{ PDB_LF_BINTERFACE, true, "N" },
	{ PDB_LF_VBCLASS, true, "4NN" },
	{ PDB_LF_IVBCLASS, true, "4NN" },
	{ PDB_LF_VFUNCTAB, true, "" },
	{ PDB_LF_VFUNCOFF, true, "4" },
	{ PDB_LF_METHOD, true, "T" },
	{ PDB_LF_ONEMETHOD, true, "VT" },
};

static const struct shape *shape_of(uint16_t leaf)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(shapes); i++) {
		if (shapes[i].leaf == leaf)
			return &shapes[i];
	}
	return NULL;
}

static bool rest(struct psc_reader *r, const char *form, uint16_t attr,
		 struct pdb_member *m)
{
	uint32_t ignored;
	unsigned int kind = attr >> 2 & 7;	// 4, 6: introducing virtual

	for (; *form; form++) {
		bool ok = *form == 'N' ? pdb_numeric(r, &m->value) :
			  *form == 'T' ? text(r, &m->name) :
			  *form == 'V' && kind != 4 && kind != 6 ? true :
			  pdb_u32(r, &ignored);
		if (!ok)
			return false;
	}
	return true;
}

// One entry of any kind; false ends the list.
static bool entry(struct pdb_fields *f, struct pdb_member *m)
{
	struct psc_reader *r = &f->r;
	uint16_t attr;

	*m = (struct pdb_member){ .name = "" };
	skip_padding(r);
	if (!psc_reader_left(r))
		return false;
	f->incomplete = true;
	if (!pdb_u16(r, &m->leaf) || !pdb_u16(r, &attr))
		return false;
	const struct shape *s = shape_of(m->leaf);
	if (!s || (s->typed && !pdb_u32(r, &m->type)) ||
	    !rest(r, s->rest, attr, m))
		return false;
	f->incomplete = false;
	if (m->leaf == PDB_LF_INDEX)
		f->next_list = m->type;
	return true;
}

bool pdb_fields_next(struct pdb_fields *f, struct pdb_member *ret)
{
	for (;;) {
		if (!f->r.base && !open_list(f))
			return false;
		while (entry(f, ret)) {
			if (ret->leaf == PDB_LF_MEMBER ||
			    ret->leaf == PDB_LF_ENUMERATE ||
			    ret->leaf == PDB_LF_BCLASS)
				return true;
		}
		if (f->incomplete)
			return false;
		f->r.base = NULL;
	}
}

size_t pdb_fields_count(const struct pdb_types *t, uint32_t list)
{
	struct pdb_fields f;
	struct pdb_member m;
	size_t n = 0;

	pdb_fields_begin(&f, t, list);
	while (pdb_fields_next(&f, &m))
		n += m.leaf != PDB_LF_BCLASS;
	return n;
}

// --- types of members ------------------------------------------------------

/** What is known while a chain of types is followed. */
struct chain {
	const struct pdb_types *t;
	struct psc_field *f;
	uint64_t total;		// bytes of the outermost array
	bool is_array;
	bool is_bits;
	uint8_t bit, bits;
	uint64_t size;
};

// Kind in bits 0-7, pointer mode in bits 8-11 (symbols 3.4).
static bool primitive(uint32_t ti, struct chain *c)
{
	static const struct {
		uint8_t kind, size, is_signed;
	} kinds[] = {
		{ 0x08, 4, 1 }, { 0x10, 1, 1 }, { 0x20, 1, 0 }, { 0x70, 1, 1 },
		{ 0x68, 1, 1 }, { 0x69, 1, 0 }, { 0x71, 2, 0 }, { 0x7a, 2, 0 },
		{ 0x7b, 4, 0 }, { 0x7c, 1, 0 }, { 0x11, 2, 1 }, { 0x21, 2, 0 },
		{ 0x72, 2, 1 }, { 0x73, 2, 0 }, { 0x12, 4, 1 }, { 0x22, 4, 0 },
		{ 0x74, 4, 1 }, { 0x75, 4, 0 }, { 0x13, 8, 1 }, { 0x23, 8, 0 },
		{ 0x76, 8, 1 }, { 0x77, 8, 0 }, { 0x14, 16, 1 },
		{ 0x24, 16, 0 }, { 0x78, 16, 1 }, { 0x79, 16, 0 },
		{ 0x30, 1, 0 }, { 0x31, 2, 0 }, { 0x32, 4, 0 }, { 0x33, 8, 0 },
	};
	static const uint8_t pointer_bytes[16] = { [1] = 2, [4] = 4, [6] = 8 };
	static const uint8_t float_bytes[] = { 4, 8, 10 };
	uint8_t kind = ti & 0xff, mode = ti >> 8 & 15;

	if (mode) {
		c->f->cls = PSC_TYPE_POINTER;
		c->size = pointer_bytes[mode];
		return c->size != 0;
	}
	for (size_t i = 0; i < PSC_ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind == kind) {
			c->f->cls = PSC_TYPE_INT;
			c->f->is_signed = kinds[i].is_signed;
			c->size = kinds[i].size;
			return true;
		}
	}
	c->f->cls = PSC_TYPE_OTHER;
	if (kind >= 0x40 && kind < 0x40 + sizeof(float_bytes))
		c->size = float_bytes[kind - 0x40];
	return true;
}

// Definition behind a struct's type index, itself or what it refers to.
static uint32_t definition(const struct pdb_types *t, uint32_t ti,
			   struct pdb_udt *u)
{
	if (!pdb_types_udt(t, ti, u))
		return 0;
	if (u->forward) {
		ti = pdb_types_define(t, u);
		if (!ti || !pdb_types_udt(t, ti, u))
			return 0;
	}
	return ti;
}

static uint64_t pointee(const struct pdb_types *t, uint32_t ti)
{
	struct psc_reader r;
	struct pdb_udt u;

	for (int i = 0; i < MAX_DEPTH; i++) {
		uint16_t leaf = pdb_types_record(t, ti, &r);
		if (leaf != PDB_LF_MODIFIER)
			break;
		if (!pdb_u32(&r, &ti))
			return 0;
	}
	ti = definition(t, ti, &u);
	return ti && u.leaf != PDB_LF_ENUM ? ti : 0;
}

static bool pointer(struct chain *c, struct psc_reader *r)
{
	uint32_t referent, attr;

	if (!pdb_u32(r, &referent) || !pdb_u32(r, &attr))
		return false;
	c->f->cls = PSC_TYPE_POINTER;
	c->size = attr >> 13 & 0x3f;
	if (!c->size)
		c->size = (attr & 31) == 0xc ? 8 : 4;
	c->f->type_id = pointee(c->t, referent);
	return true;
}

static bool array(struct chain *c, struct psc_reader *r, uint32_t *ti)
{
	uint32_t index_type;
	int64_t bytes;

	if (!pdb_u32(r, ti) || !pdb_u32(r, &index_type) ||
	    !pdb_numeric(r, &bytes) || bytes < 0)
		return false;
	// The outermost of nested arrays has the bytes of all.
	if (!c->is_array)
		c->total = (uint64_t)bytes;
	c->is_array = true;
	return true;
}

static bool bitfield(struct chain *c, struct psc_reader *r, uint32_t *ti)
{
	if (!pdb_u32(r, ti) || psc_reader_left(r) < 2 || c->is_bits)
		return false;
	c->bits = r->base[r->pos];
	c->bit = r->base[r->pos + 1];
	c->is_bits = true;
	return c->bits && c->bits <= 64 && c->bit < 64;
}

static bool udt(struct chain *c, uint32_t *ti, bool *done)
{
	struct pdb_udt u;
	uint32_t def = definition(c->t, *ti, &u);

	if (!def)
		return false;
	if (u.leaf == PDB_LF_ENUM) {
		*ti = u.underlying;
		return true;
	}
	c->f->cls = PSC_TYPE_STRUCT;
	c->f->type_id = def;
	c->size = u.size;
	*done = true;
	return true;
}

// Follow the chain to what decides the size. Depth is bounded: a damaged
// file can make types refer to themselves.
static bool follow(struct chain *c, uint32_t ti)
{
	bool done = false;

	for (int depth = 0; depth < MAX_DEPTH && !done; depth++) {
		struct psc_reader r;
		if (ti < 0x1000)
			return primitive(ti, c);
		uint16_t leaf = pdb_types_record(c->t, ti, &r);
		bool ok;
		switch (leaf) {
		case PDB_LF_MODIFIER:
			ok = pdb_u32(&r, &ti);
			break;
		case PDB_LF_POINTER:
			return pointer(c, &r);
		case PDB_LF_ARRAY:
			ok = array(c, &r, &ti);
			break;
		case PDB_LF_BITFIELD:
			ok = bitfield(c, &r, &ti);
			break;
		default:
			ok = udt(c, &ti, &done);
		}
		if (!ok)
			return false;
	}
	return done;
}

bool pdb_field_of_type(const struct pdb_types *t, uint32_t ti, uint64_t offset,
		       struct psc_field *ret)
{
	struct psc_field f = { .offset = offset, .count = 1 };
	struct chain c = { .t = t, .f = &f };

	if (!follow(&c, ti) || c.size > UINT32_MAX)
		return false;
	f.size = (uint32_t)c.size;
	if (c.is_bits) {
		if (c.bit + (uint64_t)c.bits > c.size * 8)
			return false;
		f.offset += c.bit / 8u;
		f.bit = c.bit % 8u;
		f.bits = c.bits;
		f.size = (f.bit + f.bits + 7u) / 8u;
	}
	if (c.is_array) {
		uint64_t n = c.size ? c.total / c.size : 0;
		f.count = (uint32_t)PSC_MIN(n, UINT32_MAX);
	}
	*ret = f;
	return true;
}
