// SPDX-License-Identifier: MIT
/** @file
 * The bytes of a dump by offset, whatever wraps them: a mapped file, a stored
 * zip member (still in the mapping), or a compressed stream.
 */
#ifndef PSC_DUMP_SOURCE_H
#define PSC_DUMP_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "dump/dump.h"
#include "dump/warnings.h"
#include "psc/error.h"

struct psc_inflate;

struct psc_source {
	struct psc_file *file;
	const char *compression; /**< NULL, "gzip", "zip". */
	const uint8_t *data;	/**< The dump in the mapping; NULL: compressed. */
	struct psc_inflate *stream; /**< When compressed. */
	uint64_t size;		/**< Of the dump, uncompressed bytes. */
};

/** @param opt may be NULL. */
PSC_NODISCARD struct psc_error *
psc_source_open(const char *path, const struct psc_dump_options *opt,
		struct psc_warnings *w, struct psc_source *ret);
void psc_source_close(struct psc_source *s);

/** Copy @p n bytes at @p off. @return false when the dump lacks any of them. */
bool psc_source_read(const struct psc_source *s, uint64_t off, void *buf,
		     size_t n);

/** A part of the dump that stays readable: borrowed or a heap copy. */
struct psc_bytes {
	const uint8_t *p;
	uint64_t n;
	uint8_t *owned;		/**< Heap behind @p p, or NULL. */
};

/** [off, off + n); the caller has checked it against size. */
PSC_NODISCARD struct psc_error *
psc_source_load(const struct psc_source *s, uint64_t off, uint64_t n,
		const char *what, struct psc_bytes *ret);
void psc_bytes_free(struct psc_bytes *b);

#endif
