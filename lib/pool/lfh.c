// SPDX-License-Identifier: MIT
#include "pool/lfh.h"

#include "base/bytes.h"
#include "pool/header.h"

/** Blocks above it pass through dynamic lookasides (pool 3.12). */
#define MIN_LOOKASIDE 0x200u

/** _HEAP_LFH_SUBSEGMENT_OWNER.BucketIndex, behind the flags (pool 3.7). */
#define OWNER_INDEX 1u

struct walk {
	const struct psc_lfh *v;
	const struct psc_sink *s;
	struct psc_span_stats *st;
	struct psc_lfh_header h;
	size_t cached;		/**< Cursor into v->cached. */
	uint32_t set;		/**< Busy bits over all blocks. */
	uint32_t unit_busy;	/**< Busy, not withheld, in this unit. */
	uint32_t unit;
	uint32_t commit_bad;	/**< Units whose word disagrees. */
	bool bits_missing;	/**< A word of the bitmap is not there. */
	struct psc_block prev;
};

struct psc_lfh_header psc_lfh_decode(const struct psc_heap_layout *l,
				     const uint8_t *p, uint64_t va,
				     uint64_t lfh_key)
{
	uint32_t plain = psc_le32(p + l->lfh_offsets) ^
			 psc_lfh_mask(l, va, lfh_key);
	struct psc_lfh_header h = {
		.block_bytes = plain & 0xffff, .first = plain >> 16,
		.count = psc_le16(p + l->lfh_count),
		.free = psc_le16(p + l->lfh_free),
		.withheld = p[l->lfh_withheld],
		.units = p[l->lfh_unit_count],
		.unit_shift = p[l->lfh_unit_shift],
	};

	h.blocks = h.count + h.withheld;
	if (l->lfh_delayed)
		h.delayed = psc_le16(p + l->lfh_delayed);
	if (l->lfh_has_commit) {
		h.commit = psc_le16(p + l->lfh_commit);
		h.owner = psc_le64(p + l->lfh_owner);
		h.location = p[l->lfh_location];
	}
	return h;
}

/** Bytes of the bitmap, in whole words. */
static uint32_t bitmap_bytes(const struct psc_heap_layout *l, uint32_t blocks)
{
	return (blocks * l->lfh_bits + 63) / 64 * 8;
}

uint32_t psc_lfh_first(const struct psc_heap_layout *l, uint32_t blocks,
		       uint32_t units, uint32_t block_bytes)
{
	uint32_t first = l->lfh_bitmap + bitmap_bytes(l, blocks) + 2 * units;
	bool power = !(block_bytes & (block_bytes - 1));
	uint32_t align = power && units > 1 ? block_bytes : 16;

	return (first + align - 1) / align * align;
}

bool psc_lfh_is_sane(const struct psc_heap_layout *l,
		     const struct psc_lfh_header *h)
{
	uint64_t range;

	if (h->block_bytes < 16 || h->block_bytes & 15 ||
	    h->block_bytes >= 0xff8 || !h->blocks || h->free > h->count ||
	    h->unit_shift < 12 || h->unit_shift > 16 || !h->units)
		return false;
	range = (uint64_t)h->units << h->unit_shift;
	return h->first >= l->lfh_bitmap + bitmap_bytes(l, h->blocks) &&
	       !(h->first & 15) &&
	       h->first + (uint64_t)h->blocks * h->block_bytes <= range;
}

uint32_t psc_lfh_guess(const struct psc_heap_layout *l,
		       const struct psc_lfh_header *h)
{
	uint32_t found = 0;

	if (h->unit_shift != 12 || !h->units || !h->blocks)
		return 0;
	for (uint32_t size = 0x10; size < 0xff8; size += 0x10) {
		uint32_t first = psc_lfh_first(l, h->blocks, h->units, size);
		uint32_t range = h->units << 12;

		if (!psc_size_is_class(size) || first >= range ||
		    (range - first) / size != h->blocks)
			continue;
		if (found)
			return 0;
		found = size;
	}
	return found;
}

