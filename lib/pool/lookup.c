// SPDX-License-Identifier: MIT
// What is this address: the unit or big allocation that holds it.
#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/partial.h"
#include "pool/parts.h"

static const struct psc_unit *unit_at(const struct psc_pool_view *v,
				      uint16_t space, uint64_t va)
{
	size_t lo = 0, hi = v->units.n;

	while (lo < hi) {	// first unit behind (space, va)
		size_t mid = (lo + hi) / 2;
		const struct psc_unit *u = &v->units.v[mid];

		if (u->space < space || (u->space == space && u->va <= va))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct psc_unit *u = &v->units.v[lo - 1];
	uint64_t bytes = (uint64_t)u->pages << PSC_PAGE_SHIFT;
	return u->space == space && va - u->va < bytes ? u : NULL;
}

const struct psc_segment_ref *
psc_view_segment_at(const struct psc_pool_view *v, uint64_t va)
{
	size_t lo = 0, hi = v->segments.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v->segments.v[mid].va <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct psc_segment_ref *s = &v->segments.v[lo - 1];
	return va - s->va < s->bytes ? s : NULL;
}

struct psc_block psc_pool_big_block(const struct psc_pool_view *v,
				    const struct psc_big *b)
{
	bool large = v->info.design == PSC_POOL_SEGMENT && v->segments.n &&
		     !psc_view_segment_at(v, b->va);

	return (struct psc_block){
		.va = b->va, .bytes = b->bytes, .tag = b->tag,
		.pool = b->pool, .state = PSC_BLOCK_IN_USE,
		.owner = large ? PSC_OWNER_LARGE : PSC_OWNER_BIG,
		.process = b->process,
	};
}

void psc_pool_locate(struct psc_pool_view *v, uint64_t va,
		     struct psc_place *ret)
{
	struct psc_place p = { 0 };
	const struct psc_big *b = NULL;
	const struct psc_segment_ref *s = psc_view_segment_at(v, va);

	p.status = psc_mem_translate(v->spaces.v[0].mem, va).status;
	if (v->info.partial) {	// pieces of memory: any may hold blocks
		const struct psc_part *part = psc_part_at(v, va);

		p.found = p.status == PSC_VA_OK;
		if (part)
			p.unit = psc_part_unit(part);
		*ret = p;
		return;
	}
	if (s) {
		p.segment = s->va;
		p.context = s->context;
		p.heap = v->heaps.v[s->heap].va;
	}
	for (size_t i = 0; i < v->spaces.n && !p.found; i++) {
		const struct psc_unit *u = unit_at(v, (uint16_t)i, va);

		b = psc_pool_big_at(v, (uint16_t)i, va);
		p.found = u || b;
		if (u)
			p.unit = *u;
		if (i && p.found)
			p.status = psc_mem_translate(v->spaces.v[i].mem,
						     va).status;
	}
	if (b) {
		p.is_big = true;
		p.big = *b;
	}
	*ret = p;
}

/** A triage dump: the blocks that are stored of the page. */
static struct psc_error *visit_page(struct psc_pool_view *v, uint64_t va,
				    const struct psc_sink *sink)
{
	uint64_t page = va & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	struct psc_walk w = { 0 };
	struct psc_error *err = psc_partial_walk(v, page, page + PSC_PAGE_SIZE,
						 sink, &w);

	psc_walk_free(&w);
	return err;
}

struct psc_error *psc_pool_visit(struct psc_pool_view *v,
				 const struct psc_place *p, uint64_t va,
				 const struct psc_sink *sink)
{
	struct psc_unit u = p->unit;
	struct psc_worker w;
	struct psc_error *err;

	if (v->info.partial)
		return visit_page(v, va, sink);
	err = psc_worker_init(&w, v, sink);
	if (u.kind == PSC_UNIT_CHAIN || u.kind == PSC_UNIT_SPECIAL) {
		u.va = va & ~(uint64_t)(PSC_PAGE_SIZE - 1);
		u.pages = 1;
	}
	if (!err && p->found && u.pages)
		err = psc_worker_unit(&w, &u);
	psc_worker_deinit(&w);
	return err;
}
