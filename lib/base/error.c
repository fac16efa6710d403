// SPDX-License-Identifier: MIT
#include "psc/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct psc_error psc_nomem = {
	.code = PSC_ERR_NOMEM,
	.message = (char *)"out of memory",
};

struct psc_error psc_absent = {
	.code = PSC_ERR_ABSENT,
	.message = (char *)"not found",
};

static bool is_static(const struct psc_error *err)
{
	return err == &psc_nomem || err == &psc_absent;
}

static struct psc_error *vnew(enum psc_error_code code, enum psc_where kind,
			      uint64_t where, const char *fmt, va_list ap)
{
	struct psc_error *err = malloc(sizeof(*err));

	if (!err)
		return &psc_nomem;
	err->code = code;
	err->where_kind = kind;
	err->where = where;
	if (vasprintf(&err->message, fmt, ap) < 0) {
		free(err);
		return &psc_nomem;
	}
	return err;
}

struct psc_error *psc_error_new(enum psc_error_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct psc_error *err = vnew(code, PSC_WHERE_NONE, 0, fmt, ap);
	va_end(ap);
	return err;
}

struct psc_error *psc_error_at(enum psc_error_code code, enum psc_where kind,
			       uint64_t where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct psc_error *err = vnew(code, kind, where, fmt, ap);
	va_end(ap);
	return err;
}

struct psc_error *psc_error_os(int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	struct psc_error *err = vnew(PSC_ERR_OS, PSC_WHERE_NONE, 0, fmt, ap);
	va_end(ap);
	if (is_static(err))
		return err;

	char *joined;
	if (asprintf(&joined, "%s: %s", err->message, strerror(errnum)) < 0) {
		psc_error_free(err);
		return &psc_nomem;
	}
	free(err->message);
	err->message = joined;
	return err;
}

struct psc_error *psc_error_prefix(struct psc_error *err, const char *fmt, ...)
{
	char *what, *joined;
	va_list ap;

	if (!err || err == &psc_nomem)
		return err;
	va_start(ap, fmt);
	int n = vasprintf(&what, fmt, ap);
	va_end(ap);
	if (n < 0)
		goto nomem;
	n = asprintf(&joined, "%s: %s", what, err->message);
	free(what);
	if (n < 0)
		goto nomem;
	if (is_static(err)) {
		err = psc_error_new(err->code, "%s", joined);
		free(joined);
		return err;
	}
	free(err->message);
	err->message = joined;
	return err;
nomem:
	psc_error_free(err);
	return &psc_nomem;
}

void psc_error_free(struct psc_error *err)
{
	if (!err || is_static(err))
		return;
	free(err->message);
	free(err);
}

bool psc_error_catch(struct psc_error **err, enum psc_error_code code)
{
	if (!*err || (*err)->code != code)
		return false;
	psc_error_free(*err);
	*err = NULL;
	return true;
}

const char *psc_error_code_name(enum psc_error_code code)
{
	static const char *const names[] = {
		[PSC_ERR_NOMEM] = "no-memory",
		[PSC_ERR_OS] = "os",
		[PSC_ERR_USAGE] = "usage",
		[PSC_ERR_TRUNCATED] = "truncated",
		[PSC_ERR_DAMAGED] = "damaged",
		[PSC_ERR_UNSUPPORTED] = "unsupported",
		[PSC_ERR_NOT_IN_DUMP] = "not-in-dump",
		[PSC_ERR_PAGED_OUT] = "paged-out",
		[PSC_ERR_NOT_MAPPED] = "not-mapped",
		[PSC_ERR_ABSENT] = "absent",
		[PSC_ERR_LIMIT] = "limit",
	};
	return names[code];
}
