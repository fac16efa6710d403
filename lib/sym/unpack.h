// SPDX-License-Identifier: MIT
/** @file
 * XZ and gzip files into memory, with limits on output and on the decoder's
 * own memory.
 */
#ifndef PSC_SYM_UNPACK_H
#define PSC_SYM_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

/** Growing output of a decoder. Zero-initialise; free data. */
struct psc_unpacked {
	uint8_t *data;
	size_t n, cap;
};
/** Make sure of room behind n, without passing @p limit.
 *  @return bytes of room; 0: at the limit, or out of memory. */
size_t psc_unpacked_room(struct psc_unpacked *u, size_t limit);

bool psc_is_xz(const uint8_t *p, uint64_t n);
bool psc_is_gzip(const uint8_t *p, uint64_t n);

/**
 * Unpack a whole file.
 * @param limit  bytes of output that are believed.
 * @param[out] ret caller frees ret->data.
 * @return PSC_ERR_LIMIT past @p limit or for a dictionary above 128 MiB,
 *         PSC_ERR_TRUNCATED, PSC_ERR_DAMAGED.
 */
PSC_NODISCARD struct psc_error *
psc_unpack_xz(const uint8_t *p, uint64_t n, size_t limit,
	      struct psc_unpacked *ret);
PSC_NODISCARD struct psc_error *
psc_unpack_gzip(const uint8_t *p, uint64_t n, size_t limit,
		struct psc_unpacked *ret);

#endif
