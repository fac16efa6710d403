// SPDX-License-Identifier: MIT
#include "dump/warnings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void count_dropped(struct psc_warnings *w)
{
	char *text;

	w->dropped++;
	if (asprintf(&text, "%" PRIu64 " more warnings of this kind are not shown",
		     w->dropped) < 0)
		return;
	free(w->v[w->n - 1]);
	w->v[w->n - 1] = text;
}

void psc_warn(struct psc_warnings *w, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (w->n == PSC_WARNINGS_MAX) {
		count_dropped(w);
		return;
	}
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		w->v[w->n++] = text;
}

void psc_warnings_free(struct psc_warnings *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	*w = (struct psc_warnings){ 0 };
}
