// SPDX-License-Identifier: MIT
/** @file
 * What was odd but survivable while a dump was opened.
 */
#ifndef PSC_DUMP_WARNINGS_H
#define PSC_DUMP_WARNINGS_H

#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

/** A hostile file may earn millions; the last kept one counts the rest. */
#define PSC_WARNINGS_MAX 32

struct psc_warnings {
	char *v[PSC_WARNINGS_MAX];
	size_t n;
	uint64_t dropped;
};

/** Add a sentence. Out of memory loses it, nothing else. */
void psc_warn(struct psc_warnings *w, const char *fmt, ...) PSC_PRINTF(2, 3);
void psc_warnings_free(struct psc_warnings *w);

#endif
