// SPDX-License-Identifier: MIT
// Anchors of the pool: segment heaps, tag tables of all processors, the
// big-page table (recovery 2, steps 5 and 7 to 11).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/recover_impl.h"

// --- segment heaps ---------------------------------------------------------

#define OBJECT_ALIGN 0x40u
#define HEAP_SIGNATURE 0xddeeddeeu	/**< _SEGMENT_HEAP.Signature. */
#define MAX_NODES 64
#define MAX_TRIES 8192		/**< Places that begin as pool state does. */
// Index of Heaps[] (pool 3.1).
#define HEAP_NX 1
#define HEAP_PAGED 2
#define N_HEAPS 4

static uint64_t path_offset(const struct rec_candidate *c, const char *fmt,
			    unsigned int i)
{
	char path[96];
	snprintf(path, sizeof(path), fmt, i);
	return rec_offset(c, path);
}

/** @p heap has the signature, and names @p lookaside as its own (0: any). */
static bool is_heap(const struct rec *r, const struct rec_candidate *c,
		    uint64_t heap, uint64_t lookaside)
{
	uint64_t signature, context;
	if (!rec_is_kernel_va(r, heap) || heap % OBJECT_ALIGN ||
	    !rec_get(r, c, heap, "_SEGMENT_HEAP.Signature", &signature) ||
	    signature != HEAP_SIGNATURE)
		return false;
	return !lookaside ||
	       (rec_get(r, c, heap, "_SEGMENT_HEAP.UserContext", &context) &&
		(!context || context == lookaside));
}

/** Heaps of node 0 are heaps, and belong to this very object. */
static bool is_pool_state(const struct rec *r, const struct rec_candidate *c,
			  uint64_t va)
{
	for (unsigned int i = 0; i < N_HEAPS; i++) {
		uint64_t heap, own = 0;
		if (!rec_u64(r, va + path_offset(
				c, "_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0]."
				"Heaps[%u]", i), &heap))
			return false;
		if (i == HEAP_NX || i == HEAP_PAGED)
			own = va + path_offset(
				c, "_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0]."
				"Lookasides[%u]", i == HEAP_NX);
		if (!is_heap(r, c, heap, own))
			return false;
	}
	return true;
}

