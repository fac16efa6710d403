// SPDX-License-Identifier: MIT
/** @file
 * The segment-heap pool under simulation (pool 3): each heap's segments, the
 * VS and LFH subsegments inside them, large allocations.
 *
 * Chunk and block encodings are bit formats of the facts; everything else goes
 * through the kernel's own types.
 */
#ifndef MK_SEGHEAP_H
#define MK_SEGHEAP_H

#include "pool.h"

#define SG_UNIT 0x10u
#define SG_SIGNATURE 0xddeeddeeu
#define SG_NO_GOT UINT32_MAX
#define SG_LFH_MAX 0x200u	/**< Largest block of the LFH, with header. */
#define SG_BUCKETS 33		/**< LFH classes 16*b up to SG_LFH_MAX. */

/** What a range of a segment's units holds: RangeFlags type bits. */
enum sg_kind {
	SG_PAGES = 0x0, SG_LFH = 0x8, SG_VS = 0xc,
	SG_GONE = 0x100,	/**< Freed again. */
};

struct sg_range {
	uint32_t first, units;	/**< Units, guard unit included. */
	uint32_t pages;		/**< Committed. */
	uint32_t unused;	/**< UnusedBytes. */
	enum sg_kind kind;
};

struct sg_segment {
	uint64_t va;
	uint32_t next;		/**< First unit not handed out. */
	PSC_VEC(struct sg_range) ranges;
};

/** One SegContext: 0 small pages, 1 big ones. */
struct sg_context {
	PSC_VEC(struct sg_segment) segs;
};

enum sg_chunk_state { SG_USED, SG_FREE, SG_DELAYED, SG_LOOKASIDE, SG_META };

/** A chunk of a VS subsegment. */
struct sg_chunk {
	uint32_t off, units;	/**< Bytes from the subsegment; 16-byte units. */
	enum sg_chunk_state state;
	uint8_t slack;		/**< Units behind the block that nobody has. */
	uint32_t got;		/**< Or SG_NO_GOT; for SG_META the large one. */
};

struct sg_vs {
	uint64_t va;
	uint32_t bytes;		/**< Without the guard page. */
	uint32_t next;		/**< Offset of the unused rest. */
	PSC_VEC(struct sg_chunk) chunks;	/**< By offset. */
};

/** An LFH subsegment. */
struct sg_lfh {
	uint64_t va;
	uint32_t pages, block;	/**< Bytes of a block. */
	uint32_t commit_off, first, n;	/**< Geometry (pool 3.7). */
	uint32_t free;		/**< Blocks that may be handed out. */
	uint32_t *got;		/**< Per block: SG_NO_GOT or who has it. */
	uint8_t *busy;		/**< Per block. */
	uint8_t *withheld;	/**< Per block: crosses a page. */
};

struct sg_large {
	uint64_t va, pages;
	uint64_t node;		/**< Address of its record, in a VS chunk. */
};

struct sg_heap {
	enum mk_pool kind;
	uint64_t va;		/**< _SEGMENT_HEAP. */
	struct sg_context ctx[2];
	PSC_VEC(struct sg_vs) vs;
	PSC_VEC(struct sg_lfh) lfh;
	PSC_VEC(struct sg_large) large;
	uint32_t asked[SG_BUCKETS + 1];	/**< Requests per class. */
	uint32_t open[SG_BUCKETS + 1];	/**< Subsegment with room + 1. */
	uint32_t made[SG_BUCKETS + 1];	/**< Subsegments of a class. */
	uint64_t committed, large_pages;
};

struct segheap {
	struct sg_heap heap[MK_POOLS];
	struct sg_heap special[MK_POOLS];	/**< va 0: not used. */
	uint64_t key, lfh_key;
	bool new_layout;	/**< 26100: one-bit LFH bitmaps, VS slots. */
};

static inline struct segheap *segheap(struct mk *m)
{
	return m->pool->allocator;
}

/**
 * Units of address space for @p pages in a segment of @p heap, mapped.
 * @param guard  one more unit, not mapped.
 * @return VA of the first page.
 */
uint64_t sg_range_new(struct mk *m, struct sg_heap *h, enum sg_kind kind,
		      uint64_t pages, uint32_t unused, bool guard);
/** Take the range of whole pages at @p va back. */
void sg_range_free(struct mk *m, struct sg_heap *h, uint64_t va);
/** Segments, descriptors, contexts (segheap_segs.c). */
void sg_segments_write(struct mk *m, struct sg_heap *h);

void sg_vs_alloc(struct mk *m, struct sg_heap *h, struct mk_got *g,
		 uint32_t total);
/** A chunk for heap metadata of @p bytes. @return VA of its contents. */
uint64_t sg_vs_meta(struct mk *m, struct sg_heap *h, uint32_t bytes);
void sg_vs_free(struct mk *m, struct sg_heap *h, struct mk_got *g);
void sg_vs_write(struct mk *m, struct sg_heap *h);

void sg_lfh_alloc(struct mk *m, struct sg_heap *h, struct mk_got *g,
		  uint32_t total);
void sg_lfh_free(struct mk *m, struct sg_heap *h, struct mk_got *g);
void sg_lfh_write(struct mk *m, struct sg_heap *h);

/** Live block with a header of @p total bytes at @p va. */
void sg_block_write(struct mk *m, const struct mk_got *g, uint64_t va,
		    uint32_t total);

/** A balanced RB tree over @p nodes (in order); root and Min at @p tree. */
void sg_tree_write(struct mk *m, uint64_t tree, const uint64_t *nodes,
		   size_t n);
/** Address of a member of a heap, by "_SEGMENT_HEAP" path. */
uint64_t sg_heap_member(struct mk *m, const struct sg_heap *h,
			const char *path);

#endif
