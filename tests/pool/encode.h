// SPDX-License-Identifier: MIT
/** @file
 * Builders of pool pages for tests, written from the description of the
 * formats and not from the readers: a mistake shared by both would hide.
 */
#ifndef PSC_TESTS_POOL_ENCODE_H
#define PSC_TESTS_POOL_ENCODE_H

#include <stdint.h>

#define HEAP_KEY UINT64_C(0x1122334455667788)
#define LFH_KEY UINT64_C(0xa1b2c3d4e5f60718)
#define COOKIE UINT64_C(0x0123456789abcdef)
#define TAG(a, b, c, d)                                              \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | \
	 (uint32_t)(d) << 24)

/** A 64-bit pool header; sizes in units of 16. */
void enc_header(uint8_t *p, unsigned int previous, unsigned int index,
		unsigned int size, unsigned int type, uint32_t tag,
		uint64_t billed);
/** A 32-bit one; sizes in units of 8. */
void enc_header32(uint8_t *p, unsigned int previous, unsigned int index,
		  unsigned int size, unsigned int type, uint32_t tag);

/** A VS chunk header at @p p (its address is @p va). */
void enc_chunk(uint8_t *p, uint64_t va, unsigned int units,
	       unsigned int previous, int allocated, unsigned int cost,
	       unsigned int page, int has_slack);

/** A VS subsegment that is being filled. */
struct enc_vs {
	uint8_t *p;
	uint64_t va;
	unsigned int pages, off, previous;
	unsigned int before_free;
	int last_free;
};
void enc_vs_begin(struct enc_vs *e, uint8_t *p, uint64_t va,
		  unsigned int pages);
/** Allocate a block of @p bytes (header included). @return VA of its header. */
uint64_t enc_vs_alloc(struct enc_vs *e, unsigned int bytes, unsigned int type,
		      uint32_t tag);
void enc_vs_free(struct enc_vs *e, unsigned int units);
/** One free chunk to the end. */
void enc_vs_end(struct enc_vs *e);

/** An LFH subsegment of @p pages pages: all blocks free.
 *  @return number of blocks, withheld ones included. */
unsigned int enc_lfh(uint8_t *p, uint64_t va, unsigned int pages,
		     unsigned int block_bytes);
/** Make block @p i busy. @return VA of its header. */
uint64_t enc_lfh_alloc(uint8_t *p, uint64_t va, unsigned int i,
		       unsigned int type, uint32_t tag);

#endif
