// SPDX-License-Identifier: MIT
#include "sym/pdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "sym/pdb_addr.h"
#include "sym/pdb_dbi.h"
#include "sym/pdb_fields.h"
#include "sym/pdb_info.h"
#include "sym/pdb_lines.h"
#include "sym/pdb_module.h"
#include "sym/pdb_msf.h"
#include "sym/pdb_symbols.h"
#include "sym/pdb_types.h"

#define TPI_STREAM 2
#define IPI_STREAM 4

/** The parts below addr are read on demand. */
struct pdb {
	struct psc_blob blob;
	struct psc_msf msf;
	struct pdb_info info;
	struct pdb_dbi dbi;
	struct pdb_addr addr;
	struct pdb_symbols *symbols;
	struct pdb_types *types, *ids;
	bool no_ids;
	struct pdb_strings strings;
	bool has_strings;
	struct pdb_module **modules;	/**< As many as dbi.n_modules. */
};

static void destroy(void *self)
{
	struct pdb *p = self;

	for (size_t i = 0; p->modules && i < p->dbi.n_modules; i++)
		pdb_module_free(p->modules[i]);
	free(p->modules);
	pdb_strings_free(&p->strings);
	pdb_types_free(p->ids);
	pdb_types_free(p->types);
	pdb_symbols_free(p->symbols);
	pdb_addr_free(&p->addr);
	pdb_dbi_free(&p->dbi);
	psc_msf_close(&p->msf);
	psc_blob_free(&p->blob);
	free(p);
}

// --- parts on demand -------------------------------------------------------

static struct psc_error *need_symbols(struct pdb *p)
{
	return p->symbols ? NULL
			  : pdb_symbols_read(&p->msf, &p->dbi, &p->symbols);
}

static struct psc_error *need_types(struct pdb *p)
{
	return p->types ? NULL : pdb_types_read(&p->msf, TPI_STREAM, true,
						&p->types);
}

// Without ids inlined functions are nameless; that is no error.
static struct psc_error *need_ids(struct pdb *p)
{
	if (p->ids || p->no_ids)
		return NULL;
	if (!p->info.has_ids) {
		p->no_ids = true;
		return NULL;
	}
	struct psc_error *err = pdb_types_read(&p->msf, IPI_STREAM, false,
					       &p->ids);
	p->no_ids = err && err->code == PSC_ERR_ABSENT;
	(void)psc_error_catch(&err, PSC_ERR_ABSENT);
	return err;
}

static struct psc_error *need_strings(struct pdb *p)
{
	struct psc_error *err;

	if (p->has_strings)
		return NULL;
	err = pdb_strings_read(&p->msf, &p->info, &p->strings);
	p->has_strings = !err;
	return err;
}

// Module i; &psc_absent when it was stripped.
static struct psc_error *need_module(struct pdb *p, size_t i,
				     struct pdb_module **ret)
{
	struct psc_error *err;

	if (i >= p->dbi.n_modules)
		return &psc_absent;
	if (!p->modules) {
		p->modules = calloc(p->dbi.n_modules, sizeof(*p->modules));
		if (!p->modules)
			return &psc_nomem;
	}
	if (!p->modules[i]) {
		err = pdb_module_read(&p->msf, &p->dbi.modules[i],
				      &p->modules[i]);
		if (err)
			return err;
	}
	*ret = p->modules[i];
	return NULL;
}

// Module that section:offset came from.
static struct psc_error *module_of(struct pdb *p, uint16_t section,
				   uint32_t offset, struct pdb_module **ret)
{
	const struct pdb_contribution *c =
		pdb_dbi_contribution(&p->dbi, section, offset);

	return c ? need_module(p, c->module, ret) : &psc_absent;
}

// --- names -----------------------------------------------------------------

static struct psc_error *symbol(void *self, const char *name, uint64_t *rva)
{
	struct pdb *p = self;
	struct psc_error *err = need_symbols(p);
	struct pdb_symbol s;
	struct pdb_module *mod;
	uint32_t v;

	if (err)
		return err;
	if (!pdb_symbols_find(p->symbols, name, &s))
		return &psc_absent;
	if (s.kind == PDB_S_PROCREF || s.kind == PDB_S_LPROCREF) {
		if ((err = need_module(p, s.module - 1u, &mod)))
			return err;
		if (!pdb_module_symbol_at(mod, s.module_at, &s))
			return &psc_absent;
	}
	if (!pdb_addr_rva(&p->addr, s.section, s.offset, &v))
		return &psc_absent;
	*rva = v;
	return NULL;
}

