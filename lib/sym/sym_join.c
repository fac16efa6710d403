// SPDX-License-Identifier: MIT
#include "sym/sym_join.h"

#include <stdio.h>
#include <stdlib.h>

// Type ids of the second source carry this bit; sources use offsets, indices
// and addresses, which never reach it.
#define SECOND (1ULL << 63)

struct join {
	struct psc_sym *v[2];
};

static void destroy(void *self)
{
	struct join *j = self;

	psc_sym_free(j->v[0]);
	psc_sym_free(j->v[1]);
	free(j);
}

static struct psc_error *symbol(void *self, const char *name, uint64_t *rva)
{
	struct join *j = self;
	struct psc_error *err = psc_sym_rva(j->v[0], name, rva);

	return psc_error_catch(&err, PSC_ERR_ABSENT)
		? psc_sym_rva(j->v[1], name, rva) : err;
}

static struct psc_error *nearest(void *self, uint64_t rva,
				 struct psc_symname *ret)
{
	struct join *j = self;
	struct psc_error *err = psc_sym_nearest(j->v[0], rva, ret);

	return psc_error_catch(&err, PSC_ERR_ABSENT)
		? psc_sym_nearest(j->v[1], rva, ret) : err;
}

static struct psc_error *lines(void *self, uint64_t rva, struct psc_lines *ret)
{
	struct join *j = self;
	struct psc_error *err = psc_sym_lines(j->v[0], rva, ret);

	return psc_error_catch(&err, PSC_ERR_ABSENT)
		? psc_sym_lines(j->v[1], rva, ret) : err;
}

static struct psc_error *type(void *self, const char *name,
			      struct psc_type *ret)
{
	struct join *j = self;
	struct psc_error *err = psc_sym_type(j->v[0], name, ret);

	if (!psc_error_catch(&err, PSC_ERR_ABSENT))
		return err;
	err = psc_sym_type(j->v[1], name, ret);
	if (!err)
		ret->id |= SECOND;
	return err;
}

static struct psc_error *member(void *self, uint64_t id, const char *name,
				struct psc_field *ret)
{
	struct join *j = self;
	bool second = (id & SECOND) != 0;
	struct psc_error *err = psc_sym_member(j->v[second], id & ~SECOND,
					       name, ret);

	if (!err && second)
		ret->type_id |= SECOND;
	return err;
}

static struct psc_error *members(void *self, uint64_t id, psc_member_fn each,
				 void *ctx)
{
	struct join *j = self;
	bool second = (id & SECOND) != 0;

	return psc_sym_members(j->v[second], id & ~SECOND, each, ctx);
}

static struct psc_error *constant(void *self, const char *enum_name,
				  const char *name, int64_t *ret)
{
	struct join *j = self;
	struct psc_error *err = psc_sym_constant(j->v[0], enum_name, name,
						 ret);

	return psc_error_catch(&err, PSC_ERR_ABSENT)
		? psc_sym_constant(j->v[1], enum_name, name, ret) : err;
}

// The report names the first source; its ops differ in nothing else.
static const struct psc_sym_ops join_ops[] = {
#define JOIN(name)                                                        \
	{                                                                 \
		.source = (name), .destroy = destroy, .symbol = symbol,   \
		.nearest = nearest, .type = type, .member = member,       \
		.members = members,                                       \
		.constant = constant, .lines = lines,                     \
	}
	JOIN("pdb"),
	JOIN("isf"),
	JOIN("dwarf"),
#undef JOIN
};

static const struct psc_sym_ops *ops_of(const char *source)
{
	for (size_t i = 0; i < 3; i++) {
		if (join_ops[i].source[0] == source[0])
			return &join_ops[i];
	}
	return &join_ops[0];
}

struct psc_error *psc_sym_join(struct psc_sym *first, struct psc_sym *second,
			       struct psc_sym **ret)
{
	struct join *j = calloc(1, sizeof(*j));
	char what[512];

	if (!j) {
		psc_sym_free(first);
		psc_sym_free(second);
		return &psc_nomem;
	}
	j->v[0] = first;
	j->v[1] = second;
	snprintf(what, sizeof(what), "%.240s; what it lacks: %.240s",
		 psc_sym_what(first), psc_sym_what(second));
	return psc_sym_new(ops_of(psc_sym_source(first)), j,
			   psc_sym_id(first), psc_sym_file(first), what, ret);
}
