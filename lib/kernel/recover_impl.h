// SPDX-License-Identifier: MIT
/** @file
 * Shared by the files of recovery: the candidates whose layouts may be
 * borrowed, a copy of the kernel's data sections, and what was found.
 *
 *   recover.c          the table of anchors, the result
 *   recover_layout.c   candidates, and the source that speaks for them
 *   recover_data.c     data sections, pointers, KDBG
 *   recover_mm.c       memory manager: partition, visible state, MiState
 *   recover_pool.c     segment heaps, tag tables, big pages
 *   recover_classic.c  pool descriptors and page files of older kernels
 *   recover_process.c  processes, processors, threads
 *   recover_code.c     globals that exported functions touch
 */
#ifndef PSC_KERNEL_RECOVER_IMPL_H
#define PSC_KERNEL_RECOVER_IMPL_H

#include "base/map.h"
#include "base/vec.h"
#include "kernel/recover.h"
#include "sym/builtin.h"

/**
 * Types that one proof speaks for. A candidate that a proof refutes is out for
 * that group only: it may still be right about the others.
 */
enum rec_group {
	REC_COMMON,	/**< Types that are the same in the whole family. */
	REC_PARTITION,	/**< _MI_PARTITION and page files. */
	REC_VISIBLE,	/**< _MI_VISIBLE_STATE. */
	REC_STATE,	/**< _MI_SYSTEM_INFORMATION. */
	REC_HEAP,	/**< Segment heaps. */
	REC_PROCESS,
	REC_PRCB,
	REC_THREAD,
	REC_TRACK,	/**< _POOL_TRACKER_TABLE. */
	REC_BIG,	/**< _POOL_TRACKER_BIG_PAGES. */
	REC_N_GROUPS
};

struct rec_candidate {
	const struct psc_builtin_kernel *kernel;
	struct psc_sym *sym;
	uint32_t distance;	/**< In revisions. */
	uint16_t out;		/**< Bit per group: refuted. */
};

/** A data section of the kernel, as far as the dump holds it. */
struct rec_section {
	uint64_t va;
	size_t size;		/**< Whole pages. */
	uint8_t *bytes;		/**< Zero where absent. */
	uint8_t *present;	/**< Per page. */
};

struct rec_symbol {
	const char *name;	/**< Static, or owned by the exports. */
	uint64_t va;
};

/** The candidates, shared by the search and the resulting source. */
struct rec_layouts {
	struct rec_candidate *v;	/**< Nearest first. */
	size_t n;
	/** Sources that tell which names the family has. */
	struct psc_sym *names;
	uint16_t proven;		/**< Bit per group. */
};

struct rec {
	struct psc_recover_input in;
	struct psc_mem *mem;
	struct rec_layouts *layouts;
	PSC_VEC(struct rec_section) sections;
	PSC_VEC(struct rec_symbol) symbols;
	PSC_VEC(struct psc_proof) proofs;
	PSC_VEC(struct psc_recovered_value) values;
	struct psc_pe_exports exports;
	uint64_t physical_pages;	/**< 0: not known. */
	uint64_t system_process;	/**< EPROCESS of System, or 0. */
	uint64_t partition, visible, track_table;
	uint64_t code_hits[64];		/**< What pool code touches. */
	size_t n_code_hits;
	/** Bytes that searches may still read: hostile data leads anywhere. */
	uint64_t *budget;
	bool oom;
};

// --- recover_layout.c ---
PSC_NODISCARD struct psc_error *
rec_layouts_open(const struct psc_recover_input *in, struct rec_layouts **ret);
void rec_layouts_free(struct rec_layouts *l);
/** Is candidate @p c still in for @p g? */
bool rec_in(const struct rec_candidate *c, enum rec_group g);
void rec_refute(struct rec_candidate *c, enum rec_group g);
size_t rec_n_in(const struct rec *r, enum rec_group g);
/** Layout of a path in one candidate. */
bool rec_field(const struct rec_candidate *c, const char *path,
	       struct psc_field *ret);
uint64_t rec_offset(const struct rec_candidate *c, const char *path);
bool rec_has(const struct rec_candidate *c, const char *path);
uint64_t rec_sizeof(const struct rec_candidate *c, const char *type);
/** Make the source. Takes @p l and the exports of @p r over. */
PSC_NODISCARD struct psc_error *
rec_source_new(struct rec *r, struct psc_sym **ret);

// --- recover_data.c ---
void rec_load_sections(struct rec *r);
void rec_free_sections(struct rec *r);
/** @p n present bytes of the data sections, or NULL. */
const uint8_t *rec_data(const struct rec *r, uint64_t va, size_t n);
/** Aligned pointer-sized words of all sections: for (struct rec_word w = {0};
 *  rec_next_word(r, &w); ) … */
struct rec_word {
	size_t section, offset;
	uint64_t va, value;
};
bool rec_next_word(const struct rec *r, struct rec_word *w);
/** Read a scalar field of an object in memory. */
bool rec_get(const struct rec *r, const struct rec_candidate *c, uint64_t va,
	     const char *path, uint64_t *ret);
bool rec_read(const struct rec *r, uint64_t va, void *buf, size_t n);
bool rec_u64(const struct rec *r, uint64_t va, uint64_t *ret);
/** Slot of KDBG that points into the kernel image. */
bool rec_kdbg_va(const struct rec *r, unsigned int offset, uint64_t *ret);
uint32_t rec_kdbg_value(const struct rec *r, unsigned int offset,
			unsigned int bytes);
bool rec_is_kernel_va(const struct rec *r, uint64_t va);
void rec_add_symbol(struct rec *r, const char *name, uint64_t va);
void rec_drop_symbol(struct rec *r, const char *name);
bool rec_symbol(const struct rec *r, const char *name, uint64_t *va);
void rec_add_value(struct rec *r, const char *name, uint64_t value);
/** @return 0: not recovered. */
uint64_t rec_value(const struct rec *r, const char *name);

// --- anchors: fill the proof; what is proven is added to r ---
/** printf into p->proof. */
void rec_says(struct rec *r, struct psc_proof *p, const char *fmt, ...)
	PSC_PRINTF(3, 4);
void rec_find_partition(struct rec *r, struct psc_proof *p);
void rec_find_visible(struct rec *r, struct psc_proof *p);
void rec_find_state(struct rec *r, struct psc_proof *p);
void rec_find_heaps(struct rec *r, struct psc_proof *p);
void rec_find_track(struct rec *r, struct psc_proof *p);
void rec_find_tag_tables(struct rec *r, struct psc_proof *p);
void rec_find_big(struct rec *r, struct psc_proof *p);
void rec_find_descriptors(struct rec *r, struct psc_proof *p);
/** Pages of nonpaged pool by heaps or descriptors, whichever has more. */
uint64_t rec_nonpaged_pages(const struct rec *r);
void rec_find_design(struct rec *r, struct psc_proof *p);
void rec_find_page_files(struct rec *r, struct psc_proof *p);
void rec_find_processes(struct rec *r, struct psc_proof *p);
void rec_find_processors(struct rec *r, struct psc_proof *p);
void rec_find_threads(struct rec *r, struct psc_proof *p);
/** Addresses that the exported pool functions touch, into r->code_hits. */
void rec_read_code(struct rec *r);
bool rec_code_touches(const struct rec *r, uint64_t va);

#endif
