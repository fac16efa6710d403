// SPDX-License-Identifier: MIT
#include "analysis/bugcheck_place.h"

#include "analysis/walk.h"
#include "base/bytes.h"
#include "pool/header.h"

/** First build whose quota pointers are stored under a cookie (pool 1.5). */
#define COOKIE_FAMILY 9200u
/** A chunk header and the gap to a header moved to the next page. */
#define CHUNK_BEFORE 0x20u

// --- which checks a block goes through --------------------------------------

enum {
	IN_USE = 1, FREE = 2, CACHED = 4, ANY_STATE = 7,
	QUOTA = 8,		/**< Bills a process; the cookie is known. */
	WHOLE = 16,		/**< Needs lists or tables: no small dump. */
	FIRST = 32, NOT_FIRST = 64, LAST = 128,	/**< In its page. */
};

static const struct {
	enum psc_rule rule;
	enum psc_block_owner owner;
	unsigned int when;
} made[] = {
	{ PSC_L1, PSC_OWNER_CHAIN, ANY_STATE | FIRST },
	{ PSC_L2, PSC_OWNER_CHAIN, ANY_STATE },
	{ PSC_L3, PSC_OWNER_CHAIN, ANY_STATE },
	{ PSC_L4, PSC_OWNER_CHAIN, ANY_STATE | NOT_FIRST },
	{ PSC_L5, PSC_OWNER_CHAIN, ANY_STATE | LAST },
	{ PSC_L6, PSC_OWNER_CHAIN, IN_USE },
	{ PSC_L7, PSC_OWNER_CHAIN, IN_USE | WHOLE },
	{ PSC_L8, PSC_OWNER_CHAIN, IN_USE },
	{ PSC_L9, PSC_OWNER_CHAIN, FREE | WHOLE },
	{ PSC_L10, PSC_OWNER_CHAIN, FREE | WHOLE },
	{ PSC_L11, PSC_OWNER_CHAIN, FREE },
	{ PSC_L12, PSC_OWNER_CHAIN, CACHED },
	{ PSC_L14, PSC_OWNER_CHAIN, IN_USE | QUOTA },
	{ PSC_L15, PSC_OWNER_CHAIN, IN_USE },
	{ PSC_B1, PSC_OWNER_BIG, ANY_STATE | WHOLE },
	{ PSC_B2, PSC_OWNER_BIG, ANY_STATE | WHOLE },
	{ PSC_B3, PSC_OWNER_BIG, ANY_STATE | WHOLE },
	{ PSC_B4, PSC_OWNER_BIG, ANY_STATE | WHOLE },
	{ PSC_V2, PSC_OWNER_VS, ANY_STATE },
	{ PSC_V3, PSC_OWNER_VS, ANY_STATE },
	{ PSC_V4, PSC_OWNER_VS, IN_USE },
	{ PSC_V5, PSC_OWNER_VS, IN_USE },
	{ PSC_V6, PSC_OWNER_VS, IN_USE },
	{ PSC_V7, PSC_OWNER_VS, IN_USE },
	{ PSC_V8, PSC_OWNER_VS, FREE },
	{ PSC_V9, PSC_OWNER_VS, FREE | WHOLE },
	{ PSC_V12, PSC_OWNER_VS, IN_USE },
	{ PSC_F5, PSC_OWNER_LFH, IN_USE },
	{ PSC_X1, PSC_OWNER_SPECIAL, ANY_STATE },
	{ PSC_X2, PSC_OWNER_SPECIAL, ANY_STATE | WHOLE },
	{ PSC_K6, PSC_OWNER_CHAIN, IN_USE | WHOLE },
	{ PSC_K6, PSC_OWNER_VS, IN_USE | WHOLE },
	{ PSC_K6, PSC_OWNER_LFH, IN_USE | WHOLE },
	{ PSC_Q1, PSC_OWNER_VS, IN_USE | QUOTA },
	{ PSC_Q1, PSC_OWNER_LFH, IN_USE | QUOTA },
	{ PSC_Q2, PSC_OWNER_CHAIN, IN_USE | QUOTA | WHOLE },
	{ PSC_Q2, PSC_OWNER_VS, IN_USE | QUOTA | WHOLE },
	{ PSC_Q2, PSC_OWNER_LFH, IN_USE | QUOTA | WHOLE },
};

