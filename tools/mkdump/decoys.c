// SPDX-License-Identifier: MIT
#include "decoys.h"

#include <stdlib.h>

#include "big.h"
#include "kernel.h"
#include "tags.h"

/** Behind the last global and what it may hold (an array of pointers). */
#define DECOYS_AT 0x8000u

enum {
	DECOY_TAG_TABLE = 1,	/**< A table of another time. */
	DECOY_TAG_ARRAY = 2,	/**< Begins with the right pointer. */
	DECOY_BIG_TABLE = 4,	/**< Hashed entries of another time. */
	DECOY_HEAP = 8,		/**< A heap's signature, no pool heap. */
	DECOY_PARTITION = 16,	/**< The right page count, wrong place. */
	DECOY_VISIBLE = 32,	/**< A second pointer to MiState.Vs. */
};

void mk_do_decoys(struct mk *m, struct mk_args *a)
{
	static const char *const names[] = {
		"tag-table", "tag-array", "big-table", "heap", "partition",
		"visible-state",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(names); i++) {
		if (mk_flag(a, names[i]))
			m->decoys |= 1u << i;
	}
	if (!a->v.n)
		m->decoys = DECOY_VISIBLE - 1;
}

/** Old copy of the base tag table: same keys, other figures. */
static uint64_t stale_tags(struct mk *m, uint64_t table)
{
	uint64_t entry = mk_sizeof(m, "_POOL_TRACKER_TABLE");
	uint64_t bytes = m->tags->size * entry;
	uint64_t copy = mk_alloc(m, MK_NONPAGED, bytes);
	uint8_t *b = mk_calloc(bytes, 1);

	mk_read(m, table, b, bytes);
	for (uint64_t i = 0; i < m->tags->size; i++) {
		// As if half of it all had happened.
		for (uint64_t k = 4; k < entry; k += 4)
			psc_put32(b + i * entry + k,
				  psc_le32(b + i * entry + k) / 2);
	}
	mk_write(m, copy, b, bytes);
	free(b);
	return copy;
}

static uint64_t stale_big(struct mk *m, uint64_t table)
{
	uint64_t bytes = m->big->size *
		mk_sizeof(m, "_POOL_TRACKER_BIG_PAGES");
	uint64_t copy = mk_alloc(m, MK_NONPAGED, bytes);
	uint8_t *b = mk_calloc(bytes, 1);

	mk_read(m, table, b, bytes);
	mk_write(m, copy, b, bytes);
	free(b);
	return copy;
}

static uint64_t fake_heap(struct mk *m, uint64_t data)
{
	uint64_t h = mk_alloc(m, MK_NONPAGED, mk_sizeof(m, "_SEGMENT_HEAP"));

	mk_field(m, h, "_SEGMENT_HEAP.Signature", 0xddeeddee);
	mk_field_opt(m, h, "_SEGMENT_HEAP.UserContext", data + 0x40);
	mk_field(m, h, "_SEGMENT_HEAP.MemStats.TotalCommittedPages", 7);
	return h;
}

/** The page count where a partition 40 bytes behind the real one has it. */
static void fake_partition(struct mk *m)
{
	uint64_t p = mk_symbol(m, "MiSystemPartition") +
		mk_sizeof(m, "_MI_PARTITION") + 0x40;
	uint64_t at = p + mk_offset(m, "_MI_PARTITION"
				       ".Vp.NumberOfPhysicalPages");

	if (!mk_read64(m, at))
		mk_write64(m, at, m->phys.n_pages);
}

void mk_decoys_finish(struct mk *m)
{
	uint64_t table = mk_read64(m, mk_symbol(m, "PoolTrackTable"));
	uint64_t big = mk_read64(m, mk_symbol(m, "PoolBigPageTable"));
	uint64_t data;

	if (!m->decoys)
		return;
	data = mk_kernel_data_end(m) + DECOYS_AT;
	if (m->decoys & DECOY_TAG_TABLE)
		mk_write64(m, data, stale_tags(m, table));
	if (m->decoys & DECOY_TAG_ARRAY) {
		// Then pointers to nothing of the kind.
		mk_write64(m, data + 0x100, table);
		for (unsigned int i = 1; i < m->n_cpus; i++)
			mk_write64(m, data + 0x100 + i * 8u,
				   mk_alloc(m, MK_NONPAGED, 2 * MK_PAGE));
	}
	if (m->decoys & DECOY_BIG_TABLE) {
		mk_write64(m, data + 0x4000, stale_big(m, big));
		mk_write64(m, data + 0x4010, m->big->size);
	}
	if (m->decoys & DECOY_HEAP && m->heap_pool)
		mk_write64(m, data + 0x4100, fake_heap(m, data + 0x4200));
	if (m->decoys & DECOY_PARTITION &&
	    mk_has_symbol(m, "MiSystemPartition"))
		fake_partition(m);
	if (m->decoys & DECOY_VISIBLE && mk_has_symbol(m, "MiVisibleState"))
		mk_write64(m, data + 0x4180,
			   mk_read64(m, mk_symbol(m, "MiVisibleState")));
}
