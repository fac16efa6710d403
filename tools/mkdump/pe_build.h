// SPDX-License-Identifier: MIT
/** @file PE images written straight into memory (RVA = offset). */
#ifndef MK_PE_BUILD_H
#define MK_PE_BUILD_H

#include "kernel.h"

#define MK_SEC_CODE 0x60000020u		/**< Code, execute, read. */
#define MK_SEC_DATA 0xc0000040u		/**< Data, read, write. */
#define MK_SEC_RDATA 0x40000040u	/**< Data, read. */
#define MK_PE_SECTIONS 12

struct mk_pe_sec {
	char name[9];
	uint32_t rva, size, flags;
};

struct mk_pe {
	uint64_t base;
	uint32_t size, timestamp, checksum, entry;
	uint16_t os_major, os_minor;
	struct mk_pe_sec sec[MK_PE_SECTIONS];
	unsigned int n_sec;
	uint32_t dir[16][2];	/**< Data directories: RVA, size. */
};

struct mk_pe_version {
	const char *file, *product, *company, *description;
};

void mk_pe_section(struct mk_pe *pe, const char *name, uint32_t rva,
		   uint32_t size, uint32_t flags);
/** Debug directory and RSDS record at @p rva. */
void mk_pe_debug(struct mk *m, struct mk_pe *pe, uint32_t rva,
		 const struct psc_pdb_id *id);
/** Export directory at @p rva; @p v sorted by name. */
void mk_pe_exports(struct mk *m, struct mk_pe *pe, uint32_t rva,
		   const char *dll, const struct mk_export *v, size_t n);
/** Resource directory with one version resource at @p rva. */
void mk_pe_version(struct mk *m, struct mk_pe *pe, uint32_t rva,
		   const struct mk_pe_version *v);
/** DOS, NT and section headers at the base, last. */
void mk_pe_headers(struct mk *m, const struct mk_pe *pe);

#endif
