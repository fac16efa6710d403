// SPDX-License-Identifier: MIT
#include "pool/vs.h"

#include "pool/header.h"

/** Larger requests are page-aligned and have no pool header (pool 3.6). */
#define MAX_SMALL 0xff0u
/** Bit of the signature's word: CommitBitmap is not kept (pool 3.6). */
#define FULL_COMMIT 0x8000u

struct walk {
	const struct psc_vs *v;
	const struct psc_sink *s;
	struct psc_span_stats *st;
	uint64_t end;		/**< Offset behind the last chunk. */
	size_t cached;		/**< Cursor into v->cached. */
	uint16_t prev_size;	/**< Units of the chunk before; 0 = unknown. */
	bool prev_free;
	struct psc_block prev;	/**< Block of the chunk before; va 0 = none. */
};

struct psc_vs_header psc_vs_header_decode(const struct psc_heap_layout *l,
					  const uint8_t *p, uint64_t va)
{
	struct psc_vs_header h = {
		// Links are stored XORed with their own address.
		.flink = psc_le64(p) ^ va, .blink = psc_le64(p + 8) ^ va,
		.size = psc_le16(p + l->vs_size),
		.signature = psc_le16(p + l->vs_signature) & 0x7fff,
	};

	h.signature_ok = h.signature == ((h.size ^ PSC_VS_MAGIC) & 0x7fff);
	return h;
}

uint64_t psc_vs_block(uint64_t chunk_va, unsigned int units,
		      unsigned int slack, uint64_t *bytes)
{
	const uint64_t mask = PSC_PAGE_SIZE - 1;
	uint64_t p = chunk_va + 0x10;
	uint64_t n = (uint64_t)units * 16 - 0x10;

	n = n > slack ? n - slack : 0;
	// A small block never crosses a page: it starts on the next one. What
	// the move skips comes on top of the largest block.
	uint64_t skip = -p & mask;
	if ((p & mask) + n > PSC_PAGE_SIZE && n <= MAX_SMALL + skip) {
		n = n > skip ? n - skip : 0;
		p += skip;
	}
	*bytes = n;
	return p;
}

static void fault(struct walk *w, struct psc_fault f)
{
	w->st->faults++;
	if (!w->s->fault)
		return;
	f.pool = w->v->pool;
	f.owner = PSC_OWNER_VS;
	f.previous_va = w->prev.va;
	f.previous_bytes = w->prev.bytes;
	f.previous_tag = w->prev.tag;
	f.previous_in_use = w->prev.state == PSC_BLOCK_IN_USE;
	w->s->fault(w->s->ctx, &f);
}

static bool chunk_at(const struct psc_vs *v, uint64_t off,
		     struct psc_vs_chunk *c)
{
	const uint8_t *p = psc_pages_at(&v->pages, off, 16);

	if (p)
		*c = psc_vs_decode(psc_le64(p), psc_le32(p + 8),
				   v->pages.va + off, v->heap_key);
	return p;
}

/** Page boundaries inside [off, off + bytes). */
static uint64_t boundaries(uint64_t off, uint64_t bytes)
{
	return ((off + bytes - 1) >> PSC_PAGE_SHIFT) - (off >> PSC_PAGE_SHIFT);
}

/** Can these eight bytes be a chunk header at @p off? */
static bool chunk_is_legal(const struct psc_vs_chunk *c, uint64_t off,
			   uint64_t end)
{
	uint64_t bytes = (uint64_t)c->size * 16;

	if (c->rest || c->allocated > 1 || c->size < 2 || bytes > end - off)
		return false;
	return c->cost <= (c->allocated ? 0 : boundaries(off, bytes));
}

/** Does the chunk behind (or the end) confirm this one's size? */
static bool next_agrees(const struct walk *w, const struct psc_vs_chunk *c,
			uint64_t off)
{
	uint64_t next = off + (uint64_t)c->size * 16;
	struct psc_vs_chunk n;

	if (next == w->end)
		return true;
	if (!chunk_at(w->v, next, &n))
		return false;
	return chunk_is_legal(&n, next, w->end) && n.previous == c->size;
}

/**
 * First offset at or behind @p off that is a chunk whose neighbour agrees.
 * @param[out] missing a missing page was crossed.
 */
static uint64_t resync(struct walk *w, uint64_t off)
{
	while (off < w->end) {
		struct psc_vs_chunk c;

		if (!chunk_at(w->v, off, &c)) {
			off = psc_pages_behind(&w->v->pages, off);
			continue;
		}
		bool page_ok = !c.allocated ||
			       c.page == (uint8_t)(off >> PSC_PAGE_SHIFT);
		if (page_ok && c.previous && chunk_is_legal(&c, off, w->end) &&
		    next_agrees(w, &c, off))
			return off;
		off += 16;
	}
	return w->end;
}

