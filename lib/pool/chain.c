// SPDX-License-Identifier: MIT
#include "pool/chain.h"

#include <string.h>

#include "mem/mem.h"

#define TAG_FRAG 0x67617246u	/* "Frag" */

struct walk {
	const struct psc_chain *c;
	const struct psc_sink *s;
	struct psc_span_stats *st;
	// The block before, for faults and for the merge rule.
	unsigned int prev_off, prev_bytes;
	struct psc_pool_header prev;
	bool has_prev;
};

/** A header that would leave the page is none: size 0 fits nowhere. */
static struct psc_pool_header header_at(const struct psc_chain *c,
					unsigned int off)
{
	if (off + c->form->bytes > PSC_PAGE_SIZE)
		return (struct psc_pool_header){ 0 };
	return psc_header_decode(c->form, c->page + off);
}

/** Headers of the clean chain from @p off to the page's end, 0 = broken.
 *  @p previous is what the first must say of the block before; -1 = any. */
static unsigned int clean_from(const struct psc_chain *c, unsigned int off,
			       int previous)
{
	unsigned int n = 0;

	while (off < PSC_PAGE_SIZE) {
		struct psc_pool_header h = header_at(c, off);

		if ((previous >= 0 && h.previous != previous) || !h.size ||
		    h.type & PSC_PT_ILLEGAL)
			return 0;
		previous = h.size;
		off += (unsigned int)h.size << c->form->shift;
		n++;
	}
	return off == PSC_PAGE_SIZE ? n : 0;
}

unsigned int psc_chain_is_clean(const struct psc_chain *c)
{
	return clean_from(c, c->start, 0);
}

/**
 * First offset behind @p off from which the chain is clean to the end and
 * whose header says that the block before it starts at @p off.
 */
static unsigned int next_anchor(const struct psc_chain *c, unsigned int off)
{
	unsigned int unit = 1u << c->form->shift;

	for (unsigned int x = off + unit; x < PSC_PAGE_SIZE; x += unit) {
		int back = (int)((x - off) >> c->form->shift);

		if (header_at(c, x).previous == back &&
		    clean_from(c, x, back))
			return x;
	}
	return PSC_PAGE_SIZE;
}

/** Next offset from which anything is clean to the end. */
static unsigned int any_anchor(const struct psc_chain *c, unsigned int off)
{
	unsigned int unit = 1u << c->form->shift;

	for (unsigned int x = off + unit; x < PSC_PAGE_SIZE; x += unit) {
		struct psc_pool_header h = header_at(c, x);

		// A lone header at the end proves nothing by itself, nor does
		// a page that is filled with one word.
		if (h.previous && psc_tag_is_text(h.tag) &&
		    psc_le32(c->page + x) != h.tag &&
		    clean_from(c, x, -1) >= 2)
			return x;
	}
	return PSC_PAGE_SIZE;
}

static bool tags_are_text(const struct psc_chain *c, unsigned int off)
{
	while (off < PSC_PAGE_SIZE) {
		struct psc_pool_header h = header_at(c, off);

		if (!h.size || (h.type & PSC_PT_IN_USE &&
				!psc_tag_is_text(h.tag)))
			return false;
		off += (unsigned int)h.size << c->form->shift;
	}
	return true;
}

/**
 * Headers with text tags from the start that know each other.
 * @param[out] last of them; @param[out] end where they stop.
 */
static unsigned int linked_headers(const struct psc_chain *c,
				   unsigned int *last, unsigned int *end)
{
	unsigned int off = c->start, previous = 0, n = 0;

	*last = *end = off;

	while (off + c->form->bytes <= PSC_PAGE_SIZE) {
		struct psc_pool_header h = header_at(c, off);

		if (h.previous != previous || !h.size ||
		    h.type & PSC_PT_ILLEGAL ||
		    (h.type & PSC_PT_IN_USE && !psc_tag_is_text(h.tag)))
			break;
		previous = h.size;
		*last = off;
		off += (unsigned int)h.size << c->form->shift;
		*end = off;
		n++;
	}
	return n;
}

