// SPDX-License-Identifier: MIT
/** @file
 * VS subsegments of a segment heap: chunks of any size with encoded headers
 * (pool 3.6, real-pool 2). Pure: pages in, blocks out.
 */
#ifndef PSC_POOL_VS_H
#define PSC_POOL_VS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "pool/layout.h"
#include "pool/pages.h"
#include "pool/sink.h"

/** First chunk of a subsegment: its header padded to a unit (pool 3.6). */
#define PSC_VS_FIRST 0x30u

/** A chunk header, decoded. */
struct psc_vs_chunk {
	uint16_t cost;		/**< Page boundaries crossed by a free chunk. */
	uint16_t size, previous; /**< Units of 16. */
	uint8_t allocated;	/**< 1 or 0. */
	uint8_t rest;		/**< Bits 56-63: always 0. */
	uint32_t word;		/**< Second dword, as stored. */
	uint8_t page;		/**< Decoded page offset; allocated only. */
};

static inline struct psc_vs_chunk
psc_vs_decode(uint64_t stored, uint32_t word, uint64_t va, uint64_t key)
{
	uint64_t p = stored ^ key ^ va;

	return (struct psc_vs_chunk){
		.cost = (uint16_t)p, .size = (uint16_t)(p >> 16),
		.previous = (uint16_t)(p >> 32),
		.allocated = (uint8_t)(p >> 48), .rest = (uint8_t)(p >> 56),
		.word = word,
		.page = (uint8_t)(word ^ (uint32_t)(va ^ key)),
	};
}

/** The subsegment's header. @p p has layout->vs_bytes bytes. */
struct psc_vs_header {
	uint64_t flink, blink;	/**< Decoded. */
	uint16_t size, signature;
	bool signature_ok;
};
struct psc_vs_header psc_vs_header_decode(const struct psc_heap_layout *l,
					  const uint8_t *p, uint64_t va);

/** What a walk of one subsegment needs. */
struct psc_vs {
	const struct psc_heap_layout *layout;
	struct psc_pages pages;	/**< The committed range, from its header. */
	uint64_t heap_key;
	uint64_t cookie;	/**< 0 = unknown. */
	enum psc_pool_kind pool;
	int paged;		/**< Paged bit of its heap, -1 = unknown. */
	/** Paged session blocks lie in heaps of their own (pool 2.9). */
	bool no_session;
	unsigned int node;
	/** Ascending VAs of chunks and pool headers that sit in a cache. */
	const uint64_t *cached;
	size_t n_cached;
	/** Bytes of the big allocation that begins at a page; 0 = none. */
	uint64_t (*big_bytes)(void *ctx, uint64_t va);
	void *big_ctx;
	/** Of the first 64 pages: no memory at all, where there must be some
	 *  when the subsegment says so (V11). A page that the dump lacks is
	 *  not one of them. */
	uint64_t not_mapped;
	bool weak_previous;	/**< Key bits 32-39 unknown: no V3. */
};

/**
 * Walk the chunks. Missing pages are skipped and the walk goes on at the
 * next chunk that two neighbours agree about.
 */
void psc_vs_walk(const struct psc_vs *v, const struct psc_sink *s,
		 struct psc_span_stats *st);

/** Where a chunk's pool header lies: behind it, or on the next page when it
 *  would cross (pool 3.6). @param[out] bytes what BlockSize*16 should be. */
uint64_t psc_vs_block(uint64_t chunk_va, unsigned int units,
		      unsigned int slack, uint64_t *bytes);

#endif
