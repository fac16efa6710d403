// SPDX-License-Identifier: MIT
// Typed reads: names to addresses, paths to layouts, layouts to values.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/kernel_impl.h"

void psc_field_cache_free(struct psc_field_cache *c)
{
	if (!c)
		return;
	psc_strmap_free(&c->index);
	for (size_t i = 0; i < c->v.n; i++)
		free(c->v.v[i].path);
	psc_vec_free(&c->v);
	free(c);
}

struct psc_error *psc_kernel_symbol(const struct psc_kernel *k,
				    const char *name, uint64_t *va)
{
	uint64_t rva;

	if (!k->sym || !k->base)
		return &psc_absent;
	struct psc_error *err = psc_sym_rva(k->sym, name, &rva);
	if (!err)
		*va = k->base + rva;
	return err;
}

// Remember an answer; failing to is only slower.
static void remember(struct psc_field_cache *c, const char *path,
		     const struct psc_field *f)
{
	char *copy = strdup(path);
	struct psc_cached_field e = { .path = copy, .absent = !f };

	if (f)
		e.field = *f;
	if (!copy || !psc_vec_push(&c->v, e)) {
		free(copy);
		return;
	}
	uint64_t *slot = psc_strmap_put(&c->index, copy, strlen(copy), NULL);
	if (slot)
		*slot = c->v.n - 1;
}

struct psc_error *psc_kernel_field(const struct psc_kernel *k,
				   const char *path, struct psc_field *ret)
{
	if (!k->sym)
		return &psc_absent;
	uint64_t *hit = psc_strmap_get(&k->fields->index, path, strlen(path));
	if (hit) {
		const struct psc_cached_field *e = &k->fields->v.v[*hit];
		if (e->absent)
			return &psc_absent;
		*ret = e->field;
		return NULL;
	}
	struct psc_error *err = psc_sym_field(k->sym, path, ret);
	if (!err)
		remember(k->fields, path, ret);
	else if (err->code == PSC_ERR_ABSENT)
		remember(k->fields, path, NULL);
	return err;
}

struct psc_error *psc_kernel_sizeof(const struct psc_kernel *k,
				    const char *type, uint64_t *ret)
{
	return k->sym ? psc_sym_sizeof(k->sym, type, ret) : &psc_absent;
}

// Addresses of 32-bit targets may come sign-extended.
static uint64_t wrap(const struct psc_kernel *k, uint64_t va)
{
	return k->ptr == 4 ? (uint32_t)va : va;
}

struct psc_error *psc_kernel_get(const struct psc_kernel *k, uint64_t va,
				 const char *path, uint64_t *ret)
{
	struct psc_field f;
	uint8_t buf[16];
	struct psc_error *err = psc_kernel_field(k, path, &f);

	if (err)
		return err;
	if (f.cls == PSC_TYPE_STRUCT || f.size > 8 + (f.bits != 0) ||
	    f.size == 0)
		return psc_error_new(PSC_ERR_USAGE, "%s is not a scalar", path);
	err = psc_mem_read_all(k->mem, wrap(k, va + f.offset), buf, f.size,
			       path);
	if (err)
		return err;
	*ret = psc_field_extract(&f, buf);
	return NULL;
}

struct psc_error *psc_kernel_global(const struct psc_kernel *k,
				    const char *name, unsigned int bytes,
				    uint64_t *ret)
{
	uint64_t va, v = 0;

	for (size_t i = 0; k->recovered && i < k->recovered->n_values; i++) {
		if (!strcmp(k->recovered->values[i].name, name)) {
			*ret = k->recovered->values[i].value;
			return NULL;
		}
	}
	struct psc_error *err = psc_kernel_symbol(k, name, &va);

	if (!err)
		err = psc_mem_read_all(k->mem, wrap(k, va), &v,
				       PSC_MIN(bytes, 8), name);
	if (!err)
		*ret = v;
	return err;
}

unsigned int psc_kernel_pointer_size(const struct psc_kernel *k)
{
	return k->ptr;
}

struct psc_error *psc_kernel_pointer(const struct psc_kernel *k, uint64_t va,
				     const char *what, uint64_t *ret)
{
	uint64_t v = 0;
	struct psc_error *err =
		psc_mem_read_all(k->mem, wrap(k, va), &v, k->ptr, what);

	if (!err)
		*ret = v;
	return err;
}

// UNICODE_STRING: u16 Length, u16 MaximumLength, Buffer at a pointer's
// alignment (dump-format 5.1).
struct psc_error *psc_kernel_unicode(const struct psc_kernel *k, uint64_t va,
				     const char *what, char **ret)
{
	uint8_t head[16];
	bool valid;
	struct psc_error *err =
		psc_mem_read_all(k->mem, wrap(k, va), head, 2 * k->ptr, what);

	if (err)
		return err;
	uint16_t length = psc_le16(head), max = psc_le16(head + 2);
	uint64_t buffer = psc_le_uint(head + k->ptr, k->ptr);
	if (length % 2 || length > max)
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS, va,
				    "%s: UNICODE_STRING of %u of %u bytes",
				    what, length, max);
	PSC_FREE uint8_t *text = malloc(length ? length : 1);
	if (!text)
		return &psc_nomem;
	if (length && (err = psc_mem_read_all(k->mem, buffer, text, length,
					      what)))
		return err;
	char *utf8 = psc_utf16_to_utf8(text, length, &valid);
	if (!utf8)
		return &psc_nomem;
	*ret = utf8;
	return NULL;
}
