// SPDX-License-Identifier: MIT
// Anchors of the memory manager, Windows 10 on: MiSystemPartition,
// MiVisibleState and MiState (recovery 2, steps 2 to 4).
#include <inttypes.h>

#include "base/bytes.h"
#include "kernel/recover_impl.h"

/** The three objects are aligned to a cache line. */
#define OBJECT_ALIGN 0x40u
/** They lie that near to each other at most. */
#define NEAR 0x10000u
#define MAX_HITS 256
#define MAX_PAGING_FILES 16
// KDBG slot of MmPagedPoolCommit: from 10 on the address of
// MiState.Vs.SystemPteInfo.PteFailures (dump-format 3.4, 170).
#define KDBG_PTE_FAILURES 0x170

/** Distinct addresses that passed a test. */
struct hits {
	uint64_t v[MAX_HITS];
	size_t n;
};

static bool add_hit(struct hits *h, uint64_t va)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i] == va)
			return true;
	if (h->n == MAX_HITS)
		return false;
	h->v[h->n++] = va;
	return true;
}

/** Heads say which list they are: _MMLISTS (vm-and-windbg-output 2.1). Their
 *  places tell revisions apart that moved one part of the object. */
static bool lists_named(const struct rec *r, const struct rec_candidate *c,
			uint64_t va)
{
	static const struct {
		const char *path;
		uint64_t name;
	} lists[] = {
		{ "_MI_PARTITION.PageLists.FreePageListHead.ListName", 1 },
		{ "_MI_PARTITION.PageLists.StandbyPageListHead.ListName", 2 },
		{ "_MI_PARTITION.Vp.ModifiedPageListHead.ListName", 3 },
		{ "_MI_PARTITION.Vp.ModifiedNoWritePageListHead.ListName", 4 },
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(lists); i++) {
		uint64_t name;
		if (rec_has(c, lists[i].path) &&
		    (!rec_get(r, c, va, lists[i].path, &name) ||
		     (uint32_t)name != lists[i].name))
			return false;
	}
	return true;
}

static bool is_partition(const struct rec *r, const struct rec_candidate *c,
			 uint64_t va)
{
	uint64_t available, committed, limit, files;
	if (va % OBJECT_ALIGN ||
	    !rec_data(r, va, rec_sizeof(c, "_MI_PARTITION")))
		return false;
	return rec_get(r, c, va, "_MI_PARTITION.Vp.AvailablePages",
		       &available) &&
	       rec_get(r, c, va, "_MI_PARTITION.Vp.TotalCommittedPages",
		       &committed) &&
	       rec_get(r, c, va, "_MI_PARTITION.Vp.TotalCommitLimit",
		       &limit) &&
	       rec_get(r, c, va, "_MI_PARTITION.Vp.NumberOfPagingFiles",
		       &files) &&
	       available <= r->physical_pages && committed <= limit &&
	       limit && (uint32_t)files <= MAX_PAGING_FILES &&
	       lists_named(r, c, va);
}

/** Partitions of @p c at the places where the page count stands. */
static size_t try_partition(const struct rec *r, struct rec_candidate *c,
			    const struct hits *counts, struct hits *found)
{
	size_t n = 0;
	uint64_t off = rec_offset(c, "_MI_PARTITION.Vp.NumberOfPhysicalPages");
	for (size_t i = 0; i < counts->n; i++) {
		uint64_t va = counts->v[i] - off;
		if (is_partition(r, c, va)) {
			add_hit(found, va);
			n++;
		}
	}
	return n;
}

