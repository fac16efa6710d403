// SPDX-License-Identifier: MIT
/** @file
 * PE images, on disk and as mapped in the dump, with pages missing. Bytes come
 * through a callback by RVA, so one reader serves files, memory images and
 * arrays.
 */
#ifndef PSC_PE_PE_H
#define PSC_PE_PE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

/** Where an image's bytes come from. */
struct psc_image_source {
	void *ctx;
	/** Copy up to @p n bytes at @p rva; @return how many were readable. */
	size_t (*read)(void *ctx, uint64_t rva, void *buf, size_t n);
};

struct psc_pe_section {
	char name[9];		/**< NUL-terminated; "/N" names unresolved. */
	uint32_t rva, virtual_size, file_offset, file_size, flags;
};

struct psc_pe_dir {
	uint32_t rva, size;
};

#define PSC_PE_MAX_SECTIONS 96
struct psc_pe {
	struct psc_image_source src;
	uint16_t machine;	/**< 0x8664, 0x14c, 0xaa64. */
	bool is64;		/**< PE32+. */
	bool unbound;		/**< A file: import slots hold names yet. */
	uint32_t timestamp, image_size, checksum, entry_rva, headers_size;
	uint64_t image_base;	/**< From the header. */
	uint32_t symbols_offset, n_symbols;	/**< COFF table, in the file. */
	struct psc_pe_dir dir[16];
	unsigned int n_dirs, n_sections;
	struct psc_pe_section section[PSC_PE_MAX_SECTIONS];
};

/**
 * Parse headers. @p src is copied; its ctx must outlive @p ret.
 * @return PSC_ERR_NOT_IN_DUMP when header bytes are missing in memory,
 *         PSC_ERR_TRUNCATED in a file, PSC_ERR_DAMAGED otherwise.
 */
PSC_NODISCARD struct psc_error *
psc_pe_open(const struct psc_image_source *src, const char *what,
	    struct psc_pe *ret);

/**
 * A file's bytes as an image source: raw data moved to its RVAs. @c pe points
 * back at the struct, which must stay where it is.
 */
struct psc_pe_file {
	const uint8_t *data;
	uint64_t size;
	struct psc_pe pe;
};
PSC_NODISCARD struct psc_error *
psc_pe_open_file(const uint8_t *data, uint64_t size, const char *what,
		 struct psc_pe_file *ret);

/** Bytes of a section in the file, padding cut off. NULL: past the file. */
const uint8_t *psc_pe_file_section(const struct psc_pe_file *f,
				   const struct psc_pe_section *s, size_t *n);
/** Section name with "/N" looked up in the COFF string table. */
void psc_pe_file_section_name(const struct psc_pe_file *f,
			      const struct psc_pe_section *s, char *out,
			      size_t cap);
/** Embedded Authenticode blob (PKCS#7). @return false: not signed inside. */
bool psc_pe_file_signature(const struct psc_pe_file *f, const uint8_t **data,
			   size_t *n);

/** Section that holds @p rva, or NULL. */
const struct psc_pe_section *psc_pe_section_of(const struct psc_pe *pe,
					       uint64_t rva);
/** Copy what is readable at @p rva. @return bytes, 0 past the image. */
size_t psc_pe_read(const struct psc_pe *pe, uint64_t rva, void *buf, size_t n);

/** CodeView RSDS record: all debug entries are tried. &psc_absent: none. */
struct psc_pe_pdb {
	uint8_t guid[16];
	uint32_t age;
	char name[256];		/**< Last path component. */
};
PSC_NODISCARD struct psc_error *
psc_pe_pdb(const struct psc_pe *pe, struct psc_pe_pdb *ret);

/**
 * VS_VERSION_INFO strings (UTF-8, NULL when absent) and fixed numbers.
 * This and the tables below: &psc_absent when the image has no such
 * directory, PSC_ERR_NOT_IN_DUMP when its pages are missing.
 */
struct psc_pe_version {
	uint16_t file[4], product[4];
	char *company, *product_name, *description, *original_name;
	char *file_text;	/**< FileVersion string. */
};
PSC_NODISCARD struct psc_error *
psc_pe_version(const struct psc_pe *pe, struct psc_pe_version *ret);
void psc_pe_version_free(struct psc_pe_version *v);

/** One export. Forwarders have @c forward set and no @c rva. */
struct psc_pe_export {
	char *name;		/**< NULL: by ordinal only. */
	uint32_t ordinal;
	uint32_t rva;
	char *forward;		/**< "module.name" or NULL. */
};
struct psc_pe_exports {
	char *module;		/**< Name in the directory, may be NULL. */
	struct psc_pe_export *v; /**< Sorted by rva. */
	size_t n;
	bool incomplete;	/**< Pages were missing. */
};
PSC_NODISCARD struct psc_error *
psc_pe_exports(const struct psc_pe *pe, struct psc_pe_exports *ret);
void psc_pe_exports_free(struct psc_pe_exports *e);
/** By name. NULL when there is none. */
const struct psc_pe_export *
psc_pe_export_find(const struct psc_pe_exports *e, const char *name);

/** One import slot. */
struct psc_pe_import {
	char *module;		/**< "ntoskrnl.exe"; NULL when unreadable. */
	char *name;		/**< NULL: by ordinal or unreadable. */
	uint16_t ordinal;
	uint32_t slot_rva;	/**< Of the IAT entry. */
};
struct psc_pe_imports {
	struct psc_pe_import *v; /**< Sorted by slot_rva. */
	size_t n;
	bool incomplete;
};
PSC_NODISCARD struct psc_error *
psc_pe_imports(const struct psc_pe *pe, struct psc_pe_imports *ret);
void psc_pe_imports_free(struct psc_pe_imports *i);

/** Function bounds from .pdata (x64 and ARM64), chained entries joined. */
struct psc_pe_function {
	uint32_t begin, end;	/**< RVAs. */
	uint32_t parent;	/**< begin of the primary entry of its function. */
};
struct psc_pe_functions {
	struct psc_pe_function *v; /**< Sorted by begin. */
	size_t n;
	bool incomplete;
};
PSC_NODISCARD struct psc_error *
psc_pe_functions(const struct psc_pe *pe, struct psc_pe_functions *ret);
void psc_pe_functions_free(struct psc_pe_functions *f);

#endif
