// SPDX-License-Identifier: MIT
/** @file
 * Load a genuine driver file as the system does: sections at their RVAs,
 * relocations applied, the import address table filled with addresses of
 * kernel exports, import calls rewritten in place on request (callsites 2).
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "modules.h"

#define SEC_DISCARDABLE 0x02000000u
#define SEC_EXECUTE 0x20000000u

struct image {
	struct mk *m;
	const struct psc_file *file;
	const uint8_t *nt;
	const char *path;
	uint64_t base;
	uint32_t size;
};

static const uint8_t *at(const struct image *im, uint64_t off, uint64_t n)
{
	const uint8_t *p = psc_file_at(im->file, off, n);

	if (!p)
		mk_fail(im->m, "%s: ends early", im->path);
	return p;
}

static uint32_t directory(const struct image *im, unsigned int i,
			  uint32_t *size)
{
	const uint8_t *d = im->nt + 24 + 112 + i * 8;

	*size = psc_le32(d + 4);
	return psc_le32(d);
}

static const uint8_t *section(const struct image *im, unsigned int i)
{
	return at(im, (uint64_t)(im->nt - im->file->data) + 24 +
		  psc_le16(im->nt + 20) + i * 40u, 40);
}

static unsigned int n_sections(const struct image *im)
{
	return psc_le16(im->nt + 6);
}

static void map_sections(const struct image *im)
{
	uint32_t headers = psc_le32(im->nt + 24 + 60);

	mk_map(im->m, im->base, im->size, NULL);
	mk_write(im->m, im->base, at(im, 0, headers), headers);
	for (unsigned int i = 0; i < n_sections(im); i++) {
		const uint8_t *s = section(im, i);
		uint32_t raw = psc_le32(s + 16), virtual = psc_le32(s + 8);
		uint32_t bytes = virtual && virtual < raw ? virtual : raw;

		if (bytes)
			mk_write(im->m, im->base + psc_le32(s + 12),
				 at(im, psc_le32(s + 20), bytes), bytes);
	}
}

static void relocate(const struct image *im)
{
	uint32_t size, rva = directory(im, 5, &size);
	uint64_t delta = im->base - psc_le64(im->nt + 24 + 24);

	while (size >= 8) {
		uint8_t head[8];

		mk_read(im->m, im->base + rva, head, 8);
		uint32_t page = psc_le32(head), block = psc_le32(head + 4);

		if (block < 8 || block > size)
			mk_fail(im->m, "%s: relocations", im->path);
		for (uint32_t i = 8; i < block; i += 2) {
			uint8_t e[2];

			mk_read(im->m, im->base + rva + i, e, 2);
			uint64_t va = im->base + page +
				(psc_le16(e) & 0xfffu);

			if (psc_le16(e) >> 12 == 10)	// DIR64
				mk_write64(im->m, va,
					   mk_read64(im->m, va) + delta);
		}
		rva += block;
		size -= block;
	}
}

static void read_text(const struct image *im, uint64_t va, char *out,
		      size_t max)
{
	for (size_t i = 0; i < max; i++) {
		mk_read(im->m, va + i, out + i, 1);
		if (!out[i])
			return;
	}
	mk_fail(im->m, "%s: a name is too long", im->path);
}

static void bind_imports(const struct image *im)
{
	uint32_t size, rva = directory(im, 1, &size);
	char name[256];

	for (; size >= 20; rva += 20, size -= 20) {
		uint8_t d[20];

		mk_read(im->m, im->base + rva, d, sizeof(d));
		uint32_t names = psc_le32(d), slots = psc_le32(d + 16);

		if (!slots)
			break;
		for (uint32_t i = 0; ; i += 8) {
			uint64_t hint = mk_read64(im->m, im->base +
						  (names ? names : slots) + i);

			if (!hint)
				break;
			read_text(im, im->base + hint + 2, name, sizeof(name));
			mk_write64(im->m, im->base + slots + i,
				   mk_export(im->m, name));
		}
	}
}

/** `call [rip+d]` with a REX prefix and the nop behind it becomes
 *  `mov r10, [rip+d]; call target`. */
