// SPDX-License-Identifier: MIT
/** @file
 * A small PE built by hand: headers and one section at RVA 0x1000 whose bytes
 * the test writes. As a file the section's data start at offset 0x400.
 */
#ifndef PSC_TESTS_PE_IMAGE_H
#define PSC_TESTS_PE_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "pe/pe.h"

enum {
	IMG_HEADERS = 0x400,
	IMG_RVA = 0x1000,
	IMG_SECTION = 0x2000,		// bytes of the section
	IMG_SIZE = IMG_RVA + IMG_SECTION,
	IMG_FILE = IMG_HEADERS + IMG_SECTION,
	IMG_LFANEW = 0x80,
	IMG_OPT = IMG_LFANEW + 24,
};

struct image {
	bool is64;
	uint8_t file[IMG_FILE];
};

/** Place of @p rva of the section in the file. */
static inline uint8_t *img_at(struct image *im, uint32_t rva)
{
	return im->file + IMG_HEADERS + (rva - IMG_RVA);
}

static inline void img_put32(struct image *im, uint32_t rva, uint32_t v)
{
	psc_put32(img_at(im, rva), v);
}

static inline void img_text(struct image *im, uint32_t rva, const char *text)
{
	memcpy(img_at(im, rva), text, strlen(text) + 1);
}

static inline void img_dir(struct image *im, unsigned int dir, uint32_t rva,
			   uint32_t size)
{
	uint8_t *p = im->file + IMG_OPT + (im->is64 ? 112 : 96) + 8 * dir;

	psc_put32(p, rva);
	psc_put32(p + 4, size);
}

static inline void img_init(struct image *im, uint16_t machine, bool is64)
{
	uint8_t *p = im->file;
	unsigned int opt = is64 ? 240 : 224;

	memset(im, 0, sizeof(*im));
	im->is64 = is64;
	memcpy(p, "MZ", 2);
	psc_put32(p + 0x3c, IMG_LFANEW);
	memcpy(p + IMG_LFANEW, "PE\0\0", 4);
	psc_put16(p + IMG_LFANEW + 4, machine);
	psc_put16(p + IMG_LFANEW + 6, 1);
	psc_put32(p + IMG_LFANEW + 8, 0x5f123456);
	psc_put16(p + IMG_LFANEW + 20, (uint16_t)opt);
	p += IMG_OPT;
	psc_put16(p, is64 ? 0x20b : 0x10b);
	psc_put32(p + 16, 0x1010);
	if (is64)
		psc_put64(p + 24, 0x140000000);
	else
		psc_put32(p + 28, 0x10000);
	psc_put32(p + 56, IMG_SIZE);
	psc_put32(p + 60, IMG_HEADERS);
	psc_put32(p + 64, 0xabcd);
	psc_put32(p + (is64 ? 108 : 92), 16);
	p += opt;
	memcpy(p, ".text", 5);
	psc_put32(p + 8, IMG_SECTION);
	psc_put32(p + 12, IMG_RVA);
	psc_put32(p + 16, IMG_SECTION);
	psc_put32(p + 20, IMG_HEADERS);
	psc_put32(p + 36, 0x60000020);
}

/** The image as mapped, with one page left out; hole = ~0: none. */
struct mapped {
	uint8_t bytes[IMG_SIZE];
	uint64_t hole;
};

static inline size_t mapped_read(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct mapped *m = ctx;
	size_t i = 0;

	for (; i < n && rva + i < IMG_SIZE; i++) {
		if ((rva + i) >> 12 == m->hole)
			break;
		((uint8_t *)buf)[i] = m->bytes[rva + i];
	}
	return i;
}

static inline struct psc_image_source
img_map(const struct image *im, struct mapped *m, uint64_t hole)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, im->file, IMG_HEADERS);
	memcpy(m->bytes + IMG_RVA, im->file + IMG_HEADERS, IMG_SECTION);
	m->hole = hole;
	return (struct psc_image_source){ m, mapped_read };
}

#endif
