// SPDX-License-Identifier: MIT
/** @file
 * _POOL_HEADER (pool 1): decoding, legality, quota pointer. The byte layout
 * is the same in every kernel of an architecture.
 */
#ifndef PSC_POOL_HEADER_H
#define PSC_POOL_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/** PoolType byte (pool 1.2). */
#define PSC_PT_PAGED 0x01u
#define PSC_PT_IN_USE 0x02u
#define PSC_PT_ALIGNED 0x04u	/**< Without IN_USE: cached. */
#define PSC_PT_QUOTA 0x08u
#define PSC_PT_SESSION 0x20u
#define PSC_PT_VERIFIER 0x40u
#define PSC_PT_ILLEGAL 0x90u	/**< Masked off before a header is written. */

/** Newest family that surely keeps paged session pool apart: later ones no
 *  longer look at the flag (pool 4.6). */
#define PSC_LAST_SESSION_POOL 22000u

/** Size of units and header, as data: x64 and x86 (pool 1.1). */
struct psc_header_form {
	unsigned int shift;	/**< Unit = 1 << shift bytes. */
	unsigned int bytes;	/**< Of the header. */
	bool wide;		/**< x64 and ARM64: 8-bit fields. */
};
extern const struct psc_header_form psc_header64, psc_header32;

struct psc_pool_header {
	uint16_t previous, size; /**< In units. */
	uint8_t index, type;
	uint32_t tag;		/**< As stored. */
	uint64_t billed;	/**< ProcessBilled as stored; 0 on x86. */
};

/** Decode the header at @p p; form->bytes are readable. */
static inline struct psc_pool_header
psc_header_decode(const struct psc_header_form *form, const uint8_t *p)
{
	uint32_t v = psc_le32(p);

	if (form->wide)
		return (struct psc_pool_header){
			.previous = v & 0xff, .index = v >> 8 & 0xff,
			.size = v >> 16 & 0xff, .type = (uint8_t)(v >> 24),
			.tag = psc_le32(p + 4), .billed = psc_le64(p + 8),
		};
	return (struct psc_pool_header){
		.previous = v & 0x1ff, .index = v >> 9 & 0x7f,
		.size = v >> 16 & 0x1ff, .type = (uint8_t)(v >> 25),
		.tag = psc_le32(p + 4),
	};
}

/** A live block's PoolType that the allocator can have written. */
static inline bool psc_header_type_live(uint8_t type)
{
	return type & PSC_PT_IN_USE && !(type & PSC_PT_ILLEGAL);
}

/**
 * @p type with the bits that its pool decides: paged or not; session pool
 * that is paged lies elsewhere (pool 2.9).
 */
static inline uint8_t psc_header_type_in(uint8_t type, int paged,
					 bool no_session)
{
	type = (uint8_t)((type & ~PSC_PT_PAGED) | (unsigned int)paged);
	return no_session ? (uint8_t)(type & ~PSC_PT_SESSION) : type;
}

/** Four characters 0x20..0x7e, bit 31 aside. */
bool psc_tag_is_text(uint32_t tag);

/** A header that a live block of a segment heap can have (real-pool 3.1). */
bool psc_header_is_candidate(const struct psc_pool_header *h);

/**
 * EPROCESS of the payer of a block with the quota bit (pool 1.5).
 * @param cookie  ExpPoolQuotaCookie; 0 on kernels that store it plainly.
 */
static inline uint64_t psc_header_process(const struct psc_pool_header *h,
					  uint64_t va, uint64_t cookie)
{
	return cookie ? h->billed ^ cookie ^ va : h->billed;
}

/** An EPROCESS lies at a cache line: measured where heaps hand out the pool
 *  (pool 1.5); of older kernels only that it is a pool block is known. */
#define PSC_PROCESS_ALIGN 0x40u
#define PSC_PROCESS_ALIGN_CLASSIC 0x10u

/** Legal decoded ProcessBilled: nobody, or an aligned kernel address. */
static inline bool psc_process_is_sane(uint64_t process, unsigned int align)
{
	return !process || process == UINT64_MAX ||
	       (process >> 47 == 0x1ffff && !(process & (align - 1)));
}

/** psc_header_process() of a block that bills nobody: an address, or 0. */
static inline uint64_t psc_header_unbilled(const struct psc_pool_header *h,
					   uint64_t va, uint64_t cookie)
{
	uint64_t p = psc_header_process(h, va, cookie);

	return p && p != UINT64_MAX &&
	       psc_process_is_sane(p, PSC_PROCESS_ALIGN_CLASSIC) ? p : 0;
}

/**
 * Size class that an allocation of @p bytes (header included) of a segment
 * heap may have: above 0x400 multiples of 0x40, above 0x800 of 0x80
 * (pool 3.11).
 */
static inline bool psc_size_is_class(uint64_t bytes)
{
	if (bytes > 0xf80)	// not rounded: page-sized remains
		return !(bytes & 0xf);
	return !(bytes & (bytes > 0x800 ? 0x7f : bytes > 0x400 ? 0x3f : 0xf));
}

#endif