/** All addresses where the layout of @p c finds pool state. */
static size_t scan_pool_state(const struct rec *r,
			      const struct rec_candidate *c, uint64_t *last)
{
	size_t n = 0, tries = 0;
	uint64_t pools = rec_offset(
		c, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools");
	uint64_t node = rec_offset(c, "_EX_POOL_HEAP_MANAGER_STATE.PoolNode");
	for (size_t s = 0; s < r->sections.n; s++) {
		const struct rec_section *sec = &r->sections.v[s];
		for (size_t off = 0; off + node + 8 <= sec->size;
		     off += OBJECT_ALIGN) {
			uint32_t n_pools = psc_le32(sec->bytes + off + pools);
			uint64_t heap = psc_le64(sec->bytes + off + node);
			if (!n_pools || n_pools > MAX_NODES ||
			    !rec_is_kernel_va(r, heap) ||
			    tries++ > MAX_TRIES ||
			    !is_pool_state(r, c, sec->va + off))
				continue;
			*last = sec->va + off;
			n++;
		}
	}
	return n;
}

/** The layout questions that scan_pool_state() asks have the same answers. */
static bool same_pool_state(const struct rec_candidate *a,
			    const struct rec_candidate *b)
{
	static const char *const paths[] = {
		"_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools",
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[0].Heaps[3]",
		"_EX_POOL_HEAP_MANAGER_STATE.PoolNode[1].Lookasides[1]",
		"_SEGMENT_HEAP.Signature", "_SEGMENT_HEAP.UserContext",
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++)
		if (rec_offset(a, paths[i]) != rec_offset(b, paths[i]))
			return false;
	return true;
}

void rec_find_heaps(struct rec *r, struct psc_proof *p)
{
	const struct rec_candidate *tried = NULL;
	size_t n = 0;
	for (size_t i = 0; i < r->layouts->n; i++) {
		struct rec_candidate *c = &r->layouts->v[i];
		if (!rec_has(c, "_EX_POOL_HEAP_MANAGER_STATE.PoolNode")) {
			rec_refute(c, REC_HEAP);
			continue;
		}
		if (!tried || (!n && !same_pool_state(tried, c))) {
			n = scan_pool_state(r, c, &p->address);
			tried = c;
		}
		if (!n || !same_pool_state(tried, c))
			rec_refute(c, REC_HEAP);
	}
	if (n != 1) {
		p->contradiction = n > 1;
		p->address = 0;
		rec_says(r, p, "%zu objects hold four heaps", n);
		return;
	}
	p->proven = true;
	rec_says(r, p, "the four heaps of node 0 have their signature, and "
		 "their own lookasides lie inside it; %zu layouts fit",
		 rec_n_in(r, REC_HEAP));
	rec_add_symbol(r, "ExPoolState", p->address);
	r->layouts->proven |= 1u << REC_HEAP;
}

// --- tag tables ------------------------------------------------------------

#define MIN_SHIFT 9
#define MAX_SHIFT 18
#define MAX_STEPS 32		/**< Of probing, on average over a table. */
#define MAX_MISSES 3		/**< Doublings without a fit, behind one. */
#define MIN_TAGS 8		/**< Fewer say nothing about a size. */
#define HASH_FACTOR UINT64_C(40543)

static uint32_t tag_hash(uint32_t tag)
{
	uint64_t h = HASH_FACTOR * tag;
	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

/** A tag table as 2^shift entries of @c entry bytes. */
struct tags {
	uint64_t entry;
	unsigned int shift;
	uint32_t *key;		/**< 2^shift + 1. */
	size_t n;		/**< Keys that are set. */
};

/** Read the keys of a table of that form. @return false when unreadable. */
static bool read_keys(const struct rec *r, uint64_t va, struct tags *t)
{
	size_t n = ((size_t)1 << t->shift) + 1;
	uint8_t *raw = malloc(n * t->entry);
	t->key = calloc(n, sizeof(*t->key));
	bool ok = raw && t->key && rec_read(r, va, raw, n * t->entry);
	t->n = 0;
	for (size_t i = 0; ok && i < n; i++) {
		t->key[i] = psc_le32(raw + i * t->entry);
		t->n += t->key[i] != 0;
	}
	free(raw);
	return ok;
}

/** Every key is reachable by hash and probe, and the upper half is in use: an
 *  empty one is memory behind the table. */
static bool keys_fit(const struct tags *t)
{
	size_t n = (size_t)1 << t->shift, upper = 0, mask = n - 1;
	size_t steps = n * MAX_STEPS;
	for (size_t i = 0; i < n; i++) {
		if (!t->key[i])
			continue;
		for (size_t at = tag_hash(t->key[i]) & mask; at != i;
		     at = (at + 1) & mask)
			if (!t->key[at] || !steps--)
				return false;
		upper += i >= n / 2;
	}
	return t->n >= MIN_TAGS && upper;
}

/**
 * The largest size for which the table at @p va fits entries of @p entry
 * bytes. The lower half of a table looks like a table of half the size; a
 * table and what lies behind it do not look like one of twice the size.
 */
static bool try_entry(const struct rec *r, uint64_t va, uint64_t entry,
		      struct tags *best)
{
	unsigned int misses = 0;
	bool found = false;
	for (unsigned int shift = MIN_SHIFT;
	     shift <= MAX_SHIFT && misses < MAX_MISSES; shift++) {
		struct tags t = { .entry = entry, .shift = shift };
		bool readable = read_keys(r, va, &t);
		if (readable && keys_fit(&t)) {
			free(best->key);
			*best = t;
			found = true;
			misses = 0;
			continue;
		}
		free(t.key);
		if (!readable)
			break;
		misses += found;
	}
	return found;
}

static void tags_guard(struct tags *t)
{
	free(t->key);
}

/** Entry sizes of the family for which a tag table is at @p table. */
static size_t try_table(const struct rec *r, uint64_t table, struct tags *best)
{
	uint64_t tried[4] = { 0 };
	size_t n_tried = 0, fits = 0;
	for (size_t i = 0; i < r->layouts->n; i++) {
		uint64_t e = rec_sizeof(&r->layouts->v[i],
					"_POOL_TRACKER_TABLE");
		bool seen = !e;
		for (size_t j = 0; j < n_tried; j++)
			seen |= tried[j] == e;
		if (seen || n_tried == PSC_ARRAY_SIZE(tried))
			continue;
		tried[n_tried++] = e;
		fits += try_entry(r, table, e, best);
	}
	return fits;
}

/** The variable by name, else what pool code touches and leads to a tag table:
 *  several may (ExPoolTagTables begins with it), but to one table only. */
static bool find_track_variable(const struct rec *r, uint64_t *var)
{
	uint64_t table, found = 0;
	if (rec_symbol(r, "PoolTrackTable", var))
		return true;
	for (size_t i = 0; i < r->n_code_hits; i++) {
		PSC_CLEANUP(tags_guard) struct tags t = { 0 };
		if (!rec_u64(r, r->code_hits[i], &table) ||
		    !rec_is_kernel_va(r, table) ||
		    table - r->in.base < r->in.size ||
		    try_table(r, table, &t) != 1)
			continue;
		if (found && found != table)
			return false;
		found = table;
		*var = r->code_hits[i];
	}
	return found;
}

void rec_find_track(struct rec *r, struct psc_proof *p)
{
	uint64_t var, table;
	PSC_CLEANUP(tags_guard) struct tags best = { 0 };
	if (!find_track_variable(r, &var) || !rec_u64(r, var, &table) ||
	    !rec_is_kernel_va(r, table)) {
		rec_says(r, p, "neither KDBG nor code leads to a table");
		return;
	}
	size_t fits = try_table(r, table, &best);
	p->address = var;
	if (fits != 1) {
		p->contradiction = fits > 1;
		rec_says(r, p, "%zu entry sizes place every key at its hash",
			 fits);
		return;
	}
	for (size_t i = 0; i < r->layouts->n; i++)
		if (rec_sizeof(&r->layouts->v[i], "_POOL_TRACKER_TABLE") !=
		    best.entry)
			rec_refute(&r->layouts->v[i], REC_TRACK);
	p->proven = true;
	r->track_table = table;
	rec_add_symbol(r, "PoolTrackTable", var);
	rec_says(r, p, "all %zu keys at their hash with %zu entries of 0x%"
		 PRIx64 " bytes, and with no other size of an entry", best.n,
		 ((size_t)1 << best.shift) + 1, best.entry);
	rec_add_value(r, "PoolTrackTableSize", ((size_t)1 << best.shift) + 1);
	rec_add_value(r, "PoolTrackTableMask", ((size_t)1 << best.shift) - 1);
	r->layouts->proven |= 1u << REC_TRACK;
}

enum sister {
	NO_SISTER,
	UNREADABLE,		/**< Some page of it is not there. */
	SISTER,
};

/** Another processor's table: the same keys at the same places, or none. */
static enum sister sister_at(const struct rec *r, uint64_t va,
			     const struct tags *base)
{
	struct tags t = { .entry = base->entry, .shift = base->shift };
	if (!rec_is_kernel_va(r, va) || va % 8 ||
	    va - r->in.base < r->in.size)
		return NO_SISTER;
	enum sister s = read_keys(r, va, &t) ? SISTER : UNREADABLE;
	for (size_t i = 0; s == SISTER && i < (size_t)1 << t.shift; i++)
		if (t.key[i] && t.key[i] != base->key[i])
			s = NO_SISTER;
	free(t.key);
	return s;
}

/** Tables of an array that begins at @p va with the base table; @p missing of
 *  them cannot be read. */
static size_t count_tables(const struct rec *r, uint64_t va,
			   const struct tags *base, uint64_t *tables,
			   size_t *missing)
{
	size_t n = 0;
	*missing = 0;
	for (uint32_t i = 0; i < r->in.processors; i++) {
		uint64_t t;
		bool again = false;
		if (!rec_u64(r, va + 8ULL * i, &t))
			break;
		for (size_t j = 0; j < n; j++)
			again |= tables[j] == t;
		enum sister s = t && !again ? sister_at(r, t, base)
					    : NO_SISTER;
		if (s == NO_SISTER)
			break;
		*missing += s == UNREADABLE;
		tables[n++] = t;
	}
	return n;
}

struct array {
	uint64_t va, *tables;
	size_t n, missing;
	bool touched;		/**< Pool code reads it. */
	bool differs;		/**< Another array as good disagrees. */
};

static void arrays_guard(struct array *a)
{
	free(a->tables);
}

/** The longest array of tables in the kernel's data; of equal ones that which
 *  pool code reads. */
static bool best_array(struct rec *r, const struct tags *base,
		       struct array *best)
{
	uint64_t *tables = calloc((size_t)r->in.processors + 1,
				  sizeof(*tables));
	best->tables = calloc((size_t)r->in.processors + 1,
			      sizeof(*tables));
	if (!tables || !best->tables) {
		free(tables);
		return false;
	}
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);) {
		if (w.value != r->track_table)
			continue;
		size_t missing;
		size_t n = count_tables(r, w.va, base, tables, &missing);
		bool touched = rec_code_touches(r, w.va);
		if (n == best->n && n > 1 && touched == best->touched)
			best->differs |= memcmp(tables, best->tables,
						n * sizeof(*tables)) != 0;
		if (n < best->n || (n == best->n && touched <= best->touched))
			continue;
		best->va = w.va;
		best->n = n;
		best->missing = missing;
		best->touched = touched;
		best->differs = false;
		memcpy(best->tables, tables, n * sizeof(*tables));
	}
	free(tables);
	return true;
}

