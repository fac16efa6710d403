// SPDX-License-Identifier: MIT
// Anchors of kernels whose pool is (or may be) the classic one, 7601 to 17763:
// pool descriptors, and the page files of kernels before partitions. Arrays of
// pointers to objects that carry their own index: a chance hit is no array.
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "kernel/recover_impl.h"

// POOL_TYPE of a descriptor (pool 1.2).
#define TYPE_NONPAGED 0u
#define TYPE_PAGED 1u
#define TYPE_NX 0x200u
#define MAX_PAGED 65		/**< Slots of ExpPagedPoolDescriptor. */
#define MAX_NODES 64		/**< Slots of ExpNonPagedPoolDescriptor. */
#define MIN_ARRAY 2		/**< Elements that make an array. */
#define ALIGN 16u		/**< Of a pool block. */

/** Where a descriptor keeps what is looked at. */
struct descriptor {
	uint64_t type, index;
};

static bool descriptor_layout(const struct rec *r, struct descriptor *ret)
{
	for (size_t i = 0; i < r->layouts->n; i++) {
		const struct rec_candidate *c = &r->layouts->v[i];
		if (!rec_has(c, "_POOL_DESCRIPTOR.PoolIndex"))
			continue;
		ret->type = rec_offset(c, "_POOL_DESCRIPTOR.PoolType");
		ret->index = rec_offset(c, "_POOL_DESCRIPTOR.PoolIndex");
		return true;
	}
	return false;
}

/** A descriptor of paged (else nonpaged) pool number @p index is at @p va. */
static bool is_descriptor(const struct rec *r, const struct descriptor *d,
			  uint64_t va, bool paged, uint32_t index)
{
	uint32_t type, number;
	if (va % ALIGN || !rec_is_kernel_va(r, va) ||
	    !rec_read(r, va + d->index, &number, 4) || number != index ||
	    !rec_read(r, va + d->type, &type, 4))
		return false;
	return paged ? type == TYPE_PAGED
		     : type == TYPE_NONPAGED || type == TYPE_NX;
}

/** Descriptors in a row from @p va on, by their index. */
static uint32_t count_descriptors(const struct rec *r,
				  const struct descriptor *d, uint64_t va,
				  bool paged, uint32_t max)
{
	uint32_t n = 0;
	uint64_t p;
	while (n < max && rec_u64(r, va + 8ULL * n, &p) &&
	       is_descriptor(r, d, p, paged, n))
		n++;
	return n;
}

/** The one array of at least two descriptors. @return how many arrays. */
static size_t find_array(const struct rec *r, const struct descriptor *d,
			 bool paged, uint64_t *va, uint32_t *n)
{
	size_t found = 0;
	uint64_t last = 0, last_va = 0;
	// The second word decides first: it must be number 1.
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);
	     last = w.value, last_va = w.va) {
		if (w.va != last_va + 8 || last % ALIGN || w.value % ALIGN ||
		    last == w.value ||
		    !is_descriptor(r, d, w.value, paged, 1) ||
		    !is_descriptor(r, d, last, paged, 0))
			continue;
		*va = last_va;
		*n = count_descriptors(r, d, last_va, paged,
				       paged ? MAX_PAGED : MAX_NODES);
		found++;
	}
	return found;
}

/** Every page of the kernel's data is there: what is not found is not. */
static bool all_data(const struct rec *r)
{
	for (size_t i = 0; i < r->sections.n; i++)
		for (size_t p = 0; p < r->sections.v[i].size / PSC_PAGE_SIZE;
		     p++)
			if (!r->sections.v[i].present[p])
				return false;
	return r->sections.n > 0;
}

/** The pair {nonpaged descriptor, paged descriptor}. @return how many. */
static size_t find_vector(const struct rec *r, const struct descriptor *d,
			  uint64_t paged, uint64_t *va)
{
	size_t found = 0;
	uint64_t last = 0, last_va = 0;
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);
	     last = w.value, last_va = w.va) {
		if (w.value != paged || w.va != last_va + 8 ||
		    !is_descriptor(r, d, last, false, 0))
			continue;
		*va = last_va;
		found++;
	}
	return found;
}

/** Array and count of paged pools: from KDBG where it tells, else by search. */
static bool find_paged(const struct rec *r, const struct descriptor *d,
		       uint64_t *array, uint32_t *n)
{
	if (rec_symbol(r, "ExpPagedPoolDescriptor", array))
		*n = count_descriptors(r, d, *array, true, MAX_PAGED);
	else if (find_array(r, d, true, array, n) != 1)
		return false;
	return *n >= MIN_ARRAY;
}

