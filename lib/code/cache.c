// SPDX-License-Identifier: MIT
// Results by image identity in the user's cache. A file is believed only
// when its checksum and every count and number in it are in range.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/reader.h"
#include "base/str.h"
#include "code/result.h"

enum {
	FORMAT = 2,		// raise when rows, rules or this layout change
	HEAD_BYTES = 8 + 4 + 4 + 8,
	ROWS_MAX = 200000,
	TEXT_MAX = 4096,
};
static const char magic[8] = "PSCCALLS";

struct writer {
	PSC_VEC(uint8_t) b;
	bool oom;
};

static void put(struct writer *w, uint64_t v)
{
	if (!psc_vec_reserve(&w->b, w->b.n + 8)) {
		w->oom = true;
		return;
	}
	psc_put64(w->b.v + w->b.n, v);
	w->b.n += 8;
}

static void put_text(struct writer *w, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	put(w, n);
	if (!n)
		return;
	if (!psc_vec_reserve(&w->b, w->b.n + n)) {
		w->oom = true;
		return;
	}
	memcpy(w->b.v + w->b.n, s, n);
	w->b.n += n;
}

static void put_key(struct writer *w, const struct psc_cache_key *k)
{
	put(w, (uint64_t)k->timestamp << 32 | k->image_size);
	put(w, (uint64_t)k->checksum << 32 | k->machine);
	put(w, k->memory);
	put(w, k->pages);
	put(w, k->wrappers);
}

static void put_row(struct writer *w, const struct psc_callsite *s)
{
	put(w, s->rva);
	put(w, s->function);
	put(w, s->via);
	put(w, s->via_function);
	put(w, s->levels);
	put(w, s->by);
	put(w, s->why);
	put(w, (uint64_t)s->has_tag | (uint64_t)s->no_tag << 1 |
	    (uint64_t)s->has_type << 2 | (uint64_t)s->type_is_flags << 3 |
	    (uint64_t)s->has_size << 4 | (uint64_t)s->has_type_or << 5);
	put(w, s->tag);
	put(w, s->tag_mask);
	put(w, s->type);
	put(w, s->type_or);
	put(w, s->type_global);
	put(w, s->size);
	put(w, s->global);
	put(w, s->rewritten_by);
	put_text(w, s->api);
	put_text(w, s->through);
}

static void put_offer(struct writer *w, const struct psc_offer *o)
{
	const struct psc_api *a = &o->api;

	put_text(w, o->name);
	put_text(w, a->name);
	put(w, (uint64_t)a->tag | (uint64_t)a->type << 8 |
	    (uint64_t)a->size << 16 | (uint64_t)a->flavour << 24 |
	    (uint64_t)a->lookaside << 32 | (uint64_t)a->fixed_type << 33 |
	    (uint64_t)a->fixed_size << 34);
	put(w, a->type_value);
	put(w, a->size_value);
}

static void put_result(struct writer *w, const struct psc_cache_key *key,
		       const struct psc_code_result *r)
{
	put_key(w, key);
	put(w, r->n);
	put(w, r->n_offers);
	put(w, r->n_imports);
	put(w, r->code_pages);
	put(w, r->code_pages_missing);
	put(w, r->limited);
	for (size_t i = 0; i < r->n; i++)
		put_row(w, &r->v[i]);
	for (size_t i = 0; i < r->n_offers; i++)
		put_offer(w, &r->offers[i]);
	for (size_t i = 0; i < r->n_imports; i++)
		put(w, r->imports[i]);
}

static char *key_path(const char *dir, const struct psc_cache_key *k,
		      const char *tail)
{
	struct psc_str s = { 0 };

	psc_str_addf(&s, "%s/%08x-%x-%08x-%x%c-%016" PRIx64 "-%016" PRIx64
		     "%s", dir, k->timestamp, k->image_size, k->checksum,
		     k->machine, k->memory ? 'm' : 'f', k->pages, k->wrappers,
		     tail);
	return psc_str_take(&s);
}

static void make_folder(const char *dir)
{
	char *copy = strdup(dir);

	for (char *p = copy ? strchr(copy + 1, '/') : NULL; p;
	     p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(copy, 0777);
		*p = '/';
	}
	if (copy)
		mkdir(copy, 0777);
	free(copy);
}

