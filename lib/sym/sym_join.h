// SPDX-License-Identifier: MIT
/** @file
 * Two sources as one: a PDB without types with layouts from elsewhere, or
 * layouts that a user wrote with names from elsewhere.
 */
#ifndef PSC_SYM_SYM_JOIN_H
#define PSC_SYM_SYM_JOIN_H

#include "sym/sym.h"

/**
 * Ask @p first, and @p second for what it has not. A type comes whole from
 * one of them.
 * @param first, second  pass to the new source, also when this fails.
 */
PSC_NODISCARD struct psc_error *
psc_sym_join(struct psc_sym *first, struct psc_sym *second,
	     struct psc_sym **ret);

#endif
