// SPDX-License-Identifier: MIT
#include "tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FACTOR 40543u		// pool 4.4
#define PROTECTED 0x80000000u
#define OVERFLOW_TAG 0x6c66764fu	// "Ovfl"
#define DEFAULT_SIZE 2049u

uint32_t mk_tag_hash(uint32_t tag)
{
	uint64_t h = (uint64_t)HASH_FACTOR * tag;

	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

uint32_t mk_tag_number(const struct mk *m, const char *text)
{
	uint8_t b[4] = {' ', ' ', ' ', ' '};
	size_t n = 0;
	unsigned int byte;

	while (*text) {
		if (n == 4)
			mk_fail(m, "a tag has four characters");
		if (sscanf(text, "\\x%2x", &byte) == 1) {
			b[n++] = (uint8_t)byte;
			text += 4;
		} else {
			b[n++] = (uint8_t)*text++;
		}
	}
	return psc_le32(b);
}

static struct mk_tag *find_tag(struct mk *m, uint32_t key)
{
	struct mk_tags *t = m->tags;

	for (size_t i = 0; i < t->v.n; i++) {
		if (t->v.v[i].key == key)
			return &t->v.v[i];
	}
	if (!psc_vec_push(&t->v, (struct mk_tag){.key = key}))
		mk_fail(m, "out of memory");
	return &t->v.v[t->v.n - 1];
}

static void add(struct mk_tag_counts *c, const struct mk_tag_counts *more)
{
	c->allocs += more->allocs;
	c->frees += more->frees;
	c->bytes += more->bytes;
}

void mk_tag_add(struct mk *m, uint32_t tag, bool paged, uint64_t allocs,
		uint64_t frees, uint64_t bytes)
{
	struct mk_tag *t = find_tag(m, tag);
	struct mk_tag_counts more = {allocs, frees, bytes};

	add(paged ? &t->paged : &t->nonpaged, &more);
}

void mk_session_tag_add(struct mk *m, uint32_t tag, uint64_t allocs,
			uint64_t frees, uint64_t bytes)
{
	struct mk_tags *t = m->tags;
	struct mk_tag_counts more = {allocs, frees, bytes};
	size_t i = 0;

	while (i < t->session.n && t->session.v[i].key != tag)
		i++;
	if (i == t->session.n &&
	    !psc_vec_push(&t->session, (struct mk_tag){.key = tag}))
		mk_fail(m, "out of memory");
	add(&t->session.v[i].paged, &more);
}

/** "allocs/frees/bytes". */
static struct mk_tag_counts parse_counts(const struct mk *m, const char *text)
{
	char copy[96], *save = NULL;
	uint64_t v[3] = {0};
	int n = 0;

	if (!text)
		return (struct mk_tag_counts){0};
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, "/", &save); p && n < 3;
	     p = strtok_r(NULL, "/", &save)) {
		bool negative = *p == '-';
		uint64_t x = mk_number(m, p + negative);

		v[n++] = negative ? -x : x;
	}
	if (n != 3)
		mk_fail(m, "'%s': give allocs/frees/bytes", text);
	return (struct mk_tag_counts){v[0], v[1], v[2]};
}

static struct mk_tag parse_tag(struct mk *m, struct mk_args *a)
{
	struct mk_tag t = {
		.key = mk_tag_number(m, mk_word(a, 0)),
		.nonpaged = parse_counts(m, mk_key(a, "nonpaged")),
		.paged = parse_counts(m, mk_key(a, "paged")),
	};

	if (mk_flag(a, "protected"))
		t.key |= PROTECTED;
	return t;
}

void mk_do_tag(struct mk *m, struct mk_args *a)
{
	struct mk_tag given = parse_tag(m, a);
	bool overflow = mk_flag(a, "overflow");
	struct mk_tag *t = find_tag(m, overflow ? OVERFLOW_TAG : given.key);

	t->expansion |= mk_flag(a, "expansion");
	t->overflow |= overflow;
	add(&t->nonpaged, &given.nonpaged);
	add(&t->paged, &given.paged);
	if (t->expansion && !m->tags->expansion_size)
		m->tags->expansion_size = 64;
}

