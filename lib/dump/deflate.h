// SPDX-License-Identifier: MIT
/** @file
 * A deflate stream as a sequence: gzip members one after the other, or the
 * raw stream of a zip member. Moves forward only; inflate.c adds the index.
 */
#ifndef PSC_DUMP_DEFLATE_H
#define PSC_DUMP_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZLIB_CONST
#include <zlib.h>

#define PSC_DEFLATE_WINDOW 0x8000u

/** Compressed bytes; borrowed from the mapping. */
struct psc_deflate_input {
	const uint8_t *data;
	uint64_t size;
	bool gzip;		/**< Members with headers; else one raw stream. */
	/** What a zip directory says about the unpacked bytes, when @c check. */
	bool check;
	uint64_t check_size;
	uint32_t check_crc;
};

/** A place where decoding can start. */
struct psc_deflate_point {
	uint64_t in;		/**< Offset of the next whole compressed byte. */
	uint64_t out;		/**< Offset in the unpacked bytes. */
	uint8_t bits;		/**< Unused bits of the byte before @c in. */
	uint32_t window_size;	/**< Bytes of @c window; 0: starts afresh. */
	uint8_t *window;	/**< Up to 32 KiB before, compressed by zlib. */
};

enum psc_deflate_state {
	PSC_DEFLATE_MORE,
	PSC_DEFLATE_END,	/**< All members are unpacked. */
	PSC_DEFLATE_GARBAGE,	/**< Ended; other bytes follow. */
	PSC_DEFLATE_SHORT,	/**< The input ends inside a member. */
	PSC_DEFLATE_DAMAGED,
	PSC_DEFLATE_NOMEM,
};

struct psc_deflate {
	z_stream z;
	bool live;		/**< z is initialised. */
	const struct psc_deflate_input *input;
	uint64_t out;		/**< Offset of the next unpacked byte. */
	bool header_next;	/**< A gzip header comes before data. */
	bool fresh;		/**< No block of the member has been read. */
	uint64_t member_start;	/**< Unpacked offset. */
	uint32_t crc;		/**< Of the member so far. */
	bool crc_wrong;		/**< Some member's trailer did not agree. */
	enum psc_deflate_state state;
};

/** Start at @p at, or at the beginning when it is NULL. @return false when
 *  out of memory or when the point is not usable. */
bool psc_deflate_start(struct psc_deflate *s,
		       const struct psc_deflate_input *input,
		       const struct psc_deflate_point *at);
void psc_deflate_end(struct psc_deflate *s);

/**
 * Unpack up to @p n bytes. With @p to_block it also stops where a deflate
 * block ends. @return bytes made; look at @c state when it is 0.
 */
size_t psc_deflate_step(struct psc_deflate *s, uint8_t *buf, size_t n,
			bool to_block);

/** Can a point be made here (psc_deflate_point_make())? */
bool psc_deflate_at_block(const struct psc_deflate *s);
/** @return false when out of memory. The caller frees point->window. */
bool psc_deflate_point_make(struct psc_deflate *s,
			    struct psc_deflate_point *ret);

#endif
