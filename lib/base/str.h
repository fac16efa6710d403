// SPDX-License-Identifier: MIT
/** @file
 * Text: growing string, UTF-16 decoding, pool tags, wildcard match, paths.
 */
#ifndef PSC_BASE_STR_H
#define PSC_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

/** Growing NUL-terminated text. Zero-initialise; psc_str_free(). */
struct psc_str {
	char *s;		/**< NULL while empty. */
	size_t len, cap;
	bool oom;		/**< Sticky: some append failed. */
};

void psc_str_add(struct psc_str *s, const char *text);
void psc_str_addn(struct psc_str *s, const char *text, size_t n);
void psc_str_addf(struct psc_str *s, const char *fmt, ...) PSC_PRINTF(2, 3);
void psc_str_free(struct psc_str *s);
/** Hand the text out (never NULL unless out of memory). Caller frees. */
char *psc_str_take(struct psc_str *s);

/**
 * Decode UTF-16LE into UTF-8. A lone surrogate becomes U+FFFD and sets
 * @p valid to false; decoding goes on, so a name is never lost to one unit.
 * @param bytes length of @p p in bytes; an odd last byte is ignored.
 * @return heap text, NULL when out of memory.
 */
char *psc_utf16_to_utf8(const uint8_t *p, size_t bytes, bool *valid);

/**
 * Write a pool tag as JSON and reports show it: four characters, bytes outside
 * 0x20..0x7e as \xNN, a backslash as \x5c, protected bit removed
 * (report-json: conventions). @p out holds at least PSC_TAG_TEXT bytes.
 */
#define PSC_TAG_TEXT 17
void psc_tag_text(uint32_t tag, char out[PSC_TAG_TEXT]);

/** Debugger form: four characters, non-printable bytes as '.'. */
void psc_tag_debugger(uint32_t tag, char out[5]);

/** "LkaL" → little-endian u32, padded with blanks. @return false if > 4. */
bool psc_tag_parse(const char *text, uint32_t *tag);

/** Case-sensitive match with '*' (any run) and '?' (one character). */
bool psc_glob_match(const char *pattern, const char *text);

/** Part after the last '/' or '\\'. Never NULL. */
const char *psc_path_base(const char *path);

/** Printable copy: control characters and invalid UTF-8 as \xNN. */
char *psc_text_escape(const char *text, size_t n);

/** "1.1 GB", binary units, at most four significant digits. */
#define PSC_BYTES_TEXT 16
void psc_bytes_text(uint64_t bytes, char out[PSC_BYTES_TEXT]);

/** "1,234,567". */
#define PSC_COUNT_TEXT 32
void psc_count_text(uint64_t n, char out[PSC_COUNT_TEXT]);

#endif
