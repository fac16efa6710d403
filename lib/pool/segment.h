// SPDX-License-Identifier: MIT
/** @file
 * Page segments of a segment heap: 256 range descriptors at their start say
 * what each run of units is (pool 3.4, 3.5). Pure: bytes in, ranges out.
 */
#ifndef PSC_POOL_SEGMENT_H
#define PSC_POOL_SEGMENT_H

#include <stdint.h>

#include "pool/layout.h"
#include "pool/pages.h"
#include "pool/sink.h"

#define PSC_SEGMENT_UNITS 256u
/** Bytes of descriptors at a segment's start. */
#define PSC_SEGMENT_HEADER 0x2000u

enum psc_range_type {
	PSC_RANGE_FREE,
	PSC_RANGE_BACKEND,	/**< Page allocation; in the big-page table. */
	PSC_RANGE_INTERNAL,
	PSC_RANGE_LFH,
	PSC_RANGE_VS,
	PSC_RANGE_UNKNOWN,	/**< The descriptor is damaged. */
};

struct psc_range {
	enum psc_range_type type;
	uint64_t va, bytes;	/**< Without the guard unit. */
	unsigned int first, units;
	bool guard;		/**< One more unit behind is a guard. */
	bool may_guard;		/**< Says so, whatever its type. */
};

struct psc_segment {
	const struct psc_heap_layout *layout;
	struct psc_pages header; /**< The first two pages; may be missing. */
	uint64_t context;	/**< VA of its segment context. */
	uint64_t heap_key;
	unsigned int unit_shift;
	unsigned int first_index; /**< Of the first usable descriptor. */
	enum psc_pool_kind pool;
};

/** Signature of a healthy segment, encoded. */
static inline uint64_t psc_segment_signature(const struct psc_heap_layout *l,
					     uint64_t context, uint64_t va,
					     uint64_t heap_key)
{
	return context ^ va ^ heap_key ^ l->seg_magic;
}

typedef void (*psc_range_fn)(void *ctx, const struct psc_range *r);

/**
 * Visit the ranges in order. Damaged descriptors are faults (S2, S5 to S8)
 * and PSC_RANGE_UNKNOWN; a range is never walked past its segment.
 * @return false when the header page is missing.
 */
bool psc_segment_walk(const struct psc_segment *s, psc_range_fn fn, void *ctx,
		      const struct psc_sink *sink);

/** Range that holds unit @p unit, by stepping back from it (pool 3.9); of a
 *  free range that unit alone. @return false when the descriptors contradict. */
bool psc_segment_range_of(const struct psc_segment *s, unsigned int unit,
			  struct psc_range *ret);

#endif
