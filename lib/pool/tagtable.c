// SPDX-License-Identifier: MIT
#include "pool/tagtable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "pool/table.h"

/** Tables have 2^n + 1 entries, n in this range (pool 4.2); a session's table
 *  fills what is left of one or two pages (pool 4.6). */
#define MIN_SHIFT 9
#define MIN_SHIFT_SESSION 4
#define MAX_SHIFT 18
/** An expansion table longer than this is a damaged size. */
#define MAX_EXPANSION (1u << 20)

/** Where the counters lie in an entry. */
struct layout {
	uint64_t bytes;		/**< Of an entry. */
	uint64_t key;
	uint64_t field[6];	/**< Order of names[]; [2] and [5] are bytes. */
	unsigned int counter;	/**< Width of the four counters. */
	unsigned int sum;	/**< Width of the two byte sums. */
};

static const char *const names[6] = {
	"_POOL_TRACKER_TABLE.NonPagedAllocs",
	"_POOL_TRACKER_TABLE.NonPagedFrees",
	"_POOL_TRACKER_TABLE.NonPagedBytes",
	"_POOL_TRACKER_TABLE.PagedAllocs",
	"_POOL_TRACKER_TABLE.PagedFrees",
	"_POOL_TRACKER_TABLE.PagedBytes",
};

int64_t psc_tag_outstanding(const struct psc_tag_table *t,
			    const struct psc_tag_counts *c)
{
	uint64_t d = c->allocs - c->frees;

	return t->counter_bits == 32 ? (int32_t)(uint32_t)d : (int64_t)d;
}

uint32_t psc_tag_hash(uint32_t tag)
{
	uint64_t h = UINT64_C(40543) * tag;

	return (uint32_t)h ^ (uint32_t)(h >> 32);
}

const struct psc_tag_row *psc_tag_find(const struct psc_tag_table *t,
				       uint32_t tag)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].tag == (tag & PSC_TAG_MASK) && !t->v[i].overflow)
			return &t->v[i];
	}
	return NULL;
}

void psc_tag_table_free(struct psc_tag_table *t)
{
	if (!t)
		return;
	free(t->v);
	free(t->tables);
	free(t->note);
	free(t);
}

static void table_guard(struct psc_tag_table **t)
{
	psc_tag_table_free(*t);
}

static void note(struct psc_tag_table *t, const char *text, uint64_t value)
{
	if (!t->note && asprintf(&t->note, "%s 0x%" PRIx64, text, value) < 0)
		t->note = NULL;
}

static struct psc_error *check_field(const struct layout *l,
				     const struct psc_field *f, const char *name)
{
	if ((f->size == 4 || f->size == 8) && f->offset + f->size <= l->bytes)
		return NULL;
	return psc_error_new(PSC_ERR_DAMAGED,
			     "%s: offset 0x%" PRIx64 " and size %" PRIu32
			     " do not fit an entry of %" PRIu64 " bytes",
			     name, f->offset, f->size, l->bytes);
}

static struct psc_error *read_layout(const struct psc_kernel *k,
				     struct layout *l)
{
	struct psc_error *err;
	struct psc_field f;

	if ((err = psc_kernel_sizeof(k, "_POOL_TRACKER_TABLE", &l->bytes)))
		return err;
	if (l->bytes < 8 || l->bytes > PSC_TABLE_MAX_ENTRY)
		return psc_error_new(PSC_ERR_DAMAGED, "_POOL_TRACKER_TABLE: "
				     "size %" PRIu64, l->bytes);
	if ((err = psc_kernel_field(k, "_POOL_TRACKER_TABLE.Key", &f)) ||
	    (err = check_field(l, &f, "_POOL_TRACKER_TABLE.Key")))
		return err;
	l->key = f.offset;
	for (unsigned int i = 0; i < 6; i++) {
		if ((err = psc_kernel_field(k, names[i], &f)) ||
		    (err = check_field(l, &f, names[i])))
			return err;
		l->field[i] = f.offset;
		*(i % 3 == 2 ? &l->sum : &l->counter) = f.size;
	}
	return NULL;
}

static uint64_t load(const uint8_t *p, unsigned int width)
{
	return width == 8 ? psc_le64(p) : psc_le32(p);
}

struct adder {
	const struct layout *l;
	struct psc_tag_table *t;
};

static bool row_counted(const struct psc_tag_row *r)
{
	return r->nonpaged.allocs || r->nonpaged.frees || r->nonpaged.bytes ||
	       r->paged.allocs || r->paged.frees || r->paged.bytes;
}

static void add_entry(const struct layout *l, const uint8_t *e,
		      struct psc_tag_row *row)
{
	uint32_t key = psc_le32(e + l->key);

