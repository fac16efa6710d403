// SPDX-License-Identifier: MIT
/** @file
 * Inside of a pool view: shared by the files that gather and walk.
 */
#ifndef PSC_POOL_VIEW_IMPL_H
#define PSC_POOL_VIEW_IMPL_H

#include "base/vec.h"
#include "pool/layout.h"
#include "pool/segment.h"
#include "pool/view.h"

#define PSC_MAX_SESSIONS 256u
/** Faults of lists kept while opening; more say nothing new. */
#define PSC_MAX_OPEN_FAULTS 10000u

/** An address space: the system's, or that of a session's process. */
struct psc_space {
	struct psc_mem *mem;
	uint64_t session;	/**< VA of the session object; 0 = system. */
	bool owned;		/**< mem is freed with the view. */
	struct psc_big_table big; /**< Where its table lies; va 0 = nowhere. */
	/** Blocks in caches: sessions use the same addresses. */
	PSC_VEC(uint64_t) cached;
};

/** A segment heap that was read. */
struct psc_heap {
	uint64_t va;
	enum psc_pool_kind pool;
	int paged;
	unsigned int node;
	uint16_t space;
	bool special;
};

/** A segment, for lookups: where it ends and who owns it. */
struct psc_segment_ref {
	uint64_t va, bytes;
	uint64_t context;
	uint32_t heap;		/**< Index. */
	uint8_t unit_shift, first_index;
};

/** A segment context of a heap (pool 3.3). */
struct psc_seg_context {
	uint64_t va, mask, list, count;
	unsigned int unit_shift, first;
	const struct psc_heap *heap;
	uint32_t heap_index;
};

/** A page allocation that the big-page table does not list. */
struct psc_unlisted {
	uint64_t va, descriptor;
	enum psc_pool_kind pool;
};

/** A subsegment of which a small dump holds pages or pieces. */
struct psc_part {
	uint64_t va;
	uint64_t pages;		/**< Bit per page: known to belong to it. */
	uint8_t n_pages, kind, pool; /**< As in psc_unit. */
	int8_t paged;
};

struct psc_pool_view {
	const struct psc_kernel *k;
	struct psc_view_info info;
	struct psc_heap_layout layout;
	bool has_cookie;	/**< Quota pointers are encoded. */
	uint64_t cookie;
	/** PoolIndex of paged and nonpaged blocks is below; 0 = unknown. */
	unsigned int index_limit, nodes_limit;
	bool session_apart;	/**< Session pool is not in the system's heaps. */
	uint64_t mi_cookie;	/**< Of cached free pages; 0 = unknown. */
	unsigned int slot_active; /**< Offset of ActiveSubsegment; 0 = none. */
	PSC_VEC(struct psc_space) spaces;
	PSC_VEC(struct psc_unit) units;
	PSC_VEC(struct psc_big) big;
	PSC_VEC(struct psc_big) bad_big; /**< Entries that cannot be true. */
	PSC_VEC(struct psc_heap) heaps;
	PSC_VEC(struct psc_segment_ref) segments;
	PSC_VEC(struct psc_unlisted) unlisted;
	PSC_VEC(struct psc_part) parts;	/**< Of a small dump. */
	PSC_VEC(struct psc_fault) faults;
	PSC_VEC(char *) notes;
	bool nomem;
};

/** Add a note; format as printf. */
void psc_view_note(struct psc_pool_view *v, const char *fmt, ...)
	PSC_PRINTF(2, 3);
/** Something could not be read: note it, mark the view, free the error. */
void psc_view_incomplete(struct psc_pool_view *v, const char *what,
			 struct psc_error *err);
void psc_view_fault(struct psc_pool_view *v, const struct psc_fault *f);
/** A sink that keeps faults in the view. */
struct psc_sink psc_view_sink(struct psc_pool_view *v);

// --- gatherers: each fills units, caches and notes --------------------------
PSC_NODISCARD struct psc_error *psc_view_classic(struct psc_pool_view *v);
PSC_NODISCARD struct psc_error *psc_view_segheap(struct psc_pool_view *v);
PSC_NODISCARD struct psc_error *psc_view_lookasides(struct psc_pool_view *v,
						    uint64_t state,
						    unsigned int nodes);
