// SPDX-License-Identifier: MIT
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"

// Marks page data, so that a frame number found by chance is no page.
#define PAGE_MARK UINT64_C(0x50414745646e6174)

static void fail_hard(const char *what)
{
	perror(what);
	exit(99);
}

void image_resize(struct image *m, size_t n)
{
	if (n > m->cap) {
		m->cap = 2 * n;
		m->p = realloc(m->p, m->cap);
		if (!m->p)
			fail_hard("realloc");
	}
	if (n > m->n)
		memset(m->p + m->n, 0, n - m->n);
	m->n = n;
}

void image_free(struct image *m)
{
	free(m->p);
	*m = (struct image){ 0 };
}

void image_bytes(struct image *m, size_t off, const void *p, size_t n)
{
	if (off + n > m->n)
		image_resize(m, off + n);
	memcpy(m->p + off, p, n);
}

void image_put32(struct image *m, size_t off, uint32_t v)
{
	image_bytes(m, off, &v, sizeof(v));
}

void image_put64(struct image *m, size_t off, uint64_t v)
{
	image_bytes(m, off, &v, sizeof(v));
}

static void header64(struct image *m, uint32_t type)
{
	memcpy(m->p, "PAGEDU64", 8);
	image_put32(m, 0x8, 0xf);
	image_put32(m, 0xc, 19041);
	image_put64(m, 0x10, 0x1ad000);
	image_put64(m, 0x18, UINT64_C(0xfffff8047c6fc500));
	image_put64(m, 0x20, UINT64_C(0xfffff8047c62a390));
	image_put64(m, 0x28, UINT64_C(0xfffff8047c61e200));
	image_put32(m, 0x30, 0x8664);
	image_put32(m, 0x34, 16);
	image_put32(m, 0x38, 0xd1);
	for (uint32_t i = 0; i < 4; i++)
		image_put64(m, 0x40 + 8 * i, UINT64_C(0xffffffffc0000005) + i);
	image_put64(m, 0x80, UINT64_C(0xfffff8047c600b20));
	memset(m->p + 0x348, 0, 3000);
	memset(m->p + 0xf00, 0, 0x98);
	image_put32(m, 0xf98, type);
	image_put64(m, 0xfa0, 0x197915);
	image_put64(m, 0xfa8, UINT64_C(0x1d707f23dbb3399));
	image_put64(m, 0x1030, 37470697);
	image_put32(m, 0x1038, 0xcff);
	image_put32(m, 0x1040, 1);
	image_put32(m, 0x1044, 0x110);
	image_put32(m, 0x1048, 0);
}

static void header32(struct image *m, uint32_t type)
{
	memcpy(m->p, "PAGEDUMP", 8);
	image_put32(m, 0x8, 0xf);
	image_put32(m, 0xc, 7601);
	image_put32(m, 0x10, 0x185000);
	image_put32(m, 0x14, 0x82b6e700);
	image_put32(m, 0x18, 0x82b6f850);
	image_put32(m, 0x1c, 0x82b67e98);
	image_put32(m, 0x20, 0x14c);
	image_put32(m, 0x24, 2);
	image_put32(m, 0x28, 0x50);
	for (uint32_t i = 0; i < 4; i++)
		image_put32(m, 0x2c + 4 * i, 0xc0000005 + i);
	m->p[0x5c] = 1;
	image_put32(m, 0x60, 0x82b4dbe8);
	memset(m->p + 0x320, 0, 1200);
	memset(m->p + 0x7d0, 0, 0x50);
	image_put32(m, 0xf88, type);
	image_put32(m, 0xf8c, 0xcff);
	image_put32(m, 0xf94, 3);
	image_put32(m, 0xf98, 0x112);
	image_put32(m, 0xf9c, 0);
	image_put64(m, 0xfa0, 0x20000);
	image_put64(m, 0xfb8, 1234567);
	image_put64(m, 0xfc0, UINT64_C(0x1d707f23dbb3399));
}

struct image image_new(bool is64, uint32_t type)
{
	struct image m = { .hdr = is64 ? 0x2000 : 0x1000 };

	image_resize(&m, m.hdr);
	for (size_t i = 0; i < m.n; i++)
		m.p[i] = (uint8_t)"PAGE"[i % 4];
	if (is64)
		header64(&m, type);
	else
		header32(&m, type);
	return m;
}

static void add_page(struct image *m, uint64_t pfn)
{
	size_t at = m->n;

	image_resize(m, at + 0x1000);
	image_put64(m, at, pfn);
	image_put64(m, at + 8, PAGE_MARK);
}

static void add_pages(struct image *m, const uint64_t (*runs)[2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (uint64_t j = 0; j < runs[i][1]; j++)
			add_page(m, runs[i][0] + j);
	}
}

static uint64_t sum(const uint64_t (*runs)[2], size_t n)
{
	uint64_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += runs[i][1];
	return s;
}

struct image image_runs(bool is64, const uint64_t (*runs)[2], uint32_t n)
{
	struct image m = image_new(is64, 1);

