// SPDX-License-Identifier: MIT
/** @file What a reader must find in the tag tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tags.h"

#define PROTECTED 0x80000000u

struct sum {
	struct mk_tag_counts c;
	int64_t diff;
};

/** Counters wrap at their width, which the era decides (pool 4.3). */
static unsigned int counter_bytes(struct mk *m)
{
	struct psc_field f;

	mk_check(m, psc_sym_field(m->sym, "_POOL_TRACKER_TABLE.PagedAllocs",
				  &f));
	return f.size;
}

static struct sum counted(const struct mk_tag_counts *c, unsigned int bytes)
{
	struct sum s = {.c = *c};

	if (bytes == 4) {
		s.c.allocs = (uint32_t)c->allocs;
		s.c.frees = (uint32_t)c->frees;
		s.diff = (int32_t)(uint32_t)(c->allocs - c->frees);
	} else {
		s.diff = (int64_t)(c->allocs - c->frees);
	}
	return s;
}

static struct json_object *row(const struct sum *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "allocs",
			       json_object_new_uint64(s->c.allocs));
	json_object_object_add(o, "frees",
			       json_object_new_uint64(s->c.frees));
	json_object_object_add(o, "diff", json_object_new_int64(s->diff));
	json_object_object_add(o, "bytes",
			       json_object_new_int64((int64_t)s->c.bytes));
	return o;
}

void mk_tag_text(uint32_t key, char out[17])
{
	for (int i = 0; i < 4; i++) {
		unsigned int c = key >> (8 * i) & 0xff;

		if (c < 0x20 || c > 0x7e || c == '\\')
			out += sprintf(out, "\\x%02x", c);
		else
			*out++ = (char)c;
	}
	*out = '\0';
}

static void accumulate(struct sum *total, const struct sum *s)
{
	total->c.allocs += s->c.allocs;
	total->c.frees += s->c.frees;
	total->c.bytes += s->c.bytes;
	total->diff += s->diff;
}

static int by_key(const void *a, const void *b)
{
	uint32_t x = ((const struct mk_tag *)a)->key & ~PROTECTED;
	uint32_t y = ((const struct mk_tag *)b)->key & ~PROTECTED;

	return x < y ? -1 : x > y;
}

/** Sorted copy with a protected tag joined to its plain form. */
static struct mk_tag *joined(const struct mk_tag *v, size_t *n)
{
	struct mk_tag *s = mk_calloc(*n, sizeof(*s));
	size_t out = 0;

	if (*n)
		memcpy(s, v, *n * sizeof(*s));
	qsort(s, *n, sizeof(*s), by_key);
	for (size_t i = 0; i < *n; i++) {
		if (!out || by_key(&s[out - 1], &s[i])) {
			s[out++] = s[i];
			continue;
		}
		s[out - 1].nonpaged.allocs += s[i].nonpaged.allocs;
		s[out - 1].nonpaged.frees += s[i].nonpaged.frees;
		s[out - 1].nonpaged.bytes += s[i].nonpaged.bytes;
		s[out - 1].paged.allocs += s[i].paged.allocs;
		s[out - 1].paged.frees += s[i].paged.frees;
		s[out - 1].paged.bytes += s[i].paged.bytes;
	}
	*n = out;
	return s;
}

void mk_tags_truth(struct mk *m, const struct mk_tag *v, size_t n,
		   const char *section)
{
	struct json_object *list = json_object_new_array();
	struct json_object *totals;
	struct mk_tag *s = joined(v, &n);
	unsigned int width = counter_bytes(m);
	struct sum total[2] = {0};
	char path[64];

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		struct sum np = counted(&s[i].nonpaged, width);
		struct sum pp = counted(&s[i].paged, width);
		char text[17];

		mk_tag_text(s[i].key & ~PROTECTED, text);
		json_object_object_add(o, "tag", mk_json_text(text));
		json_object_object_add(o, "tag_hex",
				       mk_json_hex(s[i].key & ~PROTECTED));
		json_object_object_add(o, "nonpaged", row(&np));
		json_object_object_add(o, "paged", row(&pp));
		json_object_array_add(list, o);
		accumulate(&total[0], &np);
		accumulate(&total[1], &pp);
	}
	json_object_object_add(mk_truth(m, section), "tags", list);
	snprintf(path, sizeof(path), "%s.totals", section);
	totals = mk_truth(m, path);
	json_object_object_add(totals, "nonpaged", row(&total[0]));
	json_object_object_add(totals, "paged", row(&total[1]));
	free(s);
}