	// Index-aligned: a processor that never used the tag has no key yet,
	// but the first table has all that count.
	row->lost_key |= key && !row->tag && row_counted(row);
	row->keys_differ |= key && row->tag && key != row->tag;
	if (!row->tag)
		row->tag = key;
	row->nonpaged.allocs += load(e + l->field[0], l->counter);
	row->nonpaged.frees += load(e + l->field[1], l->counter);
	row->nonpaged.bytes += load(e + l->field[2], l->sum);
	row->paged.allocs += load(e + l->field[3], l->counter);
	row->paged.frees += load(e + l->field[4], l->counter);
	row->paged.bytes += load(e + l->field[5], l->sum);
}

static bool add_run(void *ctx, uint64_t first, const uint8_t *p, uint64_t n)
{
	struct adder *a = ctx;

	for (uint64_t i = 0; i < n; i++)
		add_entry(a->l, p + i * a->l->bytes, &a->t->v[first + i]);
	return true;
}

static void add_table(const struct layout *l, struct psc_mem *m, uint64_t va,
		      struct psc_tag_table *t)
{
	struct adder a = { .l = l, .t = t };
	struct psc_table_stats st;
	const struct psc_table table = {
		.va = va, .entry_bytes = l->bytes, .n = t->entries,
	};

	psc_table_scan(m, &table, add_run, &a, &st);
	t->pages_missing += st.pages_missing;
	t->pages_paged_out += st.pages_paged_out;
	if (t->tables)
		t->tables[t->processors] = va;
	t->processors++;
}

static bool plausible(const struct psc_tag_table *t, uint64_t size)
{
	uint64_t n = size - 1;
	unsigned int min = t->session ? MIN_SHIFT_SESSION : MIN_SHIFT;

	return size && !(n & (n - 1)) && n >= UINT64_C(1) << min &&
	       n <= UINT64_C(1) << MAX_SHIFT;
}

/**
 * Entries of a table from its size and mask globals. One of the two may be
 * damaged: the other stands in, and the note says so.
 */
static struct psc_error *read_size(const struct psc_kernel *k,
				   const char *size_name, const char *mask_name,
				   struct psc_tag_table *t)
{
	struct psc_error *err;
	uint64_t size, mask;
	unsigned int w = psc_kernel_pointer_size(k);

	if ((err = psc_kernel_global(k, size_name, w, &size)))
		return err;
	if (plausible(t, size)) {
		t->entries = size;
		return NULL;
	}
	if (t->session && !size)
		return psc_error_new(PSC_ERR_ABSENT, "the dump holds no table "
				     "of session pool: %s is 0", size_name);
	PSC_ERROR_GUARD struct psc_error *no_mask =
		psc_kernel_global(k, mask_name, w, &mask);
	if (!no_mask && plausible(t, mask + 2)) {
		t->entries = mask + 2;
		note(t, "the table's size is taken from its mask: "
		     "the stored size is", size);
		return NULL;
	}
	return psc_error_new(PSC_ERR_DAMAGED, "%s: %" PRIu64 " is not 2^n+1 "
			     "with a sensible n", size_name, size);
}

static struct psc_error *new_rows(struct psc_tag_table *t)
{
	t->v = calloc(t->entries, sizeof(*t->v));
	return t->v ? NULL : &psc_nomem;
}

/** Drop empty rows, take the protected bit off, wrap the counters. */
static void finish_row(struct psc_tag_table *t, struct psc_tag_row *r)
{
	uint64_t mask = t->counter_bits == 32 ? UINT32_MAX : UINT64_MAX;

	if (t->sum_bits == 32) {	// they wrap as the kernel's do
		r->nonpaged.bytes = (uint64_t)(int32_t)r->nonpaged.bytes;
		r->paged.bytes = (uint64_t)(int32_t)r->paged.bytes;
	}
	r->is_protected = r->tag & PSC_TAG_PROTECTED;
	r->tag &= PSC_TAG_MASK;
	r->nonpaged.allocs &= mask;
	r->nonpaged.frees &= mask;
	r->paged.allocs &= mask;
	r->paged.frees &= mask;
}

static void pack_rows(struct psc_tag_table *t)
{
	for (size_t i = 0; i < t->entries; i++) {
		struct psc_tag_row *r = &t->v[i];
		bool last = i == t->entries - 1;

		r->index = (uint32_t)i;
		r->overflow = last;
		finish_row(t, r);
		if (!r->tag && row_counted(r) && !last && !t->keyless++)
			t->keyless_row = *r;
		if (!r->tag && !(last && row_counted(r)))
			continue;
		t->v[t->n++] = *r;
	}
}

struct expansion {
	const struct layout *l;
	struct psc_tag_table *t;
	bool nomem;
};

