// SPDX-License-Identifier: MIT
/** @file
 * Find the one file of a zip archive.
 */
#ifndef PSC_DUMP_ZIP_H
#define PSC_DUMP_ZIP_H

#include <stdbool.h>

#include "base/file.h"
#include "dump/warnings.h"
#include "psc/error.h"

struct psc_zip_member {
	uint64_t offset, size;	/**< Packed bytes in the archive. */
	uint64_t unpacked;	/**< Bytes; meaningful when size_known. */
	uint32_t crc;
	bool size_known;	/**< From the directory, not from a cut file. */
	bool stored;		/**< Not compressed. */
};

bool psc_zip_is(const struct psc_file *f);
/**
 * Zip64, stored and deflated members, with or without a data descriptor. An
 * archive whose directory is cut off is read from its first local header.
 * @return PSC_ERR_UNSUPPORTED for several files (named), other methods and
 *         encryption.
 */
PSC_NODISCARD struct psc_error *
psc_zip_find(const struct psc_file *f, struct psc_warnings *w,
	     struct psc_zip_member *ret);

#endif
