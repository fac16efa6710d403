// SPDX-License-Identifier: MIT
/** @file
 * Render a report into heap text, for comparing bytes.
 */
#ifndef PSC_TESTS_RENDERED_H
#define PSC_TESTS_RENDERED_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "psc/psc.h"

/** @param view of psc_render_text(), or "json". Caller frees the text. */
static inline char *rendered(struct psc_report *r, const char *view)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	if (view[0] == 'j')
		CHECK_OK(psc_render_json(r, f));
	else
		CHECK_OK(psc_render_text(r, view, NULL, f));
	fclose(f);
	return text;
}

/** The view's text equals @p want. */
static inline void check_rendered(struct psc_report *r, const char *view,
				  const char *want)
{
	char *text = rendered(r, view);

	assert_string_equal(text, want);
	free(text);
}

/** The view's text contains @p want. */
static inline void check_contains(struct psc_report *r, const char *view,
				  const char *want)
{
	char *text = rendered(r, view);

	if (!strstr(text, want))
		fail_msg("not found:\n%s\nin:\n%s", want, text);
	free(text);
}

#endif
