// SPDX-License-Identifier: MIT
/** @file
 * The index of a compressed dump in the user's cache, so that the pass over
 * the file happens once.
 */
#ifndef PSC_DUMP_INDEX_FILE_H
#define PSC_DUMP_INDEX_FILE_H

#include "base/file.h"
#include "dump/inflate.h"

/**
 * The index that was saved for this file (path, size, time of change) and
 * these compressed bytes. Nothing in it is believed that could lead a reader
 * out of bounds.
 * @return false when there is none that fits.
 */
bool psc_index_file_load(const struct psc_file *f,
			 const struct psc_deflate_input *in,
			 struct psc_inflate_index *ret);
PSC_NODISCARD struct psc_error *
psc_index_file_save(const struct psc_file *f,
		    const struct psc_deflate_input *in,
		    const struct psc_inflate_index *x);

#endif