static void fault(struct walk *w, struct psc_fault f)
{
	w->st->faults++;
	if (!w->s->fault)
		return;
	f.pool = w->v->pool;
	f.owner = PSC_OWNER_LFH;
	f.previous_va = w->prev.va;
	f.previous_bytes = w->prev.bytes;
	f.previous_tag = w->prev.tag;
	f.previous_in_use = w->prev.state == PSC_BLOCK_IN_USE;
	w->s->fault(w->s->ctx, &f);
}

static bool is_cached(struct walk *w, uint64_t va)
{
	const struct psc_lfh *v = w->v;

	while (w->cached < v->n_cached && v->cached[w->cached] < va)
		w->cached++;
	return w->cached < v->n_cached && v->cached[w->cached] == va;
}

static void give(struct walk *w, struct psc_block *b)
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

/** Header of a busy block; every fault of it is rule F5 (Q1 for the quota). */
static void check_busy(struct walk *w, struct psc_block *b,
		       const struct psc_pool_header *h, uint64_t raw)
{
	uint32_t units = w->h.block_bytes / 16;
	uint8_t type = (uint8_t)((h->type & ~PSC_PT_ILLEGAL) | PSC_PT_IN_USE);
	struct psc_fault f = {
		.rule = PSC_F5, .va = b->va, .tag = b->tag, .bits = 8,
		.repaired = true, .field_va = b->va,
	};

	if (w->v->paged >= 0)
		type = psc_header_type_in(type, w->v->paged,
					  w->v->no_session);
	int good = (h->size == units) + (h->type == type) + !h->previous +
		   psc_tag_is_text(h->tag);
	if (good < 2) {		// no header at all
		// A list link where the header was: kept in some cache.
		bool link = raw >> 47 == 0x1ffff &&
			    (w->h.block_bytes > MIN_LOOKASIDE ||
			     w->v->layout->newest);
		b->state = link ? PSC_BLOCK_CACHED : PSC_BLOCK_UNATTRIBUTED;
		b->has_header = false;
		b->tag = 0;
		f.bits = 0;
		f.found = raw;
		if (!link)
			fault(w, f);
		return;
	}
	if (h->size != units) {
		f.field_va = b->va + 2;
		f.expected = units;
		f.found = h->size;
		fault(w, f);
	}
	if (h->previous) {
		f.field_va = b->va;
		f.expected = 0;
		f.found = h->previous;
		fault(w, f);
	}
	if (h->type != type) {
		f.field_va = b->va + 3;
		f.expected = type;
		f.found = h->type;
		fault(w, f);
	}
	f.bits = 0;
	if (!psc_tag_is_text(h->tag)) {
		f.field_va = b->va + 4;
		f.found = h->tag;
		f.repaired = false;
		fault(w, f);
	}
}

static void check_quota(struct walk *w, struct psc_block *b,
			const struct psc_pool_header *h)
{
	if (!w->v->cookie || !b->has_header)
		return;
	if (!(h->type & PSC_PT_QUOTA)) {
		b->unbilled = psc_header_unbilled(h, b->va, w->v->cookie);
		return;
	}
	b->process = psc_header_process(h, b->va, w->v->cookie);
	if (psc_process_is_sane(b->process, PSC_PROCESS_ALIGN))
		return;
	fault(w, (struct psc_fault){ .rule = PSC_Q1, .va = b->va,
				     .field_va = b->va + 8, .tag = b->tag,
				     .found = b->process });
	b->process = 0;
}

static void one_block(struct walk *w, uint32_t i, unsigned int pair)
{
	const struct psc_lfh *v = w->v;
	uint64_t off = w->h.first + (uint64_t)i * w->h.block_bytes;
	struct psc_block b = {
		.va = v->pages.va + off, .bytes = w->h.block_bytes,
		.pool = v->pool, .owner = PSC_OWNER_LFH, .node = v->node,
		.state = pair & 1 ? PSC_BLOCK_IN_USE : PSC_BLOCK_FREE,
	};
	const uint8_t *p = psc_pages_at(&v->pages, off, 16);

	if (!p) {
		// Free blocks on decommitted pages are no loss.
		*(pair & 1 ? &w->st->missing : &w->st->free) += b.bytes;
		return;
	}
	struct psc_pool_header h = psc_header_decode(&psc_header64, p);
	b.tag = h.tag & 0x7fffffff;	// a freed block keeps its old one
	if (b.state == PSC_BLOCK_IN_USE) {
		b.pool_type = h.type;
		b.has_header = true;
		if (is_cached(w, b.va)) {
			b.state = PSC_BLOCK_CACHED;
			b.has_header = false;
		} else {
			check_busy(w, &b, &h, psc_le64(p));
			check_quota(w, &b, &h);
		}
	}
	give(w, &b);
}

