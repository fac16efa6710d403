// SPDX-License-Identifier: MIT
/** @file
 * Which images are files: some places of a file have no RVA.
 */
#ifndef PSC_PE_FILE_H
#define PSC_PE_FILE_H

#include "pe/pe.h"

/** The file behind @p pe, or NULL for an image in memory. */
const struct psc_pe_file *psc_pe_as_file(const struct psc_pe *pe);

#endif
