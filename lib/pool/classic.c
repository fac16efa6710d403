// SPDX-License-Identifier: MIT
// Classic pool: where its pages lie (pool 2.9, else 2.10), and the walk of a
// window of them.
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "kernel/module.h"
#include "pool/chain.h"
#include "pool/links.h"
#include "pool/view_impl.h"

/** Windows are this big: a large page, a unit of work. */
#define WINDOW (UINT64_C(2) << 20)
#define SLOT_SHIFT 39
#define CACHE_LINE 64u
/** A session has one paged pool: PoolIndex 0 (pool 1.4). */
#define SESSION_POOLS 1u

/** Address ranges, ascending by construction of their users. */
struct hole {
	uint64_t start, end;
};

struct holes {
	PSC_VEC(struct hole) v;
};

static void holes_guard(struct holes *h)
{
	psc_vec_free(&h->v);
}

static bool is_upper(uint64_t va)
{
	return va >> 47 == 0x1ffff;
}

/** Value of a pointer global, 0 when it does not exist or is absent. */
static uint64_t pointer_global(const struct psc_pool_view *v, const char *name)
{
	uint64_t value = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_global(v->k, name, 8, &value);

	return err ? 0 : value;
}

/** The same of a variable that kernels name differently. */
static uint64_t either_global(const struct psc_pool_view *v, const char *name,
			      const char *other)
{
	uint64_t value = pointer_global(v, name);

	return value ? value : pointer_global(v, other);
}

void psc_view_windows(struct psc_pool_view *v, uint64_t start, uint64_t end,
		      const struct psc_unit *like)
{
	struct psc_mem *m = v->spaces.v[like->space].mem;
	// Page tables that map the same page again and again are damage.
	uint64_t budget = psc_dump_pages_readable(psc_kernel_dump(v->k)) * 16 +
			  (1u << 20);
	uint64_t next = 0, pos = start;
	struct psc_va_range r;

	while (psc_mem_next_range(m, &pos, end, &r)) {
		uint64_t from = PSC_MAX(r.va & ~(WINDOW - 1), next);

		for (; from < r.va + r.size; from += WINDOW) {
			struct psc_unit u = *like;

			u.va = PSC_MAX(from, start);
			u.pages = (uint32_t)((PSC_MIN(from + WINDOW, end) -
					      u.va) >> PSC_PAGE_SHIFT);
			if (u.pages && !psc_vec_push(&v->units, u)) {
				v->nomem = true;
				return;
			}
			next = from + WINDOW;
		}
		if (v->units.n * (WINDOW >> PSC_PAGE_SHIFT) / 64 > budget) {
			v->info.complete = false;
			psc_view_note(v, "the page tables map more pool than "
				      "the dump can hold: stopped at 0x%"
				      PRIx64, pos);
			return;
		}
	}
}

static void add_hole(struct psc_pool_view *v, struct holes *h, uint64_t start,
		     uint64_t end)
{
	if (end > start && !psc_vec_push(&h->v, (struct hole){ start, end }))
		v->nomem = true;
}

/** A region that surely is pool; @return whether its bounds make sense. */
static bool add_region(struct psc_pool_view *v, struct holes *known,
		       uint64_t start, uint64_t end, enum psc_pool_kind pool,
		       uint16_t space)
{
	const struct psc_unit like = {
		.kind = pool == PSC_POOL_SPECIAL ? PSC_UNIT_SPECIAL
						 : PSC_UNIT_CHAIN,
		.pool = (uint8_t)pool, .space = space, .certain = true,
		.paged = pool == PSC_POOL_PAGED || pool == PSC_POOL_SESSION,
	};

	start &= ~(uint64_t)(PSC_PAGE_SIZE - 1);
	if (!is_upper(start) || !is_upper(end - 1) || end <= start)
		return false;
	if (!space)
		add_hole(v, known, start, end);
	psc_view_windows(v, start, end, &like);
	return true;
}

