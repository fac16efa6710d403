// SPDX-License-Identifier: MIT
/** @file
 * Names and layouts of the kernel that is built: the built-in tables through
 * sym.h, made-up addresses where a kernel has types alone.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "mk.h"

bool mk_has_symbol(struct mk *m, const char *name)
{
	uint64_t rva;

	return mk_kernel_rva(m, name, &rva);
}

uint64_t mk_symbol(struct mk *m, const char *name)
{
	uint64_t rva;

	if (!mk_kernel_rva(m, name, &rva))
		mk_fail(m, "%s has no symbol %s", m->builtin->version, name);
	return m->kern->base + rva;
}

static bool find_field(struct mk *m, const char *path, struct psc_field *ret)
{
	struct psc_error *err = psc_sym_field(m->sym, path, ret);

	// Some kernels have an array where others have one object: the plain
	// path then leads nowhere, as if the field were absent.
	if (psc_error_catch(&err, PSC_ERR_ABSENT) ||
	    psc_error_catch(&err, PSC_ERR_USAGE))
		return false;
	mk_check(m, err);
	return true;
}

bool mk_has(struct mk *m, const char *path)
{
	struct psc_field f;

	return find_field(m, path, &f);
}

uint64_t mk_sizeof(struct mk *m, const char *type)
{
	uint64_t size;

	mk_check(m, psc_sym_sizeof(m->sym, type, &size));
	return size;
}

uint64_t mk_offset(struct mk *m, const char *path)
{
	struct psc_field f;

	if (!find_field(m, path, &f))
		mk_fail(m, "%s has no field %s", m->builtin->version, path);
	return f.offset;
}

static void write_field(struct mk *m, uint64_t va, const struct psc_field *f,
			uint64_t value)
{
	if (!f->bits) {
		if (f->size > 8)
			mk_fail(m, "field of %u bytes is no number", f->size);
		mk_write_uint(m, va + f->offset, value, f->size);
		return;
	}
	uint64_t old = 0, mask = f->bits == 64 ? ~0ull : (1ull << f->bits) - 1;

	mk_read(m, va + f->offset, &old, f->size);
	old = (old & ~(mask << f->bit)) | (value & mask) << f->bit;
	mk_write_uint(m, va + f->offset, old, f->size);
}

bool mk_field_opt(struct mk *m, uint64_t va, const char *path, uint64_t value)
{
	struct psc_field f;

	if (!find_field(m, path, &f))
		return false;
	write_field(m, va, &f, value);
	return true;
}

void mk_field(struct mk *m, uint64_t va, const char *path, uint64_t value)
{
	if (!mk_field_opt(m, va, path, value))
		mk_fail(m, "%s has no field %s", m->builtin->version, path);
}

void mk_global(struct mk *m, const char *name, uint64_t value,
	       unsigned int bytes)
{
	mk_write_uint(m, mk_symbol(m, name), value, bytes);
}

bool mk_global_opt(struct mk *m, const char *name, uint64_t value,
		   unsigned int bytes)
{
	if (!mk_has_symbol(m, name))
		return false;
	mk_global(m, name, value, bytes);
	return true;
}

size_t mk_utf16(const char *utf8, uint16_t *out, size_t max)
{
	size_t n = 0;

	for (const uint8_t *p = (const uint8_t *)utf8; *p && n + 2 <= max; ) {
		uint32_t c = *p++;
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

		if (more)
			c &= 0x3fu >> more;
		while (more-- && (*p & 0xc0) == 0x80)
			c = c << 6 | (*p++ & 0x3f);
		if (c >= 0x10000) {
			out[n++] = (uint16_t)(0xd7c0 + (c >> 10));
			c = 0xdc00 | (c & 0x3ff);
		}
		out[n++] = (uint16_t)c;
	}
	return n;
}

void mk_unicode(struct mk *m, uint64_t va, const char *utf8,
		enum mk_area area)
{
	uint16_t text[512];
	size_t n = mk_utf16(utf8, text, PSC_ARRAY_SIZE(text));
	uint64_t buffer = n ? mk_alloc(m, area, n * 2) : 0;

	mk_write_uint(m, va, n * 2, 2);			// Length
	mk_write_uint(m, va + 2, n * 2, 2);		// MaximumLength
	mk_write64(m, va + 8, buffer);			// Buffer
	if (n)
		mk_write(m, buffer, text, n * 2);
}

void mk_list_init(struct mk *m, uint64_t head)
{
	mk_write64(m, head, head);
	mk_write64(m, head + 8, head);
}

void mk_list_append(struct mk *m, uint64_t head, uint64_t links)
{
	uint64_t last = mk_read64(m, head + 8);

	mk_write64(m, links, head);
	mk_write64(m, links + 8, last);
	mk_write64(m, last, links);
	mk_write64(m, head + 8, links);
}

void mk_label(struct mk *m, uint64_t va, const char *fmt, ...)
{
	char name[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (!psc_vec_push(&m->labels,
			  (struct mk_label_entry){mk_strdup(name), va}))
		mk_fail(m, "out of memory");
}

bool mk_label_find(const struct mk *m, const char *name, uint64_t *va)
{
	for (size_t i = 0; i < m->labels.n; i++) {
		if (!strcmp(m->labels.v[i].name, name)) {
			*va = m->labels.v[i].va;
			return true;
		}
	}
	return false;
}