void rec_find_partition(struct rec *r, struct psc_proof *p)
{
	struct hits counts = { 0 }, found = { 0 };
	bool all = true;
	if (!r->physical_pages) {
		rec_says(r, p, "the number of physical pages is not known");
		return;
	}
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);)
		if (w.value == r->physical_pages)
			all &= add_hit(&counts, w.va);
	if (!all) {
		rec_says(r, p, "the page count stands in too many places");
		return;
	}
	for (size_t i = 0; i < r->layouts->n; i++) {
		struct rec_candidate *c = &r->layouts->v[i];
		if (!rec_has(c, "_MI_PARTITION.Vp.NumberOfPhysicalPages") ||
		    !try_partition(r, c, &counts, &found))
			rec_refute(c, REC_PARTITION);
	}
	if (found.n != 1) {
		p->contradiction = found.n > 1;
		rec_says(r, p, "%zu places hold the page count where the "
			 "layout of a partition has it", found.n);
		return;
	}
	p->proven = true;
	p->address = r->partition = found.v[0];
	rec_says(r, p, "the only object with NumberOfPhysicalPages 0x%" PRIx64
		 " (MmPhysicalMemoryBlock), its page lists named and its "
		 "commit within the limit; %zu layouts fit",
		 r->physical_pages, rec_n_in(r, REC_PARTITION));
	rec_add_symbol(r, "MiSystemPartition", p->address);
	r->layouts->proven |= 1u << REC_PARTITION;
}

/** Every region starts in kernel space, and one holds the System process.
 *  Without regions there is nothing to say. */
static bool regions_fit(const struct rec *r, const struct rec_candidate *c,
			uint64_t va)
{
	struct psc_field f;
	bool holds = false, any = false;
	if (!rec_field(c, "_MI_VISIBLE_STATE.SystemVaRegions", &f))
		return true;
	for (uint32_t i = 0; i < f.count; i++) {
		uint64_t at = va + f.offset + (uint64_t)i * f.size, base, bytes;
		if (!rec_u64(r, at, &base) || !rec_u64(r, at + 8, &bytes))
			return false;
		if (!base && !bytes)
			continue;
		any = true;
		if (!rec_is_kernel_va(r, base) || base + bytes - 1 < base)
			return false;
		holds |= r->system_process - base < bytes;
	}
	return holds || !any;
}

static bool is_visible(const struct rec *r, const struct rec_candidate *c,
		       uint64_t va)
{
	uint64_t nonpaged, total, free;
	uint64_t size = rec_sizeof(c, "_MI_VISIBLE_STATE");
	if (!size || va % OBJECT_ALIGN || !rec_data(r, va, size))
		return false;
	return rec_get(r, c, va,
		       "_MI_VISIBLE_STATE.MaximumNonPagedPoolInPages",
		       &nonpaged) &&
	       rec_get(r, c, va, "_MI_VISIBLE_STATE.SystemPteInfo."
		       "TotalSystemPtes", &total) &&
	       rec_get(r, c, va, "_MI_VISIBLE_STATE.SystemPteInfo."
		       "TotalFreeSystemPtes", &free) &&
	       free <= total && nonpaged && regions_fit(r, c, va);
}

/** Data words that hold @p value. */
static size_t count_words(const struct rec *r, uint64_t value, uint64_t *where)
{
	size_t n = 0;
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);) {
		if (w.value == value) {
			*where = w.va;
			n++;
		}
	}
	return n;
}

/** Values in the kernel's data that may be its address: beside the partition.
 *  @return false when there are too many to look at. */
static bool visible_pointers(const struct rec *r, struct hits *ret)
{
	for (struct rec_word w = { 0 }; rec_next_word(r, &w);)
		if (w.value % OBJECT_ALIGN == 0 &&
		    w.value - r->partition + NEAR < 2 * NEAR &&
		    !add_hit(ret, w.value))
			return false;
	return true;
}

/** Where @p c has the visible state: from KDBG's slot, else of @p pointers. */
static void visible_places(const struct rec *r, uint64_t slot,
			   const struct hits *pointers,
			   const struct rec_candidate *c, struct hits *found)
{
	if (slot) {
		uint64_t va = slot - rec_offset(
			c, "_MI_VISIBLE_STATE.SystemPteInfo.PteFailures");
		if (is_visible(r, c, va))
			add_hit(found, va);
		return;
	}
	for (size_t i = 0; i < pointers->n; i++)
		if (is_visible(r, c, pointers->v[i]))
			add_hit(found, pointers->v[i]);
}

