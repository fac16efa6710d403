// SPDX-License-Identifier: MIT
/** @file
 * Classic pool pages: a chain of headers, each knowing its own size and the
 * one before, that ends at the page's end (pool 2.2). Unit size and header
 * layout are data, so the same code reads x64 and x86 pages.
 */
#ifndef PSC_POOL_CHAIN_H
#define PSC_POOL_CHAIN_H

#include <stdint.h>

#include "pool/header.h"
#include "pool/sink.h"

struct psc_chain {
	const struct psc_header_form *form;
	const uint8_t *page;	/**< PSC_PAGE_SIZE bytes. */
	uint64_t va;
	/** Offset of the first header: 0, or behind a big allocation. */
	unsigned int start;
	uint64_t big_bytes;	/**< Of the allocation whose tail precedes. */
	enum psc_pool_kind pool;
	unsigned int node;
	bool has_cookie;	/**< Quota pointers are encoded (8 and later). */
	bool check_quota;	/**< The cookie was readable, or is not used. */
	uint64_t cookie;
	unsigned int index_limit; /**< PoolIndex must be below; 0 = unknown. */
};

/**
 * Does a chain cover the page from c->start to its end without a fault?
 * Cheap: stops at the first break. @return its number of headers, 0 = no.
 */
unsigned int psc_chain_is_clean(const struct psc_chain *c);

/**
 * Could this page be a chain at all (pool 2.10)? True for a clean chain of
 * two headers or more with text tags, or for one with a single break that
 * can be bridged.
 */
bool psc_chain_is_plausible(const struct psc_chain *c);

/**
 * Pool of the page, as its headers say: nonpaged, paged or (paged) session;
 * the most of them decide, free blocks have no say (pool 1.2, 2.10).
 */
enum psc_pool_kind psc_chain_kind(const struct psc_chain *c);

/**
 * Walk the page: every block goes to @p s, every break as a fault of L1…L4;
 * behind a break the walk goes on at the next header from which the chain is
 * clean to the page's end. The checks of single headers (L6, L8, L11, L14,
 * L17) are made on the way.
 * @param[in,out] st added to.
 */
void psc_chain_walk(const struct psc_chain *c, const struct psc_sink *s,
		    struct psc_span_stats *st);

#endif
