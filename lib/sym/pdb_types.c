// SPDX-License-Identifier: MIT
#include "sym/pdb_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sym/pdb_fields.h"

#define TPI_HEADER_BYTES 56
#define PROP_FORWARD 0x80u
#define PROP_UNIQUE_NAME 0x200u
// Definitions of one name that are compared: real files have two or three.
#define MAX_SAME_NAME 64

static struct psc_error *header(const struct psc_msf_stream *s,
				struct pdb_types *t, uint32_t stream,
				uint32_t *begin, uint32_t *bytes)
{
	struct psc_reader r;
	struct psc_error *err;
	uint32_t version;

	psc_reader_init(&r, s->data, s->size, PSC_WHERE_OFFSET, 0,
			stream == 2 ? "TPI stream 2" : "IPI stream 4");
	if ((err = psc_reader_u32(&r, "version", &version)) ||
	    (err = psc_reader_u32(&r, "header size", begin)))
		return err;
	if (*begin < TPI_HEADER_BYTES || *begin > s->size)
		return psc_reader_error(&r, PSC_ERR_DAMAGED,
					"%" PRIu32 " bytes", *begin);
	if ((err = psc_reader_u32(&r, "first index", &t->first)) ||
	    (err = psc_reader_u32(&r, "end index", &t->end)) ||
	    (err = psc_reader_u32(&r, "record bytes", bytes)))
		return err;
	if (*bytes > s->size - *begin)
		return psc_reader_error(&r, PSC_ERR_DAMAGED, "%" PRIu32
					" bytes in a stream of %zu", *bytes,
					s->size);
	// A record takes four bytes at least.
	if (t->end < t->first || t->end - t->first > *bytes / 4)
		return psc_error_new(PSC_ERR_DAMAGED, "%s: types %#" PRIx32
				     " to %#" PRIx32 " in %" PRIu32 " bytes",
				     r.what, t->first, t->end, *bytes);
	return NULL;
}

static bool is_udt(uint16_t leaf)
{
	switch (leaf) {
	case PDB_LF_CLASS:
	case PDB_LF_STRUCTURE:
	case PDB_LF_UNION:
	case PDB_LF_ENUM:
	case PDB_LF_INTERFACE:
	case PDB_LF_CLASS2:
	case PDB_LF_STRUCTURE2:
	case PDB_LF_UNION2:
	case PDB_LF_INTERFACE2:
		return true;
	default:
		return false;
	}
}

// Many records share these: they are reached by type index only.
static bool is_anonymous(const char *name)
{
	return !*name || strcmp(name, "<unnamed-tag>") == 0 ||
	       strcmp(name, "<anonymous-tag>") == 0 ||
	       strcmp(name, "__unnamed") == 0;
}

static bool index_name(struct pdb_types *t, uint32_t ti)
{
	struct pdb_udt u;

	if (!pdb_types_udt(t, ti, &u) || u.forward || is_anonymous(u.name) ||
	    (u.leaf != PDB_LF_ENUM && !u.size))
		return true;
	uint64_t *slot = psc_strmap_put(&t->names, u.name, strlen(u.name),
					NULL);
	if (!slot || !psc_vec_push(&t->defs, (struct pdb_def){
		.ti = ti, .older = (uint32_t)*slot,
	}))
		return false;
	*slot = t->defs.n;
	return true;
}

// A record that does not fit ends the walk; what came before stays.
static bool index_records(struct pdb_types *t, size_t at, size_t end,
			  bool with_names)
{
	for (uint32_t ti = t->first; ti < t->end && end - at >= 4; ti++) {
		size_t n = (size_t)psc_le16(t->s.data + at) + 2;
		if (n < 4 || n > end - at)
			break;
		t->at[ti - t->first] = (uint32_t)at;
		if (with_names && is_udt(psc_le16(t->s.data + at + 2)) &&
		    !index_name(t, ti))
			return false;
		at += n;
	}
	return true;
}

