// SPDX-License-Identifier: MIT
/** @file
 * The numbers of `!vm`: each counter with the place it was read from, by the
 * names of the JSON contract (vm-and-windbg-output 1 to 4).
 */
#ifndef PSC_ANALYSIS_VM_H
#define PSC_ANALYSIS_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/analysis.h"
#include "pool/usage.h"

/** X(enumerator, JSON name), in the order of the report. */
#define PSC_VM_COUNTERS(X)                                              \
	X(PHYSICAL_MEMORY, "physical_memory")                           \
	X(AVAILABLE, "available")                                       \
	X(RESIDENT_AVAILABLE, "resident_available")                     \
	X(LOCKED_IO, "locked_io")                                       \
	X(FREE_SYSTEM_PTES, "free_system_ptes")                         \
	X(MODIFIED, "modified")                                         \
	X(MODIFIED_PAGEFILE, "modified_pagefile")                       \
	X(MODIFIED_NO_WRITE, "modified_no_write")                       \
	X(NONPAGED_USAGE, "nonpaged_pool_usage")                        \
	X(NONPAGED_NX_USAGE, "nonpaged_pool_nx_usage")                  \
	X(NONPAGED_MAX, "nonpaged_pool_max")                            \
	X(PAGED_USAGE, "paged_pool_usage")                              \
	X(PAGED_MAX, "paged_pool_max")                                  \
	X(PROCESSOR_COMMIT, "processor_commit")                         \
	X(SESSION_COMMIT, "session_commit")                             \
	X(SHARED_COMMIT, "shared_commit")                               \
	X(SPECIAL_POOL, "special_pool")                                 \
	X(KERNEL_STACKS, "kernel_stacks")                               \
	X(MDL_PAGES, "mdl_pages")                                       \
	X(CONTIGUOUS_PAGES, "contiguous_pages")                         \
	X(PARTITION_PAGES, "partition_pages")                           \
	X(AWE_PAGES, "awe_pages")                                       \
	X(NONPAGED_COMMIT, "nonpaged_pool_commit")                      \
	X(PAGED_COMMIT, "paged_pool_commit")                            \
	X(DRIVER_COMMIT, "driver_commit")                               \
	X(BOOT_COMMIT, "boot_commit")                                   \
	X(PFN_ARRAY_COMMIT, "pfn_array_commit")                         \
	X(SMALL_PTES_COMMIT, "small_nonpaged_ptes_commit")              \
	X(SLAB_PAGES, "slab_allocator_pages")                           \
	X(SK_PAGES, "sk_pages_in_uncharged_slabs")                      \
	X(SYSTEM_PAGE_TABLES, "system_page_tables")                     \
	X(VAD_BITMAPS, "vad_page_table_bitmaps")                        \
	X(LOCKED_FILE_PAGES, "process_locked_file_pages")               \
	X(PAGEFILE_HASH, "pagefile_hash_pages")                         \
	X(SUM_SYSTEM_COMMIT, "sum_system_commit")                       \
	X(TOTAL_PRIVATE, "total_private")                               \
	X(MISC_TRANSIENT, "misc_transient")                             \
	X(COMMITTED, "committed")                                       \
	X(COMMIT_LIMIT, "commit_limit")                                 \
	X(PEAK_COMMIT, "peak_commit")                                   \
	X(ALLOCATED_NONPAGED, "allocated_nonpaged_pool")                \
	X(ALLOCATED_PAGED, "allocated_paged_pool")

enum psc_vm_counter {
#define X(id, name) PSC_VM_##id,
	PSC_VM_COUNTERS(X)
#undef X
	PSC_VM_N_COUNTERS
};

enum psc_vm_state {
	PSC_VM_NONE,		/**< The target has no such counter. */
	PSC_VM_UNREADABLE,	/**< It has one; @c text says why not. */
	PSC_VM_KNOWN,
};

struct psc_vm_value {
	enum psc_vm_state state;
	uint64_t pages;		/**< misc_transient: two's complement. */
	bool approximate;	/**< The text says how it was made. */
	char text[160];		/**< Source, or the reason it is not there. */
};

struct psc_page_file {
	char *name;		/**< NULL: the nameless one. */
	uint64_t current, free, minimum, maximum;	/**< Pages. */
	uint64_t hash;		/**< Pages of its hash; when has_hash. */
	bool has_hash, is_swap, is_virtual_store;
};

struct psc_vm {
	struct psc_vm_value v[PSC_VM_N_COUNTERS];
	struct psc_pool_usage usage;
	bool has_usage;
	struct psc_page_file file[16];
	unsigned int n_files;
	bool files_known;	/**< All of them, and their sizes. */
	char files_why[160];	/**< Why not; else "". */
};

void psc_vm_free(struct psc_vm *vm);
const char *psc_vm_counter_name(enum psc_vm_counter c);

/** @return the pages of a known counter, else 0. */
uint64_t psc_vm_pages(const struct psc_vm *vm, enum psc_vm_counter c);
bool psc_vm_known(const struct psc_vm *vm, enum psc_vm_counter c);
/** Set a counter that a rule computed. @p from is printf text. */
void psc_vm_set(struct psc_vm *vm, enum psc_vm_counter c, uint64_t pages,
		const char *from, ...) PSC_PRINTF(4, 5);
/** Note why a counter is not there. Frees @p err. */
void psc_vm_fail(struct psc_vm *vm, enum psc_vm_counter c,
		 struct psc_error *err);

/** Read every counter that is a field or a global (vm_counters.c). */
void psc_vm_read_counters(const struct psc_analysis *a, struct psc_vm *vm);
/** vm.failures: counters of what went wrong since boot. */
void psc_vm_fill_failures(const struct psc_analysis *a, struct psc_value *o);

/** Page files (vm_pagefile.c). */
void psc_vm_read_page_files(const struct psc_analysis *a, struct psc_vm *vm);
void psc_vm_fill_page_files(const struct psc_vm *vm, struct psc_value *o);

/** Counters that are sums over processors, sessions, threads, processes and
 *  pool descriptors (vm_sums.c). */
void psc_vm_read_sums(struct psc_analysis *a, struct psc_vm *vm);
/** vm.sessions, also session_commit (vm_sessions.c).
 *  @param o may be NULL: the counter alone. */
void psc_vm_fill_sessions(struct psc_analysis *a, struct psc_vm *vm,
			  struct psc_value *o);

/** Free System PTEs and vm.regions (vm_regions.c). */
void psc_vm_read_ptes(const struct psc_analysis *a, struct psc_vm *vm);
void psc_vm_fill_regions(const struct psc_analysis *a, struct psc_value *o);

/** Pages of kernel stacks: Σ (StackBase − StackLimit) (vm_stacks.c). */
PSC_NODISCARD struct psc_error *
psc_vm_stack_pages(const struct psc_kernel *k, const struct psc_processes *p,
		   uint64_t *pages, uint64_t *threads);

/** Identities that can fail on a real dump, as findings (vm_checks.c). */
void psc_vm_check(struct psc_analysis *a, const struct psc_vm *vm);

#endif
