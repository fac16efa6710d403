// SPDX-License-Identifier: MIT
#include "sym/sym.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct psc_sym {
	const struct psc_sym_ops *ops;
	void *self;
	struct psc_pdb_id id;
	char *file, *what;
};

void psc_guid_text(const uint8_t guid[16], char out[33])
{
	static const uint8_t order[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	for (unsigned int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02X", guid[order[i]]);
}

struct psc_error *
psc_sym_new(const struct psc_sym_ops *ops, void *self,
	    const struct psc_pdb_id *id, const char *file, const char *what,
	    struct psc_sym **ret)
{
	struct psc_sym *s = calloc(1, sizeof(*s));
	if (!s) {
		if (ops->destroy)
			ops->destroy(self);
		return &psc_nomem;
	}
	s->ops = ops;
	s->self = self;
	if (id)
		s->id = *id;
	s->file = file ? strdup(file) : NULL;
	s->what = strdup(what);
	if (!s->what || (file && !s->file)) {
		psc_sym_free(s);
		return &psc_nomem;
	}
	*ret = s;
	return NULL;
}

void psc_sym_free(struct psc_sym *s)
{
	if (!s)
		return;
	if (s->ops->destroy)
		s->ops->destroy(s->self);
	free(s->file);
	free(s->what);
	free(s);
}

const char *psc_sym_source(const struct psc_sym *s)
{
	return s->ops->source;
}

const char *psc_sym_file(const struct psc_sym *s)
{
	return s->file;
}

const char *psc_sym_what(const struct psc_sym *s)
{
	return s->what;
}

const struct psc_pdb_id *psc_sym_id(const struct psc_sym *s)
{
	return &s->id;
}

struct psc_error *psc_sym_rva(const struct psc_sym *s, const char *name,
			      uint64_t *rva)
{
	return s->ops->symbol ? s->ops->symbol(s->self, name, rva)
			      : &psc_absent;
}

struct psc_error *psc_sym_nearest(const struct psc_sym *s, uint64_t rva,
				  struct psc_symname *ret)
{
	return s->ops->nearest ? s->ops->nearest(s->self, rva, ret)
			       : &psc_absent;
}

struct psc_error *psc_sym_lines(const struct psc_sym *s, uint64_t rva,
				struct psc_lines *ret)
{
	return s->ops->lines ? s->ops->lines(s->self, rva, ret) : &psc_absent;
}

struct psc_error *psc_sym_type(const struct psc_sym *s, const char *name,
			       struct psc_type *ret)
{
	return s->ops->type ? s->ops->type(s->self, name, ret) : &psc_absent;
}

struct psc_error *psc_sym_member(const struct psc_sym *s, uint64_t type_id,
				 const char *name, struct psc_field *ret)
{
	return s->ops->member ? s->ops->member(s->self, type_id, name, ret)
			      : &psc_absent;
}

struct psc_error *psc_sym_members(const struct psc_sym *s, uint64_t type_id,
				  psc_member_fn each, void *ctx)
{
	return s->ops->members ? s->ops->members(s->self, type_id, each, ctx)
			       : &psc_absent;
}

struct psc_error *psc_sym_sizeof(const struct psc_sym *s, const char *type,
				 uint64_t *size)
{
	struct psc_type t;
	if (!s->ops->type)
		return &psc_absent;
	struct psc_error *err = s->ops->type(s->self, type, &t);
	if (err)
		return err;
	if (!t.size)
		return psc_error_new(PSC_ERR_UNSUPPORTED,
				     "the size of %s is not known", type);
	*size = t.size;
	return NULL;
}

struct psc_error *psc_sym_constant(const struct psc_sym *s,
				   const char *enum_name, const char *name,
				   int64_t *ret)
{
	return s->ops->constant
		? s->ops->constant(s->self, enum_name, name, ret)
		: &psc_absent;
}

// --- paths -----------------------------------------------------------------

#define MAX_STEPS 16
#define MAX_PATH 256

/** "Type.a.b[3].c" cut into its parts, which point into text. */
struct path {
	char text[MAX_PATH];
	const char *type;
	struct step {
		const char *name;
		uint64_t index;
		bool indexed;
	} step[MAX_STEPS];
	size_t n;
};

static struct psc_error *bad_path(const char *path)
{
	return psc_error_new(PSC_ERR_USAGE, "\"%s\" is not a path of members",
			     path);
}

/** "name" or "name[12]", in place. */
static bool parse_step(char *text, struct step *step)
{
	*step = (struct step){ .name = text };
	char *open = strchr(text, '[');
	if (open) {
		char *end;
		if (!isdigit((unsigned char)open[1]))
			return false;
		step->index = strtoull(open + 1, &end, 10);
		step->indexed = true;
		if (end[0] != ']' || end[1])
			return false;
		*open = '\0';
	}
	return *text != '\0';
}

static struct psc_error *parse_path(const char *path, struct path *ret)
{
	if (strlen(path) >= sizeof(ret->text))
		return bad_path(path);
	strcpy(ret->text, path);
	ret->n = 0;
	char *rest = ret->text;
	ret->type = strsep(&rest, ".");
	while (rest) {
		if (ret->n == MAX_STEPS ||
		    !parse_step(strsep(&rest, "."), &ret->step[ret->n++]))
			return bad_path(path);
	}
	return *ret->type && ret->n ? NULL : bad_path(path);
}

/** Sources differ in the storage unit of a bit field; its first bit is one. */
static void canonical(struct psc_field *f)
{
	if (!f->bits)
		return;
	f->offset += f->bit / 8;
	f->bit %= 8;
	f->size = ((uint32_t)f->bit + f->bits + 7) / 8;
}

/** "u", "u1": a union that some sources dissolve without a trace. */
static bool is_union_name(const char *name)
{
	return name[0] == 'u' && (!name[1] || (isdigit((unsigned char)name[1])
					       && !name[2]));
}

/**
 * The member that path->step[*i] names in @p type_id. A source that dissolves
 * unnamed members calls it by several steps at once ("u1.Flags"), so those are
 * tried, shortest first. *i moves to the last step used.
 */
static struct psc_error *
find_member(const struct psc_sym *s, const struct path *path, size_t *i,
	    uint64_t type_id, struct psc_field *ret)
{
	char joined[MAX_PATH];
	size_t len = 0;
	for (size_t j = *i; j < path->n; j++) {
		len += (size_t)snprintf(joined + len, sizeof(joined) - len,
					"%s%s", j > *i ? "." : "",
					path->step[j].name);
		struct psc_error *err =
			s->ops->member(s->self, type_id, joined, ret);
		if (!psc_error_catch(&err, PSC_ERR_ABSENT)) {
			*i = j;
			return err;
		}
		if (path->step[j].indexed)
			break;
	}
	return &psc_absent;
}

/** Apply "[n]" and check that the path may go on below @p f. */
static struct psc_error *enter_element(const struct step *step, bool last,
				       struct psc_field *f)
{
	if (step->indexed) {
		uint64_t skip;
		if (f->count && step->index >= f->count)
			return &psc_absent;
		if (!psc_mul_ok(step->index, f->size, &skip) ||
		    !psc_add_ok(f->offset, skip, &f->offset))
			return &psc_absent;
		f->count = 1;
	}
	if (!last && (f->cls != PSC_TYPE_STRUCT || f->count != 1))
		return psc_error_new(PSC_ERR_USAGE,
				     "%s is not one structure to look into",
				     step->name);
	return NULL;
}

struct psc_error *psc_sym_field(const struct psc_sym *s, const char *path,
				struct psc_field *ret)
{
	struct path p;
	struct psc_type type;
	struct psc_field f = { 0 };
	struct psc_error *err = parse_path(path, &p);
	if (err)
		return err;
	if (!s->ops->type || !s->ops->member)
		return &psc_absent;
	if ((err = s->ops->type(s->self, p.type, &type)))
		return err;
	uint64_t base = 0, id = type.id;
	for (size_t i = 0; i < p.n; i++) {
		err = find_member(s, &p, &i, id, &f);
		if (err && is_union_name(p.step[i].name) && i + 1 < p.n &&
		    psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		if (err || (err = enter_element(&p.step[i], i + 1 == p.n, &f)))
			return err;
		canonical(&f);
		base = f.offset += base;
		id = f.type_id;
	}
	*ret = f;
	return NULL;
}

uint64_t psc_field_extract(const struct psc_field *f, const void *p)
{
	uint64_t v = psc_le_uint(p, f->size);
	unsigned int width = f->bits ? f->bits : PSC_MIN(f->size, 8) * 8;
	if (f->bits) {
		v >>= f->bit;
		if (f->size > 8)	// the last bits are in a ninth byte
			v |= (uint64_t)((const uint8_t *)p)[8]
			     << (64 - f->bit);
	}
	if (width && width < 64) {
		v &= (1ULL << width) - 1;
		if (f->is_signed && v >> (width - 1))
			v |= ~0ULL << width;
	}
	return v;
}
