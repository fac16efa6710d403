// SPDX-License-Identifier: MIT
/** @file
 * The history of the pool: which block comes when, what it is charged to, and
 * what the truth says of it.
 */
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "area.h"
#include "counters.h"
#include "session.h"
#include "special.h"
#include "tags.h"

#define POOL_FLAG_PAGED 0x01u
#define POOL_FLAG_IN_USE 0x02u
#define POOL_FLAG_QUOTA 0x08u
#define POOL_FLAG_SESSION 0x20u
#define TAG_FIXED 0x6c6f6f50u	// 'Pool'
#define FIXED_BYTES 0x800000u

struct mk_pool_state *mk_pool_get(struct mk *m)
{
	if (!m->pool) {
		m->pool = mk_calloc(1, sizeof(*m->pool));
		m->pool->rng = m->seed ^ 0x706f6f6cu;
	}
	return m->pool;
}

static void add_want(struct mk *m, struct mk_want w)
{
	struct mk_pool_state *s = mk_pool_get(m);

	w.first = s->got.n;
	for (uint64_t i = 0; i < w.count; i++) {
		struct mk_got g = { .want = (uint32_t)s->wants.n };
		if (!psc_vec_push(&s->got, g))
			mk_fail(m, "out of memory");
	}
	if (!psc_vec_push(&s->wants, w))
		mk_fail(m, "out of memory");
}

void mk_do_alloc(struct mk *m, struct mk_args *a)
{
	struct mk_pool_state *s = mk_pool_get(m);
	struct mk_want w = { .tag = mk_tag_number(m, mk_word(a, 0)) };
	struct mk_range size = mk_key_range(a, "size");
	const char *quota = mk_key(a, "quota");
	const char *label = mk_key(a, "label"), *fill = mk_key(a, "fill");
	char payer[40];

	w.pool = mk_pool_parse(m, mk_word(a, 1));
	w.low = size.low;
	w.high = size.high;
	w.count = mk_key_num(a, "count", 1);
	w.freed = mk_key_num(a, "free", 0);
	w.cached = mk_key_num(a, "cached", 0);
	w.aligned = mk_flag(a, "aligned");
	w.global = mk_flag(a, "global");
	if (w.freed + w.cached > w.count)
		mk_fail(m, "more blocks freed than allocated");
	if (quota) {
		snprintf(payer, sizeof(payer), "process:%llu",
			 (unsigned long long)mk_number(m, quota));
		if (!mk_label_find(m, payer, &w.process))
			mk_fail(m, "no process %s before this line", quota);
	}
	if (label)
		w.label = mk_strdup(label);
	if (fill)
		w.fill = mk_strdup(fill);
	s->exact = true;
	add_want(m, w);
}

void mk_pool_big_want(struct mk *m, const struct mk_big_entry *e,
		      uint64_t count)
{
	struct mk_want w = {
		.tag = e->tag, .pool = e->pool, .low = e->bytes,
		.high = e->bytes, .count = count,
	};

	if (count)
		add_want(m, w);
}

void mk_do_pool_order(struct mk *m, struct mk_args *a)
{
	const char *how = mk_word(a, 0);

	if (strcmp(how, "recipe") && strcmp(how, "shuffled"))
		mk_fail(m, "pool-order is 'recipe' or 'shuffled'");
	mk_pool_get(m)->in_order = !strcmp(how, "recipe");
}

// --- what blocks have in common ----------------------------------------------

void mk_header_write(struct mk *m, uint64_t va, const struct mk_header *h)
{
	uint8_t b[8] = { h->previous, h->index, h->units, h->type };

	memcpy(b + 4, &h->tag, 4);
	mk_write(m, va, b, sizeof(b));
}

uint8_t mk_live_type(const struct mk_want *w)
{
	return (uint8_t)(POOL_FLAG_IN_USE |
			 (mk_pool_is_paged(w->pool) ? POOL_FLAG_PAGED : 0) |
			 (w->pool == MK_POOL_SESSION ? POOL_FLAG_SESSION : 0) |
			 (w->process ? POOL_FLAG_QUOTA : 0));
}

