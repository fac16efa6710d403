// SPDX-License-Identifier: MIT
// What recovery reads: a copy of the kernel's data sections, KDBG, pointers.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/recover_impl.h"

// Section flags of a PE image.
#define SCN_EXECUTE 0x20000000u
#define SCN_DISCARDABLE 0x02000000u
/** Data of a kernel: 2 MB in the newest; more is a damaged header. */
#define MAX_DATA (32u << 20)

static bool load_section(struct rec *r, const struct psc_pe_section *pe)
{
	size_t pages = ((size_t)pe->virtual_size + PSC_PAGE_SIZE - 1) /
		       PSC_PAGE_SIZE;
	struct rec_section s = {
		.va = r->in.base + pe->rva,
		.size = pages * PSC_PAGE_SIZE,
		.bytes = calloc(pages, PSC_PAGE_SIZE),
		.present = calloc(pages, 1),
	};
	if (!s.bytes || !s.present || !psc_vec_push(&r->sections, s)) {
		free(s.bytes);
		free(s.present);
		return false;
	}
	for (size_t i = 0; i < pages; i++) {
		size_t off = i * PSC_PAGE_SIZE;
		s.present[i] = psc_mem_read(r->mem, s.va + off, s.bytes + off,
					    PSC_PAGE_SIZE, NULL) ==
			       PSC_PAGE_SIZE;
	}
	return true;
}

void rec_load_sections(struct rec *r)
{
	size_t total = 0;
	for (unsigned int i = 0; r->in.pe && i < r->in.pe->n_sections; i++) {
		const struct psc_pe_section *s = &r->in.pe->section[i];
		if (s->flags & (SCN_EXECUTE | SCN_DISCARDABLE) ||
		    s->rva % PSC_PAGE_SIZE || !s->virtual_size ||
		    (uint64_t)s->rva + s->virtual_size > r->in.size)
			continue;
		total += s->virtual_size;
		if (total > MAX_DATA || !load_section(r, s))
			return;
	}
}

void rec_free_sections(struct rec *r)
{
	for (size_t i = 0; i < r->sections.n; i++) {
		free(r->sections.v[i].bytes);
		free(r->sections.v[i].present);
	}
	psc_vec_free(&r->sections);
}

const uint8_t *rec_data(const struct rec *r, uint64_t va, size_t n)
{
	for (size_t i = 0; i < r->sections.n; i++) {
		const struct rec_section *s = &r->sections.v[i];
		if (va < s->va || va - s->va >= s->size ||
		    n > s->size - (va - s->va))
			continue;
		size_t first = (size_t)(va - s->va) / PSC_PAGE_SIZE;
		size_t last = ((size_t)(va - s->va) + n - 1) / PSC_PAGE_SIZE;
		for (size_t p = first; n && p <= last; p++)
			if (!s->present[p])
				return NULL;
		return s->bytes + (va - s->va);
	}
	return NULL;
}

bool rec_next_word(const struct rec *r, struct rec_word *w)
{
	for (; w->section < r->sections.n; w->section++, w->offset = 0) {
		const struct rec_section *s = &r->sections.v[w->section];
		for (; w->offset + 8 <= s->size; w->offset += 8) {
			// Absent pages and empty words hold nothing to find.
			uint64_t v = psc_le64(s->bytes + w->offset);
			if (!v)
				continue;
			w->value = v;
			w->va = s->va + w->offset;
			w->offset += 8;
			return true;
		}
	}
	return false;
}

bool rec_read(const struct rec *r, uint64_t va, void *buf, size_t n)
{
	const uint8_t *p = rec_data(r, va, n);
	if (p) {
		memcpy(buf, p, n);
		return true;
	}
	if (n > *r->budget)
		return false;
	*r->budget -= n;
	return psc_mem_read(r->mem, va, buf, n, NULL) == n;
}

bool rec_u64(const struct rec *r, uint64_t va, uint64_t *ret)
{
	return rec_read(r, va, ret, sizeof(*ret));
}

bool rec_get(const struct rec *r, const struct rec_candidate *c, uint64_t va,
	     const char *path, uint64_t *ret)
{
	struct psc_field f;
	uint8_t buf[16] = { 0 };
	if (!rec_field(c, path, &f) || f.size > sizeof(buf) ||
	    !rec_read(r, va + f.offset, buf, f.size))
		return false;
	*ret = psc_field_extract(&f, buf);
	return true;
}

bool rec_is_kernel_va(const struct rec *r, uint64_t va)
{
	return psc_mem_is_kernel_va(r->mem, va);
}

bool rec_kdbg_va(const struct rec *r, unsigned int offset, uint64_t *ret)
{
	if (!r->in.kdbg || offset + 8 > r->in.kdbg_size)
		return false;
	*ret = psc_le64(r->in.kdbg + offset);
	return *ret >= r->in.base && *ret - r->in.base < r->in.size;
}

uint32_t rec_kdbg_value(const struct rec *r, unsigned int offset,
			unsigned int bytes)
{
	if (!r->in.kdbg || offset + bytes > r->in.kdbg_size)
		return 0;
	return (uint32_t)psc_le_uint(r->in.kdbg + offset, bytes);
}

void rec_add_symbol(struct rec *r, const char *name, uint64_t va)
{
	uint64_t old;
	if (!rec_symbol(r, name, &old) &&
	    !psc_vec_push(&r->symbols, (struct rec_symbol){ name, va }))
		r->oom = true;
}

void rec_drop_symbol(struct rec *r, const char *name)
{
	for (size_t i = 0; i < r->symbols.n; i++) {
		if (!strcmp(r->symbols.v[i].name, name)) {
			r->symbols.v[i] = r->symbols.v[--r->symbols.n];
			return;
		}
	}
}

bool rec_symbol(const struct rec *r, const char *name, uint64_t *va)
{
	for (size_t i = 0; i < r->symbols.n; i++) {
		if (!strcmp(r->symbols.v[i].name, name)) {
			*va = r->symbols.v[i].va;
			return true;
		}
	}
	const struct psc_pe_export *e = psc_pe_export_find(&r->exports, name);
	if (e && !e->forward)
		*va = r->in.base + e->rva;
	return e && !e->forward;
}

void rec_add_value(struct rec *r, const char *name, uint64_t value)
{
	if (!psc_vec_push(&r->values,
			  (struct psc_recovered_value){ name, value }))
		r->oom = true;
}

uint64_t rec_value(const struct rec *r, const char *name)
{
	for (size_t i = 0; i < r->values.n; i++)
		if (!strcmp(r->values.v[i].name, name))
			return r->values.v[i].value;
	return 0;
}

void rec_says(struct rec *r, struct psc_proof *p, const char *fmt, ...)
{
	va_list ap;
	free(p->proof);
	va_start(ap, fmt);
	if (vasprintf(&p->proof, fmt, ap) < 0) {
		p->proof = NULL;
		r->oom = true;
	}
	va_end(ap);
}