void rec_find_descriptors(struct rec *r, struct psc_proof *p)
{
	struct descriptor d;
	uint64_t array, nodes = 0, first;
	uint32_t n_paged = 0, n_nodes = 1;
	if (!descriptor_layout(r, &d) || !find_paged(r, &d, &array, &n_paged) ||
	    !rec_u64(r, array, &first)) {
		rec_says(r, p, "no single array of paged descriptors that "
			 "carry their index");
		return;
	}
	size_t vectors = find_vector(r, &d, first, &p->address);
	size_t node_arrays = find_array(r, &d, false, &nodes, &n_nodes);
	if (vectors != 1 || node_arrays > 1 ||
	    (!node_arrays && !all_data(r))) {
		p->contradiction = vectors > 1 || node_arrays > 1;
		p->address = 0;
		rec_says(r, p, "%zu pairs look like it, with %zu arrays of "
			 "nonpaged descriptors", vectors, node_arrays);
		return;
	}
	p->proven = true;
	rec_says(r, p, "the only pair of a nonpaged and the first of %u paged "
		 "descriptors, each with its own index; %u node%s", n_paged,
		 n_nodes, n_nodes == 1 ? "" : "s");
	rec_add_symbol(r, "PoolVector", p->address);
	rec_add_symbol(r, "ExpPagedPoolDescriptor", array);
	rec_add_value(r, "ExpNumberOfPagedPools", n_paged - 1);
	rec_add_value(r, "ExpNumberOfNonPagedPools", n_nodes);
	if (node_arrays)
		rec_add_symbol(r, "ExpNonPagedPoolDescriptor", nodes);
}

// --- which of the two designs (17763) --------------------------------------

static const struct rec_candidate *first_in(const struct rec *r,
					    enum rec_group g)
{
	for (size_t i = 0; i < r->layouts->n; i++)
		if (rec_in(&r->layouts->v[i], g))
			return &r->layouts->v[i];
	return NULL;
}

/** Pages of the executable and the NX heap of all nodes. */
static uint64_t heap_pages(const struct rec *r)
{
	const struct rec_candidate *c = first_in(r, REC_HEAP);
	uint64_t state, n, heap, pages, large, sum = 0;
	if (!c || !(r->layouts->proven >> REC_HEAP & 1) ||
	    !rec_symbol(r, "ExPoolState", &state) ||
	    !rec_get(r, c, state, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools",
		     &n))
		return 0;
	for (uint32_t i = 0; i < 2 * n && i < 2 * MAX_NODES; i++) {
		char path[80];
		snprintf(path, sizeof(path), "_EX_POOL_HEAP_MANAGER_STATE."
			 "PoolNode[%u].Heaps[%u]", i / 2, i % 2);
		if (rec_get(r, c, state, path, &heap) &&
		    rec_get(r, c, heap, "_SEGMENT_HEAP.MemStats."
			    "TotalCommittedPages", &pages) &&
		    rec_get(r, c, heap, "_SEGMENT_HEAP.LargeCommittedPages",
			    &large))
			sum += pages + large;
	}
	return sum;
}

/** Pages of a node's descriptor, or pair of them. */
static uint64_t pair_pages(const struct rec *r, const struct rec_candidate *c,
			   uint64_t va)
{
	static const struct {
		const char *path;
		bool minus;
	} fields[] = {
		{ "_POOL_DESCRIPTOR.TotalPages", false },
		{ "_POOL_DESCRIPTOR.TotalBigPages", false },
		{ "_POOL_DESCRIPTOR.PagesAllocated", false },
		{ "_POOL_DESCRIPTOR.BigPagesAllocated", false },
		{ "_POOL_DESCRIPTOR.PagesDeallocated", true },
		{ "_POOL_DESCRIPTOR.BigPagesDeallocated", true },
	};
	unsigned int n = rec_has(c, "_KPRCB.PPNxPagedLookasideList") ? 2 : 1;
	uint64_t v, sum = 0;
	for (unsigned int i = 0; i < n; i++)
		for (size_t f = 0; f < PSC_ARRAY_SIZE(fields); f++)
			if (rec_get(r, c, va + i * rec_sizeof(
					c, "_POOL_DESCRIPTOR"),
				    fields[f].path, &v))
				sum += fields[f].minus ? -v : v;
	return sum;
}

