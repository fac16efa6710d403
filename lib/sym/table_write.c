// SPDX-License-Identifier: MIT
#include "sym/table_write.h"

#include <inttypes.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "sym/builtin.h"
#include "sym/store_dir.h"
#include "sym/sym_open.h"

#define MAX_TYPES 4096		// of a table, nested ones included
// Made-up id of a struct whose members the source does not tell: its size.
#define OPAQUE (1ULL << 62)

/** A type of the table. */
struct queued {
	uint64_t id, size;
	const char *name;	// NULL: nameless
};

/** A table while it is being written. Types that only members refer to are
 *  queued under made-up names. */
struct writer {
	const struct psc_sym *sym;
	struct psc_str out;
	struct psc_map name_of;	// type id → index in types, plus 1
	PSC_VEC(struct queued) types;
	bool first;
	bool failed;
	uint32_t pointer;
};

static void comma(struct writer *w)
{
	psc_str_add(&w->out, w->first ? "" : ",\n");
	w->first = false;
}

// Names come from symbol files: quote what JSON must not see.
static void quoted(struct writer *w, const char *text)
{
	psc_str_add(&w->out, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f)
			psc_str_addf(&w->out, "\\u%04x", c);
		else
			psc_str_addn(&w->out, text, 1);
	}
	psc_str_add(&w->out, "\"");
}

// --- symbols ---------------------------------------------------------------

static size_t write_symbols(struct writer *w)
{
	const char *name;
	size_t n = 0;

	psc_str_add(&w->out, "\"symbols\": {\n");
	w->first = true;
	for (size_t i = 0; (name = psc_builtin_symbol_name(i)); i++) {
		uint64_t rva;
		struct psc_error *err = psc_sym_rva(w->sym, name, &rva);
		if (!err) {
			comma(w);
			quoted(w, name);
			psc_str_addf(&w->out, ": {\"address\": %" PRIu64 "}",
				     rva);
			n++;
		}
		psc_error_free(err);
	}
	psc_str_add(&w->out, "},\n");
	return n;
}

// --- types -----------------------------------------------------------------

static bool queue_type(struct writer *w, const char *name, uint64_t id,
		       uint64_t size, size_t *ret)
{
	bool added;
	uint64_t *slot = psc_map_put(&w->name_of, id, &added);

	if (slot && added) {
		*slot = w->types.n + 1;
		if (w->types.n >= MAX_TYPES ||
		    !psc_vec_push(&w->types, (struct queued){
			.id = id, .size = size, .name = name,
		    }))
			slot = NULL;
	}
	w->failed |= !slot;
	*ret = slot ? (size_t)*slot - 1 : 0;
	return slot != NULL;
}

static void type_name(struct writer *w, size_t i)
{
	char made[32];

	snprintf(made, sizeof(made), "__unnamed_%zx", i);
	quoted(w, w->types.v[i].name ? w->types.v[i].name : made);
}

static void base(struct writer *w, const struct psc_field *f, uint32_t size)
{
	psc_str_addf(&w->out, "{\"kind\": \"base\", \"name\": \"%s%" PRIu32
		     "\"}", f->cls == PSC_TYPE_OTHER ? "o" :
		     f->is_signed ? "i" : "u", size);
}

static void scalar(struct writer *w, const struct psc_field *f)
{
	size_t i;

	if (f->cls == PSC_TYPE_STRUCT &&
	    queue_type(w, NULL, f->type_id ? f->type_id : OPAQUE | f->size,
		       f->size, &i)) {
		psc_str_add(&w->out, "{\"kind\": \"struct\", \"name\": ");
		type_name(w, i);
		psc_str_add(&w->out, "}");
	} else if (f->cls == PSC_TYPE_POINTER) {
		w->pointer = f->size;
		psc_str_add(&w->out, "{\"kind\": \"pointer\", \"subtype\": "
			    "{\"kind\": \"base\", \"name\": \"void\"}}");
	} else {
		base(w, f, f->size);
	}
}

static bool write_member(void *ctx, const char *name,
			 const struct psc_field *f)
{
	struct writer *w = ctx;

	if (f->size > 64 && f->cls != PSC_TYPE_STRUCT)
		return true;	// no base type is that large
	comma(w);
	quoted(w, name);
	psc_str_addf(&w->out, ": {\"offset\": %" PRIu64 ", \"type\": ",
		     f->offset + f->bit / 8);
	if (f->bits) {
		psc_str_addf(&w->out, "{\"kind\": \"bitfield\", "
			     "\"bit_position\": %u, \"bit_length\": %u, "
			     "\"type\": ", f->bit % 8, f->bits);
		base(w, f, (f->bit % 8u + f->bits + 7u) / 8u);
		psc_str_add(&w->out, "}");
	} else if (f->count != 1) {
		psc_str_addf(&w->out, "{\"kind\": \"array\", \"count\": %"
			     PRIu32 ", \"subtype\": ", f->count);
		scalar(w, f);
		psc_str_add(&w->out, "}");
	} else {
		scalar(w, f);
	}
	psc_str_add(&w->out, "}");
	return true;
}

static void queue_wanted(struct writer *w)
{
	const char *name;

	for (uint64_t i = 1; (name = psc_builtin_type_name(i)); i++) {
		struct psc_type t;
		size_t at;
		struct psc_error *err = psc_sym_type(w->sym, name, &t);
		if (!err)
			(void)queue_type(w, name, t.id, t.size, &at);
		psc_error_free(err);
	}
}

