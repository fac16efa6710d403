// SPDX-License-Identifier: MIT
/** @file
 * Crash dump files: header facts, physical pages by frame number, triage
 * streams. A dump is immutable after opening and may be shared by threads.
 */
#ifndef PSC_DUMP_DUMP_H
#define PSC_DUMP_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "psc/error.h"

enum psc_arch {
	PSC_ARCH_UNKNOWN,
	PSC_ARCH_X86,
	PSC_ARCH_X86_PAE,
	PSC_ARCH_X64,
	PSC_ARCH_ARM64,
};

/** "x64", "x86", "x86-pae", "arm64", "unknown". */
const char *psc_arch_name(enum psc_arch a);

/** A header field that the writer may have left unset (`PAGE` fill). */
struct psc_opt64 {
	uint64_t v;
	bool set;
};

/**
 * Facts of DUMP_HEADER32/64 (dump-format 1.2, 1.3). A plain field is 0 when
 * the writer left it unset; addresses of 32-bit dumps are zero-extended.
 */
struct psc_dump_header {
	bool is64;
	enum psc_arch arch;
	uint32_t machine_type, major, build, processors, dump_type;
	uint64_t directory_table_base;
	uint64_t pfn_database, loaded_module_list, active_process_head;
	uint32_t bugcheck_code;
	uint64_t bugcheck_parameter[4];
	struct psc_opt64 kdbg, system_time, uptime, required_dump_space;
	struct psc_opt64 product_type, suite_mask, writer_status, attributes;
	struct psc_opt64 minidump_fields;
	uint64_t context_offset, context_size;	/**< In the file. */
	uint64_t exception_offset;
};

struct psc_dump;

struct psc_dump_options {
	const struct psc_progress *progress;	/**< May be NULL. */
	/** Keep and use an index of a compressed dump in the user's cache. */
	bool cache_index;
};

/**
 * Open a crash dump, also inside gzip or a zip with one member.
 * @return PSC_ERR_UNSUPPORTED with a name for look-alikes and encrypted dumps.
 */
PSC_NODISCARD struct psc_error *
psc_dump_open(const char *path, const struct psc_dump_options *opt,
	      struct psc_dump **ret);
void psc_dump_close(struct psc_dump *d);

const struct psc_dump_header *psc_dump_header(const struct psc_dump *d);
const char *psc_dump_path(const struct psc_dump *d);
/** JSON name: "bitmap-kernel" … and what to call it in text. */
const char *psc_dump_format(const struct psc_dump *d);
/** Why there is no physical memory (triage, header-only), or NULL. */
const char *psc_dump_why_no_pages(const struct psc_dump *d);
/** Bytes of the file as given. */
uint64_t psc_dump_file_size(const struct psc_dump *d);
/** Bytes of the dump: another number when the file is compressed. */
uint64_t psc_dump_size(const struct psc_dump *d);
/** NULL, "gzip", "zip". */
const char *psc_dump_compression(const struct psc_dump *d);
/** The file ends before the pages that it announces. */
bool psc_dump_truncated(const struct psc_dump *d);
/** Pages that the file announces, and pages whose bytes it really holds. */
uint64_t psc_dump_pages_stored(const struct psc_dump *d);
uint64_t psc_dump_pages_readable(const struct psc_dump *d);
/** Highest announced frame number + 1. */
uint64_t psc_dump_pfn_limit(const struct psc_dump *d);
/** What was odd but survivable while opening ("run 3 overlaps run 2"). */
size_t psc_dump_n_warnings(const struct psc_dump *d);
const char *psc_dump_warning(const struct psc_dump *d, size_t i);

/**
 * The 4096 bytes of page @p pfn; NULL when the file does not hold them all.
 * Points into the mapping, or into @p scratch for compressed dumps.
 * Thread-safe.
 */
const uint8_t *psc_dump_page(const struct psc_dump *d, uint64_t pfn,
			     uint8_t *scratch);
/**
 * Next page >= @p pfn whose bytes the file holds: announced pages past the end
 * of a truncated file are skipped. @return false when there is none.
 */
bool psc_dump_next_page(const struct psc_dump *d, uint64_t pfn, uint64_t *ret);
/** Bytes at an offset of the dump (header areas); uncompressed offsets.
 *  @return false when out of bounds. */
bool psc_dump_read_file(const struct psc_dump *d, uint64_t off, void *buf,
			size_t n);

/** Triage dump contents (dump-format 6). Borrowed from the dump. */
struct psc_triage_block {
	uint64_t va;
	uint64_t size;
	const uint8_t *data;
};
struct psc_triage_driver {
	char *name;		/**< UTF-8 path; never NULL. */
	uint64_t base, size;
	uint32_t timestamp, checksum;
};
struct psc_triage_unloaded {
	char *name;
	uint64_t start, end;
};
struct psc_triage {
	/** Data blocks, the stack, KDBG, PRCB, EPROCESS, ETHREAD where their VA
	 *  is known; in file order. */
	struct psc_triage_block *blocks;
	size_t n_blocks;
	struct psc_triage_driver *drivers;
	size_t n_drivers;
	struct psc_triage_unloaded *unloaded;
	size_t n_unloaded;
	const uint8_t *kdbg;	/**< Plain KDBG bytes, or NULL. */
	size_t kdbg_size;
	const uint8_t *prcb, *process, *thread;	/**< Or NULL. */
	size_t prcb_size, process_size, thread_size;
	size_t n_blobs;		/**< Of the DumpBlob stream at the end. */
	/** DUMP_MM_STORAGE, in pages; valid when has_mm. */
	bool has_mm;
	uint64_t max_nonpaged, nonpaged, max_paged, paged;
	uint64_t committed, committed_peak, commit_limit;
};
/** NULL unless the dump is a triage dump. */
const struct psc_triage *psc_dump_triage(const struct psc_dump *d);

#endif