void rec_find_tag_tables(struct rec *r, struct psc_proof *p)
{
	PSC_CLEANUP(tags_guard) struct tags base = { 0 };
	PSC_CLEANUP(arrays_guard) struct array best = { 0 };
	uint64_t entries = rec_value(r, "PoolTrackTableMask") + 1;
	if (!r->track_table || !r->in.processors) {
		rec_says(r, p, "PoolTrackTable is not proven");
		return;
	}
	for (size_t i = 0; i < r->layouts->n && !base.entry; i++)
		if (rec_in(&r->layouts->v[i], REC_TRACK))
			base.entry = rec_sizeof(&r->layouts->v[i],
						"_POOL_TRACKER_TABLE");
	while ((uint64_t)1 << base.shift < entries)
		base.shift++;
	if (!read_keys(r, r->track_table, &base) ||
	    !best_array(r, &base, &best))
		return;
	p->address = best.va;
	p->contradiction = best.differs;
	// What cannot be read speaks neither for nor against.
	p->proven = best.n == r->in.processors && !best.differs &&
		    2 * best.missing < best.n;
	rec_says(r, p, "%zu of %" PRIu32 " processors' tables have the base "
		 "table's keys at the same indexes%s%s",
		 best.n - best.missing, r->in.processors,
		 best.touched ? ", and pool code reads it" : "",
		 best.differs ? ", but another such array has others" : "");
	if (p->proven)
		rec_add_symbol(r, "ExPoolTagTables", best.va);
}

