// SPDX-License-Identifier: MIT
#include "big.h"

#include <inttypes.h>
#include <string.h>

#include "pool.h"
#include "session.h"
#include "tags.h"

#define HASH_FACTOR 40543u	// pool 5.2
#define MIN_ENTRIES 4096u
#define SESSION_ENTRIES 256u
#define QUOTA 8u		// in POOL_TYPE
#define QUOTA_FLAG 1u		// in POOL_FLAGS
#define UNUSED 1u		/**< Va of an entry never used. */
#define SLUSH_PATTERN 0x5bu	/**< (tick count) | 1. */

static const char *const pool_names[] = {
	[MK_POOL_NONPAGED] = "nonpaged",
	[MK_POOL_NX] = "nonpaged-nx",
	[MK_POOL_PAGED] = "paged",
	[MK_POOL_MMST] = "mmst",
	[MK_POOL_SESSION] = "session",
};

const char *mk_pool_name(enum mk_pool pool)
{
	return pool_names[pool == MK_POOL_MMST ? MK_POOL_PAGED : pool];
}

enum mk_pool mk_pool_parse(const struct mk *m, const char *text)
{
	for (int i = 0; i < (int)PSC_ARRAY_SIZE(pool_names); i++) {
		if (!strcmp(text, pool_names[i]))
			return m->family == 7601 && i == MK_POOL_NX
				? MK_POOL_NONPAGED : (enum mk_pool)i;
	}
	mk_fail(m, "'%s': nonpaged, nonpaged-nx, paged, mmst or session", text);
}

void mk_big_add(struct mk *m, const struct mk_big_entry *e)
{
	if (e->pool == MK_POOL_SESSION ? !psc_vec_push(&m->big->session, *e)
				       : !psc_vec_push(&m->big->v, *e))
		mk_fail(m, "out of memory");
}

void mk_big_free(struct mk *m, enum mk_pool pool, uint64_t va)
{
	bool session = pool == MK_POOL_SESSION;
	struct mk_big_entry *v = session ? m->big->session.v : m->big->v.v;
	size_t n = session ? m->big->session.n : m->big->v.n;

	for (size_t i = 0; i < n; i++) {
		if (v[i].va == va && !v[i].freed) {
			v[i].freed = true;
			return;
		}
	}
	mk_fail(m, "internal: freed allocation is in no table");
}

/** The fill of a contiguous allocation, up to its last page's end (2.6). */
static void write_slush(struct mk *m, const struct mk_big_entry *e)
{
	uint8_t fill[MK_PAGE];
	uint64_t end = e->va + MK_PAGES(e->bytes) * MK_PAGE;

	if (e->slush >= MK_PAGE)
		mk_fail(m, "slush= is less than a page");
	memset(fill, SLUSH_PATTERN, sizeof(fill));
	mk_write(m, end - e->slush, fill, e->slush);
	mk_label(m, end - e->slush, "slush:%.4s", (const char *)&e->tag);
}

/** Contiguous memory of classic kernels lies among the pool's pages. */
static uint64_t contiguous(struct mk *m, const struct mk_big_entry *e)
{
	struct mk_pool_state *p = mk_pool_get(m);
	uint64_t pages = MK_PAGES(e->bytes);

	p->pages[e->pool] += pages;
	return mk_pool_reserve(m, e->pool, pages * MK_PAGE, MK_PAGE);
}

