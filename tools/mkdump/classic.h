// SPDX-License-Identifier: MIT
/** @file The classic allocator's own structures. */
#ifndef MK_CLASSIC_H
#define MK_CLASSIC_H

#include "pool.h"

enum cl_state { CL_USED, CL_FREE, CL_LOOKASIDE, CL_PENDING };

struct cl_block {
	uint16_t off, units;	/**< In 16 bytes, within the page. */
	enum cl_state state;
	bool fresh;		/**< Remainder of a new page: no tag written. */
	uint32_t tag;		/**< Of a block not in use. */
	uint32_t got;		/**< Of a block in use. */
};

struct cl_page {
	uint64_t va;
	uint16_t from;		/**< First unit: behind a Frag header. */
	bool behind_frag;
	PSC_VEC(struct cl_block) blocks;
};

/** One descriptor's pages. */
struct cl_pool {
	enum mk_pool kind;
	uint32_t index;		/**< PoolIndex. */
	PSC_VEC(struct cl_page) pages;
	uint64_t big_pages;
};

/** Tail of a big allocation that does not fill its last page. */
struct cl_frag {
	uint64_t base, bytes;
	enum mk_pool pool;
	uint32_t index;
	bool freed;
};

struct classic {
	PSC_VEC(struct cl_pool) pools;
	PSC_VEC(struct cl_frag) frags;
	uint32_t n_paged, turn;
};

/** Headers and data of all pages (classic_out.c). */
void classic_write_pages(struct mk *m);
/** Free lists, lookasides, pending frees, descriptor counts. */
void classic_write_lists(struct mk *m);

#endif
