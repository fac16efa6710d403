// SPDX-License-Identifier: MIT
/** @file
 * Little-endian loads and stores on unaligned bytes. The caller has checked
 * the bounds; struct psc_reader does both.
 */
#ifndef PSC_BASE_BYTES_H
#define PSC_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "poolscope assumes a little-endian host"
#endif

static inline uint16_t psc_le16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t psc_le32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t psc_le64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/** Load 1, 2, 4 or 8 bytes, zero-extended. */
static inline uint64_t psc_le_uint(const void *p, unsigned int bytes)
{
	uint64_t v = 0;
	memcpy(&v, p, bytes <= 8 ? bytes : 8);
	return v;
}

static inline void psc_put16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void psc_put32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void psc_put64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint64_t psc_rotl64(uint64_t v, unsigned int n)
{
	n &= 63;
	return n ? v << n | v >> (64 - n) : v;
}

/** Overflow-checked a + b. @return false on overflow. */
static inline int psc_add_ok(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

/** Overflow-checked a * b. @return false on overflow. */
static inline int psc_mul_ok(uint64_t a, uint64_t b, uint64_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

#define PSC_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PSC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PSC_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