/** What holds of the block, in the bits of @c when. */
static unsigned int facts_of(const struct psc_check *c,
			     const struct psc_block *b)
{
	const struct psc_view_info *v = psc_pool_view_info(c->view);
	static const unsigned int states[] = {
		[PSC_BLOCK_IN_USE] = IN_USE, [PSC_BLOCK_FREE] = FREE,
		[PSC_BLOCK_CACHED] = CACHED, [PSC_BLOCK_UNATTRIBUTED] = 0,
	};
	unsigned int f = states[b->state];
	uint64_t in_page = b->va & (PSC_PAGE_SIZE - 1);

	if (b->pool_type & PSC_PT_QUOTA &&
	    (v->keys.has_cookie ||
	     psc_kernel_family(c->a->kernel) < COOKIE_FAMILY))
		f |= QUOTA;
	f |= v->partial ? 0 : WHOLE;
	f |= in_page ? NOT_FIRST : FIRST;
	f |= in_page + b->bytes == PSC_PAGE_SIZE ? LAST : 0;
	return f;
}

void psc_checks_of_block(const struct psc_check *c, const struct psc_block *b,
			 struct psc_checks *ret)
{
	unsigned int facts = facts_of(c, b);
	enum psc_block_owner owner =
		b->owner == PSC_OWNER_LARGE ? PSC_OWNER_BIG : b->owner;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(made); i++) {
		unsigned int need = made[i].when & ~(unsigned int)ANY_STATE;

		if (made[i].owner == owner && (facts & need) == need &&
		    made[i].when & facts & ANY_STATE)
			ret->rule[made[i].rule] = true;
	}
}

static void set_checks(const struct psc_check *c, const struct psc_block *b,
		       struct psc_value *list)
{
	struct psc_checks checks = { 0 };

	psc_checks_of_block(c, b, &checks);
	for (unsigned int i = 0; i < PSC_N_RULES; i++) {
		if (checks.rule[i])
			psc_add_str(list,
				    psc_rule_info((enum psc_rule)i)->name);
	}
}

// --- the block behind an address --------------------------------------------

struct search {
	uint64_t va;
	bool found;
	struct psc_block block;
};

static void look(void *ctx, const struct psc_block *b)
{
	struct search *s = ctx;

	if (s->found || !psc_block_covers(b, s->va))
		return;
	s->found = true;
	s->block = *b;
}

static bool is_at(const struct psc_fault *f, const struct search *s)
{
	if (!s->found)		// whatever the address meant
		return f->va - (s->va - CHUNK_BEFORE) <= CHUNK_BEFORE + 0x10;
	if (s->block.owner == PSC_OWNER_VS)
		return f->va - (s->block.va - CHUNK_BEFORE) <= CHUNK_BEFORE;
	return f->va == s->block.va;
}

static size_t set_rules(const struct psc_check *c, struct psc_value *o,
			const struct search *s)
{
	struct psc_value *list = psc_set_array(o, "rules");

	for (size_t i = 0; i < c->faults.list.n; i++) {
		const struct psc_fault *f = &c->faults.list.v[i];

		if (is_at(f, s))
			psc_add_str(list, psc_rule_info(f->rule)->name);
	}
	return psc_count(list);
}

static void set_block(struct psc_value *o, const struct search *s)
{
	const struct psc_block *b = &s->block;

	if (!s->found) {
		psc_set_null(o, "block");
		return;
	}
	struct psc_value *v = psc_set_object(o, "block");
	psc_set_hex(v, "address", b->va);
	psc_set_uint(v, "bytes", b->bytes);
	if (b->tag)
		psc_set_tag(v, "tag", b->tag);
	else
		psc_set_null(v, "tag");
	psc_set_str(v, "kind", psc_block_owner_name(b->owner));
	psc_set_str(v, "state", psc_block_state_name(b->state));
	psc_set_str(v, "pool", psc_pool_kind_name(b->pool));
}

// --- what is around it ------------------------------------------------------