/** Regions by _MI_VISIBLE_STATE, from 14393 on (pool 2.9). */
static bool assigned_region(struct psc_pool_view *v, struct holes *known,
			    unsigned int i, enum psc_pool_kind pool)
{
	uint64_t base, bytes, state = pointer_global(v, "MiVisibleState");
	char path[80];
	struct psc_error *err;

	snprintf(path, sizeof(path),
		 "_MI_VISIBLE_STATE.SystemVaRegions[%u].BaseAddress", i);
	if (!state)
		return false;
	err = psc_kernel_get(v->k, state, path, &base);
	snprintf(path, sizeof(path),
		 "_MI_VISIBLE_STATE.SystemVaRegions[%u].NumberOfBytes", i);
	if (!err)
		err = psc_kernel_get(v->k, state, path, &bytes);
	if (err) {
		psc_error_free(err);
		return false;
	}
	if (!bytes || base & (WINDOW - 1) || bytes > UINT64_MAX - base)
		return false;
	return add_region(v, known, base, base + bytes, pool, 0);
}

static bool paged_region(struct psc_pool_view *v, struct holes *known)
{
	// Fixed base of Windows 7 (pool 2.9).
	const uint64_t windows7 = UINT64_C(0xfffff8a000000000);
	uint64_t start = either_global(v, "MiPagedPoolStart",
				       "MmPagedPoolStart");
	uint64_t end = pointer_global(v, "MmPagedPoolEnd");

	if (!start && psc_kernel_family(v->k) <= 7601)
		start = windows7;
	return start && end && add_region(v, known, start, end + 1,
					  PSC_POOL_PAGED, 0);
}

static bool nonpaged_region(struct psc_pool_view *v, struct holes *known)
{
	uint64_t start = pointer_global(v, "MmNonPagedPoolStart");
	uint64_t end = either_global(v, "MiNonPagedPoolEnd",
				     "MmNonPagedPoolEnd");

	return start && end &&
	       add_region(v, known, start, end, PSC_POOL_NONPAGED, 0);
}

// --- the rest of the kernel's half ------------------------------------------