/** Bytes of [from, to) on present and on missing pages. */
static void count_gap(struct walk *w, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t next = psc_pages_behind(&w->v->pages, from);
		uint64_t n = PSC_MIN(next, to) - from;

		if (psc_pages_at(&w->v->pages, from, 1))
			w->st->skipped += n;
		else
			w->st->missing += n;
		from += n;
	}
}

/** Is there a pool header that fills a chunk of that size? */
static bool has_pool_header(const struct walk *w, uint64_t off,
			    unsigned int units)
{
	uint64_t base = w->v->pages.va, bytes;
	uint64_t va = psc_vs_block(base + off, units, 0, &bytes);
	const uint8_t *p = psc_pages_at(&w->v->pages, va - base, 16);

	if (!p)
		return false;
	struct psc_pool_header h = psc_header_decode(&psc_header64, p);
	return psc_header_is_candidate(&h) && h.size * 16u <= bytes &&
	       bytes - h.size * 16u <= 0x20;
}

/** Can the words behind a chunk's header be a node of the free tree? */
static bool has_node(const struct walk *w, uint64_t off)
{
	const uint8_t *p = psc_pages_at(&w->v->pages, off + 8, 24);

	for (unsigned int i = 0; p && i < 24; i += 8) {
		uint64_t v = psc_le64(p + i);

		if (v && v >> 47 != 0x1ffff)
			return false;
	}
	return p;
}

/**
 * What the broken header at @p off should have said, given that the chunk
 * at @p next knows its size: allocated when a pool header fills it, else the
 * likelier of allocated and free.
 */
static uint64_t expected_header(const struct walk *w, uint64_t off,
				uint64_t next, uint64_t found)
{
	uint64_t size = (next - off) / 16;
	uint64_t base = size << 16 | (uint64_t)w->prev_size << 32;
	uint64_t used = base | UINT64_C(1) << 48;
	uint64_t free = base | boundaries(off, size * 16);

	if (has_pool_header(w, off, (unsigned int)size) ||
	    !has_node(w, off))
		return used;
	return __builtin_popcountll(found ^ used) <
	       __builtin_popcountll(found ^ free) ? used : free;
}

/** A broken header that still knows the end, and the chunk before it. */
static bool is_last(const struct walk *w, uint64_t off,
		    const struct psc_vs_chunk *c)
{
	return off + (uint64_t)c->size * 16 == w->end && w->prev_size &&
	       c->previous == w->prev_size;
}

/**
 * The header at @p off is broken: report it. When the chunk behind it knows
 * its size, @p c is repaired.
 * @param[out] next where the next chunk begins.
 */
static bool broken(struct walk *w, uint64_t off, struct psc_vs_chunk *c,
		   uint64_t *next)
{
	const struct psc_vs *v = w->v;
	uint64_t va = v->pages.va + off;
	const uint8_t *p = psc_pages_at(&v->pages, off, 16);
	struct psc_fault f = { .rule = PSC_V2, .va = va, .field_va = va };
	struct psc_vs_chunk n;

	*next = resync(w, off + 16);
	f.found = psc_le64(p) ^ v->heap_key ^ va;
	bool known = *next < w->end ? chunk_at(v, *next, &n) &&
					      n.previous == (*next - off) / 16
				    : is_last(w, off, c);
	if (known) {
		f.bits = 64;
		f.expected = expected_header(w, off, *next, f.found);
		f.repaired = true;
		bool word_ok = c->page == (uint8_t)(off >> PSC_PAGE_SHIFT);
		*c = psc_vs_decode(f.expected, word_ok ? c->word : 0, 0, 0);
	}
	fault(w, f);
	return f.repaired;
}

/** Nothing in [off, next) is understood. */
static void forget(struct walk *w, uint64_t off, uint64_t next)
{
	count_gap(w, off, next);
	w->prev_size = 0;
	w->prev_free = false;
	w->prev = (struct psc_block){ 0 };
}

/**
 * The header is legal, but does a chunk follow where its size says? When the
 * one that follows is broken itself, this one is believed.
 */
static bool size_is_wrong(struct walk *w, uint64_t off,
			  const struct psc_vs_chunk *c)
{
	uint64_t next = off + (uint64_t)c->size * 16, x;
	struct psc_vs_chunk n;

	if (next_agrees(w, c, off) || !chunk_at(w->v, next, &n))
		return false;
	x = resync(w, off + 16);
	// Chunks on the way that know each other outweigh one that is passed.
	if (x >= next && chunk_is_legal(&n, next, w->end) &&
	    next_agrees(w, &n, next))
		return false;	// only its UnsafePrevSize disagrees
	return x != next && x < w->end && chunk_at(w->v, x, &n) &&
	       n.previous == (x - off) / 16;
}