/** The word of a finished unit: FFFF, or busy blocks (+1 in unit 0). */
static void check_unit(struct walk *w)
{
	const struct psc_lfh_header *h = &w->h;
	const uint8_t *p;

	if (!h->commit || h->units < 2 || w->unit >= h->units)
		return;
	p = psc_pages_at(&w->v->pages, h->commit + 2 * w->unit, 2);
	if (!p)
		return;
	uint16_t word = psc_le16(p);
	uint32_t want = w->unit_busy + !w->unit;
	if (word == 0xffff ? w->unit_busy : word != want)
		w->commit_bad++;
}

static void enter_unit(struct walk *w, uint32_t unit)
{
	while (w->unit < unit) {
		check_unit(w);
		w->unit++;
		w->unit_busy = 0;
	}
}

static bool crosses_page(uint64_t off, uint64_t bytes)
{
	return (off & (PSC_PAGE_SIZE - 1)) + bytes > PSC_PAGE_SIZE;
}

/** Bitmap word @p i. @return false: missing. */
static bool word_at(struct walk *w, uint32_t i, uint64_t *ret)
{
	const uint8_t *p = psc_pages_at(&w->v->pages,
					w->v->layout->lfh_bitmap + 8 * i, 8);

	*ret = p ? psc_le64(p) : 0;
	w->bits_missing |= !p;
	return p;
}

static void each_block(struct walk *w)
{
	const struct psc_lfh_header *h = &w->h;
	unsigned int bits = w->v->layout->lfh_bits, per = 64 / bits;
	uint64_t word = 0;
	bool known = false;

	for (uint32_t i = 0; i < h->blocks; i++, word >>= bits) {
		uint64_t off = h->first + (uint64_t)i * h->block_bytes;
		unsigned int pair;

		if (i % per == 0)
			known = word_at(w, i / per, &word);
		if (!known) {	// busy or free: nobody knows
			w->st->missing += h->block_bytes;
			continue;
		}
		pair = (unsigned int)word & ((1u << bits) - 1);
		w->set += pair & 1;
		if (pair == 2)
			fault(w, (struct psc_fault){
				.rule = PSC_F4, .va = w->v->pages.va + off,
				.field_va = w->v->pages.va +
					    w->v->layout->lfh_bitmap +
					    (uint64_t)i * bits / 8,
				.bits = 2, .expected = 0, .found = pair });
		if (h->withheld && crosses_page(off, h->block_bytes)) {
			w->st->overhead += h->block_bytes;
			continue;	// set, but never handed out
		}
		enter_unit(w, (uint32_t)(off >> h->unit_shift));
		w->unit_busy += pair & 1;
		one_block(w, i, pair);
	}
	enter_unit(w, h->units);
}

static void check_tail_bits(struct walk *w)
{
	unsigned int bits = w->v->layout->lfh_bits, per = 64 / bits;
	uint32_t last = w->h.blocks / per, used = w->h.blocks % per * bits;

	if (!used)
		return;
	uint64_t want = ~UINT64_C(0) << used, found;
	if (!word_at(w, last, &found))
		return;
	found &= want;
	// Only bit 0 of a pair is known to be set.
	if (bits == 2)
		want &= UINT64_C(0x5555555555555555);
	if ((found & want) != want)
		fault(w, (struct psc_fault){
			.rule = PSC_F4, .va = w->v->pages.va,
			.field_va = w->v->pages.va +
				    w->v->layout->lfh_bitmap + 8 * last,
			.bits = 64, .expected = want, .found = found & want,
			.repaired = __builtin_popcountll(want & ~found) == 1 });
}

