// SPDX-License-Identifier: MIT
/** @file
 * Where the fields of a segment heap's inner structures lie. Read by name
 * from the kernel's types; the one of 17763 to 22631, which is the same in
 * all of them (pool 3.13), stands in where a dump names no kernel.
 */
#ifndef PSC_POOL_LAYOUT_H
#define PSC_POOL_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"

/** Constants of the encodings (pool 3.4, 3.6). */
#define PSC_SEGMENT_MAGIC UINT64_C(0xa2e64eada2e64ead)
#define PSC_VS_MAGIC 0x2bedu
#define PSC_HEAP_SIGNATURE 0xddeeddeeu
#define PSC_TREE_SIGNATURE 0xccddccddu

struct psc_heap_layout {
	// _HEAP_VS_SUBSEGMENT
	unsigned int vs_bytes, vs_commit, vs_size, vs_signature;
	// _HEAP_LFH_SUBSEGMENT
	unsigned int lfh_free, lfh_count, lfh_withheld, lfh_offsets;
	unsigned int lfh_unit_shift, lfh_unit_count, lfh_commit, lfh_bitmap;
	unsigned int lfh_owner, lfh_location;
	unsigned int lfh_delayed; /**< DelayFreeCount; 0 = none. */
	unsigned int lfh_bits;	/**< Per block: 2; 1 from 26100. */
	bool lfh_wide_key;	/**< K = (u32)(VA >> 12), from 26100. */
	bool lfh_has_commit;	/**< Commit words are u16 at lfh_commit. */
	// _HEAP_PAGE_RANGE_DESCRIPTOR
	unsigned int desc_bytes, desc_tree, desc_unused, desc_flags;
	unsigned int desc_offset, desc_size, desc_key;
	// _HEAP_PAGE_SEGMENT
	unsigned int seg_signature;
	uint64_t seg_magic;	/**< 0 from 26100. */
	bool newest;		/**< 26100: read as far as it is known. */
};

/** The layout of 17763 to 22631. */
extern const struct psc_heap_layout psc_heap_layout_common;

/** From the kernel's types. @return &psc_absent when it has none of them. */
PSC_NODISCARD struct psc_error *
psc_heap_layout_read(const struct psc_kernel *k, struct psc_heap_layout *ret);

#endif