struct psc_error *pdb_types_read(const struct psc_msf *m, uint32_t stream,
				 bool with_names, struct pdb_types **ret)
{
	struct pdb_types *t = calloc(1, sizeof(*t));
	struct psc_error *err;
	uint32_t begin, bytes;

	if (!t)
		return &psc_nomem;
	err = psc_msf_read(m, stream, "types", &t->s);
	if (!err && !t->s.size)
		err = &psc_absent;
	if (!err)
		err = header(&t->s, t, stream, &begin, &bytes);
	if (!err) {
		t->at = calloc((size_t)t->end - t->first + 1, sizeof(*t->at));
		if (!t->at || !index_records(t, begin, (size_t)begin + bytes,
					     with_names))
			err = &psc_nomem;
	}
	if (err) {
		pdb_types_free(t);
		return err;
	}
	*ret = t;
	return NULL;
}

void pdb_types_free(struct pdb_types *t)
{
	if (!t)
		return;
	psc_msf_stream_free(&t->s);
	psc_strmap_free(&t->names);
	psc_vec_free(&t->defs);
	free(t->at);
	free(t);
}

uint16_t pdb_types_record(const struct pdb_types *t, uint32_t ti,
			  struct psc_reader *r)
{
	if (ti < t->first || ti >= t->end || !t->at[ti - t->first])
		return 0;
	size_t at = t->at[ti - t->first];	// checked by index_records()
	const uint8_t *p = t->s.data + at;
	psc_reader_init(r, p + 4, (size_t)psc_le16(p) - 2, PSC_WHERE_OFFSET,
			at + 4, "type record");
	return psc_le16(p + 2);
}

bool pdb_u16(struct psc_reader *r, uint16_t *ret)
{
	if (psc_reader_left(r) < 2)
		return false;
	*ret = psc_le16(r->base + r->pos);
	r->pos += 2;
	return true;
}

bool pdb_u32(struct psc_reader *r, uint32_t *ret)
{
	if (psc_reader_left(r) < 4)
		return false;
	*ret = psc_le32(r->base + r->pos);
	r->pos += 4;
	return true;
}

bool pdb_numeric(struct psc_reader *r, int64_t *ret)
{
	static const struct {
		uint8_t bytes;
		bool is_signed;
	} forms[] = {
		[0] = { 1, true }, [1] = { 2, true }, [2] = { 2, false },
		[3] = { 4, true }, [4] = { 4, false }, [9] = { 8, true },
		[10] = { 8, false },
	};
	uint16_t tag;

	if (!pdb_u16(r, &tag))
		return false;
	if (tag < 0x8000) {
		*ret = tag;
		return true;
	}
	tag = (uint16_t)(tag - 0x8000);
	if (tag >= PSC_ARRAY_SIZE(forms) || !forms[tag].bytes ||
	    psc_reader_left(r) < forms[tag].bytes)
		return false;
	unsigned int bits = forms[tag].bytes * 8u;
	uint64_t v = psc_le_uint(r->base + r->pos, forms[tag].bytes);
	r->pos += forms[tag].bytes;
	if (forms[tag].is_signed && bits < 64 && v >> (bits - 1))
		v |= ~0ULL << bits;
	*ret = (int64_t)v;
	return true;
}

static bool name(struct psc_reader *r, const char **ret)
{
	const uint8_t *p = r->base + r->pos;
	const uint8_t *end = memchr(p, 0, psc_reader_left(r));

	if (!end)
		return false;
	*ret = (const char *)p;
	r->pos += (size_t)(end - p) + 1;
	return true;
}

static bool skip32(struct psc_reader *r, unsigned int n)
{
	uint32_t ignored;

	while (n--) {
		if (!pdb_u32(r, &ignored))
			return false;
	}
	return true;
}

