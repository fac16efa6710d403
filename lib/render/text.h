// SPDX-License-Identifier: MIT
/** @file
 * What the text views share: styles, units, bars. A view reads the report and
 * writes to a stream; nothing else.
 */
#ifndef PSC_RENDER_TEXT_H
#define PSC_RENDER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "psc/report.h"

struct text {
	FILE *out;
	bool colour;
	const struct psc_value *root;
};

enum text_style {
	TEXT_HEADING,
	TEXT_WARNING,
	TEXT_CRITICAL,
	TEXT_DIM,
};

/** printf in a style; plain where colours are off. */
void text_styled(const struct text *t, enum text_style style, const char *fmt,
		 ...) PSC_PRINTF(3, 4);

/** "  label              value…\n" of a list of facts. */
void text_fact(const struct text *t, const char *label, const char *fmt, ...)
	PSC_PRINTF(3, 4);

/** A bar of @p width cells, part of whole; NUL-terminated ASCII. */
void text_bar(uint64_t part, uint64_t whole, unsigned int width, char *out);

/** Percentage with rounding that never says 100 for less. */
unsigned int text_percent(uint64_t part, uint64_t whole);

/** Text of a member, or "-" when it is not there. */
const char *text_str(const struct psc_value *obj, const char *path);

/** "HH:MM:SS" with days, from seconds. */
void text_duration(double seconds, char *out, size_t n);

// The views.
void text_view_info(const struct text *t);
void text_view_lm(const struct text *t);
void text_view_symbols(const struct text *t);
void text_view_vm(const struct text *t);
void text_view_poolused(const struct text *t);
void text_view_bigpool(const struct text *t);
void text_view_walk(const struct text *t);
void text_view_callers(const struct text *t);
void text_view_callers_csv(const struct text *t);
void text_view_callers_pooltag(const struct text *t);
void text_view_check(const struct text *t);
void text_view_pool(const struct text *t);
void text_view_poolval(const struct text *t);
void text_view_poolmap(const struct text *t);
void text_view_report(const struct text *t);

/** Parts that several views show: the bug check; file, machine and crash. */
void text_bugcheck(const struct text *t);
/** What it means, where it points and what the checks say there: when it is
 *  explained at all, or @p always. The second has a heading of its own. */
void text_bugcheck_words(const struct text *t, bool always);
void text_bugcheck_explained(const struct text *t, bool always);
/** Loaded and unloaded drivers. */
void text_modules(const struct text *t);
/** Which file, which machine, which kernel. */
void text_machine(const struct text *t);
/** What stopped it, and when. */
void text_crash(const struct text *t);

/** Driver whose code allocates with @p tag, or NULL. */
const char *text_tag_driver(const struct text *t, uint32_t tag);
/** A finding of `check`: @p i of @p n; in one line; its suspect. */
void text_finding(const struct text *t, const struct psc_value *f, size_t i,
		  size_t n);
void text_finding_line(const struct text *t, const struct psc_value *f);
void text_finding_suspect(const struct text *t, const struct psc_value *f);
/** Rows of !pool around the starred one, which is marked with @p rules. */
void text_pool_page(const struct text *t, const struct psc_value *pool,
		    const struct psc_value *rules, size_t around);
/** The first corrupt headers and their suspects, in short. */
void text_corruption(const struct text *t);

/** What the figures lack: missing pages, unreadable structures, errors of
 *  sections. Prints nothing when all is there. */
void text_missing(const struct text *t);

#endif
