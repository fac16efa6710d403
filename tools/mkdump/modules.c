// SPDX-License-Identifier: MIT
#include "modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Kernel module record (dump-format 5.1).
#define LDR_BASE 0x30
#define LDR_ENTRY 0x38
#define LDR_SIZE 0x40
#define LDR_FULL_NAME 0x48
#define LDR_BASE_NAME 0x58
#define LDR_FLAGS 0x68
#define LDR_LOAD_COUNT 0x6c
#define LDR_CHECKSUM 0x78
#define LDR_TIMESTAMP 0x9c
#define LDR_BYTES 0xa0
// Unloaded-driver record (dump-format 5.2).
#define UNLOADED_SLOTS 50
#define UNLOADED_BYTES 0x28

#define STUB_SIZE 0x8000u

static void append(struct mk *m, const struct mk_module *mod)
{
	uint64_t e = mk_alloc(m, MK_NONPAGED, LDR_BYTES);

	mk_write64(m, e + LDR_BASE, mod->base);
	mk_write64(m, e + LDR_ENTRY, mod->base + mod->entry);
	mk_write32(m, e + LDR_SIZE, mod->size);
	mk_unicode(m, e + LDR_FULL_NAME, mod->path, MK_PAGED);
	mk_unicode(m, e + LDR_BASE_NAME, mod->name, MK_NONPAGED);
	mk_write32(m, e + LDR_FLAGS, 0x49104000);
	mk_write_uint(m, e + LDR_LOAD_COUNT, 1, 2);
	mk_write32(m, e + LDR_CHECKSUM, mod->checksum);
	if (m->family >= 14393)
		mk_write32(m, e + LDR_TIMESTAMP, mod->timestamp);
	mk_list_append(m, mk_symbol(m, "PsLoadedModuleList"), e);
	mk_label(m, e, "module:%s", mod->name);
	mk_label(m, mod->base, "image:%s", mod->name);
	if (!psc_vec_push(&m->modules->v, *mod))
		mk_fail(m, "out of memory");
}

void mk_modules_init(struct mk *m)
{
	const struct mk_kernel *k = m->kern;
	struct mk_module kernel = {
		.name = mk_strdup("ntoskrnl.exe"),
		.path = mk_strdup("\\SystemRoot\\system32\\ntoskrnl.exe"),
		.base = k->base, .size = k->size, .timestamp = k->timestamp,
		.checksum = k->checksum, .entry = 0x1000,
		.version = {
			.file = mk_strdup(k->version),
			.company = mk_strdup("Microsoft Corporation"),
			.description = mk_strdup("NT Kernel & System"),
			.product = mk_strdup("Microsoft Windows Operating "
					     "System"),
		},
	};

	if (!k->no_rsds)
		kernel.pdb = k->pdb;
	mk_list_init(m, mk_symbol(m, "PsLoadedModuleList"));
	append(m, &kernel);
}

/** An image of headers, debug record and version resource alone. */
static void stub_image(struct mk *m, struct mk_module *mod)
{
	struct mk_pe pe = {
		.base = mod->base, .size = mod->size,
		.timestamp = mod->timestamp, .checksum = mod->checksum,
		.entry = mod->entry, .os_major = 10,
	};
	uint64_t seed = psc_hash_bytes(mod->name, strlen(mod->name));

	mk_map(m, mod->base, mod->size, NULL);
	snprintf(mod->pdb.name, sizeof(mod->pdb.name), "%.*s.pdb",
		 (int)strcspn(mod->name, "."), mod->name);
	psc_put64(mod->pdb.guid, mk_random(&seed));
	psc_put64(mod->pdb.guid + 8, mk_random(&seed));
	mod->pdb.age = 1;
	mod->pdb.known = true;
	mk_pe_section(&pe, ".text", 0x1000, 0x1000, MK_SEC_CODE);
	mk_pe_section(&pe, ".rdata", 0x2000, 0x1000, MK_SEC_RDATA);
	mk_pe_section(&pe, ".rsrc", 0x3000, 0x1000, MK_SEC_RDATA);
	mk_write_uint(m, mod->base + 0x1000, 0xc3, 1);	// ret
	mk_pe_debug(m, &pe, 0x2000, &mod->pdb);
	if (mod->version.file)
		mk_pe_version(m, &pe, 0x3000, &mod->version);
	mk_pe_headers(m, &pe);
}

static char *take_text(struct mk_args *a, const char *key,
		       const char *otherwise)
{
	const char *s = mk_key(a, key);

	return s || otherwise ? mk_strdup(s ? s : otherwise) : NULL;
}

