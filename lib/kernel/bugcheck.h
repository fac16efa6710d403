// SPDX-License-Identifier: MIT
/** @file
 * Names of bug-check codes.
 */
#ifndef PSC_KERNEL_BUGCHECK_H
#define PSC_KERNEL_BUGCHECK_H

#include <stdint.h>

/** "BAD_POOL_HEADER", also with bit 0x10000000 set; NULL when unknown. */
const char *psc_bugcheck_name(uint32_t code);

#endif