/** Is one field all that keeps the page from being clean? */
static bool one_repair(const struct psc_chain *c, unsigned int links,
		       unsigned int last, unsigned int end)
{
	unsigned int x;

	if (end < PSC_PAGE_SIZE && clean_from(c, end, -1) + links >= 2 &&
	    clean_from(c, end, -1) && tags_are_text(c, end))
		return true;	// PreviousSize
	if (!links)
		return false;
	x = next_anchor(c, last);
	if (x < PSC_PAGE_SIZE)
		return tags_are_text(c, x);
	// The size of the last block.
	unsigned int rest = (PSC_PAGE_SIZE - last) >> c->form->shift;
	return links >= 2 &&
	       __builtin_popcount(rest ^ header_at(c, last).size) == 1;
}

bool psc_chain_is_plausible(const struct psc_chain *c)
{
	unsigned int n = psc_chain_is_clean(c), links, last, end;

	// One damaged tag does not make a long clean chain something else.
	if (n)
		return n >= 2 && (n >= 6 || tags_are_text(c, c->start));
	links = linked_headers(c, &last, &end);
	// Only the very first PreviousSize is wrong, or the end of a chain.
	if (links >= 4 || one_repair(c, links, last, end))
		return true;
	// One break: the part behind it must know what lies before.
	unsigned int x = links ? next_anchor(c, c->start)
			       : any_anchor(c, c->start);
	return x < PSC_PAGE_SIZE && links + clean_from(c, x, -1) >= 3;
}

enum psc_pool_kind psc_chain_kind(const struct psc_chain *c)
{
	unsigned int nonpaged = 0, paged = 0, session = 0, off = c->start;

	while (off + c->form->bytes <= PSC_PAGE_SIZE) {
		struct psc_pool_header h = header_at(c, off);

		if (!h.size)
			break;
		// The PoolType of a free block is 0, whatever pool it is in.
		if (h.type & PSC_PT_PAGED)
			*(h.type & PSC_PT_SESSION ? &session : &paged) += 1;
		else
			nonpaged += h.type != 0;
		off += (unsigned int)h.size << c->form->shift;
	}
	if (nonpaged >= paged && nonpaged >= session)
		return PSC_POOL_NONPAGED;
	return paged >= session ? PSC_POOL_PAGED : PSC_POOL_SESSION;
}

static void fault(struct walk *w, enum psc_rule rule, unsigned int off,
		  unsigned int field, unsigned int bits, uint64_t expected,
		  uint64_t found, bool repaired)
{
	const struct psc_chain *c = w->c;

	w->st->faults++;
	if (!w->s->fault)
		return;
	struct psc_pool_header h = { 0 };
	if (off + c->form->bytes <= PSC_PAGE_SIZE)
		h = header_at(c, off);
	struct psc_fault f = {
		.rule = rule, .va = c->va + off,
		.field_va = c->va + off + field, .bits = bits,
		.expected = expected, .found = found, .repaired = repaired,
		.tag = h.tag & 0x7fffffff, .pool = c->pool,
		.owner = PSC_OWNER_CHAIN,
	};
	if (w->has_prev) {
		f.previous_va = c->va + w->prev_off;
		f.previous_bytes = w->prev_bytes;
		f.previous_tag = w->prev.tag & 0x7fffffff;
		f.previous_in_use = w->prev.type & PSC_PT_IN_USE;
	}
	w->s->fault(w->s->ctx, &f);
}

/** The pool's paged bit as PoolType shows it; -1 = either is possible. */
static int paged_bit(enum psc_pool_kind pool)
{
	switch (pool) {
	case PSC_POOL_NONPAGED:
	case PSC_POOL_NONPAGED_NX:
		return 0;
	case PSC_POOL_PAGED:
		return 1;
	default:
		return -1;
	}
}

static void check_type(struct walk *w, unsigned int off,
		       const struct psc_pool_header *h)
{
	uint8_t want = h->type & (uint8_t)~PSC_PT_ILLEGAL;
	int paged = paged_bit(w->c->pool);

	if (paged >= 0)
		want = psc_header_type_in(want, paged, w->c->pool ==
						       PSC_POOL_PAGED);
	if (want != h->type)
		fault(w, PSC_L6, off, 3, 8, want, h->type, true);
}

#define CACHE_LINE 64u

/**
 * The second header of a cache-aligned block lies directly before the aligned
 * data, and repeats the first (pool 1.7).
 */