void rec_find_visible(struct rec *r, struct psc_proof *p)
{
	struct hits found = { 0 }, pointers = { 0 };
	uint64_t slot, where = 0;
	if (!rec_kdbg_va(r, KDBG_PTE_FAILURES, &slot))
		slot = 0;
	if (!slot && (!r->partition || !visible_pointers(r, &pointers))) {
		rec_says(r, p, "neither KDBG nor the partition leads to it");
		return;
	}
	for (size_t i = 0; i < r->layouts->n; i++) {
		struct rec_candidate *c = &r->layouts->v[i];
		struct hits own = { 0 };
		visible_places(r, slot, &pointers, c, &own);
		if (!own.n)
			rec_refute(c, REC_VISIBLE);
		for (size_t j = 0; j < own.n; j++)
			add_hit(&found, own.v[j]);
	}
	if (found.n != 1) {
		p->contradiction = found.n > 1;
		rec_says(r, p, "%zu objects look like it", found.n);
		return;
	}
	size_t n = count_words(r, found.v[0], &where);
	if (n != 1) {
		p->contradiction = n > 1;
		rec_says(r, p, "%zu words of the kernel's data point to it, "
			 "one was expected", n);
		return;
	}
	p->proven = true;
	p->address = where;
	r->visible = found.v[0];
	rec_says(r, p, "exactly one word points to 0x%" PRIx64 "%s, whose "
		 "regions hold the System process; %zu layouts fit", r->visible,
		 slot ? ", which KDBG+170 also leads to" : "",
		 rec_n_in(r, REC_VISIBLE));
	rec_add_symbol(r, "MiVisibleState", p->address);
	r->layouts->proven |= 1u << REC_VISIBLE;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static bool about(uint64_t a, uint64_t b)
{
	return a && a <= 2 * b && b <= 2 * a;
}

/** MiState as @p c has it: a place, and about as much nonpaged pool counted
 *  there as is committed or as its owner has. This tells a layout with another
 *  distance from MiState to the visible state. */
static bool is_state(const struct rec *r, const struct rec_candidate *c,
		     uint64_t va)
{
	uint64_t allocated, commit;
	uint64_t size = rec_sizeof(c, "_MI_SYSTEM_INFORMATION");
	if (!size || !rec_data(r, va, size) ||
	    (r->partition && overlaps(va, size, r->partition,
				      rec_sizeof(c, "_MI_PARTITION"))))
		return false;
	return rec_get(r, c, va, "_MI_SYSTEM_INFORMATION.Pools."
		       "AllocatedNonPagedPool", &allocated) &&
	       rec_get(r, c, r->visible, "_MI_VISIBLE_STATE."
		       "NonPagedPoolCommit", &commit) &&
	       (about(allocated, commit) ||
		about(allocated, rec_nonpaged_pages(r)));
}

void rec_find_state(struct rec *r, struct psc_proof *p)
{
	const struct rec_candidate *first = NULL;
	if (!r->visible) {
		rec_says(r, p, "MiVisibleState is not proven");
		return;
	}
	for (size_t i = 0; i < r->layouts->n; i++) {
		struct rec_candidate *c = &r->layouts->v[i];
		uint64_t va = r->visible -
			      rec_offset(c, "_MI_SYSTEM_INFORMATION.Vs");
		if (!rec_in(c, REC_VISIBLE) || !is_state(r, c, va))
			rec_refute(c, REC_STATE);
		else if (!first)
			first = c;
	}
	if (!first) {
		rec_says(r, p, "in front of the visible state no layout "
			 "finds as much nonpaged pool as is committed");
		return;
	}
	p->proven = true;
	p->address = r->visible -
		     rec_offset(first, "_MI_SYSTEM_INFORMATION.Vs");
	rec_says(r, p, "*MiVisibleState less Vs of %s, and nonpaged pool is "
		 "counted there; %zu layouts fit",
		 first->kernel->version, rec_n_in(r, REC_STATE));
	rec_add_symbol(r, "MiState", p->address);
	r->layouts->proven |= 1u << REC_STATE;
}
