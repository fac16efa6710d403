// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mk.h"

void mk_fail(const struct mk *m, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "poolscope-mkdump: ");
	if (m && m->recipe)
		fprintf(stderr, "%s:%u: ", m->recipe, m->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	// No clean-up: the process ends, and so does what it holds.
	_exit(1);
}

void mk_check(const struct mk *m, struct psc_error *err)
{
	if (err)
		mk_fail(m, "%s", err->message ? err->message
					      : psc_error_code_name(err->code));
}

void *mk_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		mk_fail(NULL, "out of memory");
	return p;
}

char *mk_strdup(const char *s)
{
	char *p = mk_calloc(strlen(s) + 1, 1);

	return strcpy(p, s);
}

uint64_t mk_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t mk_random_below(uint64_t *state, uint64_t n)
{
	return n ? mk_random(state) % n : 0;
}