	image_put32(&m, is64 ? 0x88 : 0x64, n);
	if (is64)
		image_put64(&m, 0x90, sum(runs, n));
	else
		image_put32(&m, 0x68, (uint32_t)sum(runs, n));
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < 2; j++) {
			if (is64)
				image_put64(&m, 0x98 + 16 * i + 8 * j,
					    runs[i][j]);
			else
				image_put32(&m, 0x6c + 8 * i + 4 * j,
					    (uint32_t)runs[i][j]);
		}
	}
	add_pages(&m, runs, n);
	return m;
}

static void put_bits(struct image *m, size_t at, uint64_t n_bits,
		     const uint64_t *pfns, size_t n)
{
	image_resize(m, at + (n_bits + 7) / 8);
	for (size_t i = 0; i < n; i++)
		m->p[at + pfns[i] / 8] |= (uint8_t)(1 << pfns[i] % 8);
	image_resize(m, (m->n + 0xfff) & ~(size_t)0xfff);
}

struct image image_bitmap(bool is64, uint32_t type, const char *sig,
			  uint64_t n_bits, const uint64_t *pfns, size_t n)
{
	struct image m = image_new(is64, type);

	image_resize(&m, m.hdr + 0x38);
	memcpy(m.p + m.hdr, sig, 4);
	memcpy(m.p + m.hdr + 4, "DUMP", 4);
	image_put64(&m, m.hdr + 0x28, n);
	image_put64(&m, m.hdr + 0x30, n_bits);
	put_bits(&m, m.hdr + 0x38, n_bits, pfns, n);
	image_put64(&m, m.hdr + 0x20, m.n);
	for (size_t i = 0; i < n; i++)
		add_page(&m, pfns[i]);
	return m;
}

struct image image_summary(bool is64, size_t start, uint32_t n_bits,
			   const uint64_t *pfns, size_t n)
{
	struct image m = image_new(is64, 2);

	image_bytes(&m, m.hdr, "SDMPDUMP", 8);
	image_put32(&m, m.hdr + 0x8, 1);
	image_put32(&m, m.hdr + 0x10, n_bits);
	image_put32(&m, m.hdr + 0x14, (uint32_t)n);
	image_put32(&m, m.hdr + 0x18, n_bits);
	image_put32(&m, m.hdr + 0x1c, 0x82345678);
	put_bits(&m, m.hdr + start, n_bits, pfns, n);
	image_put32(&m, m.hdr + 0xc, (uint32_t)m.n);
	for (size_t i = 0; i < n; i++)
		add_page(&m, pfns[i]);
	return m;
}

struct image image_rdmp(uint32_t type, const uint64_t (*runs)[2], size_t n,
			size_t pad)
{
	struct image m = image_new(true, type);
	size_t metadata = 0x10 + 16 * (n + 1) + pad;

	image_resize(&m, 0x2020 + metadata);
	image_put32(&m, 0x2000, 0x40);
	memcpy(m.p + 0x2004, "RDMPDUMP", 8);
	image_put64(&m, 0x2010, metadata);
	image_put64(&m, 0x2018, 0x2020 + metadata);
	image_put32(&m, 0x2020, (uint32_t)n);
	image_put64(&m, 0x2028, sum(runs, n));
	for (size_t i = 0; i < n; i++) {
		image_put64(&m, 0x2030 + 16 * i, runs[i][0]);
		image_put64(&m, 0x2038 + 16 * i, runs[i][1]);
	}
	add_pages(&m, runs, n);
	return m;
}

uint64_t image_offset_of(const struct image *m, uint64_t pfn)
{
	for (size_t at = m->hdr; at + 0x1000 <= m->n; at += 8) {
		if (psc_le64(m->p + at) == pfn &&
		    psc_le64(m->p + at + 8) == PAGE_MARK)
			return at;
	}
	return 0;
}

struct psc_error *fd_open(int fd, struct psc_dump **ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return psc_dump_open(path, NULL, ret);
}

struct psc_error *bytes_open(const void *p, size_t n, struct psc_dump **ret)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);

	if (fd < 0 || (n && write(fd, p, n) != (ssize_t)n))
		fail_hard("memfd");
	struct psc_error *err = fd_open(fd, ret);
	close(fd);
	return err;
}

struct psc_error *image_open(const struct image *m, struct psc_dump **ret)
{
	return bytes_open(m->p, m->n, ret);
}

bool has_warning(const struct psc_dump *d, const char *text)
{
	for (size_t i = 0; i < psc_dump_n_warnings(d); i++) {
		if (strstr(psc_dump_warning(d, i), text))
			return true;
	}
	return false;
}

bool page_is_right(const struct psc_dump *d, uint64_t pfn)
{
	uint8_t scratch[0x1000];
	const uint8_t *p = psc_dump_page(d, pfn, scratch);

	return p && psc_le64(p) == pfn && psc_le64(p + 8) == PAGE_MARK;
}
