// SPDX-License-Identifier: MIT
// The poolmap section: how full each stretch of the pool is, as a picture.
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"

/** A row is a large page, a cell its 64th part. */
#define ROW_BYTES (UINT64_C(2) << 20)
#define CELLS 64u
#define CELL_BYTES (ROW_BYTES / CELLS)
/** Rows of one dump; a bigger pool is shown to this many. */
#define MAX_ROWS (1u << 18)

struct row {
	uint64_t va;
	uint32_t used[CELLS], known[CELLS];	/**< Bytes. */
	enum psc_pool_kind pool;
};

struct map {
	struct psc_map index;
	PSC_VEC(struct row) rows;
	uint64_t start, end;
	bool nomem, full;
};

static struct row *row_at(struct map *m, uint64_t va, enum psc_pool_kind pool)
{
	uint64_t key = va / ROW_BYTES;
	uint64_t *i = psc_map_get(&m->index, key);

	if (i)
		return &m->rows.v[*i];
	if (m->rows.n >= MAX_ROWS) {
		m->full = true;
		return NULL;
	}
	i = psc_map_put(&m->index, key, NULL);
	if (!i || !psc_vec_push(&m->rows, (struct row){
			.va = key * ROW_BYTES, .pool = pool })) {
		m->nomem = true;
		return NULL;
	}
	*i = m->rows.n - 1;
	return &m->rows.v[*i];
}

static void add_block(void *ctx, const struct psc_block *b)
{
	struct map *m = ctx;
	uint64_t va = PSC_MAX(b->va, m->start);
	uint64_t end = PSC_MIN(b->va + b->bytes, m->end);
	bool used = b->state == PSC_BLOCK_IN_USE;

	while (va < end && !m->full) {
		uint64_t next = PSC_MIN((va / CELL_BYTES + 1) * CELL_BYTES,
					end);
		struct row *r = row_at(m, va, b->pool);

		if (!r)
			return;
		size_t cell = va % ROW_BYTES / CELL_BYTES;
		r->known[cell] += (uint32_t)(next - va);
		r->used[cell] += used ? (uint32_t)(next - va) : 0;
		va = next;
	}
}

static int by_va(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

/** '#' full, 9…1 tenths, '.' nothing in use, ' ' nothing known. */
static char cell(uint32_t used, uint32_t known)
{
	if (!known)
		return ' ';
	if (!used)
		return '.';
	unsigned int tenths = (unsigned int)((uint64_t)used * 10 / CELL_BYTES);
	return tenths >= 9 ? '#' : (char)('1' + tenths);
}

static void set_row(struct psc_value *list, const struct row *r)
{
	struct psc_value *o = psc_add_object(list);
	char text[CELLS + 1];
	uint64_t used = 0;

	for (size_t i = 0; i < CELLS; i++) {
		text[i] = cell(r->used[i], r->known[i]);
		used += r->used[i];
	}
	text[CELLS] = '\0';
	psc_set_hex(o, "address", r->va);
	psc_set_str(o, "pool", psc_pool_kind_name(r->pool));
	psc_set_uint(o, "bytes_in_use", used);
	psc_set_str(o, "cells", text);
}

struct psc_error *psc_analyse_poolmap(struct psc_analysis *a)
{
	struct map m = {
		.start = a->req->address,
		.end = a->req->bytes && a->req->bytes <
			       UINT64_MAX - a->req->address
			? a->req->address + a->req->bytes : UINT64_MAX,
	};
	const struct psc_sink sink = { .ctx = &m, .block = add_block };
	struct psc_pool_view *view;
	struct psc_walk walk = { 0 };
	struct psc_error *err = psc_analysis_view(a, &view);

	if (!err)
		err = psc_pool_walk(view, &sink, 1, a->progress, &walk);
	if (!err && m.nomem)
		err = &psc_nomem;
	if (!err) {
		struct psc_value *o = psc_set_object(a->root, "poolmap");

		psc_set_uint(o, "row_bytes", ROW_BYTES);
		psc_set_uint(o, "cell_bytes", CELL_BYTES);
		psc_set_bool(o, "complete", walk.complete && !m.full);
		struct psc_value *list = psc_set_array(o, "rows");
		if (m.rows.n)
			qsort(m.rows.v, m.rows.n, sizeof(*m.rows.v), by_va);
		for (size_t i = 0; i < m.rows.n; i++)
			set_row(list, &m.rows.v[i]);
	}
	psc_walk_free(&walk);
	psc_map_free(&m.index);
	psc_vec_free(&m.rows);
	return err;
}