/** Is @p va (a pool header) or the chunk's first byte in a cache? */
static bool is_cached(struct walk *w, uint64_t chunk_va, uint64_t block_va)
{
	const struct psc_vs *v = w->v;

	while (w->cached < v->n_cached && v->cached[w->cached] < chunk_va)
		w->cached++;
	for (size_t i = w->cached; i < v->n_cached; i++) {
		if (v->cached[i] > block_va)
			break;
		if (v->cached[i] == block_va || v->cached[i] == chunk_va + 0x10)
			return true;
	}
	return false;
}

static void give(struct walk *w, const struct psc_block *b)
{
	w->st->blocks++;
	switch (b->state) {
	case PSC_BLOCK_IN_USE:
		w->st->in_use += b->bytes;
		break;
	case PSC_BLOCK_FREE:
		w->st->free += b->bytes;
		break;
	case PSC_BLOCK_CACHED:
		w->st->cached += b->bytes;
		break;
	case PSC_BLOCK_UNATTRIBUTED:
		w->st->unattributed += b->bytes;
		break;
	}
	w->prev = *b;
	if (w->s->block)
		w->s->block(w->s->ctx, b);
}

static bool is_pointer_or_null(uint64_t v)
{
	return !v || v >> 47 == 0x1ffff;
}

static void header_fault(struct walk *w, enum psc_rule rule,
			 const struct psc_block *b, unsigned int field,
			 unsigned int bits, uint64_t expected, uint64_t found)
{
	fault(w, (struct psc_fault){
		.rule = rule, .va = b->va, .field_va = b->va + field,
		.bits = bits, .expected = expected, .found = found,
		.tag = b->tag, .repaired = bits > 0 });
}

/**
 * Judge the pool header of an allocated chunk.
 * @return false when it is no header at all.
 */
static bool check_header(struct walk *w, struct psc_block *b, bool exact,
			 const struct psc_pool_header *h)
{
	uint64_t found = (uint64_t)h->size * 16;
	bool size_ok = found == b->bytes ||
		       (!exact && found < b->bytes && b->bytes - found <= 0x20);
	bool type_ok = psc_header_type_live(h->type);

	// Two of three must hold, else this is not (or no longer) a header.
	if (size_ok + type_ok + psc_tag_is_text(h->tag) < 2)
		return false;
	if (!size_ok)
		header_fault(w, PSC_V6, b, 2, 8, b->bytes / 16, h->size);
	else
		b->bytes = found;
	if (h->previous)
		header_fault(w, PSC_V7, b, 0, 8, 0, h->previous);
	uint8_t type = (uint8_t)((h->type & ~PSC_PT_ILLEGAL) | PSC_PT_IN_USE);
	if (w->v->paged >= 0)
		type = psc_header_type_in(type, w->v->paged,
					  w->v->no_session);
	if (type != h->type)
		header_fault(w, type_ok ? PSC_V12 : PSC_V5, b, 3, 8, type,
			     h->type);
	if (!psc_tag_is_text(h->tag))
		header_fault(w, PSC_V5, b, 4, 0, 0, h->tag);
	if (h->type & PSC_PT_QUOTA && w->v->cookie) {
		b->process = psc_header_process(h, b->va, w->v->cookie);
		if (!psc_process_is_sane(b->process, PSC_PROCESS_ALIGN)) {
			header_fault(w, PSC_Q1, b, 8, 0, 0, b->process);
			b->process = 0;
		}
	} else if (w->v->cookie) {
		b->unbilled = psc_header_unbilled(h, b->va, w->v->cookie);
	}
	return true;
}

/** An allocated chunk whose pool header is not one. */
static void no_header(struct walk *w, struct psc_block *b,
		      const struct psc_vs_chunk *c, unsigned int slack,
		      const uint8_t *p)
{
	b->state = PSC_BLOCK_UNATTRIBUTED;
	b->has_header = false;
	b->tag = 0;
	// Nodes of large allocations: 4 units, slack 8 (real-pool 2).
	if (c->size == 4 && slack == 8) {
		give(w, b);
		return;
	}
	// A list link where the header was: freed, and kept in some cache.
	if (is_pointer_or_null(psc_le64(p))) {
		b->state = PSC_BLOCK_CACHED;
		give(w, b);
		return;
	}
	header_fault(w, PSC_V5, b, 0, 0, 0, psc_le64(p));
	give(w, b);
}