/** First fault in [start, start + bytes), or NULL. */
static const struct psc_fault *first_fault(const struct psc_check *c,
					   uint64_t start, uint64_t bytes)
{
	for (size_t i = 0; i < c->faults.list.n; i++) {
		if (c->faults.list.v[i].va - start < bytes)
			return &c->faults.list.v[i];
	}
	return NULL;
}

/**
 * The page of a chain, or the whole subsegment, that holds the address.
 * @return what it is.
 */
static const char *part_of(const struct psc_place *p, uint64_t va,
			   uint64_t *start, uint64_t *bytes)
{
	*start = va & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	*bytes = PSC_PAGE_SIZE;
	if (!p->unit.pages || (p->unit.kind != PSC_UNIT_VS &&
			       p->unit.kind != PSC_UNIT_LFH))
		return "page";
	*start = p->unit.va;
	*bytes = (uint64_t)p->unit.pages << PSC_PAGE_SHIFT;
	return "subsegment";
}

static void set_break(struct psc_value *o, const char *key,
		      const struct psc_fault *f, const struct search *s)
{
	if (!f) {
		psc_set_null(o, key);
		return;
	}
	struct psc_value *v = psc_set_object(o, key);
	psc_set_hex(v, "address", f->va);
	psc_set_str(v, "rule", psc_rule_info(f->rule)->name);
	psc_set_bool(v, "same_header", is_at(f, s));
}

/** The subsegment before it can have run over its start (pool 8.5). */
static void set_before(struct psc_check *c, struct psc_value *o,
		       const struct psc_place *p, const struct search *s)
{
	struct psc_place before = { 0 };

	if (p->unit.kind != PSC_UNIT_VS && p->unit.kind != PSC_UNIT_LFH)
		return;
	// A guard unit may lie between.
	for (unsigned int i = 0; i < 2 && !before.found; i++)
		psc_pool_locate(c->view, p->unit.va - 1 - i * PSC_PAGE_SIZE,
				&before);
	if (!before.found || !before.unit.pages)
		return;
	uint64_t bytes = (uint64_t)before.unit.pages << PSC_PAGE_SHIFT;
	struct psc_value *v = psc_set_object(o, "before");
	psc_set_hex(v, "subsegment", before.unit.va);
	set_break(v, "first_break", first_fault(c, before.unit.va, bytes), s);
}

/** Names are of the contract. */
static const char *verdict(const struct psc_place *p, const struct search *s,
			   size_t n_rules, size_t n_checks)
{
	if (n_rules)
		return "broken";
	if (p->status == PSC_VA_NOT_MAPPED)
		return "not-mapped";
	if (p->status != PSC_VA_OK && p->status != PSC_VA_DEMAND_ZERO)
		return "not-in-dump";
	if (!p->found)
		return "not-pool";
	if (!s->found || !n_checks)
		return "no-block";
	return "passes";
}

struct psc_error *psc_bugcheck_place(struct psc_check *c, struct psc_value *o,
				     uint64_t va)
{
	struct search s = { .va = va };
	const struct psc_sink sink = { .ctx = &s, .block = look };
	struct psc_error *err = NULL;
	struct psc_place p;
	uint64_t start, bytes;

	psc_pool_locate(c->view, va, &p);
	if (p.is_big) {
		s.found = true;
		s.block = psc_pool_big_block(c->view, &p.big);
	} else if (p.found) {
		err = psc_pool_visit(c->view, &p, va, &sink);
	}
	psc_set_hex(o, "address", va);
	psc_set_str(o, "page_status", psc_va_status_text(p.status));
	psc_set_bool(o, "in_pool", p.found);
	set_block(o, &s);
	size_t n_rules = set_rules(c, o, &s);
	struct psc_value *checks = psc_set_array(o, "checks");
	if (s.found)
		set_checks(c, &s.block, checks);
	psc_set_str(o, "verdict", verdict(&p, &s, n_rules,
					  psc_count(checks)));
	psc_set_str(o, "part", part_of(&p, va, &start, &bytes));
	set_break(o, "first_break", first_fault(c, start, bytes), &s);
	set_before(c, o, &p, &s);
	return err;
}
