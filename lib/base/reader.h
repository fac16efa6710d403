// SPDX-License-Identifier: MIT
/** @file
 * Cursor over untrusted little-endian bytes. Every read is bounds-checked and
 * copies; a failed read moves nothing and names the structure, the field and
 * the place: `PhysicalMemoryBlock: NumberOfRuns: need 4 bytes at 0x88, have 3`.
 */
#ifndef PSC_BASE_READER_H
#define PSC_BASE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "psc/error.h"

/** Invariant: pos <= len. */
struct psc_reader {
	const uint8_t *base;	/**< Borrowed; may be unaligned. */
	size_t len, pos;	/**< Bytes. */
	uint64_t origin;	/**< File offset or address of base[0]. */
	enum psc_where kind;	/**< What origin is. */
	const char *what;	/**< Structure being read, for messages. */
	const char *field;	/**< Last field read, and where it started: */
	size_t field_pos;	/**< psc_reader_error() points there. */
};

static inline void psc_reader_init(struct psc_reader *r, const void *base,
				   size_t len, enum psc_where kind,
				   uint64_t origin, const char *what)
{
	*r = (struct psc_reader){
		.base = base, .len = len, .origin = origin,
		.kind = kind, .what = what, .field = "",
	};
}

static inline size_t psc_reader_left(const struct psc_reader *r)
{
	return r->len - r->pos;
}

/** "need N bytes, have M" at the current position. */
PSC_NODISCARD PSC_NONNULL struct psc_error *
psc_reader_short(const struct psc_reader *r, const char *field, size_t need);

/** An error about the field that was read last. */
PSC_NODISCARD PSC_NONNULL struct psc_error *
psc_reader_error(const struct psc_reader *r, enum psc_error_code code,
		 const char *fmt, ...) PSC_PRINTF(3, 4);

/** Borrow @p n bytes in place. On error neither @p r nor @p ret changes. */
PSC_NODISCARD static inline struct psc_error *
psc_reader_bytes(struct psc_reader *r, const char *field, size_t n,
		 const uint8_t **ret)
{
	if (psc_reader_left(r) < n)	// cannot wrap: pos <= len
		return psc_reader_short(r, field, n);
	*ret = r->base + r->pos;
	r->field = field;
	r->field_pos = r->pos;
	r->pos += n;
	return NULL;
}

PSC_NODISCARD static inline struct psc_error *
psc_reader_skip(struct psc_reader *r, const char *field, size_t n)
{
	const uint8_t *p;
	return psc_reader_bytes(r, field, n, &p);
}

/** Move to an absolute position; error when past the end. */
PSC_NODISCARD struct psc_error *
psc_reader_seek(struct psc_reader *r, const char *field, uint64_t pos);

#define PSC_READER_UINT(suffix, type)                                        \
	PSC_NODISCARD static inline struct psc_error *psc_reader_##suffix(   \
		struct psc_reader *r, const char *field, type *ret)          \
	{                                                                    \
		const uint8_t *p;                                            \
		struct psc_error *err =                                      \
			psc_reader_bytes(r, field, sizeof(type), &p);        \
		if (!err)                                                    \
			memcpy(ret, p, sizeof(type));                        \
		return err;                                                  \
	}
PSC_READER_UINT(u8, uint8_t)
PSC_READER_UINT(u16, uint16_t)
PSC_READER_UINT(u32, uint32_t)
PSC_READER_UINT(u64, uint64_t)
#undef PSC_READER_UINT

/**
 * Borrow a NUL-terminated string that ends before the reader does.
 * @return PSC_ERR_TRUNCATED when there is no NUL.
 */
PSC_NODISCARD struct psc_error *
psc_reader_cstr(struct psc_reader *r, const char *field, const char **ret);

#endif
