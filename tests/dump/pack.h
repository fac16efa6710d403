// SPDX-License-Identifier: MIT
/** @file
 * gzip and zip files made in memory, through zlib.
 */
#ifndef PSC_TESTS_DUMP_PACK_H
#define PSC_TESTS_DUMP_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

/** Append one gzip member with @p n bytes; @p fields: with all optional
 *  header fields. */
void pack_gzip(struct image *to, const void *p, size_t n, bool fields);
struct image gzip_of(const struct image *m);

struct zip_file {
	const char *name;
	const void *p;
	size_t n;
};

struct zip_options {
	uint16_t method;	/**< 0 stored, 8 deflate, others: named only. */
	uint16_t flags;
	bool zip64;		/**< Sizes and offsets in extra fields. */
	bool descriptor;	/**< Sizes behind the data. */
};

struct image zip_of(const struct zip_file *files, size_t n,
		    const struct zip_options *opt);

#endif
