// SPDX-License-Identifier: MIT
/** @file
 * Files in the user's cache: $XDG_CACHE_HOME/poolscope, else
 * ~/.cache/poolscope.
 */
#ifndef PSC_BASE_CACHEFILE_H
#define PSC_BASE_CACHEFILE_H

#include <stddef.h>

#include "psc/error.h"

/**
 * Path of @p name in the cache; makes nothing.
 * @param[out] ret caller frees.
 * @return PSC_ERR_OS when the user has neither variable.
 */
PSC_NODISCARD struct psc_error *
psc_cachefile_path(const char *name, char **ret);

/** Write @p name whole: a reader sees the old file or the new one. */
PSC_NODISCARD struct psc_error *
psc_cachefile_write(const char *name, const void *data, size_t n);

#endif