// The forms differ in where the count stands and how wide the properties are
// (symbols 3.3).
static bool udt_head(struct psc_reader *r, struct pdb_udt *u, uint32_t *props)
{
	bool second = u->leaf >= PDB_LF_CLASS2;
	bool is_union = u->leaf == PDB_LF_UNION || u->leaf == PDB_LF_UNION2;
	uint16_t count = 0, props16 = 0;
	int64_t n = 0, size = 0;

	if (second ? !pdb_u32(r, props)
		   : !pdb_u16(r, &count) || !pdb_u16(r, &props16))
		return false;
	if (!second)
		*props = props16;
	if (u->leaf == PDB_LF_ENUM && !pdb_u32(r, &u->underlying))
		return false;
	if (!pdb_u32(r, &u->fields))
		return false;
	u->count = count;
	if (u->leaf == PDB_LF_ENUM)
		return true;
	if (!is_union && !skip32(r, 2))		// derived, vshape
		return false;
	if (second && !pdb_numeric(r, &n))
		return false;
	if (!pdb_numeric(r, &size) || size < 0 || n < 0)
		return false;
	u->count = second ? (uint64_t)n : count;
	u->size = (uint64_t)size;
	return true;
}

bool pdb_types_udt(const struct pdb_types *t, uint32_t ti, struct pdb_udt *ret)
{
	struct psc_reader r;
	struct pdb_udt u = { .leaf = pdb_types_record(t, ti, &r) };
	uint32_t props;

	if (!is_udt(u.leaf) || !udt_head(&r, &u, &props) ||
	    !name(&r, &u.name))
		return false;
	u.forward = (props & PROP_FORWARD) != 0;
	// A missing unique name only costs the exact match.
	if ((props & PROP_UNIQUE_NAME) && !name(&r, &u.unique))
		u.unique = NULL;
	*ret = u;
	return true;
}

// Definitions of a name differ in C++ extras: take the most members.
uint32_t pdb_types_find(const struct pdb_types *t, const char *wanted,
			bool is_enum)
{
	uint64_t *slot = psc_strmap_get(&t->names, wanted, strlen(wanted));
	uint32_t best = 0;
	size_t best_n = 0;

	if (!slot)
		return 0;
	unsigned int tries = 0;
	for (uint32_t i = (uint32_t)*slot; i && tries < MAX_SAME_NAME;
	     i = t->defs.v[i - 1].older, tries++) {
		uint32_t ti = t->defs.v[i - 1].ti;
		struct pdb_udt u;
		if (!pdb_types_udt(t, ti, &u) ||
		    (u.leaf == PDB_LF_ENUM) != is_enum)
			continue;
		size_t n = pdb_fields_count(t, u.fields);
		if (!best || n > best_n) {
			best = ti;
			best_n = n;
		}
	}
	return best;
}

static uint32_t find_unique(const struct pdb_types *t,
			    const struct pdb_udt *ref)
{
	for (uint32_t ti = t->first; ti < t->end; ti++) {
		struct pdb_udt u;
		if (pdb_types_udt(t, ti, &u) && !u.forward && u.unique &&
		    strcmp(u.unique, ref->unique) == 0)
			return ti;
	}
	return 0;
}

uint32_t pdb_types_define(const struct pdb_types *t,
			  const struct pdb_udt *ref)
{
	bool is_enum = ref->leaf == PDB_LF_ENUM;

	if (is_anonymous(ref->name))
		return ref->unique ? find_unique(t, ref) : 0;
	uint64_t *slot = psc_strmap_get(&t->names, ref->name,
					strlen(ref->name));
	if (!slot)
		return 0;
	// A chain of one is the rule; of several take the same unique name.
	unsigned int tries = 0;
	for (uint32_t i = (uint32_t)*slot; ref->unique && i &&
	     tries < MAX_SAME_NAME; i = t->defs.v[i - 1].older, tries++) {
		struct pdb_udt u;
		if (pdb_types_udt(t, t->defs.v[i - 1].ti, &u) && u.unique &&
		    strcmp(u.unique, ref->unique) == 0)
			return t->defs.v[i - 1].ti;
	}
	return pdb_types_find(t, ref->name, is_enum);
}

const char *pdb_types_id_name(const struct pdb_types *ids, uint32_t id)
{
	struct psc_reader r;
	uint16_t leaf = pdb_types_record(ids, id, &r);
	const char *ret;

	if ((leaf != PDB_LF_FUNC_ID && leaf != PDB_LF_MFUNC_ID) ||
	    !skip32(&r, 2) || !name(&r, &ret))
		return NULL;
	return ret;
}