void mk_do_module(struct mk *m, struct mk_args *a)
{
	const char *name = mk_word(a, 0), *file = mk_key(a, "file");
	uint32_t size = (uint32_t)mk_key_num(a, "size", STUB_SIZE);
	const char *base = mk_key(a, "base");
	char path[512];
	struct mk_module mod = {.name = mk_strdup(name)};
	uint64_t seed = psc_hash_bytes(name, strlen(name));

	snprintf(path, sizeof(path), "\\SystemRoot\\System32\\drivers\\%s",
		 name);
	mod.path = take_text(a, "path", path);
	mod.version.file = take_text(a, "version", NULL);
	mod.version.product = take_text(a, "product", NULL);
	mod.version.company = take_text(a, "company", NULL);
	mod.version.description = take_text(a, "description", NULL);
	mod.timestamp = (uint32_t)mk_key_num(a, "timestamp",
					     mk_random(&seed) & 0x7fffffff);
	bool optimise = mk_flag(a, "import-optimised");

	if (file) {
		snprintf(path, sizeof(path), "%s/%s",
			 m->modules->driver_dir ? m->modules->driver_dir : ".",
			 file);
		mk_load_driver(m, path, base ? mk_number(m, base) : 0,
			       optimise, &mod);
	} else {
		if (size < 0x4000)
			mk_fail(m, "an image has at least 0x4000 bytes");
		mod.size = MK_PAGES(size) * MK_PAGE;
		mod.base = base ? mk_number(m, base)
				: mk_reserve(m, MK_IMAGES, mod.size, 0x10000);
		mod.entry = 0x1000;
		mod.checksum = mod.size / 3;
		stub_image(m, &mod);
	}
	append(m, &mod);
}

void mk_do_unloaded(struct mk *m, struct mk_args *a)
{
	struct mk_modules *s = m->modules;
	const char *name = mk_word(a, 0);

	if (!s->unloaded) {
		s->unloaded = mk_alloc(m, MK_NONPAGED,
				       UNLOADED_SLOTS * UNLOADED_BYTES);
		mk_global(m, "MmUnloadedDrivers", s->unloaded, 8);
	}
	uint64_t e = s->unloaded +
		(s->n_unloaded % UNLOADED_SLOTS) * UNLOADED_BYTES;
	uint64_t start = mk_key_num(a, "start", 0xfffff80360000000);
	uint64_t end = start + mk_key_num(a, "size", 0x10000);
	uint64_t time = m->crash_time - mk_key_num(a, "before", 60) * 10000000;

	mk_unicode(m, e, name, MK_NONPAGED);
	mk_write64(m, e + 0x10, start);
	mk_write64(m, e + 0x18, end);
	mk_write64(m, e + 0x20, time);
	s->n_unloaded++;
	mk_global(m, "MmLastUnloadedDriver", s->n_unloaded % UNLOADED_SLOTS,
		  4);
	struct json_object *list, *row = json_object_new_object();

	if (!json_object_object_get_ex(m->truth, "unloaded_modules", &list)) {
		list = json_object_new_array();
		json_object_object_add(m->truth, "unloaded_modules", list);
	}
	json_object_object_add(row, "name", mk_json_text(name));
	json_object_object_add(row, "start", mk_json_hex(start));
	json_object_object_add(row, "end", mk_json_hex(end));
	json_object_array_add(list, row);
}

static struct json_object *pdb_truth(const struct psc_pdb_id *id)
{
	struct json_object *o;
	char guid[33];

	if (!id->known)
		return NULL;
	o = json_object_new_object();
	psc_guid_text(id->guid, guid);
	json_object_object_add(o, "name", mk_json_text(id->name));
	json_object_object_add(o, "guid", mk_json_text(guid));
	json_object_object_add(o, "age", json_object_new_int64(id->age));
	return o;
}

static struct json_object *version_truth(const struct mk_pe_version *v)
{
	struct json_object *o;

	if (!v->file)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "file", mk_json_text(v->file));
	json_object_object_add(o, "product", mk_json_text(v->product));
	json_object_object_add(o, "company", mk_json_text(v->company));
	json_object_object_add(o, "description",
			       mk_json_text(v->description));
	return o;
}

static int by_base(const void *a, const void *b)
{
	uint64_t x = ((const struct mk_module *)a)->base;
	uint64_t y = ((const struct mk_module *)b)->base;

	return x < y ? -1 : x > y;
}

void mk_modules_finish(struct mk *m)
{
	struct json_object *list = json_object_new_array();
	const struct mk_modules *s = m->modules;
	struct mk_module *v = mk_calloc(s->v.n, sizeof(*v));

	// The report sorts what has an address by address; the list itself
	// keeps the order of loading.
	memcpy(v, s->v.v, s->v.n * sizeof(*v));
	qsort(v, s->v.n, sizeof(*v), by_base);
	for (size_t i = 0; i < s->v.n; i++) {
		const struct mk_module *mod = &v[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", mk_json_text(mod->name));
		json_object_object_add(o, "path", mk_json_text(mod->path));
		json_object_object_add(o, "base", mk_json_hex(mod->base));
		json_object_object_add(o, "size_bytes",
				       json_object_new_int64(mod->size));
		json_object_object_add(o, "timestamp",
				       mk_json_hex(mod->timestamp));
		json_object_object_add(o, "pdb", pdb_truth(&mod->pdb));
		json_object_object_add(o, "version",
				       version_truth(&mod->version));
		json_object_array_add(list, o);
	}
	json_object_object_add(m->truth, "modules", list);
	free(v);
}

void mk_modules_free(struct mk_modules *s)
{
	for (size_t i = 0; i < s->v.n; i++) {
		struct mk_module *mod = &s->v.v[i];

		free(mod->name);
		free(mod->path);
		free((char *)(uintptr_t)mod->version.product);
		free((char *)(uintptr_t)mod->version.company);
		free((char *)(uintptr_t)mod->version.description);
		free((char *)(uintptr_t)mod->version.file);
	}
	psc_vec_free(&s->v);
}
