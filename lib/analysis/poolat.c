// SPDX-License-Identifier: MIT
// The pool section: what is this address. Its block, the blocks of its page,
// and who hands them out.
#include "analysis/poolat.h"

#include "analysis/pooltag.h"
#include "analysis/walk.h"
#include "base/bytes.h"

static const char *const owners[] = {
	[PSC_OWNER_CHAIN] = "chain", [PSC_OWNER_BIG] = "big",
	[PSC_OWNER_VS] = "vs", [PSC_OWNER_LFH] = "lfh",
	[PSC_OWNER_LARGE] = "large", [PSC_OWNER_SPECIAL] = "special",
};

static const char *const states[] = {
	[PSC_BLOCK_IN_USE] = "in-use", [PSC_BLOCK_FREE] = "free",
	[PSC_BLOCK_CACHED] = "cached",
	[PSC_BLOCK_UNATTRIBUTED] = "unattributed",
};

const char *psc_block_state_name(enum psc_block_state s)
{
	return states[s];
}

const char *psc_block_owner_name(enum psc_block_owner o)
{
	return owners[o];
}

struct page {
	struct psc_value *list, *faults;
	uint64_t va, start;	/**< The address; its page. */
	bool around;		/**< With a neighbour on each side. */
	bool behind;		/**< The one behind is given. */
	struct psc_block last;	/**< Before this one; bytes 0 = none. */
	uint64_t last_previous;	/**< Bytes of the block before that. */
	struct psc_neighbours near;
};

static void add_row(const struct page *p, const struct psc_block *b,
		    uint64_t previous)
{
	struct psc_value *o = psc_add_object(p->list);

	psc_set_hex(o, "address", b->va);
	psc_set_uint(o, "bytes", b->bytes);
	psc_set_uint(o, "previous_bytes", previous);
	psc_set_tag(o, "tag", b->tag);
	psc_set_str(o, "state", states[b->state]);
	psc_set_str(o, "pool", psc_pool_kind_name(b->pool));
	psc_set_str(o, "kind", owners[b->owner]);
	psc_set_bool(o, "header", b->has_header);
	psc_set_bool(o, "here", psc_block_covers(b, p->va));
	if (b->process)
		psc_set_hex(o, "process", b->process);
}

/** Blocks of the page; of a subsegment one more on each side. */
static void choose_row(struct page *p, const struct psc_block *b,
		       uint64_t previous)
{
	if (b->va + b->bytes <= p->start)
		return;
	if (b->va >= p->start + PSC_PAGE_SIZE) {
		if (p->around && !p->behind)
			add_row(p, b, previous);
		p->behind = true;
		return;
	}
	if (p->around && p->last.bytes && p->last.va + p->last.bytes <= p->start)
		add_row(p, &p->last, p->last_previous);
	add_row(p, b, previous);
}

static void add_block(void *ctx, const struct psc_block *b)
{
	struct page *p = ctx;
	struct psc_neighbours *n = &p->near;
	// Only chains store the size of the block before.
	uint64_t previous = p->last.owner == PSC_OWNER_CHAIN ? p->last.bytes : 0;

	choose_row(p, b, previous);
	if (psc_block_covers(b, p->va))
		n->here = *b;
	else if (b->va < p->va)
		n->previous = *b;
	else if (!n->next.bytes)
		n->next = *b;
	p->last = *b;
	p->last_previous = previous;
}

static void add_fault(void *ctx, const struct psc_fault *f)
{
	struct page *p = ctx;
	const struct psc_rule_info *r = psc_rule_info(f->rule);

	if (f->rule == PSC_L16)
		return;		// nothing without the tags' counters
	struct psc_value *o = psc_add_object(p->faults);

	psc_set_str(o, "rule", r->name);
	psc_set_str(o, "test", r->test);
	psc_set_hex(o, "address", f->va);
	psc_set_hex(o, "found", f->found);
	if (!f->bits) {
		psc_set_null(o, "expected");
		return;
	}
	psc_set_hex(o, "expected", f->expected);
	psc_set_bool(o, "bit_flip", __builtin_popcountll(f->expected ^
							 f->found) == 1);
}

/** The tag's line of the list, for the block that was asked for. */
static void set_owner(const struct psc_analysis *a, struct psc_value *o,
		      uint32_t tag)
{
	struct psc_pooltag t;

	psc_set_tag(o, "tag", tag);
	if (!psc_pooltag_find(a->tags, tag, &t))
		return;
	psc_set_str(o, "binary", t.binary);
	psc_set_str(o, "description", t.description);
}

static void set_big(const struct psc_analysis *a, struct psc_value *o,
		    const struct psc_big *b)
{
	struct psc_value *v = psc_set_object(o, "big");

	psc_set_hex(v, "address", b->va);
	psc_set_uint(v, "bytes", b->bytes);
	psc_set_tag(v, "tag", b->tag);
	psc_set_str(v, "pool", psc_pool_kind_name(b->pool));
	if (b->process)
		psc_set_hex(v, "process", b->process);
	set_owner(a, o, b->tag);
}

static const char *unit_name(const struct psc_place *p)
{
	static const char *const names[] = {
		[PSC_UNIT_CHAIN] = "chain", [PSC_UNIT_VS] = "vs",
		[PSC_UNIT_LFH] = "lfh", [PSC_UNIT_SPECIAL] = "special",
	};

	return p->is_big ? "big" : p->unit.pages ? names[p->unit.kind] : NULL;
}

static void set_place(struct psc_value *o, const struct psc_place *p)
{
	psc_set_str(o, "kind", unit_name(p));
	psc_set_str(o, "pool", p->is_big
		    ? psc_pool_kind_name(p->big.pool)
		    : p->unit.pages ? psc_pool_kind_name(p->unit.pool) : NULL);
	if (p->heap) {
		psc_set_hex(o, "heap", p->heap);
		psc_set_hex(o, "segment", p->segment);
	}
	if (p->unit.kind == PSC_UNIT_VS || p->unit.kind == PSC_UNIT_LFH)
		psc_set_hex(o, "subsegment", p->unit.va);
	psc_set_str(o, "page_status", psc_va_status_text(p->status));
}

struct psc_error *psc_pool_at(struct psc_analysis *a, uint64_t va, bool around,
			      struct psc_value *o, struct psc_neighbours *ret)
{
	struct psc_pool_view *view;
	struct psc_place place;
	struct psc_error *err = psc_analysis_view(a, &view);

	if (err)
		return err;
	struct page p = {
		.va = va, .start = va & ~(uint64_t)(PSC_PAGE_SIZE - 1),
		.around = around,
	};
	const struct psc_sink sink = { .ctx = &p, .block = add_block,
				       .fault = add_fault };

	psc_set_hex(o, "address", va);
	psc_pool_locate(view, va, &place);
	set_place(o, &place);
	p.list = psc_set_array(o, "blocks");
	p.faults = psc_set_array(o, "faults");
	if (place.is_big) {
		set_big(a, o, &place.big);
		p.near.here = psc_pool_big_block(view, &place.big);
	} else if (place.found) {
		err = psc_pool_visit(view, &place, va, &sink);
		if (p.near.here.bytes) {
			set_owner(a, o, p.near.here.tag);
			psc_set_str(o, "pool",
				    psc_pool_kind_name(p.near.here.pool));
		}
	}
	*ret = p.near;
	return err;
}

struct psc_error *psc_analyse_pool_at(struct psc_analysis *a)
{
	struct psc_neighbours near;

	return psc_pool_at(a, a->req->address, false,
			   psc_set_object(a->root, "pool"), &near);
}