void mk_quota_write(struct mk *m, const struct mk_want *w, uint64_t header)
{
	if (w->process)
		mk_write64(m, header + 8, m->pool->cookie
			   ? w->process ^ m->pool->cookie ^ header : w->process);
}

void mk_data_write(struct mk *m, const struct mk_want *w, uint64_t va,
		   uint64_t bytes)
{
	uint8_t piece[MK_PAGE];
	size_t n = w->fill ? strlen(w->fill) : 0;

	// Blocks without a text hold something recognisable that is neither a
	// pointer nor a header; huge ones stay holes of the sparse file.
	if (!w->fill && bytes > MK_POOL_SMALL_MAX)
		return;
	bytes = PSC_MIN(bytes, (uint64_t)sizeof(piece));
	for (uint64_t i = 0; i < bytes; i++)
		piece[i] = (uint8_t)(n ? (uint8_t)w->fill[i % n]
			: w->tag >> 8 * (i % 4) ^ (uint32_t)(i >> 2));
	mk_write(m, va, piece, (size_t)bytes);
}

unsigned int mk_align_units(uint64_t va)
{
	// Data lie 0x10 behind a header.
	return (unsigned int)((0x40 - (va + 0x10) % 0x40) % 0x40 / 0x10);
}

uint64_t mk_pool_reserve(struct mk *m, enum mk_pool pool, uint64_t bytes,
			 uint64_t align)
{
	enum mk_area area = pool == MK_POOL_SESSION ? MK_SESSION
		: mk_pool_is_paged(pool) ? MK_PAGED : MK_NONPAGED;
	struct mk_area_state *a = &m->area[area];
	uint64_t *next = &m->pool->next[area];
	uint64_t limit = a->base + MK_OBJECTS_AT;

	// The region's start is the pool's own; what does not fit there goes
	// far behind the fixed objects. A session's objects come first.
	if (pool == MK_POOL_SESSION)
		limit = mk_session_pool_end(m);
	if (!*next)
		*next = pool == MK_POOL_SESSION ? mk_session_pool_start(m)
						: a->base;
	uint64_t va = (*next + align - 1) / align * align;
	if (pool != MK_POOL_SESSION && va + bytes > limit) {
		va = PSC_MAX(va, a->base + MK_POOL_REST_AT);
		va = (va + align - 1) / align * align;
		limit = a->base + a->bytes;
	}
	if (va + bytes > limit)
		mk_fail(m, "address space of area %d is full", area);
	*next = va + bytes;
	return va;
}

void mk_pool_big(struct mk *m, const struct mk_want *w, uint64_t va,
		 uint64_t bytes)
{
	struct mk_big_entry e = {
		.va = va, .bytes = bytes, .tag = w->tag, .pool = w->pool,
		.process = w->process,
	};

	mk_big_add(m, &e);
}

// --- the history -------------------------------------------------------------

static void shuffle(struct mk_pool_state *s, uint32_t *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)mk_random_below(&s->rng, i);
		uint32_t t = v[i - 1];
		v[i - 1] = v[j];
		v[j] = t;
	}
}

void mk_pool_charge(struct mk *m, enum mk_pool pool, uint32_t tag,
		    uint64_t allocs, uint64_t frees, uint64_t bytes)
{
	if (pool == MK_POOL_SESSION)
		mk_session_tag_add(m, tag, allocs, frees, bytes);
	else
		mk_tag_add(m, tag, mk_pool_is_paged(pool), allocs, frees,
			   bytes);
}

static void charge(struct mk *m, const struct mk_got *g)
{
	const struct mk_want *w = &m->pool->wants.v[g->want];
	bool used = g->state == MK_GOT_USED;

	mk_pool_charge(m, w->global ? MK_POOL_PAGED : w->pool, w->tag, 1,
		       !used, used ? g->bytes : 0);
}

// Which of a directive's blocks are freed or cached: drawn, or, in recipe
// order, the last ones.
static void choose_frees(struct mk *m, const struct mk_want *w)
{
	struct mk_pool_state *s = m->pool;
	uint32_t *pick = mk_calloc(w->count, sizeof(*pick));

	for (size_t i = 0; i < w->count; i++)
		pick[i] = (uint32_t)(w->first + w->count - 1 - i);
	if (!s->in_order)
		shuffle(s, pick, w->count);
	for (size_t i = 0; i < w->freed + w->cached; i++)
		s->got.v[pick[i]].state = i < w->freed ? MK_GOT_FREED
						       : MK_GOT_CACHED;
	free(pick);
}