static int by_start(const void *a, const void *b)
{
	const struct hole *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/** The PML4 slot that maps the page tables themselves. */
static void self_map_hole(struct psc_pool_view *v, struct holes *h)
{
	struct psc_mem *m = psc_kernel_mem(v->k);
	const struct psc_paging *p = psc_mem_paging(m);

	for (uint64_t s = 256; p && s < 512; s++) {
		uint64_t va = UINT64_C(0xffff) << 48 | s << 39 | s << 30 |
			      s << 21 | s << 12;
		struct psc_xlat x = psc_mem_translate(m, va);

		if (x.status == PSC_VA_OK && x.pa >> 12 == (p->root >> 12 &
						UINT64_C(0xffffffffff)))
			add_hole(v, h, UINT64_C(0xffff) << 48 | s << 39,
				 (UINT64_C(0xffff) << 48 | s << 39) +
				 (UINT64_C(1) << SLOT_SHIFT) - 1);
	}
}

static void image_holes(struct psc_pool_view *v, struct holes *h)
{
	struct psc_modules *mods;
	struct psc_error *err = psc_modules_read(v->k, false, &mods);

	if (err) {
		psc_view_incomplete(v, "modules", err);
		return;
	}
	for (size_t i = 0; i < mods->n; i++)
		add_hole(v, h, mods->v[i].base,
			 mods->v[i].base + mods->v[i].size);
	psc_modules_free(mods);
}

/** Everything that is not known to be something else is tried (2.10). */
static void scan_rest(struct psc_pool_view *v, struct holes *known)
{
	const struct psc_unit like = {
		.kind = PSC_UNIT_CHAIN, .pool = PSC_POOL_UNKNOWN, .paged = -1,
	};
	const uint64_t start = UINT64_C(0xffff800000000000);
	uint64_t pos = start;

	image_holes(v, known);
	self_map_hole(v, known);
	// Sessions are read in their own spaces (pool 2.9).
	add_hole(v, known, UINT64_C(0xfffff90000000000),
		 UINT64_C(0xfffff98000000000));
	if (known->v.n)
		qsort(known->v.v, known->v.n, sizeof(*known->v.v), by_start);
	for (size_t i = 0; i < known->v.n; i++) {
		const struct hole *h = &known->v.v[i];

		if (h->start > pos)
			psc_view_windows(v, pos, h->start, &like);
		pos = PSC_MAX(pos, h->end);
	}
	psc_view_windows(v, pos, UINT64_MAX - PSC_PAGE_SIZE + 1, &like);
}

static void session_regions(struct psc_pool_view *v, struct holes *known)
{
	for (size_t i = 1; i < v->spaces.n; i++) {
		struct psc_space *s = &v->spaces.v[i];
		struct psc_field start_f, end_f;
		uint64_t start = 0, end = 0;
		PSC_ERROR_GUARD struct psc_error *a = psc_kernel_field(
			v->k, "_MM_SESSION_SPACE.PagedPoolStart", &start_f);
		PSC_ERROR_GUARD struct psc_error *b = psc_kernel_field(
			v->k, "_MM_SESSION_SPACE.PagedPoolEnd", &end_f);

		if (a || b)
			return;
		if (psc_mem_read(s->mem, s->session + start_f.offset, &start,
				 8, NULL) != 8 ||
		    psc_mem_read(s->mem, s->session + end_f.offset, &end, 8,
				 NULL) != 8 ||
		    !add_region(v, known, start, end + 1, PSC_POOL_SESSION,
				(uint16_t)i)) {
			v->info.complete = false;
			psc_view_note(v, "session at 0x%" PRIx64 ": its "
				      "PagedPoolStart and PagedPoolEnd are not "
				      "there or no addresses of a pool (0x%"
				      PRIx64 ", 0x%" PRIx64 ")", s->session,
				      start, end);
		}
	}
}

static void read_limits(struct psc_pool_view *v)
{
	uint64_t n, state;
	struct psc_error *err = psc_kernel_global(v->k, "ExpNumberOfPagedPools",
						  4, &n);

	if (!err && n && n < 64)
		v->index_limit = (unsigned int)n + 1;
	psc_error_free(err);
	// One nonpaged pool: index 0; several: their node (pool 1.4).
	err = psc_kernel_global(v->k, "ExpNumberOfNonPagedPools", 4, &n);
	if (!err && n <= 64)
		v->nodes_limit = n > 1 ? (unsigned int)n : 1;
	psc_error_free(err);
	err = psc_kernel_symbol(v->k, "MiState", &state);
	if (!err)
		err = psc_kernel_get(v->k, state,
				     "_MI_SYSTEM_INFORMATION.Cookie",
				     &v->mi_cookie);
	psc_error_free(err);
}

/** Orders of 14393 and 17763 (pool 2.9); between them it changed, and what
 *  stands at the same place may be page tables. */
static void special_regions(struct psc_pool_view *v, struct holes *known)
{
	uint32_t family = psc_kernel_family(v->k);

	if (family == 14393) {
		assigned_region(v, known, 9, PSC_POOL_SPECIAL);
	} else if (family == 17763) {
		assigned_region(v, known, 10, PSC_POOL_SPECIAL);
		assigned_region(v, known, 11, PSC_POOL_SPECIAL);
	} else {
		psc_view_note(v, "where special pool lies is not known for "
			      "this kernel: its pages are not walked");
	}
}

struct psc_error *psc_view_classic(struct psc_pool_view *v)
{
	PSC_CLEANUP(holes_guard) struct holes known = { 0 };
	bool regions = assigned_region(v, &known, 0, PSC_POOL_NONPAGED);
	bool nonpaged = regions || nonpaged_region(v, &known);
	bool paged = regions ? assigned_region(v, &known, 1, PSC_POOL_PAGED)
			     : paged_region(v, &known);

	read_limits(v);
	if (regions)
		special_regions(v, &known);
	session_regions(v, &known);
	if (!nonpaged || !paged) {
		psc_view_note(v, "the %s pool has no known place: its pages "
			      "are told by their form",
			      nonpaged ? "paged" : paged ? "nonpaged"
							 : "whole");
		scan_rest(v, &known);
	}
	return v->nomem ? &psc_nomem : NULL;
}

// --- the walk ----------------------------------------------------------------

/** Big allocations are sorted by address space, then by address. */
static bool ends_before(const struct psc_big *b, uint16_t space, uint64_t va)
{
	return b->space < space ||
	       (b->space == space && b->va + b->bytes <= va);
}

/** Where does the chain of the page at @p va begin? PSC_PAGE_SIZE: nowhere,
 *  the page belongs to a big allocation. */
static unsigned int chain_start(struct psc_worker *w, uint16_t space,
				uint64_t va, uint64_t *big_bytes)
{
	const struct psc_pool_view *v = w->v;

	while (w->big < v->big.n && ends_before(&v->big.v[w->big], space, va))
		w->big++;
	if (w->big == v->big.n || v->big.v[w->big].space != space ||
	    v->big.v[w->big].va >= va + PSC_PAGE_SIZE)
		return 0;
	const struct psc_big *b = &v->big.v[w->big];
	// Rounded as the allocator does (pool 2.6); a damaged entry may not be.
	*big_bytes = (b->bytes + 15) & ~UINT64_C(15);
	uint64_t end = b->va + *big_bytes;
	return end - va >= PSC_PAGE_SIZE ? PSC_PAGE_SIZE
					 : (unsigned int)(end - va);
}

/**
 * A freed page keeps its old headers behind a first word that now is a list
 * link or a cookie (pool 2.2, 2.7): stale, not damaged.
 */
static bool is_stale(const struct psc_pool_view *v, const uint8_t *page,
		     uint64_t va)
{
	uint64_t first = psc_le64(page);

	return is_upper(first) ||
	       (v->mi_cookie && first == (v->mi_cookie ^ va));
}

/** Z1: the mark of a cached free page, one bit of it changed. */
static void check_cached_page(struct psc_worker *w, const struct psc_chain *c,
			      struct psc_span_stats *st)
{
	uint64_t want = w->v->mi_cookie ^ c->va, found = psc_le64(c->page);
	int bits = __builtin_popcountll(want ^ found);

	if (!w->v->mi_cookie || bits != 1)
		return;		// right, or no cached page at all
	st->faults++;
	if (w->sink->fault)
		w->sink->fault(w->sink->ctx, &(struct psc_fault){
			.rule = PSC_Z1, .va = c->va, .field_va = c->va,
			.bits = 64, .expected = want, .found = found,
			.pool = c->pool, .owner = PSC_OWNER_CHAIN,
			.repaired = true });
}

static enum psc_pool_kind with_nx(const struct psc_worker *w,
				  enum psc_pool_kind pool, bool nx)
{
	// Windows 7 has no NX pool.
	return pool == PSC_POOL_NONPAGED && nx && w->v->has_cookie
		? PSC_POOL_NONPAGED_NX : pool;
}

static enum psc_pool_kind page_kind(const struct psc_worker *w,
				    const struct psc_unit *u, bool nx)
{
	return with_nx(w, (enum psc_pool_kind)u->pool, nx);
}

#define TAG_FRAG 0x67617246u	/* "Frag" */

/** L18: a big allocation whose split tail lost its Frag header.
 *  @return false when it is there, or this is no split tail. */
static bool missing_frag(struct psc_worker *w, const struct psc_chain *c,
			 struct psc_span_stats *st)
{
	struct psc_chain rest = *c;

	if (!c->start || c->start + 0x20 >= PSC_PAGE_SIZE ||
	    psc_header_decode(c->form, c->page + c->start).tag == TAG_FRAG)
		return false;
	rest.start = c->start + 0x20;
	struct psc_pool_header h =
		psc_header_decode(c->form, c->page + rest.start);
	unsigned int end = rest.start + h.size * 16u;
	if (h.previous != 2 || !h.size || end > PSC_PAGE_SIZE ||
	    (end < PSC_PAGE_SIZE &&
	     psc_header_decode(c->form, c->page + end).previous != h.size))
		return false;
	st->faults++;
	if (w->sink->fault)
		w->sink->fault(w->sink->ctx, &(struct psc_fault){
			.rule = PSC_L18, .va = c->va + c->start,
			.field_va = c->va + c->start, .pool = c->pool,
			.owner = PSC_OWNER_CHAIN,
			.previous_va = w->v->big.v[w->big].va,
			.previous_bytes = c->big_bytes,
			.previous_tag = w->v->big.v[w->big].tag,
			.previous_in_use = true });
	return true;
}

static void chain_page(struct psc_worker *w, const struct psc_unit *u,
		       const uint8_t *page, uint64_t va, bool nx)
{
	struct psc_pool_view *v = w->v;
	struct psc_chain c = {
		.form = &psc_header64, .page = page, .va = va,
		.node = u->node, .has_cookie = v->has_cookie,
		.check_quota = v->cookie || !v->has_cookie,
		.cookie = v->cookie, .pool = page_kind(w, u, nx),
	};

	c.start = chain_start(w, u->space, va, &c.big_bytes);
	bool big = c.start == PSC_PAGE_SIZE;
	bool clean = !big && psc_chain_is_clean(&c) >= 2;
	bool walk = clean ? u->certain || psc_chain_is_plausible(&c)
			  : !big && !is_stale(v, page, va) &&
				    psc_chain_is_plausible(&c);
	if (u->pool == PSC_POOL_UNKNOWN)
		c.pool = big ? v->big.v[w->big].pool
			     : walk ? with_nx(w, psc_chain_kind(&c), nx)
			     : PSC_POOL_UNKNOWN;
	if (!u->certain && !walk && !big)
		return;		// some other kernel memory
	struct psc_span *s = psc_walk_span(&w->walk, c.pool, u->node);
	if (!s)
		return;
	s->pages_total++;
	s->pages_read++;
	if (c.start && !big && missing_frag(w, &c, &s->st)) {
		s->pages_big++;
	} else if (walk) {
		c.index_limit = c.pool == PSC_POOL_PAGED
			? v->index_limit
			: c.pool == PSC_POOL_SESSION ? SESSION_POOLS
						     : v->nodes_limit;
		struct psc_links links = { w->mem[u->space], w->sink, &s->st };
		struct psc_sink sink = w->sink->fault ? psc_links_sink(&links)
						      : *w->sink;
		psc_chain_walk(&c, &sink, &s->st);
	} else if (big || c.start) {
		s->pages_big++;
	} else {
		s->pages_stale++;
		check_cached_page(w, &c, &s->st);
	}
}

static void seek_big(struct psc_worker *w, uint16_t space, uint64_t va)
{
	size_t lo = 0, hi = w->v->big.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (ends_before(&w->v->big.v[mid], space, va))
			lo = mid + 1;
		else
			hi = mid;
	}
	w->big = lo;
}

