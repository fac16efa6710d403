// SPDX-License-Identifier: MIT
/** @file
 * An image as one block of bytes by RVA, with a note which pages are there.
 */
#ifndef PSC_CODE_FLAT_H
#define PSC_CODE_FLAT_H

#include "base/bytes.h"
#include "pe/pe.h"

#define PSC_FLAT_PAGE 0x1000u
#define PSC_FLAT_MAX (256u << 20)

struct psc_flat {
	struct psc_pe pe;	/**< Reads out of this struct, which stays put. */
	uint8_t *bytes;		/**< size bytes; missing pages are zero. */
	uint8_t *present;	/**< One byte per page. */
	uint32_t size;
	uint64_t base;		/**< What its pointers are relative to. */
	bool memory;
	uint8_t ptr;		/**< Bytes of a pointer. */
};

PSC_NODISCARD struct psc_error *
psc_flat_load(const struct psc_image_source *src, const char *name,
	      uint64_t base, bool memory, struct psc_flat *ret);
void psc_flat_free(struct psc_flat *f);

/** @p n bytes at @p rva are inside and there. */
static inline bool psc_flat_has(const struct psc_flat *f, uint64_t rva,
				uint32_t n)
{
	if (!n || rva >= f->size || n > f->size - rva)
		return false;
	for (uint64_t p = rva / PSC_FLAT_PAGE;
	     p <= (rva + n - 1) / PSC_FLAT_PAGE; p++) {
		if (!f->present[p])
			return false;
	}
	return true;
}

/** Section flags, as far as code and data differ. */
bool psc_flat_executable(const struct psc_flat *f, uint64_t rva);
bool psc_flat_writable(const struct psc_flat *f, uint64_t rva);

/** Pointer value to RVA. @return false when it points elsewhere. */
static inline bool psc_flat_rva(const struct psc_flat *f, uint64_t va,
				uint32_t *rva)
{
	if (va < f->base || va - f->base >= f->size)
		return false;
	*rva = (uint32_t)(va - f->base);
	return true;
}

#endif
