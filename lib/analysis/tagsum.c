// SPDX-License-Identifier: MIT
#include "analysis/tagsum.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "pool/tagtable.h"

#define FIRST_CAP 1024u
#define QUOTA 0x08u		/* PoolType (pool 1.2) */

static uint32_t hash(uint32_t tag)
{
	return (uint32_t)((tag * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static struct psc_tagsum_row *slot(struct psc_tagsum_row *v, size_t cap,
				   uint32_t tag)
{
	size_t i = hash(tag) & (cap - 1);

	while (v[i].used && v[i].tag != tag)
		i = (i + 1) & (cap - 1);
	return &v[i];
}

static bool grow(struct psc_tagsum *s)
{
	size_t cap = s->cap ? s->cap * 2 : FIRST_CAP;
	struct psc_tagsum_row *v = calloc(cap, sizeof(*v));

	if (!v)
		return false;
	for (size_t i = 0; i < s->cap; i++) {
		if (s->v[i].used)
			*slot(v, cap, s->v[i].tag) = s->v[i];
	}
	free(s->v);
	s->v = v;
	s->cap = cap;
	return true;
}

/** Row of @p tag; NULL when out of memory. */
static struct psc_tagsum_row *row(struct psc_tagsum *s, uint32_t tag)
{
	if (s->cap) {
		struct psc_tagsum_row *r = slot(s->v, s->cap, tag);

		if (r->used)
			return r;
	}
	if (s->n * 2 >= s->cap && !grow(s)) {
		s->nomem = true;
		return NULL;
	}
	struct psc_tagsum_row *r = slot(s->v, s->cap, tag);
	r->used = true;
	r->tag = tag;
	s->n++;
	return r;
}

static void add(struct psc_sum *to, const struct psc_block *b)
{
	to->blocks++;
	to->bytes += b->bytes;
}

void psc_tagsum_add(struct psc_tagsum *s, const struct psc_block *b)
{
	struct psc_tagsum_row *r;

	if (b->state != PSC_BLOCK_IN_USE && b->state != PSC_BLOCK_CACHED)
		return;
	if (!(r = row(s, b->tag)))
		return;
	if (b->state == PSC_BLOCK_CACHED) {
		add(&r->cached, b);
		return;
	}
	r->headers += b->has_header;
	r->billed += b->has_header && b->pool_type & QUOTA;
	switch (b->pool) {
	case PSC_POOL_PAGED:
		add(&r->paged, b);
		break;
	case PSC_POOL_SESSION:
		add(&r->session, b);
		break;
	case PSC_POOL_SPECIAL:
		add(&r->special, b);
		break;
	default:
		add(&r->nonpaged, b);
		break;
	}
	if (b->owner == PSC_OWNER_BIG || b->owner == PSC_OWNER_LARGE) {
		add(&r->big, b);
		s->big_bytes[b->pool] += b->bytes;
	}
}

static void add_block(void *ctx, const struct psc_block *b)
{
	psc_tagsum_add(ctx, b);
}

struct psc_sink psc_tagsum_sink(struct psc_tagsum *s)
{
	return (struct psc_sink){ .ctx = s, .block = add_block };
}

static void join(struct psc_sum *to, const struct psc_sum *from)
{
	to->blocks += from->blocks;
	to->bytes += from->bytes;
}

void psc_tagsum_join(struct psc_tagsum *s, const struct psc_tagsum *part)
{
	for (size_t i = 0; i < part->cap; i++) {
		const struct psc_tagsum_row *p = &part->v[i];
		struct psc_tagsum_row *r;

		if (!p->used)
			continue;
		if (!(r = row(s, p->tag)))
			return;
		join(&r->nonpaged, &p->nonpaged);
		join(&r->paged, &p->paged);
		join(&r->session, &p->session);
		join(&r->special, &p->special);
		join(&r->big, &p->big);
		join(&r->cached, &p->cached);
		r->headers += p->headers;
		r->billed += p->billed;
	}
	for (unsigned int i = 0; i < PSC_ARRAY_SIZE(s->big_bytes); i++)
		s->big_bytes[i] += part->big_bytes[i];
	s->nomem |= part->nomem;
}

static int by_tag(const void *a, const void *b)
{
	const struct psc_tagsum_row *x = a, *y = b;
	uint32_t p = __builtin_bswap32(x->tag), q = __builtin_bswap32(y->tag);

	return p < q ? -1 : p > q;
}

void psc_tagsum_sort(struct psc_tagsum *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->cap; i++) {
		if (s->v[i].used)
			s->v[n++] = s->v[i];
	}
	if (n)
		qsort(s->v, n, sizeof(*s->v), by_tag);
}

const struct psc_tagsum_row *psc_tagsum_find(const struct psc_tagsum *s,
					     uint32_t tag)
{
	const struct psc_tagsum_row key = { .tag = tag };

	return s->n ? bsearch(&key, s->v, s->n, sizeof(*s->v), by_tag) : NULL;
}

uint64_t psc_tagsum_counted(const struct psc_tagsum_row *w)
{
	return w->nonpaged.blocks + w->paged.blocks + w->special.blocks;
}

bool psc_tagsum_lacks(const struct psc_tagsum *s,
		      const struct psc_tag_table *t, uint32_t tag)
{
	const struct psc_tag_row *r = psc_tag_find(t, tag);
	const struct psc_tagsum_row *w = psc_tagsum_find(s, tag);

	// Signed: more frees than allocations lack nothing.
	return r && psc_tag_outstanding(t, &r->nonpaged) +
				    psc_tag_outstanding(t, &r->paged) >
			    (w ? (int64_t)psc_tagsum_counted(w) : 0);
}

void psc_tagsum_free(struct psc_tagsum *s)
{
	free(s->v);
	*s = (struct psc_tagsum){ 0 };
}
