// SPDX-License-Identifier: MIT
/** @file
 * Random access to a deflate stream. One pass over it leaves a checkpoint
 * every so many bytes; a read starts at the checkpoint before it. Unpacked
 * windows are kept in a small cache. Thread-safe after opening.
 */
#ifndef PSC_DUMP_INFLATE_H
#define PSC_DUMP_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "base/vec.h"
#include "dump/deflate.h"
#include "dump/warnings.h"
#include "psc/error.h"

/** Checkpoints, ascending in both offsets; the first is where data begin. */
struct psc_inflate_index {
	PSC_VEC(struct psc_deflate_point) points;
	uint64_t size;		/**< Unpacked bytes. */
	bool clean;		/**< The stream ended well. */
};

/**
 * The pass: unpack everything once. Damage ends the index there and warns.
 * Memory is bounded: checkpoints get sparser as the stream gets longer.
 */
PSC_NODISCARD struct psc_error *
psc_inflate_index_build(const struct psc_deflate_input *in,
			const struct psc_progress *progress,
			struct psc_warnings *w, struct psc_inflate_index *ret);
void psc_inflate_index_free(struct psc_inflate_index *x);

struct psc_inflate;

/** @param index taken over (also on error); @p in is copied, its bytes are
 *  borrowed. */
PSC_NODISCARD struct psc_error *
psc_inflate_new(const struct psc_deflate_input *in,
		struct psc_inflate_index *index, struct psc_inflate **ret);
void psc_inflate_free(struct psc_inflate *z);

/** @return false when the bytes cannot be unpacked. */
bool psc_inflate_read(struct psc_inflate *z, uint64_t off, void *buf, size_t n);

#endif