static bool expansion_run(void *ctx, uint64_t first, const uint8_t *p,
			  uint64_t n)
{
	struct expansion *x = ctx;
	struct psc_tag_table *t = x->t;
	struct psc_tag_row *v = realloc(t->v, (t->n + n) * sizeof(*v));

	if (!v) {
		x->nomem = true;
		return false;
	}
	t->v = v;
	for (uint64_t i = 0; i < n; i++) {
		struct psc_tag_row r = {
			.expansion = true, .index = (uint32_t)(first + i),
		};

		add_entry(x->l, p + i * x->l->bytes, &r);
		if (!r.tag)
			return false;	// linear: the first hole is the end
		finish_row(t, &r);
		v[t->n++] = r;
	}
	return true;
}

static struct psc_error *add_expansion(const struct layout *l,
				       struct psc_mem *m, uint64_t va,
				       uint64_t n, struct psc_tag_table *t)
{
	struct expansion x = { .l = l, .t = t };
	struct psc_table_stats st;

	if (!va || !n)
		return NULL;
	t->expansion = va;
	if (n > MAX_EXPANSION) {
		note(t, "the expansion table is left out: its stored size is",
		     n);
		t->lower_bound = true;
		psc_mem_count_unreadable(m);
		return NULL;
	}
	psc_table_scan(m, &(struct psc_table){ va, l->bytes, n },
		       expansion_run, &x, &st);
	t->pages_missing += st.pages_missing;
	t->pages_paged_out += st.pages_paged_out;
	return x.nomem ? &psc_nomem : NULL;
}

/** A global that may not exist: 0 then. */
static uint64_t optional_global(const struct psc_kernel *k, const char *name)
{
	uint64_t v = 0;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_kernel_global(k, name, psc_kernel_pointer_size(k), &v);

	return err ? 0 : v;
}

static void map_guard(struct psc_map *m)
{
	psc_map_free(m);
}

/** Slots of ExPoolTagTables (pool 4.2). */
static uint32_t max_slots(uint32_t family)
{
	return family < 9600 ? 256 : family < 17763 ? 640
	     : family < 20348 ? 1280 : 2048;
}

/** Processor tables in ExPoolTagTables; a table twice is damage, not use. */
static struct psc_error *add_processors(const struct psc_kernel *k,
					const struct layout *l, uint64_t base,
					struct psc_tag_table *t)
{
	struct psc_mem *m = psc_kernel_mem(k);
	unsigned int w = psc_kernel_pointer_size(k);
	uint32_t cpus = psc_dump_header(psc_kernel_dump(k))->processors;
	uint32_t slots = max_slots(psc_kernel_family(k));
	PSC_CLEANUP(map_guard) struct psc_map seen = { 0 };
	uint64_t array, va;

	if (!(t->tables = calloc(slots + 1, sizeof(*t->tables))))
		return &psc_nomem;
	// Some writers leave the number out: then the first empty slot ends.
	if (cpus)
		slots = PSC_MIN(cpus, slots);
	add_table(l, m, base, t);
	PSC_ERROR_GUARD struct psc_error *absent =
		psc_kernel_symbol(k, "ExPoolTagTables", &array);
	if (absent) {
		note(t, "only the first processor's table was found; tables", 1);
		t->lower_bound = true;
		psc_mem_count_unreadable(m);
		return NULL;
	}
	if (!psc_map_put(&seen, base, NULL))
		return &psc_nomem;
	for (uint32_t i = 0; i < slots; i++) {
		struct psc_error *err = psc_kernel_pointer(
			k, array + (uint64_t)i * w, "ExPoolTagTables", &va);
		bool added;

		if (err) {
			// Its page has been counted by the read.
			psc_error_free(err);
			note(t, "the list of processors' tables cannot be "
			     "read; slot", i);
			t->lower_bound = true;
			break;
		}
		if (!va && !cpus)
			break;
		if (!va)
			continue;
		if (!psc_map_put(&seen, va, &added))
			return &psc_nomem;
		if (added)
			add_table(l, m, va, t);
		else if (i)
			note(t, "two processors share the table at", va);
	}
	return NULL;
}

/** Address of the base table: by name, else through KDBG (pool 9). */
static struct psc_error *find_base(const struct psc_kernel *k, uint64_t *ret)
{
	// KDDEBUGGER_DATA64.PoolTrackTable: address of the variable.
	const unsigned int kdbg_pool_track_table = 0x1b8;
	struct psc_error *err;
	uint64_t var;

	err = psc_kernel_symbol(k, "PoolTrackTable", &var);
	if (psc_error_catch(&err, PSC_ERR_ABSENT) &&
	    !psc_kernel_kdbg(k, kdbg_pool_track_table, &var))
		return &psc_absent;
	if (err)
		return err;
	if ((err = psc_kernel_pointer(k, var, "PoolTrackTable", ret)))
		return err;
	return *ret ? NULL : psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS,
					  var, "PoolTrackTable is 0");
}

