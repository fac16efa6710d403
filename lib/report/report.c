// SPDX-License-Identifier: MIT
#include "psc/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

struct member {
	const char *key;
	struct psc_value *value;
};

struct psc_value {
	enum psc_kind kind;
	struct psc_report *report;
	union {
		bool b;
		uint64_t u;
		int64_t i;
		double d;
		char *s;
		struct {
			struct member *v;
			size_t n, cap;
		} kids;
	};
};

// Values come from chunks, text and child arrays from the heap.
#define CHUNK_VALUES 512
struct chunk {
	struct chunk *next;
	size_t n;
	struct psc_value v[CHUNK_VALUES];
};

struct psc_report {
	struct chunk *chunks;
	struct psc_value *root;
	bool oom;
};

static struct psc_value *value_new(struct psc_report *r, enum psc_kind kind)
{
	if (!r->chunks || r->chunks->n == CHUNK_VALUES) {
		struct chunk *c = malloc(sizeof(*c));
		if (!c) {
			r->oom = true;
			return NULL;
		}
		c->n = 0;
		c->next = r->chunks;
		r->chunks = c;
	}
	struct psc_value *v = &r->chunks->v[r->chunks->n++];
	memset(v, 0, sizeof(*v));
	v->kind = kind;
	v->report = r;
	return v;
}

struct psc_error *psc_report_new(struct psc_report **ret)
{
	struct psc_report *r = calloc(1, sizeof(*r));

	if (!r || !(r->root = value_new(r, PSC_OBJECT))) {
		free(r);
		return &psc_nomem;
	}
	*ret = r;
	return NULL;
}

static void value_drop(struct psc_value *v)
{
	if (v->kind == PSC_STR)
		free(v->s);
	else if (v->kind == PSC_ARRAY || v->kind == PSC_OBJECT)
		free(v->kids.v);
}

void psc_report_free(struct psc_report *r)
{
	if (!r)
		return;
	while (r->chunks) {
		struct chunk *c = r->chunks;
		r->chunks = c->next;
		for (size_t i = 0; i < c->n; i++)
			value_drop(&c->v[i]);
		free(c);
	}
	free(r);
}

struct psc_value *psc_report_root(struct psc_report *r)
{
	return r->root;
}

struct psc_error *psc_report_check(const struct psc_report *r)
{
	return r->oom ? &psc_nomem : NULL;
}

static bool kid_add(struct psc_value *parent, const char *key,
		    struct psc_value *v)
{
	if (parent->kids.n == parent->kids.cap) {
		size_t cap = parent->kids.cap ? parent->kids.cap * 2 : 8;
		struct member *grown = reallocarray(parent->kids.v, cap,
						    sizeof(*grown));
		if (!grown) {
			parent->report->oom = true;
			return false;
		}
		parent->kids.v = grown;
		parent->kids.cap = cap;
	}
	parent->kids.v[parent->kids.n++] = (struct member){ key, v };
	return true;
}

static struct psc_value *kid_find(const struct psc_value *obj, const char *key,
				  size_t len)
{
	if (!obj || obj->kind != PSC_OBJECT)
		return NULL;
	for (size_t i = 0; i < obj->kids.n; i++) {
		const char *k = obj->kids.v[i].key;
		if (strncmp(k, key, len) == 0 && k[len] == '\0')
			return obj->kids.v[i].value;
	}
	return NULL;
}

// The value of that key, emptied and of that kind; NULL when out of memory.
static struct psc_value *slot(struct psc_value *obj, const char *key,
			      enum psc_kind kind)
{
	if (!obj || obj->kind != PSC_OBJECT)
		return NULL;
	struct psc_value *v = kid_find(obj, key, strlen(key));
	if (v) {
		value_drop(v);
		struct psc_report *r = v->report;
		memset(v, 0, sizeof(*v));
		v->report = r;
		v->kind = kind;
		return v;
	}
	v = value_new(obj->report, kind);
	return v && kid_add(obj, key, v) ? v : NULL;
}