void mk_do_big(struct mk *m, struct mk_args *a)
{
	struct mk_big_entry e = {
		.tag = mk_tag_number(m, mk_word(a, 0)),
		.pool = mk_pool_parse(m, mk_key(a, "pool")
				      ? mk_key(a, "pool") : "nonpaged"),
		.bytes = mk_key_num(a, "bytes", MK_PAGE),
		.slush = (uint32_t)mk_key_num(a, "slush", 0),
	};
	uint64_t count = mk_key_num(a, "count", 1);
	uint64_t freed = mk_key_num(a, "freed", 0);
	bool counted = !mk_flag(a, "uncounted");

	if (e.pool == MK_POOL_SESSION)
		mk_fail(m, "'big' fills no session pool: use 'alloc'");
	// Where heaps hold the pool, what is in the table is in a heap; not so
	// contiguous memory.
	if (e.slush && !mk_has(m, "_POOL_TRACKER_BIG_PAGES.SlushSize"))
		mk_fail(m, "this kernel keeps no slush");
	if (m->heap_pool && counted && !e.slush) {
		mk_pool_big_want(m, &e, count);
		mk_tag_add(m, e.tag, mk_pool_is_paged(e.pool), freed, freed, 0);
		count = 0;
		counted = false;
	}
	enum mk_area area = mk_pool_is_paged(e.pool) ? MK_PAGED : MK_NONPAGED;
	struct mk_map_opt opt = {
		.nx = e.pool != MK_POOL_NONPAGED, .contiguous = true,
	};

	for (uint64_t i = 0; i < count + freed; i++) {
		e.va = e.slush && !m->heap_pool
			? contiguous(m, &e)
			: mk_reserve(m, area, e.bytes, MK_PAGE);
		e.freed = i >= count;
		// Zero pages: they are in the dump and take no disk space.
		if (!e.freed)
			mk_map(m, e.va, MK_PAGES(e.bytes) * MK_PAGE, &opt);
		mk_big_add(m, &e);
		if (e.slush && !e.freed)
			write_slush(m, &e);
	}
	if (counted)
		mk_tag_add(m, e.tag, area == MK_PAGED, count + freed, freed,
			   count * e.bytes);
}

void mk_do_big_table(struct mk *m, struct mk_args *a)
{
	m->big->size = mk_key_num(a, "size", MIN_ENTRIES);
	if (!m->big->size || m->big->size & (m->big->size - 1))
		mk_fail(m, "the big-page table has 2^n entries");
}

static uint64_t hash(const struct mk *m, uint64_t va)
{
	uint64_t page = va >> 12;
	// 26100 does not cut the page number first.
	uint64_t h = HASH_FACTOR * (m->family >= 26100 ? page
						       : (uint32_t)page);

	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

/** POOL_TYPE of the allocation, POOL_FLAGS on 26100 (pool 5.1). */
static uint32_t type_of(const struct mk *m, enum mk_pool pool)
{
	static const uint32_t types[] = {0, 0x200, 1, 1, 0x21};
	static const uint32_t flags[] = {0x80, 0x40, 0x100, 0x100, 0x104};

	return m->family >= 26100 ? flags[pool] : types[pool];
}

static void write_entry(struct mk *m, uint64_t va,
			const struct mk_big_entry *e)
{
	uint32_t quota = 0;

	mk_field(m, va, "_POOL_TRACKER_BIG_PAGES.Va",
		 e->va | (e->freed ? UNUSED : 0));
	mk_field(m, va, "_POOL_TRACKER_BIG_PAGES.Key", e->tag);
	// The payer is kept from 20348 on, as in a block's header (pool 5.1).
	if (e->process &&
	    mk_field_opt(m, va, "_POOL_TRACKER_BIG_PAGES.ProcessBilled",
			 e->process ^ m->pool->cookie ^ e->va))
		quota = m->family >= 26100 ? QUOTA_FLAG : QUOTA;
	// Pattern 8, type 12, slush 12 bits behind the key; where a kernel's
	// types leave the unit out, the same widths are assumed.
	if (!mk_field_opt(m, va, "_POOL_TRACKER_BIG_PAGES.PoolType",
			  type_of(m, e->pool) | quota))
		mk_write32(m, va + 0xc, (type_of(m, e->pool) | quota) << 8);
	mk_field(m, va, "_POOL_TRACKER_BIG_PAGES.NumberOfBytes", e->bytes);
	if (e->slush) {
		mk_field(m, va, "_POOL_TRACKER_BIG_PAGES.Pattern",
			 SLUSH_PATTERN);
		mk_field(m, va, "_POOL_TRACKER_BIG_PAGES.SlushSize", e->slush);
	}
}

static void truth(struct mk *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->big->v.n; i++) {
		const struct mk_big_entry *e = &m->big->v.v[i];
		char tag[17];

		if (e->freed)
			continue;
		struct json_object *o = json_object_new_object();

		mk_tag_text(e->tag, tag);
		json_object_object_add(o, "address", mk_json_hex(e->va));
		json_object_object_add(o, "tag", mk_json_text(tag));
		json_object_object_add(o, "bytes",
				       json_object_new_uint64(e->bytes));
		json_object_object_add(o, "pool",
				       mk_json_text(mk_pool_name(e->pool)));
		json_object_object_add(o, "free",
				       json_object_new_boolean(e->freed));
		json_object_array_add(list, o);
	}
	json_object_object_add(m->truth, "bigpool", list);
}