static void optimise_at(const struct image *im, uint64_t va, uint8_t code[12])
{
	uint64_t slot = va + 7 + (uint64_t)(int32_t)psc_le32(code + 3);

	if (slot < im->base || slot + 8 > im->base + im->size)
		return;
	int64_t rel = (int64_t)(mk_read64(im->m, slot) - (va + 12));

	if (rel != (int32_t)rel)
		return;			// out of reach: stays as it is
	code[0] = 0x4c;			// mov r10, [slot]
	code[1] = 0x8b;
	code[7] = 0xe8;			// call
	psc_put32(code + 8, (uint32_t)rel);
	mk_write(im->m, va, code, 12);
}

static void optimise_imports(const struct image *im)
{
	static const uint8_t call[3] = {0x48, 0xff, 0x15};
	static const uint8_t nop[5] = {0x0f, 0x1f, 0x44, 0, 0};

	for (unsigned int i = 0; i < n_sections(im); i++) {
		const uint8_t *s = section(im, i);
		uint32_t rva = psc_le32(s + 12), size = psc_le32(s + 8);
		uint8_t code[12];

		if (!(psc_le32(s + 36) & SEC_EXECUTE))
			continue;
		for (uint32_t k = 0; k + 12 <= size; k++) {
			mk_read(im->m, im->base + rva + k, code, 12);
			if (!memcmp(code, call, 3) && !memcmp(code + 7, nop, 5))
				optimise_at(im, im->base + rva + k, code);
		}
	}
}

/** Sections that the system frees after start: the pages are gone. */
static void discard(const struct image *im)
{
	for (unsigned int i = 0; i < n_sections(im); i++) {
		const uint8_t *s = section(im, i);
		uint64_t va = im->base + psc_le32(s + 12);
		uint64_t end = va + psc_le32(s + 8);

		if (!(psc_le32(s + 36) & SEC_DISCARDABLE))
			continue;
		for (; va < end; va += MK_PAGE)
			mk_set_state(im->m, va, MK_PTE_DEMAND_ZERO);
	}
}

static void read_pdb(const struct image *im, struct psc_pdb_id *id)
{
	uint32_t size, rva = directory(im, 6, &size);

	for (; size >= 28; rva += 28, size -= 28) {
		uint8_t d[28], rsds[24];

		mk_read(im->m, im->base + rva, d, sizeof(d));
		if (psc_le32(d + 12) != 2 || !psc_le32(d + 20))
			continue;
		mk_read(im->m, im->base + psc_le32(d + 20), rsds, 24);
		if (memcmp(rsds, "RSDS", 4))
			continue;
		memcpy(id->guid, rsds + 4, 16);
		id->age = psc_le32(rsds + 20);
		read_text(im, im->base + psc_le32(d + 20) + 24, id->name,
			  sizeof(id->name));
		id->known = true;
		return;
	}
}

void mk_load_driver(struct mk *m, const char *path, uint64_t base,
		    bool optimise, struct mk_module *ret)
{
	struct psc_file *file;
	struct image im = {.m = m, .path = path};

	mk_check(m, psc_file_open(path, &file));
	im.file = file;
	uint32_t nt = psc_le32(at(&im, 0x3c, 4));

	im.nt = at(&im, nt, 24 + 240);
	if (memcmp(im.nt, "PE\0\0", 4) || psc_le16(im.nt + 24) != 0x20b)
		mk_fail(m, "%s: no 64-bit PE image", path);
	im.size = psc_le32(im.nt + 24 + 56);
	im.size = (im.size + 0xfff) & ~0xfffu;
	im.base = base ? base : mk_reserve(m, MK_IMAGES, im.size, 0x10000);
	map_sections(&im);
	relocate(&im);
	bind_imports(&im);
	if (optimise)
		optimise_imports(&im);
	ret->base = im.base;
	ret->size = im.size;
	ret->timestamp = psc_le32(im.nt + 8);
	ret->checksum = psc_le32(im.nt + 24 + 64);
	ret->entry = psc_le32(im.nt + 24 + 16);
	read_pdb(&im, &ret->pdb);
	discard(&im);
	psc_file_close(file);
}