static uint64_t descriptor_pages(const struct rec *r)
{
	const struct rec_candidate *c = &r->layouts->v[0];
	uint64_t nodes = rec_value(r, "ExpNumberOfNonPagedPools");
	uint64_t var, va, sum = 0;
	if (!rec_symbol(r, nodes > 1 ? "ExpNonPagedPoolDescriptor"
				     : "PoolVector", &var))
		return 0;
	for (uint64_t i = 0; i < nodes && i < MAX_NODES; i++)
		if (rec_u64(r, var + 8 * i, &va))
			sum += pair_pages(r, c, va);
	return sum;
}

uint64_t rec_nonpaged_pages(const struct rec *r)
{
	uint64_t heaps = heap_pages(r), pages = descriptor_pages(r);
	return PSC_MAX(heaps, pages);
}

void rec_find_design(struct rec *r, struct psc_proof *p)
{
	const uint64_t heap_backed = 3, classic = 1;	// pool 0.2
	const struct rec_candidate *c = first_in(r, REC_VISIBLE);
	uint64_t commit = 0, heaps = heap_pages(r);
	uint64_t pages = descriptor_pages(r);
	if (c && r->visible)
		rec_get(r, c, r->visible,
			"_MI_VISIBLE_STATE.NonPagedPoolCommit", &commit);
	// Heaps are nearly empty unless they back the pool; descriptors may go
	// on counting beside them.
	bool by_heaps = commit && heaps >= commit / 2;
	bool by_descriptors = commit && pages >= commit / 2;
	p->proven = by_heaps || by_descriptors;
	rec_says(r, p, "of 0x%" PRIx64 " committed pages of nonpaged pool, "
		 "heaps hold 0x%" PRIx64 " and pool descriptors 0x%" PRIx64,
		 commit, heaps, pages);
	if (p->proven) {
		rec_add_value(r, "ExpHeapBackedPoolEnabledState",
			      by_heaps ? heap_backed : classic);
		return;
	}
	// Either could be what was left over from the start of the system.
	r->layouts->proven = (uint16_t)(r->layouts->proven &
					~(1u << REC_HEAP));
	rec_drop_symbol(r, "PoolVector");
}

// --- page files ------------------------------------------------------------

#define MAX_FILES 16

static bool is_page_file(const struct rec *r, const struct rec_candidate *c,
			 uint64_t va, uint32_t number)
{
	uint64_t size, max, min, unused, n;
	return va % ALIGN == 0 && rec_is_kernel_va(r, va) &&
	       rec_get(r, c, va, "_MMPAGING_FILE.PageFileNumber", &n) &&
	       n == number &&
	       rec_get(r, c, va, "_MMPAGING_FILE.Size", &size) &&
	       rec_get(r, c, va, "_MMPAGING_FILE.MaximumSize", &max) &&
	       rec_get(r, c, va, "_MMPAGING_FILE.MinimumSize", &min) &&
	       rec_get(r, c, va, "_MMPAGING_FILE.FreeSpace", &unused) &&
	       size && unused <= size && size <= max && min <= max;
}

void rec_find_page_files(struct rec *r, struct psc_proof *p)
{
	uint64_t var;
	uint32_t n = 0;
	size_t found = 0;
	const struct rec_candidate *c = &r->layouts->v[0];
	if (!rec_symbol(r, "MmNumberOfPagingFiles", &var) ||
	    !rec_read(r, var, &n, sizeof(n)) || !n || n > MAX_FILES) {
		rec_says(r, p, "KDBG does not tell how many there are");
		return;
	}
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);) {
		uint64_t file = w.value;
		uint32_t i = 0;
		while (i < n && is_page_file(r, c, file, i) &&
		       rec_u64(r, w.va + 8ULL * (i + 1), &file))
			i++;
		if (i < n)
			continue;
		p->address = w.va;
		found++;
	}
	p->proven = found == 1;
	p->contradiction = found > 1;
	rec_says(r, p, "%zu arrays of %u page files that carry their number",
		 found, n);
	if (!p->proven)
		return;
	rec_add_symbol(r, "MmPagingFile", p->address);
	// Before partitions the group speaks for page files alone.
	r->layouts->proven |= 1u << REC_PARTITION;
}
