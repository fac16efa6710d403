// SPDX-License-Identifier: MIT
/** @file
 * The report model: a tree of typed values with the names of the JSON
 * contract. Analyses fill it; renderers read it and nothing else.
 *
 * Values belong to the report and die with it. Keys must be string literals
 * (they are kept by pointer). Building never fails half-way: when memory runs
 * out the report remembers it, every later call is a no-op, and
 * psc_report_check() says so once at the end.
 */
#ifndef PSC_REPORT_H
#define PSC_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

enum psc_kind {
	PSC_NULL,
	PSC_BOOL,
	PSC_UINT,	/**< Count or bytes, exact to 2^64-1. */
	PSC_INT,	/**< Signed; negative differences. */
	PSC_REAL,	/**< Seconds with fraction; nothing else. */
	PSC_STR,	/**< UTF-8 text. */
	PSC_HEX,	/**< Address, code, raw word: "0x…" in JSON. */
	PSC_TAG,	/**< Pool tag: four characters, escaped. */
	PSC_TIME,	/**< FILETIME, UTC: ISO 8601 in JSON. */
	PSC_ARRAY,
	PSC_OBJECT,
};

struct psc_value;
struct psc_report;

PSC_NODISCARD struct psc_error *psc_report_new(struct psc_report **ret);
void psc_report_free(struct psc_report *r);
/** The root object. Never NULL. */
struct psc_value *psc_report_root(struct psc_report *r);
/** @return &psc_nomem when any earlier call ran out of memory. */
PSC_NODISCARD struct psc_error *psc_report_check(const struct psc_report *r);

// --- filling -------------------------------------------------------------
// Every setter replaces an existing value of that key. A NULL object is
// ignored, so chains need no checks.

void psc_set_null(struct psc_value *obj, const char *key);
void psc_set_bool(struct psc_value *obj, const char *key, bool v);
void psc_set_uint(struct psc_value *obj, const char *key, uint64_t v);
void psc_set_int(struct psc_value *obj, const char *key, int64_t v);
void psc_set_real(struct psc_value *obj, const char *key, double v);
/** Copies @p text; NULL becomes null. Invalid UTF-8 is escaped as \xNN. */
void psc_set_str(struct psc_value *obj, const char *key, const char *text);
void psc_set_strf(struct psc_value *obj, const char *key, const char *fmt, ...)
	PSC_PRINTF(3, 4);
void psc_set_hex(struct psc_value *obj, const char *key, uint64_t v);
void psc_set_tag(struct psc_value *obj, const char *key, uint32_t tag);
/** 0 and values beyond year 9999 become null. */
void psc_set_time(struct psc_value *obj, const char *key, uint64_t filetime);
/** The object or array of that key, made when it is not there yet. */
struct psc_value *psc_set_object(struct psc_value *obj, const char *key);
struct psc_value *psc_set_array(struct psc_value *obj, const char *key);

/** Append to an array. */
struct psc_value *psc_add_object(struct psc_value *arr);
void psc_add_str(struct psc_value *arr, const char *text);
void psc_add_strf(struct psc_value *arr, const char *fmt, ...)
	PSC_PRINTF(2, 3);
void psc_add_hex(struct psc_value *arr, uint64_t v);
void psc_add_uint(struct psc_value *arr, uint64_t v);

// --- reading -------------------------------------------------------------
// Getters accept NULL and the wrong kind and then say "not there".

enum psc_kind psc_kind(const struct psc_value *v);
/** Member of an object; @p path may be dotted: "system.bugcheck.code". */
const struct psc_value *psc_get(const struct psc_value *obj, const char *path);
bool psc_get_uint(const struct psc_value *obj, const char *path, uint64_t *v);
bool psc_get_int(const struct psc_value *obj, const char *path, int64_t *v);
bool psc_get_bool(const struct psc_value *obj, const char *path, bool *v);
bool psc_get_real(const struct psc_value *obj, const char *path, double *v);
bool psc_get_hex(const struct psc_value *obj, const char *path, uint64_t *v);
bool psc_get_tag(const struct psc_value *obj, const char *path, uint32_t *v);
bool psc_get_time(const struct psc_value *obj, const char *path, uint64_t *v);
/** Borrowed text of a PSC_STR, else NULL. */
const char *psc_get_str(const struct psc_value *obj, const char *path);

/** Members or elements; 0 for anything else. */
size_t psc_count(const struct psc_value *v);
/** Element or member @p i; its key for objects (NULL for arrays). */
const struct psc_value *psc_at(const struct psc_value *v, size_t i,
			       const char **key);
// Scalars themselves, for generic renderers. The kind must match.
uint64_t psc_value_uint(const struct psc_value *v);	/**< UINT HEX TAG TIME */
int64_t psc_value_int(const struct psc_value *v);
double psc_value_real(const struct psc_value *v);
bool psc_value_bool(const struct psc_value *v);
const char *psc_value_str(const struct psc_value *v);

/** "2021-02-21T01:38:22.987765Z". @return false when out of range. */
#define PSC_TIME_TEXT 32
bool psc_time_text(uint64_t filetime, char out[PSC_TIME_TEXT]);

#endif
