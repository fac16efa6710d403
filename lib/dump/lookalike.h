// SPDX-License-Identifier: MIT
/** @file
 * Files that customers send instead of a kernel dump.
 */
#ifndef PSC_DUMP_LOOKALIKE_H
#define PSC_DUMP_LOOKALIKE_H

#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

/** Bytes at the start of a file that are enough to know it. */
#define PSC_LOOKALIKE_BYTES 0x200u

/** The error that says by name what a file which starts with @p p is. */
PSC_NODISCARD struct psc_error *
psc_lookalike_error(const uint8_t *p, size_t n);

#endif