/** Delay-free list of a VS context whose SLIST_HEADER is at @p list. */
void psc_view_slist(struct psc_pool_view *v, uint16_t space, uint64_t list,
		    const char *what);
/** Open one address space per session. */
PSC_NODISCARD struct psc_error *psc_view_sessions(struct psc_pool_view *v);
/** Read one heap: its segments become units. */
void psc_view_heap(struct psc_pool_view *v, uint64_t va,
		   enum psc_pool_kind pool, int paged, unsigned int node,
		   uint16_t space, bool special);
/** Member of an object in one of the view's address spaces; up to 8 bytes. */
PSC_NODISCARD struct psc_error *
psc_view_get(const struct psc_pool_view *v, struct psc_mem *m, uint64_t va,
	     const char *path, uint64_t *ret);
/** Offset of a member; PSC_ERR_ABSENT when the kernel's types lack it. */
PSC_NODISCARD struct psc_error *
psc_view_offset(const struct psc_pool_view *v, const char *path,
		uint64_t *ret);

// --- what heaps say of themselves, against what lies in them -----------------
/** S1b: the callbacks of all heaps lie in the kernel. */
void psc_view_callbacks(struct psc_pool_view *v);
/** S10: the tree of a context's free ranges. */
void psc_view_free_ranges(struct psc_pool_view *v,
			  const struct psc_seg_context *c);
/** S5: what a range is by its content, where its descriptor says else. */
void psc_view_range_type(struct psc_pool_view *v,
			 const struct psc_seg_context *c, uint64_t segment,
			 struct psc_range *r);
/** S11: page allocations that the big-page table lost. */
void psc_view_unlisted(struct psc_pool_view *v);

/** Segments of a context, and with them the units (seglist.c). */
void psc_view_segments(struct psc_pool_view *v,
		       const struct psc_seg_context *c);
/** Which constant do the signatures of a context's segments hold? */
void psc_newest_magic(struct psc_pool_view *v, uint64_t context, uint64_t list);
/** Bits per block and key of LFH subsegments, by what their counts say. */
void psc_newest_lfh(struct psc_pool_view *v);
/** Delay-free lists of the VS slots of a heap, whose units begin at
 *  @p first_unit. @return false: none was found. */
bool psc_newest_delayed(struct psc_pool_view *v, uint16_t space, uint64_t heap,
			size_t first_unit);
/** Units for a span of addresses of a classic or special pool. */
void psc_view_windows(struct psc_pool_view *v, uint64_t start, uint64_t end,
		      const struct psc_unit *like);
/** The segment that holds @p va, or NULL. */
const struct psc_segment_ref *
psc_view_segment_at(const struct psc_pool_view *v, uint64_t va);

// --- walking ----------------------------------------------------------------
/** What one thread needs to walk units. */
struct psc_worker {
	struct psc_pool_view *v;
	struct psc_mem **mem;	/**< One per space; clones. */
	const struct psc_sink *sink;
	const uint8_t **pages;	/**< Page pointers of a unit. */
	uint8_t *scratch;	/**< Room for copies of a unit's pages. */
	size_t n_pages;
	uint16_t space;		/**< Of the unit that is walked. */
	uint64_t not_mapped;	/**< Of the unit's first 64 pages. */
	struct psc_walk walk;	/**< Its part of the totals. */
	size_t big;		/**< Cursor into the big allocations. */
};
PSC_NODISCARD struct psc_error *psc_worker_init(struct psc_worker *w,
						struct psc_pool_view *v,
						const struct psc_sink *sink);
void psc_worker_deinit(struct psc_worker *w);
PSC_NODISCARD struct psc_error *psc_worker_unit(struct psc_worker *w,
						const struct psc_unit *u);
/** The totals of one pool of one node; NULL when out of memory. */
struct psc_span *psc_walk_span(struct psc_walk *w, enum psc_pool_kind pool,
			       unsigned int node);
struct psc_lfh_header;
struct psc_lfh_owner;
/** find_owner of struct psc_lfh; @p ctx is a worker. */
void psc_lfh_find_owner(void *ctx, const struct psc_lfh_header *h, uint64_t va,
			struct psc_lfh_owner *ret);
void psc_walk_chain_unit(struct psc_worker *w, const struct psc_unit *u);

#endif
