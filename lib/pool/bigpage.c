// SPDX-License-Identifier: MIT
#include "pool/bigpage.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/header.h"
#include "pool/table.h"
#include "pool/tagtable.h"

/** More entries than address space can hold is a damaged size. */
#define MAX_ENTRIES (UINT64_C(1) << 26)

// POOL_TYPE bits (pool 1.2) and POOL_FLAGS bits of the newest kernels (5.1).
#define TYPE_PAGED 0x1u
#define TYPE_QUOTA 0x8u
#define TYPE_SESSION 0x20u
#define TYPE_NX 0x200u
#define FLAG_QUOTA 0x1u
#define FLAG_EXECUTABLE 0x80u
#define FLAG_PAGED 0x100u

struct layout {
	uint64_t bytes;
	struct psc_field va, key, size, process, pattern, type, slush;
	bool has_process, has_pattern, flags_form, assumed;
	bool session_apart;	/**< Session pool is no system pool. */
	uint64_t cookie;
};

uint32_t psc_big_hash(uint64_t va, bool truncated)
{
	uint64_t page = va >> PSC_PAGE_SHIFT;
	uint64_t h = UINT64_C(40543) * (truncated ? (uint32_t)page : page);

	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

enum psc_pool_kind psc_big_kind(uint16_t type, bool flags_form)
{
	// The newest kernels have no session pool, and elsewhere its nonpaged
	// part is ordinary nonpaged pool (pool 2.9, 3.10).
	if (flags_form)
		return type & FLAG_PAGED ? PSC_POOL_PAGED
			: type & FLAG_EXECUTABLE ? PSC_POOL_NONPAGED
						 : PSC_POOL_NONPAGED_NX;
	if (type & TYPE_PAGED)
		return type & TYPE_SESSION ? PSC_POOL_SESSION : PSC_POOL_PAGED;
	return type & TYPE_NX ? PSC_POOL_NONPAGED_NX : PSC_POOL_NONPAGED;
}

/** A field that must lie inside the entry. */
static struct psc_error *need(const struct psc_kernel *k, const char *path,
			      uint64_t bytes, struct psc_field *ret)
{
	struct psc_error *err = psc_kernel_field(k, path, ret);

	if (err)
		return err;
	if (ret->size > 8 || ret->offset + ret->size > bytes)
		return psc_error_new(PSC_ERR_DAMAGED, "%s: does not fit an "
				     "entry of %" PRIu64 " bytes", path, bytes);
	return NULL;
}

/** A field that kernels may lack. */
static struct psc_error *want(const struct psc_kernel *k, const char *path,
			      uint64_t bytes, struct psc_field *ret, bool *has)
{
	struct psc_error *err = need(k, path, bytes, ret);

	*has = !err;
	return psc_error_catch(&err, PSC_ERR_ABSENT) ? NULL : err;
}

/**
 * The word at 0xC: a POOL_TYPE alone (to 9600), or Pattern:8, type:12,
 * SlushSize:12. The newest public types leave these bit fields out; the
 * widths of their predecessor are assumed then, and the result says so.
 */
static struct psc_error *type_word(const struct psc_kernel *k,
				   struct layout *l)
{
	struct psc_error *err;
	bool has;

	if ((err = want(k, "_POOL_TRACKER_BIG_PAGES.PoolType", l->bytes,
			&l->type, &has)))
		return err;
	if (!has) {
		l->flags_form = true;
		if ((err = want(k, "_POOL_TRACKER_BIG_PAGES.PoolFlags",
				l->bytes, &l->type, &has)))
			return err;
	}
	if (has)
		return want(k, "_POOL_TRACKER_BIG_PAGES.Pattern", l->bytes,
			    &l->pattern, &l->has_pattern);
	l->assumed = l->has_pattern = true;
	uint64_t word = l->key.offset + 4;
	l->pattern = (struct psc_field){ .offset = word, .size = 1 };
	l->type = (struct psc_field){ .offset = word + 1, .size = 2,
				      .bits = 12 };
	l->slush = (struct psc_field){ .offset = word + 2, .size = 2,
				       .bit = 4, .bits = 12 };
	return NULL;
}

static struct psc_error *read_layout(const struct psc_kernel *k,
				     struct layout *l)
{
	struct psc_error *err;
	bool has_slush;

	*l = (struct layout){
		.session_apart = psc_kernel_family(k) <= PSC_LAST_SESSION_POOL,
	};
	if ((err = psc_kernel_sizeof(k, "_POOL_TRACKER_BIG_PAGES", &l->bytes)))
		return err;
	if (l->bytes < 0x10 || l->bytes > PSC_TABLE_MAX_ENTRY)
		return psc_error_new(PSC_ERR_DAMAGED, "_POOL_TRACKER_BIG_PAGES:"
				     " size %" PRIu64, l->bytes);
	if ((err = need(k, "_POOL_TRACKER_BIG_PAGES.Va", l->bytes, &l->va)) ||
	    (err = need(k, "_POOL_TRACKER_BIG_PAGES.Key", l->bytes,
			&l->key)) ||
	    (err = need(k, "_POOL_TRACKER_BIG_PAGES.NumberOfBytes", l->bytes,
			&l->size)) ||
	    (err = type_word(k, l)))
		return err;
	if (l->has_pattern && !l->assumed) {
		err = want(k, "_POOL_TRACKER_BIG_PAGES.SlushSize", l->bytes,
			   &l->slush, &has_slush);
		if (err)
			return err;
		l->has_pattern = has_slush;
	}
	if ((err = want(k, "_POOL_TRACKER_BIG_PAGES.ProcessBilled", l->bytes,
			&l->process, &l->has_process)))
		return err;
	err = psc_kernel_global(k, "ExpPoolQuotaCookie", 8, &l->cookie);
	if (err)
		l->has_process = false;	// not decodable without the cookie
	psc_error_free(err);
	return NULL;
}

static uint64_t get(const struct psc_field *f, const uint8_t *e)
{
	return psc_field_extract(f, e + f->offset);
}

struct scan {
	const struct layout *l;
	struct psc_big_table *table;
	psc_big_fn fn;
	void *ctx;
};

static void decode(const struct layout *l, const uint8_t *e,
		   struct psc_big *b)
{
	uint32_t key = (uint32_t)get(&l->key, e);

	b->va = get(&l->va, e);
	b->free = b->va & 1;
	b->va &= ~UINT64_C(1);
	b->bytes = get(&l->size, e);
	b->tag = key & PSC_TAG_MASK;
	b->is_protected = key & PSC_TAG_PROTECTED;
	b->flags_form = l->flags_form;
	b->type = (uint16_t)(get(&l->type, e) & 0xfff);
	b->pool = psc_big_kind(b->type, l->flags_form);
	if (b->pool == PSC_POOL_SESSION && !l->session_apart)
		b->pool = PSC_POOL_PAGED;
	if (l->has_pattern) {
		b->pattern = (uint8_t)get(&l->pattern, e);
		b->slush = (uint16_t)get(&l->slush, e);
	}
	if (l->has_process &&
	    b->type & (l->flags_form ? FLAG_QUOTA : TYPE_QUOTA))
		b->process = get(&l->process, e) ^ l->cookie ^ b->va;
}

static bool big_run(void *ctx, uint64_t first, const uint8_t *p, uint64_t n)
{
	struct scan *s = ctx;
	struct psc_big_table *t = s->table;

	for (uint64_t i = 0; i < n; i++, p += s->l->bytes) {
		uint64_t va = get(&s->l->va, p);

		if (va <= 1) {	// never used; 0 in a page never written
			t->n_free++;
			continue;
		}
		struct psc_big b = { .index = first + i };
		decode(s->l, p, &b);
		t->n_free += b.free;
		t->n_live += !b.free;
		if (!b.free)
			t->live_bytes += b.bytes;
		if (!s->fn(s->ctx, &b))
			return false;
	}
	return true;
}

static struct psc_error *scan_at(const struct psc_kernel *k,
				 struct psc_mem *mem, psc_big_fn fn, void *ctx,
				 struct psc_big_table *t)
{
	struct psc_error *err;
	struct psc_table_stats st;
	struct layout l;

	if ((err = read_layout(k, &l)))
		return err;
	if (!t->va)
		return psc_error_new(PSC_ERR_DAMAGED,
				     "the big-page table's address is 0");
	if (!t->entries || t->entries & (t->entries - 1) ||
	    t->entries > MAX_ENTRIES)
		return psc_error_new(PSC_ERR_DAMAGED, "big-page table: %" PRIu64
				     " entries is not a sensible power of two",
				     t->entries);
	t->entry_bytes = l.bytes;
	t->assumed_bits = l.assumed;
	struct scan s = { .l = &l, .table = t, .fn = fn, .ctx = ctx };
	psc_table_scan(mem, &(struct psc_table){ t->va, l.bytes, t->entries },
		       big_run, &s, &st);
	t->pages_missing = st.pages_missing;
	t->pages_paged_out = st.pages_paged_out;
	t->complete = !st.pages_missing && !st.pages_paged_out;
	return NULL;
}

struct psc_error *psc_big_scan(const struct psc_kernel *k, psc_big_fn fn,
			       void *ctx, struct psc_big_table *ret)
{
	struct psc_error *err;
	struct psc_big_table t = { 0 };
	unsigned int w = psc_kernel_pointer_size(k);

	if ((err = psc_kernel_global(k, "PoolBigPageTable", w, &t.va)) ||
	    (err = psc_kernel_global(k, "PoolBigPageTableSize", w,
				     &t.entries)))
		return err;
	PSC_ERROR_GUARD struct psc_error *unknown =
		psc_kernel_global(k, "ExpPoolBigEntriesInUse", 4, &t.in_use);
	PSC_ERROR_GUARD struct psc_error *no_place =
		psc_kernel_symbol(k, "ExpPoolBigEntriesInUse", &t.in_use_va);
	t.has_in_use = !unknown && !no_place;
	if ((err = scan_at(k, psc_kernel_mem(k), fn, ctx, &t)))
		return err;
	*ret = t;
	return NULL;
}

/** A field of the session object, read in the session's space. */
static struct psc_error *session_get(const struct psc_kernel *k,
				     struct psc_mem *m, uint64_t session,
				     const char *path, uint64_t *ret)
{
	struct psc_error *err;
	struct psc_field f;
	uint64_t v = 0;

	if ((err = psc_kernel_field(k, path, &f)))
		return err;
	if (f.size > 8)
		return psc_error_new(PSC_ERR_DAMAGED, "%s: size %" PRIu32,
				     path, f.size);
	if ((err = psc_mem_read_all(m, session + f.offset, &v, f.size, path)))
		return err;
	*ret = v;
	return NULL;
}

struct psc_error *psc_big_session_scan(const struct psc_kernel *k,
				       struct psc_mem *mem, uint64_t session,
				       psc_big_fn fn, void *ctx,
				       struct psc_big_table *ret)
{
	struct psc_error *err;
	struct psc_big_table t = { .session = session };

	if ((err = session_get(k, mem, session,
			       "_MM_SESSION_SPACE.PoolTrackBigPages",
			       &t.va)) ||
	    (err = session_get(k, mem, session,
			       "_MM_SESSION_SPACE.PoolTrackBigPagesSize",
			       &t.entries)))
		return err;
	PSC_ERROR_GUARD struct psc_error *unknown =
		session_get(k, mem, session,
			    "_MM_SESSION_SPACE.PoolBigEntriesInUse",
			    &t.in_use);
	t.has_in_use = !unknown;
	t.complete = true;
	if ((t.va || t.entries) && (err = scan_at(k, mem, fn, ctx, &t)))
		return err;
	*ret = t;
	return NULL;
}