static void check_aligned(struct walk *w, unsigned int off,
			  const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;
	unsigned int data = (off + c->form->bytes + CACHE_LINE - 1) &
			    ~(CACHE_LINE - 1);
	unsigned int at = data - c->form->bytes;
	unsigned int back = (at - off) >> c->form->shift;

	if (!c->form->wide || !back || back >= h->size ||
	    data >= PSC_PAGE_SIZE)
		return;
	struct psc_pool_header s = header_at(c, at);
	uint8_t type = (h->type & (uint8_t)~PSC_PT_ILLEGAL) | PSC_PT_ALIGNED;
	bool size_ok = s.size == h->size - back, tag_ok = !((s.tag ^ h->tag) & 0x7fffffff);
	// Quota is charged to one of the two.
	bool type_ok = !((s.type ^ type) & ~PSC_PT_QUOTA);
	bool back_ok = s.previous == back;

	// A tag that differs can be the first's: that one is judged elsewhere.
	if (!tag_ok || size_ok + back_ok + type_ok != 2)
		return;		// no second header, or a good one
	if (!back_ok)
		fault(w, PSC_L15, at, 0, 8, back, s.previous, true);
	else if (!size_ok)
		fault(w, PSC_L15, at, 2, 8, h->size - back, s.size, true);
	else
		fault(w, PSC_L15, at, 3, 8, type, s.type, true);
}

/** PoolIndex of the block before or behind: a page has one descriptor. */
static uint8_t neighbour_index(const struct walk *w, unsigned int off,
			       const struct psc_pool_header *h)
{
	unsigned int next = off + ((unsigned int)h->size << w->c->form->shift);

	if (w->has_prev)
		return w->prev.index;
	return next < PSC_PAGE_SIZE ? header_at(w->c, next).index : 0;
}

static void check_live(struct walk *w, unsigned int off,
		       const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;

	check_type(w, off, h);
	if (!psc_tag_is_text(h->tag))
		fault(w, PSC_L8, off, 4, 0, 0, h->tag, false);
	if (c->index_limit && h->index >= c->index_limit)
		fault(w, PSC_L7, off, 1, c->form->wide ? 8 : 0,
		      neighbour_index(w, off, h), h->index, true);
	check_aligned(w, off, h);
	if (h->type & PSC_PT_QUOTA && c->check_quota && c->form->wide) {
		uint64_t p = psc_header_process(h, c->va + off,
						c->has_cookie ? c->cookie : 0);
		if (!psc_process_is_sane(p, PSC_PROCESS_ALIGN_CLASSIC))
			fault(w, PSC_L14, off, 8, 0, 0, p, false);
	}
	// Windows 7 may make it one unit long: then it has no mark (pool 2.6).
	if (h->tag == TAG_FRAG && c->start && off == c->start &&
	    h->size > 1 && off + 0x18 <= PSC_PAGE_SIZE &&
	    psc_le64(c->page + off + 0x10) != c->big_bytes)
		fault(w, PSC_L17, off, 0x10, 64, c->big_bytes,
		      psc_le64(c->page + off + 0x10), false);
}

/** Two free neighbours should have been merged (but for 1-unit scraps and
 *  the rest behind a big allocation). */
static void check_merged(struct walk *w, unsigned int off,
			 const struct psc_pool_header *h)
{
	if (w->has_prev && !h->type && !w->prev.type && h->size > 1 &&
	    w->prev.size > 1 && !w->c->start)
		fault(w, PSC_L11, off, 3, 8, PSC_PT_IN_USE, h->type, false);
}

/** A cached block carries its encoded address (8 and later, pool 1.5). */
static void check_cached(struct walk *w, unsigned int off,
			 const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;
	uint64_t want = (c->va + off) ^ c->cookie;

	if (c->has_cookie && c->cookie && c->form->wide && h->billed != want)
		fault(w, PSC_L12, off, 8, 64, want, h->billed, true);
}

static void set_payer(const struct psc_chain *c,
		      const struct psc_pool_header *h, struct psc_block *b)
{
	uint64_t cookie = c->has_cookie ? c->cookie : 0;

	if (!(h->type & PSC_PT_QUOTA)) {
		b->unbilled = psc_header_unbilled(h, b->va, cookie);
		return;
	}
	b->process = psc_header_process(h, b->va, cookie);
	if (!psc_process_is_sane(b->process, PSC_PROCESS_ALIGN_CLASSIC))
		b->process = 0;
}