/** F7: the owner's class is not the block size. */
static void check_owner(struct walk *w, const struct psc_lfh_owner *o)
{
	const struct psc_lfh_header *h = &w->h;
	uint64_t va = w->v->pages.va;
	struct psc_fault f = {
		.rule = PSC_F7, .va = va,
		.field_va = va + w->v->layout->lfh_owner, .bits = 64,
		.expected = o->owner, .found = h->owner, .repaired = true,
	};

	if (o->owner && o->owner != h->owner) {
		fault(w, f);
	} else if (o->owner && o->class_bytes != h->block_bytes) {
		// The owner is right: it forgot what it owns.
		f.va = o->owner;
		f.field_va = o->owner + OWNER_INDEX;
		f.bits = 8;
		f.expected = h->block_bytes / 16;
		f.found = o->class_bytes / 16;
		fault(w, f);
	} else if (o->known && o->class_bytes &&
		   o->class_bytes != h->block_bytes) {
		f.bits = 16;
		f.expected = h->block_bytes;
		f.found = o->class_bytes;
		f.repaired = false;
		fault(w, f);
	}
}

/** Bits against counters, and the words of the units as second witness. */
static void check_counts(struct walk *w)
{
	const struct psc_lfh_header *h = &w->h;
	struct psc_lfh_owner o = { 0 };

	if (w->v->find_owner)
		w->v->find_owner(w->v->owner_ctx, h, w->v->pages.va, &o);
	check_owner(w, &o);
	bool known = o.known;
	uint32_t refs = o.refs;
	uint64_t va = w->v->pages.va;
	int64_t want = (int64_t)h->count - h->free - refs + h->withheld;

	uint64_t free = (uint64_t)(h->free + want - w->set);
	bool one_bit = __builtin_popcountll(free ^ h->free) == 1;
	// The words of the units are a second witness of the bitmap. Without
	// them: one bit of FreeCount, but of no single block.
	bool bitmap_ok = !w->commit_bad &&
			 ((h->commit && h->units > 1) ||
			  (one_bit && !refs && free + 1 != h->free &&
			   free != h->free + 1));

	if (known && w->set != want && bitmap_ok) {
		fault(w, (struct psc_fault){
			.rule = PSC_F3, .va = va,
			.field_va = va + w->v->layout->lfh_free, .bits = 16,
			.expected = free,
			.found = h->free, .repaired = one_bit });
		return;
	}
	if ((known && w->set != want) || w->commit_bad)
		fault(w, (struct psc_fault){
			.rule = PSC_F3, .va = va,
			.field_va = va + w->v->layout->lfh_bitmap, .bits = 32,
			.expected = (uint64_t)(known ? want : w->set),
			.found = w->set,
			.repaired = known && w->set != want && w->commit_bad });
}

/** A header that cannot be true: which rule says so. */
static enum psc_rule broken_rule(const struct psc_heap_layout *l,
				 const struct psc_lfh_header *h)
{
	if (h->block_bytes < 16 || h->block_bytes & 15 ||
	    h->block_bytes >= 0xff8)
		return PSC_F1;
	if (h->first < l->lfh_bitmap + bitmap_bytes(l, h->blocks) ||
	    h->first & 15)
		return PSC_F2;
	return PSC_F8;
}

/** What BlockOffsets should be, from the geometry; 0 = not unique. */
static uint32_t true_offsets(const struct psc_heap_layout *l,
			     const struct psc_lfh_header *h)
{
	// The geometry of the newest kernels is not proven.
	uint32_t size = l->newest ? 0 : psc_lfh_guess(l, h);

	return size ? psc_lfh_first(l, h->blocks, h->units, size) << 16 | size
		    : 0;
}

/**
 * Size and first block are true by the geometry (real-pool 2): is the number
 * of blocks? @return the true number, 0 = cannot tell or right.
 */