static struct psc_tag_table *new_table(const struct layout *l)
{
	struct psc_tag_table *t = calloc(1, sizeof(*t));

	if (t) {
		t->counter_bits = l->counter * 8;
		t->sum_bits = l->sum * 8;
		t->entry_bytes = l->bytes;
		t->key = l->key;
	}
	return t;
}

static void finish(struct psc_tag_table *t)
{
	t->complete = !t->pages_missing && !t->pages_paged_out &&
		      !t->lower_bound;
}

/**
 * Recovered kernels do not tell where the expansion table is. Tags went there
 * or into the overflow bucket only when the table was full.
 */
static void check_expansion(const struct psc_kernel *k, struct psc_tag_table *t)
{
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(k, "PoolTrackTableExpansion",
						  &va);

	if (!err || err->code != PSC_ERR_UNSUPPORTED) {
		psc_error_free(err);
		return;
	}
	psc_error_free(err);
	for (size_t i = 0; i < t->n; i++) {
		if (!t->v[i].overflow)
			continue;
		t->lower_bound = true;
		note(t, "the table overflowed and its expansion is not known; "
		     "entries", t->entries);
	}
}

struct psc_error *psc_tag_table_read(const struct psc_kernel *k,
				     struct psc_tag_table **ret)
{
	struct psc_error *err;
	struct layout l;
	uint64_t base;

	if ((err = find_base(k, &base)) || (err = read_layout(k, &l)))
		return err;
	PSC_CLEANUP(table_guard) struct psc_tag_table *t = new_table(&l);
	if (!t)
		return &psc_nomem;
	if ((err = read_size(k, "PoolTrackTableSize", "PoolTrackTableMask",
			     t)) ||
	    (err = new_rows(t)) || (err = add_processors(k, &l, base, t)))
		return err;
	pack_rows(t);
	t->base = base;
	if ((err = add_expansion(
		     &l, psc_kernel_mem(k),
		     optional_global(k, "PoolTrackTableExpansion"),
		     optional_global(k, "PoolTrackTableExpansionSize"), t)))
		return err;
	check_expansion(k, t);
	finish(t);
	*ret = PSC_TAKE(t);
	return NULL;
}

/** Field of the session object, read in the session's space; 0 if absent. */
static uint64_t session_field(const struct psc_kernel *k, struct psc_mem *m,
			      uint64_t session, const char *path)
{
	struct psc_field f;
	uint64_t v = 0;
	PSC_ERROR_GUARD struct psc_error *err = psc_kernel_field(k, path, &f);

	if (err || f.size > 8 ||
	    psc_mem_read(m, session + f.offset, &v, f.size, NULL) != f.size)
		return 0;
	return v;
}

/** Table of a session: by name, else embedded or pointed to (pool 4.6). */
static struct psc_error *session_base(const struct psc_kernel *k,
				      struct psc_mem *m, uint64_t session,
				      uint64_t *ret)
{
	struct psc_error *err;
	struct psc_field f;

	*ret = optional_global(k, "ExpSessionPoolTrackTable");
	if (*ret)
		return NULL;
	if ((err = psc_kernel_field(k, "_MM_SESSION_SPACE.PoolTags", &f)))
		return err;
	*ret = f.cls == PSC_TYPE_POINTER
		? session_field(k, m, session, "_MM_SESSION_SPACE.PoolTags")
		: session + f.offset;
	return *ret ? NULL : psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS,
					  session + f.offset,
					  "PoolTags of the session is 0");
}

struct psc_error *psc_tag_session_read(const struct psc_kernel *k,
				       struct psc_mem *mem, uint64_t session,
				       struct psc_tag_table **ret)
{
	struct psc_error *err;
	struct layout l;
	uint64_t base;

	if ((err = session_base(k, mem, session, &base)) ||
	    (err = read_layout(k, &l)))
		return err;
	PSC_CLEANUP(table_guard) struct psc_tag_table *t = new_table(&l);
	if (!t)
		return &psc_nomem;
	t->session = session;
	t->va = base;
	if ((err = read_size(k, "ExpSessionPoolTrackTableSize",
			     "ExpSessionPoolTrackTableMask", t)) ||
	    (err = new_rows(t)))
		return err;
	t->base = base;
	add_table(&l, mem, base, t);
	pack_rows(t);
	if ((err = add_expansion(
		     &l, mem,
		     session_field(k, mem, session,
				   "_MM_SESSION_SPACE.PoolTrackTableExpansion"),
		     session_field(k, mem, session, "_MM_SESSION_SPACE."
				   "PoolTrackTableExpansionSize"), t)))
		return err;
	finish(t);
	*ret = PSC_TAKE(t);
	return NULL;
}