// --- big pages -------------------------------------------------------------

#define BIG_MIN_SHIFT 8
#define BIG_MAX_SHIFT 20
#define BIG_ENOUGH 9		/**< Tenths of live entries at their hash. */
#define BIG_MAX_STEPS 512	/**< Of probing, for one entry. */
#define BIG_MIN_LIVE 2

static uint32_t big_hash(uint64_t va, bool truncated)
{
	uint64_t page = va >> PSC_PAGE_SHIFT;
	uint64_t h = HASH_FACTOR * (truncated ? (uint32_t)page : page);
	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

/** Bit 0 marks a free entry; a live one is a page's address. */
static bool big_entry_ok(const struct rec *r, uint64_t va)
{
	return va & 1 || (va % PSC_PAGE_SIZE == 0 && rec_is_kernel_va(r, va));
}

/** Can every entry of the first page be one? */
static bool big_page_ok(const struct rec *r, uint64_t table, uint64_t entry)
{
	uint8_t page[PSC_PAGE_SIZE];
	if (table % PSC_PAGE_SIZE || !rec_is_kernel_va(r, table) ||
	    !rec_read(r, table, page, sizeof(page)))
		return false;
	for (size_t off = 0; off + entry <= sizeof(page); off += entry)
		if (!big_entry_ok(r, psc_le64(page + off)))
			return false;
	return true;
}

/** Is entry @p i where its hash and linear probing would have put it? */
static bool big_in_place(const uint8_t *raw, uint64_t entry, size_t mask,
			 size_t i, bool truncated)
{
	uint64_t va = psc_le64(raw + i * entry);
	size_t at = big_hash(va, truncated) & mask;
	for (size_t steps = 0; at != i && steps < BIG_MAX_STEPS; steps++) {
		if (psc_le64(raw + at * entry) == 1)
			return false;	// never used: probing ends here
		at = (at + 1) & mask;
	}
	return at == i;
}

/** 2^shift entries at @p raw are a table of that size. */
static bool big_fits(const uint8_t *raw, uint64_t entry, unsigned int shift,
		     size_t *n_live)
{
	size_t n = (size_t)1 << shift, placed[2] = { 0 }, live = 0;
	bool upper = false;
	for (size_t i = 0; i < n; i++) {
		uint64_t va = psc_le64(raw + i * entry);
		if (va & 1)
			continue;
		live++;
		upper |= i >= n / 2;
		placed[0] += big_in_place(raw, entry, n - 1, i, true);
		placed[1] += big_in_place(raw, entry, n - 1, i, false);
	}
	*n_live = live;
	return live >= BIG_MIN_LIVE && upper &&
	       PSC_MAX(placed[0], placed[1]) * 10 >= live * BIG_ENOUGH;
}

/** The largest size for which the table fits, as with tag tables. */
static bool big_size(const struct rec *r, uint64_t table, uint64_t entry,
		     unsigned int *shift, size_t *live)
{
	bool found = false, good = true;
	for (unsigned int s = BIG_MIN_SHIFT; good && s <= BIG_MAX_SHIFT; s++) {
		size_t n, bytes = ((size_t)1 << s) * entry;
		uint8_t *raw = malloc(bytes);
		good = raw && rec_read(r, table, raw, bytes);
		// What is no entry here is none in a longer table.
		for (size_t i = 0; good && i < (size_t)1 << s; i++)
			good = big_entry_ok(r, psc_le64(raw + i * entry));
		if (good && big_fits(raw, entry, s, &n)) {
			*shift = s;
			*live = n;
			found = true;
		}
		free(raw);
	}
	return found;
}

static uint64_t big_entry_bytes(const struct rec *r)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < r->layouts->n; i++) {
		uint64_t e = rec_sizeof(&r->layouts->v[i],
					"_POOL_TRACKER_BIG_PAGES");
		if (bytes && e && e != bytes)
			return 0;
		bytes = e ? e : bytes;
	}
	return bytes;
}