void mk_do_random_tags(struct mk *m, struct mk_args *a)
{
	uint64_t seed = m->seed ^ 0x7a65;
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789";

	for (uint64_t n = mk_word_num(a, 0); n > 0; n--) {
		uint64_t frees = mk_random(&seed) >> (40 + n % 20);
		uint64_t live = mk_random_below(&seed, 3000);
		uint32_t key = 0;

		for (int i = 0; i < 4; i++)
			key = key << 8 | (uint8_t)letters[mk_random_below(
				&seed, sizeof(letters) - 1)];
		mk_tag_add(m, key, n % 3 == 0, frees + live, frees,
			   live * (2 + mk_random_below(&seed, 40)) * 16);
	}
}

void mk_do_session_tag(struct mk *m, struct mk_args *a)
{
	struct mk_tag t = parse_tag(m, a);

	if (!psc_vec_push(&m->tags->session, t))
		mk_fail(m, "out of memory");
}

void mk_do_tag_table(struct mk *m, struct mk_args *a)
{
	m->tags->size = mk_key_num(a, "size", DEFAULT_SIZE);
	m->tags->expansion_size = mk_key_num(a, "expansion", 0);
	if (m->tags->size < 3 || (m->tags->size - 1) & (m->tags->size - 2))
		mk_fail(m, "a tag table has 2^n + 1 entries");
}

struct writer {
	struct mk *m;
	struct psc_field allocs[2], frees[2], bytes[2];	/**< [paged] */
	uint64_t entry_bytes;
	uint64_t rng;
};

static void writer_init(struct writer *w, struct mk *m)
{
	static const char *const names[2] = {"NonPaged", "Paged"};
	char path[64];

	*w = (struct writer){.m = m, .rng = m->seed ^ 0x7a6};
	w->entry_bytes = mk_sizeof(m, "_POOL_TRACKER_TABLE");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "_POOL_TRACKER_TABLE.%sAllocs",
			 names[i]);
		mk_check(m, psc_sym_field(m->sym, path, &w->allocs[i]));
		snprintf(path, sizeof(path), "_POOL_TRACKER_TABLE.%sFrees",
			 names[i]);
		mk_check(m, psc_sym_field(m->sym, path, &w->frees[i]));
		snprintf(path, sizeof(path), "_POOL_TRACKER_TABLE.%sBytes",
			 names[i]);
		mk_check(m, psc_sym_field(m->sym, path, &w->bytes[i]));
	}
}

/** Share of @p left for one of @p parts processors. */
static uint64_t share(struct writer *w, uint64_t left, unsigned int parts)
{
	uint64_t s;

	if (parts == 1)
		return left;
	s = mk_random_below(&w->rng, left / parts * 2 + 2);
	return s < left ? s : left;
}

static void write_entry(struct writer *w, uint64_t va, const struct mk_tag *t)
{
	const struct mk_tag_counts *c[2] = {&t->nonpaged, &t->paged};

	mk_write32(w->m, va, t->key);
	for (int i = 0; i < 2; i++) {
		if (c[i]->allocs)
			mk_write_uint(w->m, va + w->allocs[i].offset,
				      c[i]->allocs, w->allocs[i].size);
		if (c[i]->frees)
			mk_write_uint(w->m, va + w->frees[i].offset,
				      c[i]->frees, w->frees[i].size);
		if (c[i]->bytes)
			mk_write_uint(w->m, va + w->bytes[i].offset,
				      c[i]->bytes, w->bytes[i].size);
	}
}

/** One processor's part of @p left. A block allocated here may be freed
 *  there: so its bytes can be negative, and its frees above its allocs. */
static struct mk_tag_counts part(struct writer *w, struct mk_tag_counts *left,
				 unsigned int parts)
{
	struct mk_tag_counts p = {
		share(w, left->allocs, parts), share(w, left->frees, parts),
		left->bytes,
	};

	if (parts > 1 && (left->allocs || left->frees))
		p.bytes = share(w, left->bytes >> 1, parts) -
			mk_random_below(&w->rng, 0x10000) * 16;
	left->allocs -= p.allocs;
	left->frees -= p.frees;
	left->bytes -= p.bytes;
	return p;
}

/** First free index for @p key in the base table. */
static uint64_t place(struct mk *m, uint64_t base, uint64_t entry_bytes,
		      uint32_t key)
{
	uint64_t mask = m->tags->size - 2;
	uint64_t i = mk_tag_hash(key) & mask;

	for (uint64_t n = 0; n <= mask; n++, i = (i + 1) & mask) {
		uint8_t b[4];

		mk_read(m, base + i * entry_bytes, b, 4);
		if (!psc_le32(b))
			return i;
	}
	mk_fail(m, "the tag table is full");
}

