// SPDX-License-Identifier: MIT
#include "dump/source.h"

#include <stdlib.h>
#include <string.h>

struct psc_error *psc_source_open(const char *path,
				  const struct psc_dump_options *opt,
				  struct psc_warnings *w,
				  struct psc_source *ret)
{
	struct psc_source s = { 0 };
	struct psc_error *err = psc_file_open(path, &s.file);

	if (err)
		return err;
	s.data = s.file->data;
	s.size = s.file->size;
	*ret = s;
	return NULL;
}

void psc_source_close(struct psc_source *s)
{
	psc_file_close(s->file);
	*s = (struct psc_source){ 0 };
}

bool psc_source_read(const struct psc_source *s, uint64_t off, void *buf,
		     size_t n)
{
	if (off > s->size || n > s->size - off)
		return false;
	if (n)
		memcpy(buf, s->data + off, n);
	return true;
}

struct psc_error *psc_source_load(const struct psc_source *s, uint64_t off,
				  uint64_t n, const char *what,
				  struct psc_bytes *ret)
{
	*ret = (struct psc_bytes){ .p = s->data + off, .n = n };
	return NULL;
}

void psc_bytes_free(struct psc_bytes *b)
{
	free(b->owned);
	*b = (struct psc_bytes){ 0 };
}
