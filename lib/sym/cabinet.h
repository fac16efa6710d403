// SPDX-License-Identifier: MIT
/** @file
 * One-file cabinets: how symbol stores compress `name.pd_` (symbols 5.5).
 */
#ifndef PSC_SYM_CABINET_H
#define PSC_SYM_CABINET_H

#include "sym/unpack.h"

bool psc_is_cabinet(const uint8_t *p, uint64_t n);

/**
 * Unpack the first file of a cabinet.
 * @param limit  bytes of output that are believed.
 * @return PSC_ERR_UNSUPPORTED names LZX and Quantum.
 */
PSC_NODISCARD struct psc_error *
psc_cabinet_unpack(const uint8_t *p, uint64_t n, size_t limit,
		   struct psc_unpacked *ret);

#endif
