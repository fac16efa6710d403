// SPDX-License-Identifier: MIT
/** @file
 * One pool block as every walker reports it, whatever allocator made it.
 */
#ifndef PSC_POOL_BLOCK_H
#define PSC_POOL_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum psc_pool_kind {
	PSC_POOL_NONPAGED,
	PSC_POOL_NONPAGED_NX,
	PSC_POOL_PAGED,
	PSC_POOL_SESSION,
	PSC_POOL_SPECIAL,
	PSC_POOL_UNKNOWN,
};
/** "nonpaged", "nonpaged-nx", "paged", "session", "special", "unknown". */
const char *psc_pool_kind_name(enum psc_pool_kind k);

enum psc_block_state {
	PSC_BLOCK_IN_USE,
	PSC_BLOCK_FREE,
	PSC_BLOCK_CACHED,	/**< Freed, but kept on a lookaside or delay list. */
	PSC_BLOCK_UNATTRIBUTED,	/**< Heap metadata or no header. */
};

/** Who hands it out. */
enum psc_block_owner {
	PSC_OWNER_CHAIN,	/**< Classic page chain. */
	PSC_OWNER_BIG,		/**< Big-page table (page allocations). */
	PSC_OWNER_VS,
	PSC_OWNER_LFH,
	PSC_OWNER_LARGE,
	PSC_OWNER_SPECIAL,
};

struct psc_block {
	uint64_t va;		/**< Of the pool header; of the data when none. */
	uint64_t bytes;		/**< As charged to the tag (header included). */
	uint32_t tag;
	enum psc_pool_kind pool;
	enum psc_block_state state;
	enum psc_block_owner owner;
	uint8_t pool_type;	/**< Raw header byte; 0 when no header. */
	bool has_header;
	uint64_t process;	/**< Decoded EPROCESS of the payer, 0 = none. */
	/** What ProcessBilled decodes to though the header says that nobody
	 *  pays: stale, or the quota bit is lost. 0 = no address. */
	uint64_t unbilled;
	unsigned int node;
};

/** Is @p va of this block? A chunk header belongs to the block behind it. */
bool psc_block_covers(const struct psc_block *b, uint64_t va);

#endif