/** Bytes of the page-aligned allocation in a chunk that the big-page table
 *  lists; 0 = none. It may end up smaller than a block with a header can be. */
static uint64_t big_inside(const struct walk *w, uint64_t va, uint64_t bytes)
{
	const struct psc_vs *v = w->v;
	uint64_t data = (va + 0x10 + PSC_PAGE_SIZE - 1) &
			~(uint64_t)(PSC_PAGE_SIZE - 1);

	return v->big_bytes && data < va + bytes
		? v->big_bytes(v->big_ctx, data) : 0;
}

static void allocated(struct walk *w, uint64_t off,
		      const struct psc_vs_chunk *c)
{
	const struct psc_vs *v = w->v;
	uint64_t va = v->pages.va + off, bytes = (uint64_t)c->size * 16;
	struct psc_block b = {
		.pool = v->pool, .owner = PSC_OWNER_VS, .node = v->node,
		.state = PSC_BLOCK_IN_USE,
	};
	bool exact = true;
	unsigned int slack = 0;
	uint64_t big = big_inside(w, va, bytes);

	if (big) {		// the block comes from the big-page table
		w->st->overhead += bytes > big + 0x10 ? bytes - big - 0x10 : 0;
		return;
	}
	if (c->word & 0x100) {
		const uint8_t *tail = psc_pages_at(&v->pages, off + bytes - 2,
						   2);
		exact = tail;
		slack = tail ? psc_le16(tail) & 0x1fff : 0;
		// An overwritten slack word: only its two usual values count.
		if (slack >= bytes || slack > 0x20) {
			exact = false;
			slack = 0;
		}
	}
	b.va = psc_vs_block(va, c->size, slack, &b.bytes);
	if (is_cached(w, va, b.va)) {
		b.state = PSC_BLOCK_CACHED;
		give(w, &b);
		return;
	}
	if (b.bytes > MAX_SMALL) {
		b.state = PSC_BLOCK_UNATTRIBUTED;
		give(w, &b);
		return;
	}
	const uint8_t *p = psc_pages_at(&v->pages, b.va - v->pages.va, 16);
	if (!p) {
		w->st->missing += bytes;
		return;
	}
	struct psc_pool_header h = psc_header_decode(&psc_header64, p);
	b.tag = h.tag & 0x7fffffff;
	b.pool_type = h.type;
	b.has_header = true;
	if (check_header(w, &b, exact, &h))
		give(w, &b);
	else
		no_header(w, &b, c, slack, p);
}

static void check_chunk(struct walk *w, uint64_t off,
			const struct psc_vs_chunk *c)
{
	uint64_t va = w->v->pages.va + off;
	uint8_t page = (uint8_t)(off >> PSC_PAGE_SHIFT);

	if (w->prev_size && c->previous != w->prev_size &&
	    !w->v->weak_previous)
		fault(w, (struct psc_fault){
			.rule = PSC_V3, .va = va, .field_va = va + 4,
			.bits = 16, .expected = w->prev_size,
			.found = c->previous,
			.repaired = next_agrees(w, c, off) });
	if (!c->allocated) {
		if (w->prev_free)
			fault(w, (struct psc_fault){ .rule = PSC_V8, .va = va,
						     .field_va = va + 6 });
		return;
	}
	if (c->page != page)
		fault(w, (struct psc_fault){
			.rule = PSC_V4, .va = va, .field_va = va + 8,
			.bits = 8, .expected = page, .found = c->page,
			.repaired = true });
	if (c->word >> 9)
		fault(w, (struct psc_fault){
			.rule = PSC_V4, .va = va, .field_va = va + 9,
			.bits = 23, .expected = 0, .found = c->word >> 9 });
}

static void free_chunk(struct walk *w, uint64_t off,
		       const struct psc_vs_chunk *c)
{
	struct psc_block b = {
		.va = w->v->pages.va + off + 0x10,
		.bytes = (uint64_t)c->size * 16 - 0x10, .pool = w->v->pool,
		.owner = PSC_OWNER_VS, .node = w->v->node,
		.state = PSC_BLOCK_FREE,
	};

	give(w, &b);
}

/** Do chunks that know each other lead from the first to @p end? */
static bool chunks_fill(const struct walk *w, uint64_t end)
{
	struct psc_vs_chunk c = { 0 };
	uint64_t off = PSC_VS_FIRST;

	for (uint16_t before = 0; off < end; before = c.size) {
		if (!chunk_at(w->v, off, &c) || !chunk_is_legal(&c, off, end) ||
		    c.previous != before)
			return false;
		off += (uint64_t)c.size * 16;
	}
	return off == end;
}