static void absent_pages(struct psc_worker *w, const struct psc_unit *u,
			 const struct psc_va_range *r)
{
	struct psc_span *s;

	if (r->status == PSC_VA_DEMAND_ZERO || !u->certain ||
	    !(s = psc_walk_span(&w->walk, page_kind(w, u, r->nx), u->node)))
		return;
	uint64_t n = r->size >> PSC_PAGE_SHIFT;
	s->pages_total += n;
	if (r->status == PSC_VA_PAGED_OUT)
		s->pages_paged_out += n;
	else
		s->pages_missing += n;
}

/**
 * Page @p va, its bytes on their way: a chain hops from header to header,
 * which no processor foresees, so the lines are asked for one page ahead.
 */
static const uint8_t *page_ahead(struct psc_mem *m, uint64_t va,
				 uint8_t *scratch)
{
	const uint8_t *page;

	if (psc_mem_page(m, va, scratch, &page) != PSC_VA_OK)
		return NULL;
	for (unsigned int i = 0; i < PSC_PAGE_SIZE; i += CACHE_LINE)
		__builtin_prefetch(page + i);
	return page;
}

void psc_walk_chain_unit(struct psc_worker *w, const struct psc_unit *u)
{
	uint8_t spare[PSC_PAGE_SIZE];	// two pages are in hand at a time
	struct psc_mem *m = w->mem[u->space];
	uint64_t pos = u->va;
	uint64_t end = u->va + ((uint64_t)u->pages << PSC_PAGE_SHIFT);
	struct psc_va_range r;

	seek_big(w, u->space, u->va);
	while (psc_mem_next_range(m, &pos, end, &r)) {
		if (r.status != PSC_VA_OK) {
			absent_pages(w, u, &r);
			continue;
		}
		const uint8_t *next = page_ahead(m, r.va, w->scratch);
		for (uint64_t o = 0; o < r.size; o += PSC_PAGE_SIZE) {
			const uint8_t *page = next;
			bool odd = o >> PSC_PAGE_SHIFT & 1;

			next = o + PSC_PAGE_SIZE < r.size
				? page_ahead(m, r.va + o + PSC_PAGE_SIZE,
					     odd ? w->scratch : spare) : NULL;
			if (page)
				chain_page(w, u, page, r.va + o, r.nx);
		}
	}
}
