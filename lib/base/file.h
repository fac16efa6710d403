// SPDX-License-Identifier: MIT
/** @file
 * Read-only files, memory-mapped whole with 64-bit offsets. The only place
 * that asks the OS for file bytes.
 */
#ifndef PSC_BASE_FILE_H
#define PSC_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

struct psc_file {
	char *path;		/**< As given. */
	const uint8_t *data;	/**< Mapped; NULL when the file is empty. */
	uint64_t size;		/**< Bytes. */
	uint64_t mtime_ns;	/**< Last change, since 1970. */
};

/**
 * Map @p path. A file that shrinks while it is mapped would fault: dumps under
 * analysis are not rewritten, and the README says so.
 * @param[out] ret caller frees with psc_file_close().
 */
PSC_NODISCARD struct psc_error *
psc_file_open(const char *path, struct psc_file **ret);
void psc_file_close(struct psc_file *f);

/** The file will be read a page here, a page there: reading ahead would fetch
 *  megabytes for each. Cold recovery of a sparse dump: 1,100 ms without. */
void psc_file_will_be_random(const struct psc_file *f);

/** @return pointer to @p n bytes at @p off, or NULL when out of bounds. */
static inline const uint8_t *psc_file_at(const struct psc_file *f,
					 uint64_t off, uint64_t n)
{
	return off <= f->size && n <= f->size - off && f->data
		? f->data + off : NULL;
}

#endif