static uint32_t true_count(const struct psc_heap_layout *l,
			   const struct psc_lfh_header *h)
{
	const uint64_t range = (uint64_t)h->units << PSC_PAGE_SHIFT;
	uint32_t n;

	if (l->newest || h->unit_shift != PSC_PAGE_SHIFT || !h->units ||
	    !psc_size_is_class(h->block_bytes) || h->block_bytes < 16 ||
	    h->block_bytes >= 0xff8 || h->first >= range)
		return 0;
	n = (uint32_t)((range - h->first) / h->block_bytes);
	if (n == h->blocks || n <= h->withheld ||
	    psc_lfh_first(l, n, h->units, h->block_bytes) != h->first)
		return 0;
	return n;
}

/** F8: BlockCount is not what fits. */
static void repair_count(struct walk *w)
{
	const struct psc_heap_layout *l = w->v->layout;
	struct psc_lfh_header *h = &w->h;
	uint32_t n = true_count(l, h);

	if (!n)
		return;
	fault(w, (struct psc_fault){
		.rule = PSC_F8, .va = w->v->pages.va,
		.field_va = w->v->pages.va + l->lfh_count, .bits = 16,
		.expected = n - h->withheld, .found = h->count,
		.repaired = true });
	h->blocks = n;
	h->count = n - h->withheld;
}

/** Is @p units the number that size, first block and count agree with? */
static bool units_agree(const struct psc_heap_layout *l,
			const struct psc_lfh_header *h, uint32_t units)
{
	uint32_t size = h->block_bytes;

	return !l->newest && h->unit_shift == 12 && size >= 16 &&
	       size < 0xff8 && psc_size_is_class(size) &&
	       h->first < units << 12 &&
	       psc_lfh_first(l, h->blocks, units, size) == h->first &&
	       ((units << 12) - h->first) / size == h->blocks;
}

/** S9: the units of the header are not those of the range. */
static void repair_units(struct walk *w, uint64_t bytes)
{
	struct psc_lfh_header *h = &w->h;
	uint32_t units = (uint32_t)(bytes >> 12);
	bool agree = units_agree(w->v->layout, h, units);

	if (h->unit_shift != 12 || h->units == units ||
	    (!agree && h->units < units))
		return;
	fault(w, (struct psc_fault){
		.rule = PSC_S9, .va = w->v->pages.va,
		.field_va = w->v->pages.va + w->v->layout->lfh_unit_count,
		.bits = 8, .expected = units, .found = h->units,
		.repaired = agree });
	h->units = units;
}

/** Report the broken header; true when the geometry repaired it. */
static bool repair(struct walk *w)
{
	struct psc_lfh_header *h = &w->h;
	const struct psc_heap_layout *l = w->v->layout;
	uint32_t want = true_offsets(l, h);
	struct psc_fault f = {
		.rule = broken_rule(l, h), .va = w->v->pages.va,
		.field_va = w->v->pages.va + l->lfh_offsets,
		.expected = want, .found = h->first << 16 | h->block_bytes,
		.bits = want ? 32 : 0, .repaired = want,
	};

	fault(w, f);
	if (!want)
		return false;
	h->block_bytes = want & 0xffff;
	h->first = want >> 16;
	return psc_lfh_is_sane(l, h);
}

void psc_lfh_walk(const struct psc_lfh *v, const struct psc_sink *s,
		  struct psc_span_stats *st)
{
	struct walk w = { .v = v, .s = s, .st = st };
	const uint8_t *p = psc_pages_at(&v->pages, 0, PSC_LFH_HEADER);
	uint64_t bytes = (uint64_t)v->pages.n << PSC_PAGE_SHIFT;

	if (!p) {		// without the bitmap nothing is known
		st->missing += bytes;
		return;
	}
	w.h = psc_lfh_decode(v->layout, p, v->pages.va, v->lfh_key);
	repair_units(&w, bytes);
	repair_count(&w);
	if (!psc_lfh_is_sane(v->layout, &w.h) && !repair(&w)) {
		st->skipped += bytes;
		return;
	}
	st->overhead += w.h.first;
	each_block(&w);
	check_tail_bits(&w);
	if (!w.bits_missing)
		check_counts(&w);
}