static bool write_file(const char *path, const struct writer *w)
{
	uint8_t head[HEAD_BYTES] = { 0 };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool ok;

	if (fd < 0)
		return false;
	memcpy(head, magic, sizeof(magic));
	psc_put32(head + 8, FORMAT);
	psc_put32(head + 12, (uint32_t)w->b.n);
	psc_put64(head + 16, psc_hash_bytes(w->b.v, w->b.n));
	ok = write(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
	     write(fd, w->b.v, w->b.n) == (ssize_t)w->b.n;
	return close(fd) == 0 && ok;
}

void psc_cache_store(const char *dir, const struct psc_cache_key *key,
		     const struct psc_code_result *r)
{
	struct writer w = { 0 };
	char tail[32];
	char *path, *temp;

	put_result(&w, key, r);
	make_folder(dir);
	snprintf(tail, sizeof(tail), ".tmp%d", (int)getpid());
	path = key_path(dir, key, "");
	temp = key_path(dir, key, tail);
	// Readers see a whole file or none.
	if (!w.oom && path && temp &&
	    (!write_file(temp, &w) || rename(temp, path)))
		unlink(temp);
	free(path);
	free(temp);
	psc_vec_free(&w.b);
}

// --- reading -----------------------------------------------------------------

struct loader {
	struct psc_reader r;
	const struct psc_api *extra;
	size_t n_extra;
	struct psc_api known[PSC_ALLOCATORS_MAX];
	unsigned int n_known;
	bool bad;
};

static uint64_t get(struct loader *l, uint64_t max)
{
	uint64_t v = 0;
	struct psc_error *err = psc_reader_u64(&l->r, "value", &v);

	l->bad |= err || v > max;
	psc_error_free(err);
	return l->bad ? 0 : v;
}

static char *get_text(struct loader *l)
{
	size_t n = (size_t)get(l, TEXT_MAX);
	const uint8_t *p = NULL;
	struct psc_error *err;

	if (l->bad || !n)
		return NULL;
	err = psc_reader_bytes(&l->r, "text", n, &p);
	l->bad |= err || !p || memchr(p, 0, n);
	psc_error_free(err);
	return l->bad ? NULL : strndup((const char *)p, n);
}

// Rows borrow their allocator's name from the table.
static const char *get_api(struct loader *l)
{
	char *text = get_text(l);
	const char *name = NULL;

	for (unsigned int i = 0; text && i < l->n_known; i++) {
		if (!strcmp(l->known[i].name, text))
			name = l->known[i].name;
	}
	l->bad |= !name;
	free(text);
	return name;
}

static const char *get_through(struct loader *l)
{
	char *text = get_text(l);
	const char *name = NULL;

	for (size_t i = 0; text && i < l->n_extra; i++) {
		if (!strcmp(l->extra[i].through, text))
			name = l->extra[i].through;
	}
	l->bad |= text && !name;
	free(text);
	return name;
}

static void get_row(struct loader *l, struct psc_callsite *s)
{
	uint64_t flags;

	s->rva = (uint32_t)get(l, UINT32_MAX);
	s->function = (uint32_t)get(l, UINT32_MAX);
	s->via = (uint32_t)get(l, UINT32_MAX);
	s->via_function = (uint32_t)get(l, UINT32_MAX);
	s->levels = (uint32_t)get(l, 64);
	s->by = (enum psc_resolved_by)get(l, PSC_BY_GLOBAL);
	s->why = (enum psc_reason)get(l, PSC_WHY_MISSING);
	flags = get(l, 63);
	s->has_tag = flags & 1;
	s->no_tag = flags & 2;
	s->has_type = flags & 4;
	s->type_is_flags = flags & 8;
	s->has_size = flags & 16;
	s->has_type_or = flags & 32;
	s->tag = (uint32_t)get(l, UINT32_MAX);
	s->tag_mask = (uint32_t)get(l, UINT32_MAX);
	s->type = get(l, UINT64_MAX);
	s->type_or = get(l, UINT64_MAX);
	s->type_global = (uint32_t)get(l, UINT32_MAX);
	s->size = get(l, UINT64_MAX);
	s->global = (uint32_t)get(l, UINT32_MAX);
	s->rewritten_by = (uint32_t)get(l, UINT32_MAX);
	s->api = get_api(l);
	s->through = get_through(l);
}

static void get_offer(struct loader *l, struct psc_offer *o)
{
	uint64_t v;

	o->name = get_text(l);
	l->bad |= !o->name;
	o->api.name = get_api(l);
	v = get(l, ((uint64_t)1 << 35) - 1);
	o->api.tag = (uint8_t)v;
	o->api.type = (uint8_t)(v >> 8);
	o->api.size = (uint8_t)(v >> 16);
	o->api.flavour = (uint8_t)(v >> 24);
	o->api.code = PSC_LOC_NONE;
	o->api.lookaside = v >> 32 & 1;
	o->api.fixed_type = v >> 33 & 1;
	o->api.fixed_size = v >> 34 & 1;
	o->api.type_value = get(l, UINT64_MAX);
	o->api.size_value = get(l, UINT64_MAX);
	l->bad |= o->api.flavour > PSC_FLAVOUR_UNSTATED;
}

static void get_result(struct loader *l, struct psc_code_result *r)
{
	// Every element takes some bytes: counts beyond that are lies.
	size_t most = psc_reader_left(&l->r) / 8;

	r->n = (size_t)get(l, PSC_MIN(most, (size_t)ROWS_MAX));
	r->n_offers = (size_t)get(l, most);
	r->n_imports = (size_t)get(l, most);
	r->code_pages = (uint32_t)get(l, UINT32_MAX);
	r->code_pages_missing = (uint32_t)get(l, UINT32_MAX);
	r->limited = get(l, 1);
	r->v = calloc(r->n + 1, sizeof(*r->v));
	r->offers = calloc(r->n_offers + 1, sizeof(*r->offers));
	r->imports = calloc(r->n_imports + 1, sizeof(*r->imports));
	l->bad |= !r->v || !r->offers || !r->imports;
	for (size_t i = 0; i < r->n && !l->bad; i++)
		get_row(l, &r->v[i]);
	for (size_t i = 0; i < r->n_offers && !l->bad; i++)
		get_offer(l, &r->offers[i]);
	for (size_t i = 0; i < r->n_imports && !l->bad; i++)
		r->imports[i] = get(l, UINT64_MAX);
	l->bad |= psc_reader_left(&l->r) != 0;
}

static bool same_key(struct loader *l, const struct psc_cache_key *key)
{
	struct writer w = { 0 };
	const uint8_t *p = NULL;
	struct psc_error *err;
	bool same;

	put_key(&w, key);
	err = psc_reader_bytes(&l->r, "key", w.b.n, &p);
	same = !w.oom && !err && !memcmp(p, w.b.v, w.b.n);
	psc_error_free(err);
	psc_vec_free(&w.b);
	return same;
}

bool psc_cache_load(const char *dir, const struct psc_cache_key *key,
		    const struct psc_api *extra, size_t n_extra,
		    struct psc_code_result *ret)
{
	char *path = key_path(dir, key, "");
	struct psc_file *f = NULL;
	struct psc_error *err = path ? psc_file_open(path, &f) : &psc_nomem;
	struct loader l = { .extra = extra, .n_extra = n_extra };
	struct psc_code_result r = { 0 };

	free(path);
	if (err) {
		psc_error_free(err);
		return false;
	}
	l.bad = f->size < HEAD_BYTES || memcmp(f->data, magic, 8) ||
		psc_le32(f->data + 8) != FORMAT ||
		psc_le32(f->data + 12) != f->size - HEAD_BYTES ||
		psc_le64(f->data + 16) != psc_hash_bytes(
			f->data + HEAD_BYTES, (size_t)f->size - HEAD_BYTES);
	if (!l.bad) {
		l.n_known = psc_allocators_fill(key->machine, l.known) + 2;
		psc_reader_init(&l.r, f->data + HEAD_BYTES,
				(size_t)f->size - HEAD_BYTES,
				PSC_WHERE_OFFSET, HEAD_BYTES, "cache");
		l.bad = !same_key(&l, key);
	}
	if (!l.bad)
		get_result(&l, &r);
	psc_file_close(f);
	if (l.bad) {
		psc_code_result_free(&r);
		return false;
	}
	*ret = r;
	return true;
}

void psc_code_result_free(struct psc_code_result *r)
{
	for (size_t i = 0; r->offers && i < r->n_offers; i++)
		free(r->offers[i].name);
	free(r->offers);
	free(r->imports);
	free(r->v);
	*r = (struct psc_code_result){ 0 };
}