static void label_blocks(struct mk *m)
{
	struct mk_pool_state *s = m->pool;

	for (size_t i = 0; i < s->wants.n; i++) {
		const struct mk_want *w = &s->wants.v[i];
		for (size_t j = 0; w->label && j < w->count; j++)
			mk_label(m, s->got.v[w->first + j].va, "%s.%zu",
				 w->label, j);
	}
}

void mk_pool_truth_block(struct json_object *blocks, uint64_t va,
			 uint64_t bytes, uint32_t tag, const char *pool,
			 const char *kind, const char *state)
{
	struct json_object *o = json_object_new_object();
	char text[17];

	mk_tag_text(tag, text);
	json_object_object_add(o, "address", mk_json_hex(va));
	json_object_object_add(o, "bytes", json_object_new_uint64(bytes));
	json_object_object_add(o, "tag", mk_json_text(text));
	json_object_object_add(o, "pool", mk_json_text(pool));
	json_object_object_add(o, "kind", mk_json_text(kind));
	json_object_object_add(o, "state", mk_json_text(state));
	json_object_array_add(blocks, o);
}

static void truth_block(struct mk *m, struct json_object *blocks,
			const struct mk_got *g)
{
	static const char *const states[] = { "in-use", "free", "cached" };
	const struct mk_want *w = &m->pool->wants.v[g->want];

	mk_pool_truth_block(blocks, g->va, g->bytes, w->tag,
			    mk_pool_name(w->pool), g->kind, states[g->state]);
}

const char *mk_pool_side(enum mk_pool pool)
{
	return pool == MK_POOL_SESSION ? "session"
		: mk_pool_is_paged(pool) ? "paged" : "nonpaged";
}

void mk_pool_truth_extra(struct mk *m, uint32_t tag, const char *pool,
			 uint64_t bytes)
{
	struct json_object *tags = mk_truth(m, "walk_tags"), *o, *side, *v;
	char key[17];

	mk_tag_text(tag, key);
	if (!json_object_object_get_ex(tags, key, &o)) {
		o = json_object_new_object();
		json_object_object_add(tags, key, o);
	}
	if (!json_object_object_get_ex(o, pool, &side)) {
		side = json_object_new_object();
		json_object_object_add(o, pool, side);
		json_object_object_add(side, "blocks", json_object_new_int64(0));
		json_object_object_add(side, "bytes", json_object_new_int64(0));
	}
	json_object_object_get_ex(side, "blocks", &v);
	json_object_int_inc(v, 1);
	json_object_object_get_ex(side, "bytes", &v);
	json_object_int_inc(v, (int64_t)bytes);
}

// Blocks in use by tag and pool: what a walk has to find.
static void truth_tags(struct mk *m)
{
	struct mk_pool_state *s = m->pool;

	for (size_t i = 0; i < s->got.n; i++) {
		const struct mk_got *g = &s->got.v[i];
		const struct mk_want *w = &s->wants.v[g->want];
		if (g->state != MK_GOT_USED)
			continue;
		mk_pool_truth_extra(m, w->tag, mk_pool_side(w->pool),
				    g->bytes);
	}
}

static const struct mk_allocator *allocator(const struct mk *m)
{
	return m->heap_pool ? &mk_heaps : &mk_classic;
}

static void draw_sizes_and_allocate(struct mk *m, const uint32_t *order)
{
	struct mk_pool_state *s = m->pool;

	for (size_t i = 0; i < s->got.n; i++) {
		struct mk_got *g = &s->got.v[order[i]];
		const struct mk_want *w = &s->wants.v[g->want];
		g->request = w->low +
			mk_random_below(&s->rng, w->high - w->low + 1);
		allocator(m)->alloc(m, g);
	}
}

/*
 * Windows keeps processes, tables and names in pool blocks. Here they stand in
 * a span of their own behind the pool's pages; where every page of the region
 * must be explained (chains), that span is one big allocation.
 */
