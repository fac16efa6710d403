// SPDX-License-Identifier: MIT
/** @file
 * Who signed an image: the name, not whether the signature is valid.
 */
#ifndef PSC_CODE_SIGNER_H
#define PSC_CODE_SIGNER_H

#include "pe/pe.h"

/**
 * Common name of the certificate that the embedded signature names as its
 * signer. @return heap text; "not embedded (signed by a catalogue, or not at
 * all)" when there is no signature; PSC_ERR_DAMAGED when it cannot be read.
 */
PSC_NODISCARD struct psc_error *
psc_signer_text(const struct psc_pe_file *f, char **ret);

#endif