/**
 * S9: the size of the header and of the range differ; the chunks tell which
 * is right. @return where the last chunk ends.
 */
static uint64_t true_end(struct walk *w, const struct psc_vs_header *h,
			 uint64_t bytes)
{
	const struct psc_vs *v = w->v;
	uint64_t end = PSC_VS_FIRST + (uint64_t)h->size * 16;
	bool filled;

	if (end == bytes || (end < bytes && chunks_fill(w, end)))
		return end;
	filled = chunks_fill(w, bytes);
	// Smaller, and pages are missing: cannot tell.
	if (!filled && end < bytes)
		return end;
	fault(w, (struct psc_fault){
		.rule = PSC_S9, .va = v->pages.va,
		.field_va = v->pages.va + v->layout->vs_size, .bits = 16,
		.expected = (bytes - PSC_VS_FIRST) / 16, .found = h->size,
		.repaired = filled });
	return bytes;
}

/** V11: pages that the subsegment counts as committed, but nothing maps. */
static void check_commit(struct walk *w, const uint8_t *header)
{
	const struct psc_vs *v = w->v;
	const struct psc_heap_layout *l = v->layout;
	uint64_t bits = psc_le64(header + l->vs_commit) & v->not_mapped;

	if (psc_le16(header + l->vs_signature) & FULL_COMMIT)
		bits = v->not_mapped;
	for (; bits && !l->newest; bits &= bits - 1) {
		uint64_t page = v->pages.va +
				((uint64_t)__builtin_ctzll(bits)
				 << PSC_PAGE_SHIFT);

		fault(w, (struct psc_fault){ .rule = PSC_V11, .va = page,
					     .field_va = page });
	}
}

/** Offsets of the first chunk and of the end, from the header. */
static uint64_t begin(struct walk *w)
{
	const struct psc_vs *v = w->v;
	const uint8_t *p = psc_pages_at(&v->pages, 0, v->layout->vs_bytes);
	uint64_t bytes = (uint64_t)v->pages.n << PSC_PAGE_SHIFT;

	w->end = bytes;
	if (!p)
		return 0;
	check_commit(w, p);
	struct psc_vs_header h =
		psc_vs_header_decode(v->layout, p, v->pages.va);
	uint64_t whole = (bytes - PSC_VS_FIRST) / 16;
	if (!h.signature_ok)
		fault(w, (struct psc_fault){
			.rule = PSC_V1, .va = v->pages.va,
			.field_va = v->pages.va + v->layout->vs_signature,
			.bits = 15, .expected = (h.size ^ PSC_VS_MAGIC) & 0x7fff,
			.found = h.signature, .repaired = h.size == whole });
	else
		w->end = true_end(w, &h, bytes);
	w->st->overhead += PSC_VS_FIRST + (bytes - w->end);
	return PSC_VS_FIRST;
}

/**
 * A chunk that says free, but still has what its free-tree node would have
 * overwritten: the second word and a pool header that fills it.
 */
static void check_free(struct walk *w, uint64_t off, struct psc_vs_chunk *c)
{
	uint64_t va = w->v->pages.va + off;

	if (c->allocated || c->word >> 9 || !c->word ||
	    c->page != (uint8_t)(off >> PSC_PAGE_SHIFT) ||
	    !has_pool_header(w, off, c->size))
		return;
	fault(w, (struct psc_fault){
		.rule = PSC_V2, .va = va, .field_va = va + 6, .bits = 8,
		.expected = 1, .found = 0, .repaired = true });
	c->allocated = 1;
}

void psc_vs_walk(const struct psc_vs *v, const struct psc_sink *s,
		 struct psc_span_stats *st)
{
	struct walk w = { .v = v, .s = s, .st = st };

	if (!v->pages.n)
		return;
	uint64_t off = begin(&w);
	while (off < w.end) {
		struct psc_vs_chunk c;
		uint64_t next;

		if (!chunk_at(v, off, &c)) {
			next = resync(&w, off);
			forget(&w, off, next);
			off = next;
			continue;
		}
		if (chunk_is_legal(&c, off, w.end) &&
		    !size_is_wrong(&w, off, &c)) {
			check_free(&w, off, &c);
			check_chunk(&w, off, &c);
		} else if (!broken(&w, off, &c, &next)) {
			forget(&w, off, next);
			off = next;
			continue;
		}
		st->overhead += 16;
		if (c.allocated)
			allocated(&w, off, &c);
		else
			free_chunk(&w, off, &c);
		w.prev_size = c.size;
		w.prev_free = !c.allocated;
		off += (uint64_t)c.size * 16;
	}
}