static void fixed_objects(struct mk *m)
{
	static const struct {
		enum mk_area area;
		enum mk_pool pool;
	} spans[] = {
		{ MK_NONPAGED, MK_POOL_NX }, { MK_PAGED, MK_POOL_PAGED },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(spans); i++) {
		struct mk_map_opt opt = { .nx = true };
		struct mk_big_entry e = {
			.va = m->area[spans[i].area].base + MK_OBJECTS_AT,
			.bytes = FIXED_BYTES, .tag = TAG_FIXED,
			.pool = m->family == 7601 && i == 0 ? MK_POOL_NONPAGED
							    : spans[i].pool,
		};
		mk_map(m, e.va, e.bytes, &opt);
		mk_big_add(m, &e);
		mk_tag_add(m, e.tag, i == 1, 1, 0, e.bytes);
		mk_pool_truth_extra(m, e.tag, mk_pool_side(e.pool), e.bytes);
		m->pool->pages[e.pool] += MK_PAGES(e.bytes);
	}
}

void mk_pool_check_fixed(struct mk *m)
{
	if (!m->pool->exact || m->heap_pool)
		return;
	for (int i = MK_NONPAGED; i <= MK_PAGED; i++) {
		if (m->area[i].next > m->area[i].base + MK_OBJECTS_AT +
				      FIXED_BYTES)
			mk_fail(m, "fixed objects outgrew their span");
	}
}

static void usage_from_pages(struct mk *m)
{
	const uint64_t *pages = m->pool->pages;

	if (m->n_nodes != 1)
		mk_fail(m, "'alloc' fills the pool of one node only");
	mk_counter_default(m, "nonpaged_pool_usage", pages[MK_POOL_NONPAGED]);
	mk_counter_default(m, "nonpaged_pool_nx_usage", pages[MK_POOL_NX]);
	mk_counter_default(m, "paged_pool_usage",
			   pages[MK_POOL_PAGED] + pages[MK_POOL_MMST]);
}

void mk_pool_run(struct mk *m)
{
	struct mk_pool_state *s = mk_pool_get(m);
	uint32_t *order = mk_calloc(s->got.n + 1, sizeof(*order));

	if (mk_has_symbol(m, "ExpPoolQuotaCookie")) {
		s->cookie = mk_random(&s->rng) | 1;
		mk_global(m, "ExpPoolQuotaCookie", s->cookie, 8);
	}
	for (size_t i = 0; i < s->got.n; i++)
		order[i] = (uint32_t)i;
	if (!s->in_order)
		shuffle(s, order, s->got.n);
	allocator(m)->init(m);
	draw_sizes_and_allocate(m, order);
	for (size_t i = 0; i < s->wants.n; i++)
		choose_frees(m, &s->wants.v[i]);
	for (size_t i = 0; i < s->got.n; i++) {
		struct mk_got *g = &s->got.v[order[i]];
		if (g->state != MK_GOT_USED)
			allocator(m)->free(m, g);
		charge(m, g);
	}
	free(order);
	label_blocks(m);
	if (!s->exact)
		return;
	if (!m->heap_pool)
		fixed_objects(m);
	usage_from_pages(m);
}

void mk_pool_finish(struct mk *m)
{
	struct mk_pool_state *s = m->pool;
	struct json_object *blocks;

	mk_special_place(m);
	allocator(m)->finish(m);
	if (!s->exact)
		return;
	blocks = json_object_new_array();
	for (size_t i = 0; i < s->got.n; i++)
		truth_block(m, blocks, &s->got.v[i]);
	mk_special_truth(m, blocks);
	json_object_object_add(m->truth, "blocks", blocks);
	truth_tags(m);
}

void mk_pool_free(struct mk *m)
{
	struct mk_pool_state *s = m->pool;

	if (!s)
		return;
	for (size_t i = 0; i < s->wants.n; i++) {
		free(s->wants.v[i].label);
		free((char *)(uintptr_t)s->wants.v[i].fill);
	}
	psc_vec_free(&s->wants);
	psc_vec_free(&s->got);
	psc_vec_free(&s->special);
	free(s);
	m->pool = NULL;
}