// The queue grows while it is written.
static void write_types(struct writer *w)
{
	psc_str_add(&w->out, "\"user_types\": {\n");
	queue_wanted(w);
	for (size_t i = 0; i < w->types.n; i++) {
		struct queued q = w->types.v[i];
		w->first = i == 0;
		comma(w);
		type_name(w, i);
		psc_str_addf(&w->out, ": {\"kind\": \"struct\", \"size\": %"
			     PRIu64 ", \"fields\": {", q.size);
		w->first = true;
		if (!(q.id & OPAQUE))
			psc_error_free(psc_sym_members(w->sym, q.id,
						       write_member, w));
		psc_str_add(&w->out, "}}");
	}
	psc_str_add(&w->out, "},\n");
}

static void write_base_types(struct writer *w)
{
	static const char kinds[] = { 'i', 'u', 'o' };

	psc_str_add(&w->out, "\"base_types\": {\n"
		    "\"void\": {\"size\": 0, \"signed\": false, \"kind\": "
		    "\"void\", \"endian\": \"little\"}");
	for (unsigned int k = 0; k < sizeof(kinds); k++) {
		for (unsigned int n = 0; n <= 64; n++)
			psc_str_addf(&w->out, ",\n\"%c%u\": {\"size\": %u, "
				     "\"signed\": %s, \"kind\": \"%s\", "
				     "\"endian\": \"little\"}", kinds[k], n, n,
				     k ? "false" : "true",
				     k == 2 ? "float" : "int");
	}
	psc_str_addf(&w->out, ",\n\"pointer\": {\"size\": %" PRIu32
		     ", \"signed\": false, \"kind\": \"int\", \"endian\": "
		     "\"little\"}},\n", w->pointer);
}

static void write_head(struct writer *w)
{
	const struct psc_pdb_id *id = psc_sym_id(w->sym);
	char guid[33];

	psc_guid_text(id->guid, guid);
	psc_str_addf(&w->out, "{\"metadata\": {\"format\": \"6.1.0\", "
		     "\"producer\": {\"name\": \"poolscope\", \"version\": "
		     "\"" PSC_VERSION "\"}, \"windows\": {\"pdb\": {\"GUID\": "
		     "\"%s\", \"age\": %" PRIu32 ", \"database\": ", guid,
		     id->age);
	quoted(w, id->name);
	psc_str_add(&w->out, "}}},\n\"enums\": {},\n");
}

static bool is_kernel(const struct psc_sym *sym)
{
	uint64_t v;
	struct psc_error *name = psc_sym_rva(sym, "PsLoadedModuleList", &v);
	struct psc_error *type = psc_sym_sizeof(sym, "_POOL_HEADER", &v);
	bool ret = !name || !type;

	psc_error_free(name);
	psc_error_free(type);
	return ret;
}

struct psc_error *psc_table_text(const struct psc_sym *sym,
				 struct psc_table_counts *counts, char **ret)
{
	struct writer w = { .sym = sym, .pointer = 8 };

	if (!psc_sym_id(sym)->known)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "%s has no identity "
				     "to find it by", psc_sym_what(sym));
	if (!is_kernel(sym))
		return psc_error_new(PSC_ERR_UNSUPPORTED, "%s describes no "
				     "kernel", psc_sym_what(sym));
	write_head(&w);
	counts->symbols = write_symbols(&w);
	write_types(&w);
	write_base_types(&w);
	psc_str_add(&w.out, "\"end\": null}\n");
	counts->types = w.types.n;
	psc_map_free(&w.name_of);
	psc_vec_free(&w.types);
	if (w.failed || w.out.oom) {
		psc_str_free(&w.out);
		return &psc_nomem;
	}
	*ret = psc_str_take(&w.out);
	return *ret ? NULL : &psc_nomem;
}

// --- the file --------------------------------------------------------------

static struct psc_error *write_xz(const char *path, const char *text)
{
	size_t n = strlen(text), cap = lzma_stream_buffer_bound(n), size = 0;
	PSC_FREE uint8_t *packed = malloc(cap);
	char temp[PATH_MAX + 8];
	struct psc_error *err = NULL;

	if (!packed || lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL,
		(const uint8_t *)text, n, packed, &size, cap) != LZMA_OK)
		return &psc_nomem;
	snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	int fd = mkstemp(temp);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
	if (!f)
		return psc_error_new(PSC_ERR_OS, "%s: cannot be written",
				     temp);
	(void)fchmod(fd, 0644);	// a team shares these
	bool ok = fwrite(packed, 1, size, f) == size;
	ok = fclose(f) == 0 && ok;
	if (!ok || rename(temp, path) != 0) {
		err = psc_error_new(PSC_ERR_OS, "%s: cannot be written", path);
		unlink(temp);
	}
	return err;
}

// By identity alone: the file that was given may have any name.
static struct psc_error *place_of(const struct psc_sym *sym,
				  const char *folder, char path[PATH_MAX])
{
	const struct psc_pdb_id *id = psc_sym_id(sym);
	char guid[33];

	psc_guid_text(id->guid, guid);
	if ((size_t)snprintf(path, PATH_MAX, "%s/%s-%" PRIu32 ".json.xz",
			     folder, guid, id->age) >= PATH_MAX)
		return psc_error_new(PSC_ERR_OS, "%s: too long", folder);
	return psc_make_folders(path);
}

struct psc_error *psc_table_add(const char *path, const char *folder,
				struct psc_table_counts *counts,
				char **written)
{
	char to[PATH_MAX];
	struct psc_sym *sym;
	PSC_FREE char *text = NULL;
	struct psc_error *err = psc_sym_open_file(path, NULL, false, &sym);

	if (err)
		return err;
	if (!(err = psc_table_text(sym, counts, &text)) &&
	    !(err = place_of(sym, folder, to)))
		err = write_xz(to, text);
	psc_sym_free(sym);
	if (err)
		return psc_error_prefix(err, "%s", path);
	*written = strdup(to);
	return *written ? NULL : &psc_nomem;
}
