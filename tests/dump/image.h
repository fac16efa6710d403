// SPDX-License-Identifier: MIT
/** @file
 * Dump files made in memory for the tests of lib/dump: a header with the
 * PAGE fill, the bodies of every type, and a way to open bytes as a file.
 */
#ifndef PSC_TESTS_DUMP_IMAGE_H
#define PSC_TESTS_DUMP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dump/dump.h"

struct image {
	uint8_t *p;
	size_t n, cap;
	uint64_t hdr;		/**< Size of the header. */
};

/** A filled-in header of @p type, nothing behind it. */
struct image image_new(bool is64, uint32_t type);
void image_free(struct image *m);
/** Grow with zeros. */
void image_resize(struct image *m, size_t n);
void image_put32(struct image *m, size_t off, uint32_t v);
void image_put64(struct image *m, size_t off, uint64_t v);
void image_bytes(struct image *m, size_t off, const void *p, size_t n);

/** Runs {base, count} into the header, then the pages. */
struct image image_runs(bool is64, const uint64_t (*runs)[2], uint32_t n);
/** Types 5 and 6 with @p n_bits and the frames of @p pfns. */
struct image image_bitmap(bool is64, uint32_t type, const char *sig,
			  uint64_t n_bits, const uint64_t *pfns, size_t n);
/** Types 8, 9, 0xA; @p pad bytes of metadata behind the end entry. */
struct image image_rdmp(uint32_t type, const uint64_t (*runs)[2], size_t n,
			size_t pad);
/** Type 2; the bits start @p start bytes behind the header. */
struct image image_summary(bool is64, size_t start, uint32_t n_bits,
			   const uint64_t *pfns, size_t n);

/** A small triage dump with every part. */
struct image image_triage(bool is64);
/** Where image_triage() puts its parts, and what they are. */
enum {
	TRIAGE_MM = 0x2100, TRIAGE_UNLOADED = 0x2180, TRIAGE_PRCB = 0x2200,
	TRIAGE_PROCESS = 0x2300, TRIAGE_THREAD = 0x2400, TRIAGE_STACK = 0x2500,
	TRIAGE_KDBG = 0x2600, TRIAGE_DRIVERS = 0x2980, TRIAGE_STRINGS = 0x2b00,
	TRIAGE_BLOCKS = 0x2c00, TRIAGE_DATA = 0x2d00, TRIAGE_END = 0x2e00,
	TRIAGE_OBJECT_SIZE = 0x80,
};
/** Addresses: these plus 0xfffff80000000000 for 64 bits. */
#define TRIAGE_VA_KDBG 0x82b4dbe8u
#define TRIAGE_VA_STACK 0x8a000000u
#define TRIAGE_VA_ARRAY 0x82c00000u
#define TRIAGE_VA_PRCB 0x82d00000u
#define TRIAGE_VA_THREAD 0x82e00000u
#define TRIAGE_VA_PROCESS 0x82f00000u
#define TRIAGE_VA_DATA 0x8b000ff0u
uint64_t triage_va(bool is64, uint32_t va);

/** Offset of the page in the file: the frame number is its first u64. */
uint64_t image_offset_of(const struct image *m, uint64_t pfn);

/** Open @p n bytes as a file. */
struct psc_error *bytes_open(const void *p, size_t n, struct psc_dump **ret);
struct psc_error *image_open(const struct image *m, struct psc_dump **ret);
/** Open a memfd; closes nothing. */
struct psc_error *fd_open(int fd, struct psc_dump **ret);

/** Some warning contains @p text. */
bool has_warning(const struct psc_dump *d, const char *text);
/** The page is there and starts with its frame number. */
bool page_is_right(const struct psc_dump *d, uint64_t pfn);

#endif
