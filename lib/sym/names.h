// SPDX-License-Identifier: MIT
/** @file
 * What linkers do to C names, and how to undo it (symbols 2.9).
 */
#ifndef PSC_SYM_NAMES_H
#define PSC_SYM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

/**
 * The C name inside an x86 public: `_f`, `_f@8`, `@f@8` give `f`.
 * @param[in,out] name  moved past the prefix. C++ names stay.
 * @return its length; less than @p n when something was removed.
 */
size_t psc_name_undecorate(const char **name, size_t n);

/** Names that hide functions from a nearest-symbol search: string literals,
 *  vtables, floating-point constants. */
bool psc_name_is_noise(const char *name);

/** The reverse of psc_guid_text(); either case. @return false: no GUID. */
bool psc_guid_parse(const char *text, uint8_t guid[16]);

/** Strings that live as long as the source. Zero-initialise. */
struct psc_names {
	struct psc_strmap map;	/**< Key: the copy itself. */
};
/** A copy of @p n bytes, the same pointer for the same text; NULL: no memory. */
const char *psc_names_keep(struct psc_names *s, const char *text, size_t n);
void psc_names_free(struct psc_names *s);

#endif
