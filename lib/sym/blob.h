// SPDX-License-Identifier: MIT
/** @file
 * Bytes of a symbol file with their owner: a mapped file, or memory that a
 * cabinet or an XZ stream was unpacked into.
 */
#ifndef PSC_SYM_BLOB_H
#define PSC_SYM_BLOB_H

#include <stdint.h>
#include <stdlib.h>

#include "base/file.h"

/** Zero-initialise; psc_blob_free(). At most one of file and heap is set. */
struct psc_blob {
	const uint8_t *data;
	uint64_t size;
	struct psc_file *file;
	void *heap;
};

static inline struct psc_blob psc_blob_of_file(struct psc_file *f)
{
	return (struct psc_blob){ .data = f->data, .size = f->size, .file = f };
}

static inline struct psc_blob psc_blob_of_heap(void *p, uint64_t size)
{
	return (struct psc_blob){ .data = p, .size = size, .heap = p };
}

static inline void psc_blob_free(struct psc_blob *b)
{
	psc_file_close(b->file);
	free(b->heap);
	*b = (struct psc_blob){ 0 };
}

#endif