static struct psc_value *element(struct psc_value *arr, enum psc_kind kind)
{
	if (!arr || arr->kind != PSC_ARRAY)
		return NULL;
	struct psc_value *v = value_new(arr->report, kind);
	return v && kid_add(arr, NULL, v) ? v : NULL;
}

void psc_set_null(struct psc_value *obj, const char *key)
{
	slot(obj, key, PSC_NULL);
}

void psc_set_bool(struct psc_value *obj, const char *key, bool b)
{
	struct psc_value *v = slot(obj, key, PSC_BOOL);

	if (v)
		v->b = b;
}

static void set_u64(struct psc_value *obj, const char *key, enum psc_kind kind,
		    uint64_t u)
{
	struct psc_value *v = slot(obj, key, kind);

	if (v)
		v->u = u;
}

void psc_set_uint(struct psc_value *obj, const char *key, uint64_t u)
{
	set_u64(obj, key, PSC_UINT, u);
}

void psc_set_hex(struct psc_value *obj, const char *key, uint64_t u)
{
	set_u64(obj, key, PSC_HEX, u);
}

void psc_set_tag(struct psc_value *obj, const char *key, uint32_t tag)
{
	set_u64(obj, key, PSC_TAG, tag);
}

void psc_set_time(struct psc_value *obj, const char *key, uint64_t filetime)
{
	char text[PSC_TIME_TEXT];

	if (psc_time_text(filetime, text))
		set_u64(obj, key, PSC_TIME, filetime);
	else
		psc_set_null(obj, key);
}

void psc_set_int(struct psc_value *obj, const char *key, int64_t i)
{
	struct psc_value *v = slot(obj, key, PSC_INT);

	if (v)
		v->i = i;
}

void psc_set_real(struct psc_value *obj, const char *key, double d)
{
	struct psc_value *v = slot(obj, key, PSC_REAL);

	if (v)
		v->d = d;
}

static void put_text(struct psc_value *v, const char *text)
{
	if (!v)
		return;
	v->s = psc_text_escape(text, strlen(text));
	if (!v->s) {
		v->kind = PSC_NULL;
		v->report->oom = true;
	}
}

void psc_set_str(struct psc_value *obj, const char *key, const char *text)
{
	if (text)
		put_text(slot(obj, key, PSC_STR), text);
	else
		psc_set_null(obj, key);
}

static void put_textf(struct psc_value *v, const char *fmt, va_list ap)
{
	char *text;

	if (!v)
		return;
	if (vasprintf(&text, fmt, ap) < 0) {
		v->kind = PSC_NULL;
		v->report->oom = true;
		return;
	}
	put_text(v, text);
	free(text);
}

void psc_set_strf(struct psc_value *obj, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_textf(slot(obj, key, PSC_STR), fmt, ap);
	va_end(ap);
}

static struct psc_value *container(struct psc_value *obj, const char *key,
				   enum psc_kind kind)
{
	struct psc_value *v = kid_find(obj, key, strlen(key));

	return v && v->kind == kind ? v : slot(obj, key, kind);
}

struct psc_value *psc_set_object(struct psc_value *obj, const char *key)
{
	return container(obj, key, PSC_OBJECT);
}

struct psc_value *psc_set_array(struct psc_value *obj, const char *key)
{
	return container(obj, key, PSC_ARRAY);
}

struct psc_value *psc_add_object(struct psc_value *arr)
{
	return element(arr, PSC_OBJECT);
}

void psc_add_str(struct psc_value *arr, const char *text)
{
	put_text(element(arr, PSC_STR), text);
}

void psc_add_strf(struct psc_value *arr, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_textf(element(arr, PSC_STR), fmt, ap);
	va_end(ap);
}

void psc_add_hex(struct psc_value *arr, uint64_t u)
{
	struct psc_value *v = element(arr, PSC_HEX);

	if (v)
		v->u = u;
}

void psc_add_uint(struct psc_value *arr, uint64_t u)
{
	struct psc_value *v = element(arr, PSC_UINT);

	if (v)
		v->u = u;
}