/** A table found, and the word that points to it. */
struct big_found {
	uint64_t var, table;
	unsigned int shift;
	size_t live, n;		/**< n: as good as this one. */
	bool touched;		/**< Pool code reads the word. */
};

static void consider_big(struct rec *r, const struct rec_word *w,
			 uint64_t entry, struct big_found *best)
{
	struct big_found f = {
		.var = w->va, .table = w->value, .n = 1,
		.touched = rec_code_touches(r, w->va),
	};
	if ((best->n && w->value == best->table && !f.touched) ||
	    !big_page_ok(r, w->value, entry) ||
	    !big_size(r, w->value, entry, &f.shift, &f.live))
		return;
	if (!best->n || f.touched > best->touched)
		*best = f;
	else if (f.touched == best->touched && f.table != best->table)
		best->n++;
}

void rec_find_big(struct rec *r, struct psc_proof *p)
{
	uint64_t entry = big_entry_bytes(r);
	struct big_found best = { 0 };
	for (struct rec_word w = { 0 }; entry && rec_next_word(r, &w);) {
		if (w.value % PSC_PAGE_SIZE == 0 &&
		    w.value - r->in.base >= r->in.size)
			consider_big(r, &w, entry, &best);
	}
	if (best.n != 1) {
		p->contradiction = best.n > 1;
		rec_says(r, p, "%zu words point to tables whose entries are "
			 "at their hash", best.n);
		return;
	}
	p->proven = true;
	p->address = best.var;
	rec_says(r, p, "%zu live entries at their hash in 0x%zx entries%s",
		 best.live, (size_t)1 << best.shift,
		 best.touched ? ", and pool code reads the pointer" : "");
	rec_add_symbol(r, "PoolBigPageTable", p->address);
	rec_add_value(r, "PoolBigPageTableSize", (uint64_t)1 << best.shift);
	r->layouts->proven |= 1u << REC_BIG;
}
