// SPDX-License-Identifier: MIT
/** @file
 * The fixed header of a dump file, both widths.
 */
#ifndef PSC_DUMP_HEADER_H
#define PSC_DUMP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "dump/dump.h"
#include "dump/source.h"
#include "dump/warnings.h"

#define PSC_HEADER32_SIZE 0x1000u
#define PSC_HEADER64_SIZE 0x2000u

/** A u32 that no writer set: `PAGE` of Windows, `XXXX` of MemProcFS. */
bool psc_header_unset32(uint32_t v);
bool psc_header_unset64(uint64_t v);

/** Does the dump start with PAGEDUMP or PAGEDU64? @return the header's size,
 *  0 when it does not. */
uint64_t psc_header_size(const uint8_t magic[8]);

/** Decode the psc_header_size() bytes at @p p. */
void psc_header_parse(const uint8_t *p, struct psc_dump_header *ret,
		      struct psc_warnings *w);

/** @return PSC_ERR_UNSUPPORTED when the body is encrypted. */
PSC_NODISCARD struct psc_error *
psc_header_check(const struct psc_dump_header *h);

#endif