enum psc_kind psc_kind(const struct psc_value *v)
{
	return v ? v->kind : PSC_NULL;
}

const struct psc_value *psc_get(const struct psc_value *obj, const char *path)
{
	while (obj) {
		const char *dot = strchrnul(path, '.');
		obj = kid_find(obj, path, (size_t)(dot - path));
		if (!*dot)
			break;
		path = dot + 1;
	}
	return obj;
}

// The value at path when it has that kind.
static const struct psc_value *typed(const struct psc_value *obj,
				     const char *path, enum psc_kind kind)
{
	const struct psc_value *v = psc_get(obj, path);

	return v && v->kind == kind ? v : NULL;
}

bool psc_get_uint(const struct psc_value *obj, const char *path, uint64_t *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_UINT);

	if (v)
		*ret = v->u;
	return v;
}

bool psc_get_int(const struct psc_value *obj, const char *path, int64_t *ret)
{
	const struct psc_value *v = psc_get(obj, path);

	if (v && v->kind == PSC_INT)
		*ret = v->i;
	else if (v && v->kind == PSC_UINT && v->u <= INT64_MAX)
		*ret = (int64_t)v->u;
	else
		return false;
	return true;
}

bool psc_get_bool(const struct psc_value *obj, const char *path, bool *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_BOOL);

	if (v)
		*ret = v->b;
	return v;
}

bool psc_get_real(const struct psc_value *obj, const char *path, double *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_REAL);

	if (v)
		*ret = v->d;
	return v;
}

bool psc_get_hex(const struct psc_value *obj, const char *path, uint64_t *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_HEX);

	if (v)
		*ret = v->u;
	return v;
}

bool psc_get_tag(const struct psc_value *obj, const char *path, uint32_t *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_TAG);

	if (v)
		*ret = (uint32_t)v->u;
	return v;
}

bool psc_get_time(const struct psc_value *obj, const char *path, uint64_t *ret)
{
	const struct psc_value *v = typed(obj, path, PSC_TIME);

	if (v)
		*ret = v->u;
	return v;
}

const char *psc_get_str(const struct psc_value *obj, const char *path)
{
	const struct psc_value *v = typed(obj, path, PSC_STR);

	return v ? v->s : NULL;
}

size_t psc_count(const struct psc_value *v)
{
	return v && (v->kind == PSC_ARRAY || v->kind == PSC_OBJECT)
		? v->kids.n : 0;
}

const struct psc_value *psc_at(const struct psc_value *v, size_t i,
			       const char **key)
{
	if (i >= psc_count(v))
		return NULL;
	if (key)
		*key = v->kids.v[i].key;
	return v->kids.v[i].value;
}

uint64_t psc_value_uint(const struct psc_value *v)
{
	return v->u;
}

int64_t psc_value_int(const struct psc_value *v)
{
	return v->i;
}

double psc_value_real(const struct psc_value *v)
{
	return v->d;
}

bool psc_value_bool(const struct psc_value *v)
{
	return v->b;
}

const char *psc_value_str(const struct psc_value *v)
{
	return v->s;
}

#define FILETIME_PER_SECOND 10000000
#define FILETIME_UNIX_EPOCH 11644473600LL

bool psc_time_text(uint64_t filetime, char out[PSC_TIME_TEXT])
{
	// 9999-12-31T23:59:59 as FILETIME; also keeps the casts below exact.
	static const uint64_t last = 2650467743990000000ULL;
	struct tm tm;

	if (filetime == 0 || filetime > last)
		return false;
	time_t t = (time_t)(filetime / FILETIME_PER_SECOND) -
		   FILETIME_UNIX_EPOCH;
	if (!gmtime_r(&t, &tm))
		return false;
	size_t n = strftime(out, PSC_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, PSC_TIME_TEXT - n, ".%06" PRIu64 "Z",
		 filetime % FILETIME_PER_SECOND / 10);
	return true;
}
