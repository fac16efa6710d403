// SPDX-License-Identifier: MIT
#include "sym/isf.h"

#include <inttypes.h>
#include <json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/vec.h"
#include "sym/names.h"
#include "sym/unpack.h"

#define MAX_TEXT (512u << 20)	// bytes of JSON; real files have 3 to 7 MB
#define MAX_VALUES 4000000u	// real files have 400,000
#define MAX_NESTING 32
#define MAX_LOOKS 4096		// anonymous members opened for one question
#define MACHINE_X86 332

/** A symbol by address. */
struct near {
	uint64_t rva;
	const char *name;
};

struct isf {
	json_object *root;
	json_object *base_types, *user_types, *enums, *symbols;
	bool x86;
	bool sorted;
	PSC_VEC(struct near) near;
};

static void destroy(void *self)
{
	struct isf *f = self;

	json_object_put(f->root);
	psc_vec_free(&f->near);
	free(f);
}

// --- reading values --------------------------------------------------------

static json_object *get(json_object *o, const char *key)
{
	json_object *v;

	return json_object_is_type(o, json_type_object) &&
	       json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static const char *get_text(json_object *o, const char *key)
{
	json_object *v = get(o, key);

	return json_object_is_type(v, json_type_string)
		? json_object_get_string(v) : NULL;
}

static bool get_int(json_object *o, const char *key, int64_t *ret)
{
	json_object *v = get(o, key);

	if (!json_object_is_type(v, json_type_int))
		return false;
	*ret = json_object_get_int64(v);
	return true;
}

static bool get_size(json_object *o, const char *key, uint32_t *ret)
{
	int64_t v;

	if (!get_int(o, key, &v) || v < 0 || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

// --- names -----------------------------------------------------------------

static bool address_of(json_object *symbol, uint64_t *rva)
{
	int64_t v;

	if (!get_int(symbol, "address", &v) || v < 0)
		return false;
	*rva = (uint64_t)v;
	return true;
}

// The converter removes one leading '_', '@' or 0x7f and a trailing
// "@digits", and keeps the original in linkage_name.
static const char *as_converted(const char *name, char *out, size_t cap)
{
	size_t n = strlen(name);

	if (n >= cap)
		return NULL;
	bool prefix = *name == '_' || *name == '@' || *name == 0x7f;
	memcpy(out, name + prefix, n - prefix + 1);
	char *at = strrchr(out, '@');
	if (at && at > out && at[1] &&
	    strspn(at + 1, "0123456789") == strlen(at + 1))
		*at = 0;
	return out;
}

static struct psc_error *symbol(void *self, const char *name, uint64_t *rva)
{
	struct isf *f = self;
	char plain[1024];
	json_object *s = get(f->symbols, name);

	if (!s && as_converted(name, plain, sizeof(plain))) {
		s = get(f->symbols, plain);
		const char *linkage = get_text(s, "linkage_name");
		if (!linkage || strcmp(linkage, name) != 0)
			s = NULL;
	}
	return s && address_of(s, rva) ? NULL : &psc_absent;
}

static int by_rva(const void *a, const void *b)
{
	const struct near *x = a, *y = b;

	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct psc_error *sort_symbols(struct isf *f)
{
	if (f->sorted || !f->symbols)
		return NULL;
	psc_vec_free(&f->near);
	json_object_object_foreach(f->symbols, key, value) {
		struct near n = { .name = key };
		const char *linkage = get_text(value, "linkage_name");
		if (linkage && !f->x86)
			n.name = linkage;
		if (!address_of(value, &n.rva) || psc_name_is_noise(n.name))
			continue;
		if (!psc_vec_push(&f->near, n))
			return &psc_nomem;
	}
	if (f->near.n)
		qsort(f->near.v, f->near.n, sizeof(*f->near.v), by_rva);
	f->sorted = true;
	return NULL;
}

static struct psc_error *nearest(void *self, uint64_t rva,
				 struct psc_symname *ret)
{
	struct isf *f = self;
	struct psc_error *err = sort_symbols(f);
	size_t lo = 0, hi = f->near.n;

	if (err)
		return err;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (f->near.v[mid].rva <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return &psc_absent;
	while (lo > 1 && f->near.v[lo - 2].rva == f->near.v[lo - 1].rva)
		lo--;
	*ret = (struct psc_symname){
		.name = f->near.v[lo - 1].name, .rva = f->near.v[lo - 1].rva,
	};
	return NULL;
}

// --- types -----------------------------------------------------------------

static struct psc_error *damaged(const char *what, const char *name)
{
	return psc_error_new(PSC_ERR_DAMAGED, "ISF: %s of \"%s\"", what, name);
}

static bool base_type(struct isf *f, const char *name, struct psc_field *ret)
{
	json_object *t = get(f->base_types, name);
	const char *kind = get_text(t, "kind");

	if (!t || !get_size(t, "size", &ret->size))
		return false;
	bool number = kind && (strcmp(kind, "int") == 0 ||
			       strcmp(kind, "char") == 0 ||
			       strcmp(kind, "bool") == 0);
	ret->cls = number ? PSC_TYPE_INT : PSC_TYPE_OTHER;
	ret->is_signed = number && json_object_get_boolean(get(t, "signed"));
	return true;
}

static bool is_struct(const char *kind)
{
	return strcmp(kind, "struct") == 0 || strcmp(kind, "union") == 0 ||
	       strcmp(kind, "class") == 0;
}

static json_object *struct_of(struct isf *f, json_object *type)
{
	const char *kind = get_text(type, "kind"), *name = get_text(type,
								    "name");
	return kind && name && is_struct(kind) ? get(f->user_types, name)
					       : NULL;
}

static bool pointer(struct isf *f, json_object *type, struct psc_field *ret)
{
	const char *base = get_text(type, "base");
	json_object *to = struct_of(f, get(type, "subtype"));

	if (!base_type(f, base ? base : "pointer", ret))
		return false;
	ret->cls = PSC_TYPE_POINTER;
	ret->is_signed = false;
	ret->type_id = (uintptr_t)to;
	return true;
}

static bool enumeration(struct isf *f, const char *name, struct psc_field *ret)
{
	json_object *e = get(f->enums, name);
	const char *base = get_text(e, "base");
	struct psc_field b = { 0 };

	if (!e || !get_size(e, "size", &ret->size))
		return false;
	ret->cls = PSC_TYPE_INT;
	ret->is_signed = base && base_type(f, base, &b) && b.is_signed;
	return true;
}

// A type without elements of its own: not an array, not a bit field.
static bool plain_type(struct isf *f, json_object *type, const char *kind,
		       struct psc_field *ret)
{
	const char *name = get_text(type, "name");

	if (strcmp(kind, "pointer") == 0)
		return pointer(f, type, ret);
	if (strcmp(kind, "function") == 0) {
		ret->cls = PSC_TYPE_OTHER;
		return true;
	}
	if (!name)
		return false;
	if (strcmp(kind, "base") == 0)
		return base_type(f, name, ret);
	if (strcmp(kind, "enum") == 0)
		return enumeration(f, name, ret);
	json_object *s = is_struct(kind) ? get(f->user_types, name) : NULL;
	ret->cls = PSC_TYPE_STRUCT;
	ret->type_id = (uintptr_t)s;
	return s && get_size(s, "size", &ret->size);
}

static bool bit_range(json_object *type, struct psc_field *ret)
{
	uint32_t bit, bits;

	if (!get_size(type, "bit_position", &bit) ||
	    !get_size(type, "bit_length", &bits) || bit > 127 || !bits ||
	    bits > 64)
		return false;
	ret->bit = (uint8_t)bit;
	ret->bits = (uint8_t)bits;
	return true;
}

static bool describe(struct isf *f, json_object *type, struct psc_field *ret)
{
	uint64_t count = 1;

	for (int depth = 0; depth < MAX_NESTING; depth++) {
		const char *kind = get_text(type, "kind");
		uint32_t n;
		if (!kind)
			return false;
		if (strcmp(kind, "array") == 0) {
			if (!get_size(type, "count", &n))
				return false;
			count = PSC_MIN(count * n, UINT32_MAX);
			type = get(type, "subtype");
		} else if (strcmp(kind, "bitfield") == 0) {
			if (ret->bits || !bit_range(type, ret))
				return false;
			type = get(type, "type");
		} else {
			ret->count = (uint32_t)count;
			return plain_type(f, type, kind, ret) &&
			       (!ret->bits || ret->bit + ret->bits <=
				ret->size * 8ull);
		}
	}
	return false;
}

static struct psc_error *type(void *self, const char *name,
			      struct psc_type *ret)
{
	struct isf *f = self;
	json_object *t = get(f->user_types, name);
	uint32_t size;

	if (!t)
		return &psc_absent;
	if (!get_size(t, "size", &size))
		return damaged("no size", name);
	*ret = (struct psc_type){ .id = (uintptr_t)t, .size = size };
	return NULL;
}

// Direct members first, then those inside members marked anonymous, level by
// level; the queue bounds the work.
static json_object *find_member(struct isf *f, json_object *t,
				const char *name, uint64_t *offset)
{
	struct level {
		json_object *t;
		uint64_t base;
	} queue[64] = { { t, 0 } };
	size_t n = 1, looks = 0;

	for (size_t i = 0; i < n; i++) {
		json_object *fields = get(queue[i].t, "fields");
		json_object *hit = get(fields, name);
		uint32_t at;
		if (hit && get_size(hit, "offset", &at)) {
			*offset = queue[i].base + at;
			return hit;
		}
		if (!json_object_is_type(fields, json_type_object))
			continue;
		json_object_object_foreach(fields, key, value) {
			(void)key;
			json_object *inner = struct_of(f, get(value, "type"));
			if (n < PSC_ARRAY_SIZE(queue) && inner &&
			    looks++ < MAX_LOOKS &&
			    json_object_get_boolean(get(value, "anonymous")) &&
			    get_size(value, "offset", &at))
				queue[n++] = (struct level){
					inner, queue[i].base + at,
				};
		}
	}
	return NULL;
}

static struct psc_error *member(void *self, uint64_t type_id, const char *name,
				struct psc_field *ret)
{
	struct isf *f = self;
	struct psc_field field = { 0 };

	if (!type_id)
		return &psc_absent;
	json_object *m = find_member(f, (json_object *)(uintptr_t)type_id,
				     name, &field.offset);
	if (!m)
		return &psc_absent;
	if (!describe(f, get(m, "type"), &field))
		return damaged("a type that cannot be followed", name);
	*ret = field;
	return NULL;
}

static struct psc_error *members(void *self, uint64_t type_id,
				 psc_member_fn each, void *ctx)
{
	struct isf *f = self;
	json_object *fields = get((json_object *)(uintptr_t)type_id, "fields");

	if (!json_object_is_type(fields, json_type_object))
		return &psc_absent;
	json_object_object_foreach(fields, name, value) {
		struct psc_field field = { 0 };
		uint32_t offset;
		if (!get_size(value, "offset", &offset) ||
		    !describe(f, get(value, "type"), &field))
			continue;
		field.offset = offset;
		if (!each(ctx, name, &field))
			break;
	}
	return NULL;
}

static struct psc_error *constant(void *self, const char *enum_name,
				  const char *name, int64_t *ret)
{
	struct isf *f = self;
	json_object *e = get(f->enums, enum_name);

	return get_int(get(e, "constants"), name, ret) ? NULL : &psc_absent;
}

static const struct psc_sym_ops isf_ops = {
	.source = "isf",
	.destroy = destroy,
	.symbol = symbol,
	.nearest = nearest,
	.type = type,
	.member = member,
	.members = members,
	.constant = constant,
};

// --- opening ---------------------------------------------------------------

bool psc_isf_is(const struct psc_blob *b)
{
	return psc_is_xz(b->data, b->size) || psc_is_gzip(b->data, b->size) ||
	       (b->size && b->data[0] == '{');
}

// Replace packed bytes by what they unpack to.
static struct psc_error *unpack(struct psc_blob *b)
{
	struct psc_unpacked u = { 0 };
	struct psc_error *err;

	if (psc_is_xz(b->data, b->size))
		err = psc_unpack_xz(b->data, b->size, MAX_TEXT, &u);
	else if (psc_is_gzip(b->data, b->size))
		err = psc_unpack_gzip(b->data, b->size, MAX_TEXT, &u);
	else
		return NULL;
	if (err)
		return err;
	psc_blob_free(b);
	*b = psc_blob_of_heap(u.data, u.n);
	return NULL;
}

// The JSON library takes a hundred bytes and more for each value, so a small
// file could ask for tens of gigabytes: count before parsing.
static bool too_many_values(const struct psc_blob *b)
{
	size_t n = 0;
	bool quoted = false;

	for (uint64_t i = 0; i < b->size; i++) {
		uint8_t c = b->data[i];
		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ',' || c == '[' || c == '{'))
			n++;
	}
	return n > MAX_VALUES;
}

static struct psc_error *parse(const struct psc_blob *b, json_object **ret)
{
	if (b->size > MAX_TEXT || b->size > INT_MAX)
		return psc_error_new(PSC_ERR_LIMIT, "ISF: %" PRIu64 " bytes of "
				     "JSON, the limit is %u", b->size,
				     MAX_TEXT);
	if (too_many_values(b))
		return psc_error_new(PSC_ERR_LIMIT, "ISF: more than %u values "
				     "of JSON", MAX_VALUES);
	struct json_tokener *t = json_tokener_new_ex(MAX_NESTING);
	if (!t)
		return &psc_nomem;
	json_object *root = json_tokener_parse_ex(t, (const char *)b->data,
						  (int)b->size);
	enum json_tokener_error code = json_tokener_get_error(t);
	size_t at = json_tokener_get_parse_end(t);
	json_tokener_free(t);
	if (code == json_tokener_continue)
		return psc_error_new(PSC_ERR_TRUNCATED,
				     "ISF: the JSON ends too early");
	if (code != json_tokener_success)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, at,
				    "ISF: JSON at offset %zu: %s", at,
				    json_tokener_error_desc(code));
	*ret = root;
	return NULL;
}

static struct psc_error *identify(struct isf *f, struct psc_pdb_id *id)
{
	json_object *windows = get(get(f->root, "metadata"), "windows");
	json_object *pdb = get(windows, "pdb");
	const char *guid = get_text(pdb, "GUID");
	const char *name = get_text(pdb, "database");
	int64_t age, machine;

	if (!json_object_is_type(f->user_types, json_type_object) ||
	    !json_object_is_type(f->symbols, json_type_object))
		return psc_error_new(PSC_ERR_UNSUPPORTED, "JSON, but no symbol "
				     "table: no \"user_types\" or \"symbols\"");
	if (!windows)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "ISF: the table of "
				     "another system: no \"metadata.windows\"");
	f->x86 = get_int(pdb, "machine_type", &machine) &&
		 machine == MACHINE_X86;
	if (name)
		snprintf(id->name, sizeof(id->name), "%s",
			 psc_path_base(name));
	if (!guid || !psc_guid_parse(guid, id->guid) ||
	    !get_int(pdb, "age", &age) || age < 0 || age > UINT32_MAX)
		return NULL;
	id->age = (uint32_t)age;
	id->known = true;
	return NULL;
}

static struct psc_error *open_tables(struct isf *f, struct psc_blob *b,
				     struct psc_pdb_id *id)
{
	struct psc_error *err;

	if ((err = unpack(b)) || (err = parse(b, &f->root)))
		return err;
	f->base_types = get(f->root, "base_types");
	f->user_types = get(f->root, "user_types");
	f->enums = get(f->root, "enums");
	f->symbols = get(f->root, "symbols");
	return identify(f, id);
}

struct psc_error *psc_isf_open(struct psc_blob b, const char *path,
			       struct psc_sym **ret)
{
	struct isf *f = calloc(1, sizeof(*f));
	struct psc_pdb_id id = { 0 };
	struct psc_error *err = f ? open_tables(f, &b, &id) : &psc_nomem;
	char guid[33], what[320];

	psc_blob_free(&b);
	if (err) {
		if (f)
			destroy(f);
		return err;
	}
	psc_guid_text(id.guid, guid);
	snprintf(what, sizeof(what), "symbol table (ISF) of %s, %s-%" PRIu32,
		 id.name, guid, id.age);
	return psc_sym_new(&isf_ops, f, &id, path, what, ret);
}
