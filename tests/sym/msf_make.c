// SPDX-License-Identifier: MIT
#include "msf_make.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "sym/pdb_msf.h"

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

const char *fixture_path(const char *name)
{
	static char path[PATH_MAX];
	const char *dir = getenv("SYM_FIXTURES");

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : ".", name);
	return path;
}

bool fixture_exists(const char *name)
{
	return access(fixture_path(name), R_OK) == 0;
}

static uint8_t *slurp(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	uint8_t *p = must(malloc(*size ? *size : 1));
	if (fread(p, 1, *size, f) != *size)
		abort();
	fclose(f);
	return p;
}

uint8_t *fixture_read(const char *name, size_t *size)
{
	return slurp(fixture_path(name), size);
}

unsigned int fixture_line(const char *name)
{
	char mark[64], line[256];
	unsigned int n = 0;
	FILE *f = must(fopen(getenv("SYM_DRIVER_SOURCE"), "r"));

	snprintf(mark, sizeof(mark), "// LINE %s\n", name);
	while (fgets(line, sizeof(line), f)) {
		n++;
		if (strstr(line, mark)) {
			fclose(f);
			return n;
		}
	}
	abort();
}

size_t msf_make_add(struct msf_make *m, const void *data, size_t size)
{
	m->v = must(realloc(m->v, (m->n + 1) * sizeof(*m->v)));
	m->v[m->n] = (struct msf_make_stream){ 0 };
	msf_make_set(m, m->n, data, size);
	return m->n++;
}

void msf_make_set(struct msf_make *m, size_t i, const void *data, size_t size)
{
	uint8_t *copy = must(malloc(size ? size : 1));

	if (size)
		memcpy(copy, data, size);
	free(m->v[i].data);
	m->v[i] = (struct msf_make_stream){ .data = copy, .size = size };
}

bool msf_make_load(struct msf_make *m, const char *name)
{
	struct psc_msf msf;
	size_t size;
	uint8_t *file = fixture_read(name, &size);

	*m = (struct msf_make){ 0 };
	if (!file)
		return false;
	if (psc_msf_open(file, size, &msf))
		abort();
	for (uint32_t i = 0; i < msf.n_streams; i++) {
		struct psc_msf_stream s = { 0 };
		struct psc_error *err = i ? psc_msf_read(&msf, i, "s", &s)
					  : NULL;
		msf_make_add(m, s.data, s.size);
		m->v[i].nil = psc_error_catch(&err, PSC_ERR_ABSENT);
		if (err)
			abort();
		psc_msf_stream_free(&s);
	}
	psc_msf_close(&msf);
	free(file);
	return true;
}

void msf_make_free(struct msf_make *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].data);
	free(m->v);
	*m = (struct msf_make){ 0 };
}

void msf_make_debug_stream(struct msf_make *m, unsigned int index,
			   uint16_t stream)
{
	struct msf_make_stream *dbi = &m->v[3];
	uint32_t have = psc_le32(dbi->data + 48), want = 22;

	if (have < want) {	// the debug header is the last substream
		dbi->data = must(realloc(dbi->data, dbi->size + want - have));
		memset(dbi->data + dbi->size, 0xff, want - have);
		dbi->size += want - have;
		psc_put32(dbi->data + 48, want);
		have = want;
	}
	psc_put16(dbi->data + dbi->size - have + index * 2, stream);
}

/** Where the next block goes: not on the two maps of each interval. */
struct layout {
	uint32_t bs, next, step;
	uint8_t *file;
	size_t blocks;
};

static uint32_t take_block(struct layout *l)
{
	uint32_t b = l->next;

	do
		l->next += l->step;
	while (l->next % l->bs == 1 || l->next % l->bs == 2);
	if (b >= l->blocks) {
		size_t want = (size_t)b + 1;
		l->file = must(realloc(l->file, want * l->bs));
		memset(l->file + l->blocks * l->bs, 0,
		       (want - l->blocks) * l->bs);
		l->blocks = want;
	}
	return b;
}

static void put_bytes(struct layout *l, const uint8_t *p, size_t n,
		      uint8_t *list)
{
	for (size_t done = 0; done < n; done += l->bs, list += 4) {
		uint32_t b = take_block(l);
		memcpy(l->file + (size_t)b * l->bs, p + done,
		       n - done < l->bs ? n - done : l->bs);
		psc_put32(list, b);
	}
}

uint8_t *msf_make_write(const struct msf_make *m, uint32_t bs, bool shuffle,
			size_t *size)
{
	struct layout l = { .bs = bs, .next = 3, .step = shuffle ? 2 : 1 };
	size_t dir_bytes = 4 + 4 * m->n;

	for (size_t i = 0; i < m->n; i++)
		dir_bytes += (m->v[i].size + bs - 1) / bs * 4;
	uint8_t *dir = must(calloc(1, dir_bytes)), *list = dir + 4 + 4 * m->n;
	psc_put32(dir, (uint32_t)m->n);
	for (size_t i = 0; i < m->n; i++) {
		const struct msf_make_stream *s = &m->v[i];
		psc_put32(dir + 4 + 4 * i,
			  s->nil ? UINT32_MAX : (uint32_t)s->size);
		put_bytes(&l, s->data, s->size, list);
		list += (s->size + bs - 1) / bs * 4;
	}
	size_t n_dir = (dir_bytes + bs - 1) / bs;
	uint8_t *dir_list = must(calloc(n_dir, 4));
	uint8_t *maps = must(calloc((n_dir * 4 + bs - 1) / bs, 4));
	put_bytes(&l, dir, dir_bytes, dir_list);
	put_bytes(&l, dir_list, n_dir * 4, maps);
	memcpy(l.file, "Microsoft C/C++ MSF 7.00\r\n\x1a" "DS\0\0\0", 32);
	psc_put32(l.file + 0x20, bs);
	psc_put32(l.file + 0x24, 1);
	psc_put32(l.file + 0x28, (uint32_t)l.blocks);
	psc_put32(l.file + 0x2c, (uint32_t)dir_bytes);
	memcpy(l.file + 0x34, maps, (n_dir * 4 + bs - 1) / bs * 4);
	free(dir);
	free(dir_list);
	free(maps);
	*size = l.blocks * bs;
	return l.file;
}