/** A table of @p size entries, hashed. @return its address. */
static uint64_t write_table(struct mk *m, enum mk_area area, uint64_t size,
			    const struct mk_big_entry *v, size_t n,
			    uint64_t *live)
{
	uint64_t entry = mk_sizeof(m, "_POOL_TRACKER_BIG_PAGES");
	uint64_t table = mk_alloc(m, area, size * entry);

	for (uint64_t i = 0; i < size; i++)
		mk_write64(m, table + i * entry, UNUSED);
	struct psc_map seen = { 0 };	// entries of each tag so far

	*live = 0;
	for (size_t k = 0; k < n; k++) {
		uint64_t *nth = psc_map_put(&seen, v[k].tag, NULL);
		uint64_t i = hash(m, v[k].va) & (size - 1);

		while (mk_read64(m, table + i * entry) != UNUSED)
			i = (i + 1) & (size - 1);
		write_entry(m, table + i * entry, &v[k]);
		if (!nth)
			mk_fail(m, "out of memory");
		mk_label(m, table + i * entry, "big-entry:%.4s.%" PRIu64,
			 (const char *)&v[k].tag, (*nth)++);
		mk_label(m, table + i * entry, "big-entry:%.4s",
			 (const char *)&v[k].tag);
		*live += !v[k].freed;
	}
	psc_map_free(&seen);
	return table;
}

/** The session's own table (pool 4.6). */
static void session_table(struct mk *m)
{
	struct mk_big *b = m->big;
	uint64_t size = SESSION_ENTRIES, live, session, table;

	if (!b->session.n)
		return;
	while (size < b->session.n * 2)
		size *= 2;
	session = mk_session_space(m);
	table = write_table(m, MK_SESSION, size, b->session.v, b->session.n,
			    &live);
	mk_field(m, session, "_MM_SESSION_SPACE.PoolTrackBigPages", table);
	mk_field(m, session, "_MM_SESSION_SPACE.PoolTrackBigPagesSize", size);
	mk_field_opt(m, session, "_MM_SESSION_SPACE.PoolBigEntriesInUse",
		     live);
}

void mk_big_finish(struct mk *m)
{
	struct mk_big *b = m->big;
	uint64_t live, table;

	if (!b->size)
		for (b->size = MIN_ENTRIES; b->size < b->v.n * 2; )
			b->size *= 2;
	if (b->v.n > b->size)
		mk_fail(m, "the big-page table is full");
	table = write_table(m, MK_NONPAGED, b->size, b->v.v, b->v.n, &live);
	mk_global(m, "PoolBigPageTable", table, 8);
	mk_global(m, "PoolBigPageTableSize", b->size, 8);
	mk_global(m, "ExpPoolBigEntriesInUse", live, 4);
	mk_label(m, table, "big-table");
	session_table(m);
	truth(m);
}
