// SPDX-License-Identifier: MIT
#include "base/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct psc_error *psc_reader_short(const struct psc_reader *r,
				   const char *field, size_t need)
{
	uint64_t where = r->origin + r->pos;

	return psc_error_at(PSC_ERR_TRUNCATED, r->kind, where,
			    "%s: %s at 0x%" PRIx64 ": need %zu bytes, have %zu",
			    r->what, field, where, need, psc_reader_left(r));
}

struct psc_error *psc_reader_error(const struct psc_reader *r,
				   enum psc_error_code code,
				   const char *fmt, ...)
{
	uint64_t where = r->origin + r->field_pos;
	char *text;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return &psc_nomem;

	struct psc_error *err =
		psc_error_at(code, r->kind, where, "%s: %s at 0x%" PRIx64 ": %s",
			     r->what, r->field, where, text);
	free(text);
	return err;
}

struct psc_error *psc_reader_seek(struct psc_reader *r, const char *field,
				  uint64_t pos)
{
	if (pos > r->len)
		return psc_error_at(PSC_ERR_TRUNCATED, r->kind, r->origin + r->pos,
				    "%s: %s: offset 0x%" PRIx64
				    " is past the end (0x%zx)",
				    r->what, field, pos, r->len);
	r->pos = (size_t)pos;
	return NULL;
}

struct psc_error *psc_reader_cstr(struct psc_reader *r, const char *field,
				  const char **ret)
{
	const uint8_t *start = r->base + r->pos;
	const uint8_t *nul = psc_reader_left(r)
		? memchr(start, 0, psc_reader_left(r)) : NULL;

	if (!nul)
		return psc_error_at(PSC_ERR_TRUNCATED, r->kind,
				    r->origin + r->pos,
				    "%s: %s at 0x%" PRIx64 ": no terminating NUL",
				    r->what, field, r->origin + r->pos);
	*ret = (const char *)start;
	r->field = field;
	r->field_pos = r->pos;
	r->pos += (size_t)(nul - start) + 1;
	return NULL;
}
