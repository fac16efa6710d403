// SPDX-License-Identifier: MIT
#include "pool/table.h"

#include <string.h>

#include "base/bytes.h"

struct scan {
	const struct psc_table *t;
	struct psc_table_stats *stats;
	psc_table_fn fn;
	void *ctx;
	uint64_t pos;		/**< Byte offset of the next entry. */
	uint8_t head[PSC_TABLE_MAX_ENTRY]; /**< Start of a straddling entry. */
	uint64_t n_head;	/**< Its bytes so far; 0 = none. */
	bool stop;
};

static void count_missing(struct psc_table_stats *stats, enum psc_va_status s)
{
	if (s == PSC_VA_PAGED_OUT)
		stats->pages_paged_out++;
	else
		stats->pages_missing++;
}

static void emit(struct scan *s, const uint8_t *bytes, uint64_t n)
{
	if (!s->fn(s->ctx, s->pos / s->t->entry_bytes, bytes, n))
		s->stop = true;
	s->stats->entries_read += n;
	s->pos += n * s->t->entry_bytes;
}

/** Bytes [off, off + len) of the table, all in one page. */
static void feed(struct scan *s, uint64_t off, const uint8_t *p, uint64_t len)
{
	uint64_t size = s->t->entry_bytes, end = off + len;

	if (s->n_head) {
		uint64_t need = PSC_MIN(size - s->n_head, len);
		memcpy(s->head + s->n_head, p, need);
		s->n_head += need;
		if (s->n_head < size)
			return;
		s->n_head = 0;
		emit(s, s->head, 1);
	}
	if (s->stop || s->pos >= end)
		return;
	uint64_t n = (end - s->pos) / size;
	if (n)
		emit(s, p + (s->pos - off), n);
	s->n_head = s->pos < end ? end - s->pos : 0;
	memcpy(s->head, p + len - s->n_head, s->n_head);
}

/** The page at table offset @p off is missing: skip what touches it. */
static void skip(struct scan *s, uint64_t end)
{
	uint64_t size = s->t->entry_bytes;

	s->n_head = 0;
	s->pos = (end + size - 1) / size * size;
}

void psc_table_scan(struct psc_mem *m, const struct psc_table *t,
		    psc_table_fn fn, void *ctx, struct psc_table_stats *stats)
{
	struct scan s = { .t = t, .stats = stats, .fn = fn, .ctx = ctx };
	uint8_t scratch[PSC_PAGE_SIZE];
	uint64_t bytes;

	*stats = (struct psc_table_stats){ 0 };
	if (!t->entry_bytes || t->entry_bytes > PSC_TABLE_MAX_ENTRY ||
	    !psc_mul_ok(t->n, t->entry_bytes, &bytes) ||
	    bytes > UINT64_MAX - t->va)
		return;
	for (uint64_t off = 0; off < bytes && !s.stop;) {
		uint64_t in = (t->va + off) & (PSC_PAGE_SIZE - 1);
		uint64_t len = PSC_MIN(PSC_PAGE_SIZE - in, bytes - off);
		const uint8_t *page;
		enum psc_va_status st =
			psc_mem_page(m, t->va + off, scratch, &page);

		if (st == PSC_VA_OK) {
			feed(&s, off, page + in, len);
		} else {
			count_missing(stats, st);
			skip(&s, off + len);
		}
		off += len;
	}
}