static void emit(struct walk *w, unsigned int off, unsigned int bytes,
		 const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;
	struct psc_block b = {
		.va = c->va + off, .bytes = bytes, .tag = h->tag & 0x7fffffff,
		.pool = c->pool, .owner = PSC_OWNER_CHAIN,
		.pool_type = h->type, .has_header = true, .node = c->node,
		.state = PSC_BLOCK_IN_USE,
	};

	w->st->blocks++;
	if (h->type & PSC_PT_IN_USE) {
		w->st->in_use += bytes;
		if (c->check_quota && c->form->wide)
			set_payer(c, h, &b);
		if ((h->type & (PSC_PT_SESSION | PSC_PT_PAGED)) ==
		    (PSC_PT_SESSION | PSC_PT_PAGED))
			b.pool = PSC_POOL_SESSION;
	} else if (h->type & PSC_PT_ALIGNED) {
		b.state = PSC_BLOCK_CACHED;
		w->st->cached += bytes;
	} else {
		b.state = PSC_BLOCK_FREE;
		w->st->free += bytes;
	}
	if (w->s->block)
		w->s->block(w->s->ctx, &b);
}

static void accept(struct walk *w, unsigned int off, unsigned int bytes)
{
	struct psc_pool_header h = header_at(w->c, off);

	// A stored size that was refuted is of no use to further checks.
	h.size = (uint16_t)(bytes >> w->c->form->shift);
	if (h.type & PSC_PT_IN_USE)
		check_live(w, off, &h);
	else if (h.type & PSC_PT_ALIGNED)
		check_cached(w, off, &h);
	else
		check_merged(w, off, &h);
	emit(w, off, bytes, &h);
	w->prev = h;
	w->prev_off = off;
	w->prev_bytes = bytes;
	w->has_prev = true;
}

static uint64_t max_units(const struct psc_chain *c)
{
	return PSC_PAGE_SIZE >> c->form->shift;
}

/**
 * The header at @p off has an impossible size. The block ends where a clean
 * chain says that a block of that length lies before it.
 * @return where the walk goes on.
 */
static unsigned int bad_size(struct walk *w, unsigned int off,
			     enum psc_rule rule)
{
	const struct psc_chain *c = w->c;
	struct psc_pool_header h = header_at(c, off);
	unsigned int x = next_anchor(c, off);

	if (x < PSC_PAGE_SIZE) {
		fault(w, rule, off, 2, c->form->wide ? 8 : 0,
		      (x - off) >> c->form->shift, h.size, true);
		accept(w, off, x - off);
		return x;
	}
	// The last block of a page: its end is known without a witness.
	uint64_t rest = (PSC_PAGE_SIZE - off) >> c->form->shift;
	if (c->form->wide && __builtin_popcountll(rest ^ h.size) == 1) {
		fault(w, rule, off, 2, 8, rest, h.size, true);
		accept(w, off, PSC_PAGE_SIZE - off);
		return PSC_PAGE_SIZE;
	}
	x = any_anchor(c, off);
	fault(w, rule, off, 2, 0, 0, h.size, false);
	w->st->skipped += x - off;
	w->has_prev = false;
	return x;
}

/** A header of which nothing can be believed but where it ends. */
static void wrecked(struct walk *w, unsigned int off, unsigned int bytes)
{
	struct psc_block b = {
		.va = w->c->va + off, .bytes = bytes, .pool = w->c->pool,
		.owner = PSC_OWNER_CHAIN, .node = w->c->node,
		.state = PSC_BLOCK_UNATTRIBUTED,
	};

	w->st->blocks++;
	w->st->unattributed += bytes;
	if (w->s->block)
		w->s->block(w->s->ctx, &b);
	w->prev = (struct psc_pool_header){ .size = (uint16_t)(
		bytes >> w->c->form->shift), .type = PSC_PT_IN_USE };
	w->prev_off = off;
	w->prev_bytes = bytes;
	w->has_prev = true;
}

/**
 * The header at @p off does not know the block before it. When the chain
 * from here on is clean, only that field is wrong; else the whole header is.
 * @return where the walk goes on, @p off itself when the header is usable.
 */
