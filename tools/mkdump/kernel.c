// SPDX-License-Identifier: MIT
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "area.h"
#include "pe_build.h"

// The end of the image, where no symbol lies: export directory, debug record
// and resources.
#define TAIL_BYTES 0x40000u
#define RSRC_BYTES 0x2000u
#define EXPORT_CODE 0x2000u	/**< RVA of exports without symbol. */

static const char *const data_exports[] = {
	"NtBuildNumber", "KeNumberProcessors", "PsInitialSystemProcess",
	"PsLoadedModuleList", "MmHighestUserAddress", "MmSystemRangeStart",
	"MmUserProbeAddress", "NtBuildLab",
};

static uint32_t family_of(uint32_t build)
{
	// 19042 to 19045 and 18363 are the same kernels (pool 0.3).
	if (build >= 19041 && build <= 19045)
		return 19041;
	if (build == 18326)	// a preview of 1903
		return 18362;
	return build == 18363 ? 18362 : build == 22631 ? 22621 : build;
}

static void open_layouts(struct mk *m, const char *version)
{
	size_t i;

	if (!psc_builtin_find_version(version, "x64", &i))
		mk_fail(m, "no built-in kernel %s for x64", version);
	m->builtin = psc_builtin_at(i);
	mk_check(m, psc_builtin_open(i, &m->sym));
	m->build = m->builtin->build;
	m->family = family_of(m->build);
	m->heap_pool = m->family >= 18362;
}

static void default_identity(struct mk *m, struct mk_kernel *k)
{
	k->pdb = m->builtin->id;
	if (!k->pdb.known) {
		// Types-only kernels: an identity that nobody knows.
		uint64_t seed = psc_hash_bytes(m->builtin->version,
					       strlen(m->builtin->version));

		snprintf(k->pdb.name, sizeof(k->pdb.name), "ntkrnlmp.pdb");
		psc_put64(k->pdb.guid, mk_random(&seed));
		psc_put64(k->pdb.guid + 8, mk_random(&seed));
		k->pdb.age = 1;
		k->pdb.known = true;
	}
}

static void parse_guid(struct mk *m, const char *text, uint8_t guid[16])
{
	// Data1..3 are numbers, Data4 bytes (dump-format 5.3).
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6,
					  8, 9, 10, 11, 12, 13, 14, 15};

	if (strlen(text) != 32)
		mk_fail(m, "a GUID has 32 hexadecimal digits");
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		if (sscanf(text + i * 2, "%2x", &byte) != 1)
			mk_fail(m, "'%s' is no GUID", text);
		guid[order[i]] = (uint8_t)byte;
	}
}

static void identity(struct mk *m, struct mk_kernel *k, struct mk_args *a)
{
	const char *guid = mk_key(a, "guid"), *version = mk_key(a, "version");
	const char *stamp = mk_key(a, "timestamp"), *size = mk_key(a, "size");
	uint64_t seed = psc_hash_bytes(m->builtin->version,
				       strlen(m->builtin->version));

	default_identity(m, k);
	if (guid) {
		parse_guid(m, guid, k->pdb.guid);
		k->other_identity = true;
	}
	k->version = mk_strdup(version ? version : m->builtin->version);
	if (!psc_builtin_image_of(k->version, &k->timestamp, &k->size)) {
		k->timestamp = (uint32_t)mk_random(&seed) | 1;
		k->size = m->family >= 19041 ? 0x1046000
			: m->family >= 17763 ? 0xab7000
			: m->family >= 14393 ? 0x81e000 : 0x7a0000;
	}
	// A recipe's stamp and size belong to the version it names.
	if (stamp && !m->version)
		k->timestamp = (uint32_t)mk_number(m, stamp);
	if (size && !m->version)
		k->size = (uint32_t)mk_number(m, size);
	k->checksum = k->size / 16 + (k->timestamp & 0xffff);
}

static void map_image(struct mk *m, bool large)
{
	struct mk_kernel *k = m->kern;
	struct mk_map_opt opt = {.shift = large ? 21 : 12};

	mk_map(m, k->base, k->size, &opt);
	k->export_next = EXPORT_CODE;
}

void mk_do_kernel(struct mk *m, struct mk_args *a)
{
	const char *version = mk_word(a, 0);
	struct mk_kernel *k = mk_calloc(1, sizeof(*k));

	if (m->kern || !m->phys.n_pages)
		mk_fail(m, "one 'kernel', after 'ram'");
	m->kern = k;
	open_layouts(m, m->version ? m->version : version);
	m->build = (uint32_t)mk_key_num(a, "build", m->build);
	identity(m, k, a);
	k->shift = mk_key_num(a, "shift", 0);
	k->encode_kdbg = mk_flag(a, "encoded-kdbg");
	k->no_kdbg = mk_flag(a, "no-kdbg");
	k->no_rsds = mk_flag(a, "no-rsds");
	m->levels = (unsigned int)mk_key_num(a, "levels", 4);
	m->pte_base = mk_key_num(a, "pte_base", 0);
	m->pte_mask = mk_key_num(a, "pte_mask", 0);
	mk_areas_init(m);
	k->base = mk_key_num(a, "base", mk_places(m)->kernel_base);
	m->root = mk_pfn_alloc(m);
	mk_bit_set(m->phys.kernel, m->root);
	// The top table maps itself: all page tables appear at PteBase.
	unsigned int top = m->levels == 5 ? 48 : 39;
	psc_put64(mk_pfn_bytes(m, m->root) + (m->pte_base >> top & 0x1ff) * 8,
		  m->root << 12 | 0x8000000000000063);
	map_image(m, mk_flag(a, "large-pages"));
	mk_label(m, k->base, "kernel");
}

