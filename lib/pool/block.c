// SPDX-License-Identifier: MIT
#include "pool/block.h"

#include "base/bytes.h"
#include "mem/mem.h"

const char *psc_pool_kind_name(enum psc_pool_kind k)
{
	static const char *const names[] = {
		[PSC_POOL_NONPAGED] = "nonpaged",
		[PSC_POOL_NONPAGED_NX] = "nonpaged-nx",
		[PSC_POOL_PAGED] = "paged",
		[PSC_POOL_SESSION] = "session",
		[PSC_POOL_SPECIAL] = "special",
		[PSC_POOL_UNKNOWN] = "unknown",
	};

	return (size_t)k < PSC_ARRAY_SIZE(names) ? names[k] : "unknown";
}

bool psc_block_covers(const struct psc_block *b, uint64_t va)
{
	uint64_t head = 0;

	// Of a chunk at the end of a page the block moves to the next one.
	if (b->owner == PSC_OWNER_VS)
		head = b->va & (PSC_PAGE_SIZE - 1) ? 0x10 : 0x20;
	return va - (b->va - head) < b->bytes + head;
}