// A private PDB knows functions with their lengths.
static struct psc_error *nearest_proc(struct pdb *p, uint64_t rva,
				      struct psc_symname *ret)
{
	struct pdb_module *mod;
	uint16_t section;
	uint32_t offset, start;

	if (!pdb_addr_place(&p->addr, rva, &section, &offset))
		return &psc_absent;
	struct psc_error *err = module_of(p, section, offset, &mod);
	if (err)
		return err;
	const struct pdb_proc *proc = pdb_module_proc(mod, section, offset);
	if (!proc || !pdb_addr_rva(&p->addr, section, proc->offset, &start))
		return &psc_absent;
	*ret = (struct psc_symname){
		.name = proc->name, .rva = start, .size = proc->size,
		.is_function = true,
	};
	return NULL;
}

static struct psc_error *nearest(void *self, uint64_t rva,
				 struct psc_symname *ret)
{
	struct pdb *p = self;
	struct psc_error *err = nearest_proc(p, rva, ret);

	if (!psc_error_catch(&err, PSC_ERR_ABSENT))
		return err;
	if ((err = need_symbols(p)))
		return err;
	return pdb_symbols_nearest(p->symbols, &p->msf, &p->dbi, &p->addr,
				   rva, ret);
}

static struct psc_error *lines(void *self, uint64_t rva, struct psc_lines *ret)
{
	struct pdb *p = self;
	struct pdb_module *mod;
	struct psc_error *err;
	uint16_t section;
	uint32_t offset;

	if (!pdb_addr_place(&p->addr, rva, &section, &offset))
		return &psc_absent;
	if ((err = module_of(p, section, offset, &mod)) ||
	    (err = need_strings(p)) || (err = need_ids(p)))
		return err;
	return pdb_lines_find(mod, &p->strings, p->ids, section, offset, ret);
}

// --- types -----------------------------------------------------------------

static struct psc_error *type(void *self, const char *name,
			      struct psc_type *ret)
{
	struct pdb *p = self;
	struct psc_error *err = need_types(p);
	struct pdb_udt u;

	if (err)
		return err;
	uint32_t ti = pdb_types_find(p->types, name, false);
	if (!ti || !pdb_types_udt(p->types, ti, &u))
		return &psc_absent;
	*ret = (struct psc_type){ .id = ti, .size = u.size };
	return NULL;
}

static struct psc_error *no_such_member(const struct pdb_fields *f,
					const struct pdb_udt *u,
					const char *name)
{
	if (!f->incomplete)
		return &psc_absent;
	return psc_error_new(PSC_ERR_DAMAGED, "TPI stream 2: the field list "
			     "%#" PRIx32 " of %s cannot be read to its end in "
			     "search of %s", u->fields, u->name, name);
}

static struct psc_error *member(void *self, uint64_t type_id, const char *name,
				struct psc_field *ret)
{
	struct pdb *p = self;
	struct psc_error *err = need_types(p);
	struct pdb_fields f;
	struct pdb_member m;
	struct pdb_udt u;

	if (err)
		return err;
	if (type_id > UINT32_MAX ||
	    !pdb_types_udt(p->types, (uint32_t)type_id, &u))
		return &psc_absent;
	pdb_fields_begin(&f, p->types, u.fields);
	while (pdb_fields_next(&f, &m)) {
		if (m.leaf != PDB_LF_MEMBER || strcmp(m.name, name) != 0)
			continue;
		if (!pdb_field_of_type(p->types, m.type, (uint64_t)m.value,
				       ret))
			return psc_error_new(PSC_ERR_DAMAGED, "TPI stream 2: "
					     "%s.%s has type %#" PRIx32
					     ", which cannot be followed",
					     u.name, name, m.type);
		return NULL;
	}
	return no_such_member(&f, &u, name);
}

static struct psc_error *members(void *self, uint64_t type_id,
				 psc_member_fn each, void *ctx)
{
	struct pdb *p = self;
	struct psc_error *err = need_types(p);
	struct psc_field field;
	struct pdb_fields f;
	struct pdb_member m;
	struct pdb_udt u;

	if (err)
		return err;
	if (type_id > UINT32_MAX ||
	    !pdb_types_udt(p->types, (uint32_t)type_id, &u))
		return &psc_absent;
	pdb_fields_begin(&f, p->types, u.fields);
	while (pdb_fields_next(&f, &m)) {
		if (m.leaf == PDB_LF_MEMBER &&
		    pdb_field_of_type(p->types, m.type, (uint64_t)m.value,
				      &field) &&
		    !each(ctx, m.name, &field))
			break;
	}
	return NULL;
}