static unsigned int bad_previous(struct walk *w, unsigned int off,
				 const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;
	uint64_t want = w->has_prev
		? (uint64_t)w->prev_bytes >> c->form->shift : 0;
	bool clean = h->size && h->size <= max_units(c) &&
		     clean_from(c, off, -1);
	unsigned int x = clean ? off : next_anchor(c, off);

	fault(w, w->has_prev ? PSC_L4 : PSC_L1, off, 0,
	      c->form->wide ? 8 : 0, want, h->previous, clean);
	if (clean || x == PSC_PAGE_SIZE)
		return off;
	// The header behind is the second witness: it knows this one's size.
	uint64_t size = (x - off) >> c->form->shift;
	if (h->size != size)
		fault(w, h->size ? PSC_L3 : PSC_L2, off, 2,
		      c->form->wide ? 8 : 0, size, h->size, true);
	wrecked(w, off, x - off);
	return x;
}

/** A block whose own size is wrong but passes: the real next block says so. */
static unsigned int true_end(struct walk *w, unsigned int off,
			     const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;
	unsigned int end = off + ((unsigned int)h->size << c->form->shift);

	if (end == PSC_PAGE_SIZE)
		return end;
	unsigned int x = next_anchor(c, off);
	// Headers on the way that know each other outweigh one that is passed.
	if (x > end && clean_from(c, end, -1))
		return end;
	if (x < PSC_PAGE_SIZE && x != end) {
		fault(w, PSC_L4, off, 2, c->form->wide ? 8 : 0,
		      (x - off) >> c->form->shift, h->size, true);
		return x;
	}
	uint64_t rest = (PSC_PAGE_SIZE - off) >> c->form->shift;
	if (x == PSC_PAGE_SIZE && c->form->wide &&
	    __builtin_popcountll(rest ^ h->size) == 1) {
		fault(w, PSC_L5, off, 2, 8, rest, h->size, true);
		return PSC_PAGE_SIZE;
	}
	return end;
}

/**
 * L16: the last live block of a page holds a chain of headers that ends with
 * the page, where its size would end if one bit were another. What was there
 * before the block looks the same: no fault by itself, so it is not counted.
 */
static void hidden_chain(struct walk *w, unsigned int off,
			 const struct psc_pool_header *h)
{
	const struct psc_chain *c = w->c;

	if (!c->form->wide || !(h->type & PSC_PT_IN_USE) || !w->s->fault)
		return;
	for (unsigned int bits = h->size; bits; bits &= bits - 1) {
		unsigned int size = h->size ^ (bits & -bits);
		unsigned int x = off + (size << c->form->shift);

		if (!size || header_at(c, x).previous != size ||
		    !psc_header_type_live(header_at(c, x).type) ||
		    !psc_tag_is_text(header_at(c, x).tag) ||
		    !clean_from(c, x, (int)size))
			continue;
		fault(w, PSC_L16, off, 2, 8, size, h->size, true);
		w->st->faults--;
		return;
	}
}

void psc_chain_walk(const struct psc_chain *c, const struct psc_sink *s,
		    struct psc_span_stats *st)
{
	struct walk w = { .c = c, .s = s, .st = st };
	unsigned int off = c->start, previous = 0;

	while (off < PSC_PAGE_SIZE) {
		struct psc_pool_header h = header_at(c, off);
		unsigned int bytes = (unsigned int)h.size << c->form->shift;

		if (h.previous != previous &&
		    (w.has_prev || off == c->start)) {
			unsigned int next = bad_previous(&w, off, &h);

			if (next != off) {
				off = next;
				previous = w.prev.size;
				continue;
			}
		}
		if (!h.size || bytes > PSC_PAGE_SIZE - off) {
			off = bad_size(&w, off, h.size ? PSC_L3 : PSC_L2);
		} else {
			unsigned int end = off + bytes;

			if (end < PSC_PAGE_SIZE &&
			    header_at(c, end).previous != h.size)
				end = true_end(&w, off, &h);
			else if (end == PSC_PAGE_SIZE)
				hidden_chain(&w, off, &h);
			accept(&w, off, end - off);
			off = end;
		}
		previous = w.has_prev ? w.prev_bytes >> c->form->shift : 0;
	}
}