static void spread(struct writer *w, const uint64_t *tables,
		   const struct mk_tag *t, uint64_t index)
{
	struct mk *m = w->m;
	struct mk_tag left = *t;

	// The base table comes last: it takes the rest, and its key marks
	// the place as taken. Others keep a key of 0 until first used.
	for (unsigned int cpu = m->n_cpus; cpu-- > 0; ) {
		struct mk_tag p = {
			.key = t->key,
			.nonpaged = part(w, &left.nonpaged, cpu + 1),
			.paged = part(w, &left.paged, cpu + 1),
		};

		if (cpu == 0 || p.nonpaged.allocs || p.nonpaged.frees ||
		    p.paged.allocs || p.paged.frees || p.nonpaged.bytes ||
		    p.paged.bytes)
			write_entry(w, tables[cpu] + index * w->entry_bytes,
				    &p);
	}
	mk_label(m, tables[0] + index * w->entry_bytes, "tag-entry:%.4s",
		 (const char *)&t->key);
}

static void expansion(struct writer *w)
{
	struct mk *m = w->m;
	const struct mk_tags *t = m->tags;
	uint64_t va, i = 0;

	if (!t->expansion_size)
		return;
	va = mk_alloc(m, MK_NONPAGED, t->expansion_size * w->entry_bytes);
	mk_global(m, "PoolTrackTableExpansion", va, 8);
	mk_global(m, "PoolTrackTableExpansionSize", t->expansion_size, 8);
	mk_label(m, va, "tag-expansion");
	for (size_t k = 0; k < t->v.n; k++) {
		if (!t->v.v[k].expansion)
			continue;
		if (i == t->expansion_size)
			mk_fail(m, "the expansion table is full");
		write_entry(w, va + i++ * w->entry_bytes, &t->v.v[k]);
	}
}

/** The session's table: hashed like the others, one for all processors. */
static void session_table(struct writer *w)
{
	struct mk *m = w->m;
	struct mk_tags *t = m->tags;
	uint64_t entries = 0x80, session, va;

	while (entries < t->session.n * 2)
		entries *= 2;

	if (!t->session.n)
		return;
	if (!mk_label_find(m, "session:1", &session))
		mk_fail(m, "session tags need 'session 1'");
	va = mk_alloc(m, MK_SESSION, (entries + 1) * w->entry_bytes);
	for (size_t i = 0; i < t->session.n; i++) {
		uint64_t k = mk_tag_hash(t->session.v[i].key) & (entries - 1);
		uint8_t b[4];

		for (;; k = (k + 1) & (entries - 1)) {
			mk_read(m, va + k * w->entry_bytes, b, 4);
			if (!psc_le32(b))
				break;
		}
		write_entry(w, va + k * w->entry_bytes, &t->session.v[i]);
	}
	if (!mk_global_opt(m, "ExpSessionPoolTrackTable", va, 8))
		mk_field_opt(m, session, "_MM_SESSION_SPACE.PoolTags", va);
	mk_global_opt(m, "ExpSessionPoolTrackTableSize", entries + 1, 8);
	mk_global_opt(m, "ExpSessionPoolTrackTableMask", entries - 1, 8);
	mk_tags_truth(m, t->session.v, t->session.n, "poolused.session");
}

void mk_tags_finish(struct mk *m)
{
	struct mk_tags *t = m->tags;
	struct writer w;
	uint64_t *tables = mk_calloc(m->n_cpus, sizeof(*tables));

	if (!t->size)
		t->size = DEFAULT_SIZE;
	writer_init(&w, m);
	for (unsigned int i = 0; i < m->n_cpus; i++) {
		tables[i] = mk_alloc(m, MK_NONPAGED, t->size * w.entry_bytes);
		mk_write64(m, mk_symbol(m, "ExPoolTagTables") + i * 8u,
			   tables[i]);
		mk_label(m, tables[i], "tag-table:%u", i);
	}
	mk_global(m, "PoolTrackTable", tables[0], 8);
	mk_global(m, "PoolTrackTableSize", t->size, 8);
	mk_global(m, "PoolTrackTableMask", t->size - 2, 8);
	for (size_t i = 0; i < t->v.n; i++) {
		const struct mk_tag *tag = &t->v.v[i];

		if (!tag->expansion)
			spread(&w, tables, tag, tag->overflow ? t->size - 1
			       : place(m, tables[0], w.entry_bytes, tag->key));
	}
	expansion(&w);
	session_table(&w);
	mk_tags_truth(m, t->v.v, t->v.n, "poolused");
	free(tables);
}
