// SPDX-License-Identifier: MIT
// The cookie of a classic pool, from its cached blocks: each carries its own
// address under it (pool 1.5).
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/header.h"
#include "pool/partial.h"

/** Two blocks do not agree about 64 bits by chance. */
#define MIN_VOTES 2u

struct poll {
	struct psc_mem *m;
	struct psc_map votes;
	bool nomem;
};

static void poll_guard(struct poll *p)
{
	psc_map_free(&p->votes);
}

static void see_block(void *ctx, const struct psc_block *b)
{
	struct poll *p = ctx;
	uint8_t bytes[16];

	if (b->owner != PSC_OWNER_CHAIN || b->state != PSC_BLOCK_CACHED ||
	    psc_mem_read(p->m, b->va, bytes, sizeof(bytes), NULL) !=
		    sizeof(bytes))
		return;
	struct psc_pool_header h = psc_header_decode(&psc_header64, bytes);
	uint64_t *n = psc_map_put(&p->votes, h.billed ^ b->va, NULL);
	if (n)
		++*n;
	else
		p->nomem = true;
}

struct psc_error *psc_partial_cookie(struct psc_pool_view *v)
{
	PSC_CLEANUP(poll_guard) struct poll p = {
		.m = psc_kernel_mem(v->k) };
	const struct psc_sink sink = { .ctx = &p, .block = see_block };
	struct psc_walk walk = { 0 };
	uint64_t best = 0, second = 0, cookie = 0;
	struct psc_map_slot s;
	struct psc_error *err = psc_partial_walk(v, 0, UINT64_MAX, &sink,
						 &walk);

	psc_walk_free(&walk);
	for (size_t i = 0; psc_map_next(&p.votes, &i, &s);) {
		if (s.value > best) {
			second = best;
			best = s.value;
			cookie = s.key;
		} else if (s.value > second) {
			second = s.value;
		}
	}
	if (best >= MIN_VOTES && best > second && cookie) {
		v->has_cookie = v->info.keys.has_cookie = true;
		v->cookie = v->info.keys.cookie = cookie;
		v->info.keys.cookie_votes = (unsigned int)best;
	}
	return err ? err : p.nomem ? &psc_nomem : NULL;
}
