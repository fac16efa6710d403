// SPDX-License-Identifier: MIT
#include "special.h"

#include <string.h>

#include "pool.h"
#include "tags.h"

#define VERIFIER 0x4000u	// in the word at the page's start
#define PAGED 0x8000u		// there in older eras
#define MAX_BYTES (MK_PAGE - 0x18u)

static void charge(struct mk *m, const struct mk_special *s)
{
	// Counters are multiples of a unit.
	mk_tag_add(m, s->tag, mk_pool_is_paged(s->pool), 1, 0,
		   (s->bytes + 15) & ~15u);
}

void mk_do_special(struct mk *m, struct mk_args *a)
{
	struct mk_pool_state *p = mk_pool_get(m);
	struct mk_special s = {
		.tag = mk_tag_number(m, mk_word(a, 0)),
		.pool = mk_pool_parse(m, mk_word(a, 1)),
		.front = mk_flag(a, "front"),
		.verifier = mk_flag(a, "verifier"),
	};
	struct mk_range size = mk_key_range(a, "size");
	uint64_t count = mk_key_num(a, "count", 1);
	bool counted = !mk_flag(a, "uncounted");

	if (size.high > MAX_BYTES || s.pool > MK_POOL_PAGED)
		mk_fail(m, "special pool holds up to 0x%x bytes, nonpaged or "
			"paged", MAX_BYTES);
	p->exact = true;
	for (uint64_t i = 0; i < count; i++) {
		s.bytes = (uint32_t)mk_random_in(&p->rng, size);
		s.pattern = (uint8_t)(mk_random(&p->rng) | 1);
		if (counted)
			charge(m, &s);
		if (!psc_vec_push(&p->special, s))
			mk_fail(m, "out of memory");
	}
}

static unsigned int data_at(const struct mk_special *s)
{
	if (s->front)
		return s->verifier ? 0x18 : 0x10;
	return MK_PAGE - ((s->bytes + 15) & ~15u);
}

/** A page in the region for special pool, the next one not mapped. */
static uint64_t region_page(struct mk *m, const struct mk_special *s)
{
	// One region in 10 and 2016, one for each kind in 1809.
	enum mk_area area = m->family >= 17763 && s->pool == MK_POOL_PAGED
		? MK_SPECIAL_PAGED : MK_SPECIAL;
	struct mk_map_opt opt = { .nx = s->pool != MK_POOL_NONPAGED };
	uint64_t va;

	if (!m->area[area].bytes)
		mk_fail(m, "where this kernel has its special pool is not "
			"published");
	va = mk_reserve(m, area, 2 * MK_PAGE, MK_PAGE);
	mk_map(m, va, MK_PAGE, &opt);
	return va;
}

static void write_page(struct mk *m, const struct mk_special *s)
{
	uint8_t page[MK_PAGE];
	uint32_t word = s->bytes | (uint32_t)s->pattern << 16;
	unsigned int data = data_at(s);

	if (s->verifier)
		word |= VERIFIER;
	if (s->pool == MK_POOL_PAGED && !m->heap_pool)
		word |= PAGED;
	memset(page, s->pattern, sizeof(page));
	memset(page, 0, s->verifier ? 0x18 : 0x10);
	psc_put32(page, word);
	psc_put32(page + 4, s->tag);
	for (uint32_t i = 0; i < s->bytes; i++)
		page[data + i] = (uint8_t)(s->tag >> 8 * (i % 4) ^ i >> 2);
	mk_write(m, s->va, page, sizeof(page));
}

void mk_special_place(struct mk *m)
{
	struct mk_pool_state *p = m->pool;

	for (size_t i = 0; i < p->special.n; i++) {
		struct mk_special *s = &p->special.v[i];

		s->va = m->heap_pool ? sg_special_page(m, s->pool)
				     : region_page(m, s);
		write_page(m, s);
		mk_label(m, s->va, "special.%zu", i);
	}
	if (p->special.n)
		mk_global_opt(m, "ExpSpecialAllocations", p->special.n, 4);
}

void mk_special_truth(struct mk *m, struct json_object *blocks)
{
	const struct mk_pool_state *p = m->pool;

	for (size_t i = 0; i < p->special.n; i++) {
		const struct mk_special *s = &p->special.v[i];

		mk_pool_truth_block(blocks, s->va + data_at(s), s->bytes,
				    s->tag, "special", "special", "in-use");
		mk_pool_truth_extra(m, s->tag, "special", s->bytes);
	}
}