/** A patch moves what follows it: further away, more has been inserted. */
static uint64_t moved(const struct mk_kernel *k, uint64_t rva)
{
	return k->shift ? rva + k->shift + (rva >> 16) * 0x40 : rva;
}

static bool find_rva(struct mk *m, const char *name, uint64_t *rva)
{
	if (!m->builtin->has_symbols)
		return mk_madeup_rva(m, name, rva);
	struct psc_error *err = psc_sym_rva(m->sym, name, rva);

	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return false;
	mk_check(m, err);
	*rva = moved(m->kern, *rva);
	return true;
}

bool mk_kernel_rva(struct mk *m, const char *name, uint64_t *rva)
{
	struct mk_kernel *k = m->kern;

	if (!k)
		mk_fail(m, "'kernel' comes first");
	if (!find_rva(m, name, rva))
		return false;
	if (*rva >= k->size - TAIL_BYTES)
		mk_fail(m, "%s lies beyond the image: size= is too small",
			name);
	if (!psc_vec_push(&k->data, *rva))
		mk_fail(m, "out of memory");
	return true;
}

static void add_export(struct mk *m, const char *name, uint64_t rva,
		       bool is_code)
{
	struct mk_export e = {mk_strdup(name), (uint32_t)rva, is_code};

	if (!psc_vec_push(&m->kern->exports, e))
		mk_fail(m, "out of memory");
}

uint64_t mk_export(struct mk *m, const char *name)
{
	struct mk_kernel *k = m->kern;
	uint64_t rva;

	for (size_t i = 0; i < k->exports.n; i++) {
		if (!strcmp(k->exports.v[i].name, name))
			return k->base + k->exports.v[i].rva;
	}
	if (!find_rva(m, name, &rva) || rva >= k->size - TAIL_BYTES) {
		rva = k->export_next;
		k->export_next += 0x40;
	}
	add_export(m, name, rva, true);
	return k->base + rva;
}

void mk_export_data(struct mk *m, const char *name)
{
	if (mk_has_symbol(m, name))
		add_export(m, name, mk_symbol(m, name) - m->kern->base, false);
}

uint64_t mk_kernel_data_end(const struct mk *m)
{
	const struct mk_kernel *k = m->kern;
	uint64_t last = 0;

	for (size_t i = 0; i < k->data.n; i++)
		last = PSC_MAX(last, k->data.v[i]);
	return k->base + last;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/** Section borders: the data lies from the first to the last global, cut in
 *  two where the gap between globals is widest. */
static void borders(struct mk_kernel *k, uint32_t *first, uint32_t *middle,
		    uint32_t *end)
{
	uint64_t gap = 0;

	qsort(k->data.v, k->data.n, sizeof(*k->data.v), by_number);
	*first = (uint32_t)k->data.v[0] & ~0xfffu;
	*end = ((uint32_t)k->data.v[k->data.n - 1] + 0x10000) & ~0xfffu;
	*middle = *end;
	for (size_t i = 1; i < k->data.n; i++) {
		uint64_t d = k->data.v[i] - k->data.v[i - 1];

		if (d > gap) {
			gap = d;
			*middle = (uint32_t)k->data.v[i] & ~0xfffu;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mk_export *)a)->name,
		      ((const struct mk_export *)b)->name);
}

void mk_kernel_finish(struct mk *m)
{
	struct mk_kernel *k = m->kern;
	uint32_t tail = k->size - TAIL_BYTES, data, almost, page;
	struct mk_pe pe = {
		.base = k->base, .size = k->size, .timestamp = k->timestamp,
		.checksum = k->checksum, .entry = 0x1000,
		.os_major = m->family >= 10240 ? 10 : 6,
		.os_minor = m->family >= 10240 ? 0 : m->family == 7601 ? 1 : 3,
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(data_exports); i++)
		mk_export_data(m, data_exports[i]);
	mk_kernel_code(m);
	borders(k, &data, &almost, &page);
	mk_pe_section(&pe, ".text", 0x1000, data - 0x1000, MK_SEC_CODE);
	mk_pe_section(&pe, ".data", data, almost - data, MK_SEC_DATA);
	if (page > almost)
		mk_pe_section(&pe, "ALMOSTRO", almost, page - almost,
			      MK_SEC_DATA);
	mk_pe_section(&pe, "PAGE", page, tail - page, MK_SEC_CODE);
	mk_pe_section(&pe, ".rdata", tail, TAIL_BYTES - RSRC_BYTES,
		      MK_SEC_RDATA);
	mk_pe_section(&pe, ".rsrc", k->size - RSRC_BYTES, RSRC_BYTES,
		      MK_SEC_RDATA);
	if (!k->no_rsds)
		mk_pe_debug(m, &pe, tail, &k->pdb);
	qsort(k->exports.v, k->exports.n, sizeof(*k->exports.v), by_name);
	mk_pe_exports(m, &pe, tail + 0x1000, "ntoskrnl.exe", k->exports.v,
		      k->exports.n);
	struct mk_pe_version v = {
		.file = k->version, .company = "Microsoft Corporation",
		.description = "NT Kernel & System",
		.product = "Microsoft Windows Operating System",
	};
	mk_pe_version(m, &pe, k->size - RSRC_BYTES, &v);
	mk_pe_headers(m, &pe);
}

void mk_kernel_free(struct mk_kernel *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->exports.n; i++)
		free(k->exports.v[i].name);
	for (size_t i = 0; i < k->madeup.n; i++)
		free(k->madeup.v[i].name);
	psc_vec_free(&k->exports);
	psc_vec_free(&k->madeup);
	psc_vec_free(&k->data);
	free((char *)(uintptr_t)k->version);
	free(k);
}