// Writers store a negative constant of a 4-byte enum as an unsigned 32-bit
// number: the underlying type decides.
static int64_t as_underlying(const struct pdb_types *t, uint32_t underlying,
			     int64_t value)
{
	struct psc_field f;

	if (!pdb_field_of_type(t, underlying, 0, &f) || f.cls != PSC_TYPE_INT ||
	    !f.size || f.size >= 8)
		return value;
	return (int64_t)psc_field_extract(&f, &value);
}

static struct psc_error *constant(void *self, const char *enum_name,
				  const char *name, int64_t *ret)
{
	struct pdb *p = self;
	struct psc_error *err = need_types(p);
	struct pdb_fields f;
	struct pdb_member m;
	struct pdb_udt u;

	if (err)
		return err;
	uint32_t ti = pdb_types_find(p->types, enum_name, true);
	if (!ti || !pdb_types_udt(p->types, ti, &u))
		return &psc_absent;
	pdb_fields_begin(&f, p->types, u.fields);
	while (pdb_fields_next(&f, &m)) {
		if (m.leaf != PDB_LF_ENUMERATE || strcmp(m.name, name) != 0)
			continue;
		*ret = as_underlying(p->types, u.underlying, m.value);
		return NULL;
	}
	return no_such_member(&f, &u, name);
}

static const struct psc_sym_ops pdb_ops = {
	.source = "pdb",
	.destroy = destroy,
	.symbol = symbol,
	.nearest = nearest,
	.type = type,
	.member = member,
	.members = members,
	.constant = constant,
	.lines = lines,
};

// --- opening ---------------------------------------------------------------

static struct psc_error *open_parts(struct pdb *p)
{
	struct psc_error *err;

	if ((err = psc_msf_open(p->blob.data, p->blob.size, &p->msf)) ||
	    (err = pdb_info_read(&p->msf, &p->info)))
		return err;
	if (p->info.minimal)
		return psc_error_new(PSC_ERR_UNSUPPORTED,
				     "a partial PDB (/DEBUG:FASTLINK): its "
				     "symbols stayed in the object files");
	if ((err = pdb_dbi_read(&p->msf, &p->dbi)))
		return err;
	return pdb_addr_read(&p->msf, &p->dbi, &p->addr);
}

static struct psc_pdb_id identity(const struct pdb *p, const char *path)
{
	struct psc_pdb_id id = {
		.age = p->dbi.present && p->dbi.age ? p->dbi.age : p->info.age,
		.known = true,
	};

	memcpy(id.guid, p->info.guid, sizeof(id.guid));
	if (path)
		snprintf(id.name, sizeof(id.name), "%s", psc_path_base(path));
	return id;
}

struct psc_error *psc_pdb_open(struct psc_blob b, const char *path,
			       struct psc_sym **ret)
{
	struct pdb *p = calloc(1, sizeof(*p));
	struct psc_error *err;
	char guid[33], what[320];

	if (!p) {
		psc_blob_free(&b);
		return &psc_nomem;
	}
	p->blob = b;
	if ((err = open_parts(p))) {
		destroy(p);
		return err;
	}
	struct psc_pdb_id id = identity(p, path);
	psc_guid_text(id.guid, guid);
	snprintf(what, sizeof(what), "PDB %s, %s-%" PRIu32, id.name, guid,
		 id.age);
	return psc_sym_new(&pdb_ops, p, &id, path, what, ret);
}

struct psc_error *psc_pdb_identify(const struct psc_blob *b,
				   struct psc_pdb_id *ret)
{
	struct pdb p = { 0 };
	struct psc_error *err;

	if (!(err = psc_msf_open(b->data, b->size, &p.msf)) &&
	    !(err = pdb_info_read(&p.msf, &p.info)))
		err = pdb_dbi_read(&p.msf, &p.dbi);
	if (!err)
		*ret = identity(&p, NULL);
	pdb_dbi_free(&p.dbi);
	psc_msf_close(&p.msf);
	return err;
}
