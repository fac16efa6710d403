// SPDX-License-Identifier: MIT
/** @file
 * The machine under construction, and the calls that builders of its content
 * use. A recipe is a list of directives (recipe.h); each directive changes
 * the machine; when all are read, mk_finish() (build.c) writes what depends
 * on the whole, and out_*.c write the dump.
 *
 * mkdump reads recipes that people write: a mistake ends the program with
 * "recipe:line: what" (mk_fail), so builders need no error paths.
 */
#ifndef MK_MK_H
#define MK_MK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/vec.h"
#include "sym/builtin.h"
#include "sym/sym.h"

#define MK_PAGE 0x1000u
#define MK_PAGES(bytes) (((bytes) + MK_PAGE - 1) / MK_PAGE)

struct mk;

/** End the program: "recipe:line: …" on stderr, exit status 1. */
_Noreturn void mk_fail(const struct mk *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** calloc() that cannot fail. */
void *mk_calloc(size_t n, size_t size);
char *mk_strdup(const char *s);
/** Pass an error on as mk_fail(). NULL is fine. */
void mk_check(const struct mk *m, struct psc_error *err);

/** Deterministic random numbers (splitmix64). */
uint64_t mk_random(uint64_t *state);
/** 0 .. n-1. */
uint64_t mk_random_below(uint64_t *state, uint64_t n);

/* ---- physical memory (phys.c) ---- */

struct mk_run {
	uint64_t base, count;	/**< Page frame numbers. */
};

struct mk_phys {
	PSC_VEC(struct mk_run) runs;	/**< Ascending, disjoint. */
	uint64_t n_pages;	/**< Sum of the runs. */
	uint64_t limit;		/**< Highest frame + 1. */
	uint8_t *used;		/**< Bit per frame: handed out. */
	uint8_t *kernel;	/**< Bit per frame: in kernel dumps. */
	uint8_t *user;		/**< Bit per frame: in dumps with user memory. */
	uint8_t *dropped;	/**< Bit per frame: missing although mapped. */
	struct psc_map data;	/**< Frame to heap page; others read as zero. */
	uint64_t rng;
	uint64_t hint;		/**< Where the last run of frames ended. */
};

/** Add RAM: @p count frames from @p base. */
void mk_ram_add(struct mk *m, uint64_t base, uint64_t count);
/** A free frame somewhere in RAM. Scattered, so that nobody may assume that
 *  neighbours in virtual memory are neighbours in physical memory. */
uint64_t mk_pfn_alloc(struct mk *m);
/** @p n consecutive free frames, the first a multiple of @p align. */
uint64_t mk_pfn_alloc_run(struct mk *m, uint64_t n, uint64_t align);
/** The frame's bytes, for writing. */
uint8_t *mk_pfn_bytes(struct mk *m, uint64_t pfn);
/** The frame's bytes, or NULL when it is all zero. */
const uint8_t *mk_pfn_peek(const struct mk *m, uint64_t pfn);
bool mk_bit(const uint8_t *bits, uint64_t i);
void mk_bit_set(uint8_t *bits, uint64_t i);
void mk_phys_free(struct mk_phys *p);

/* ---- virtual memory (vmap.c, pte.c) ---- */

enum mk_pte {
	MK_PTE_VALID,
	MK_PTE_TRANSITION,	/**< Not valid, frame still holds the bytes. */
	MK_PTE_PROTOTYPE,	/**< Points to a prototype PTE in paged pool. */
	MK_PTE_PAGED_OUT,	/**< In a page file: the bytes are lost. */
	MK_PTE_DEMAND_ZERO,
	MK_PTE_FREED,		/**< TLB-flush time stamp only (dump-format 4.5). */
};

struct mk_map_opt {
	enum mk_pte state;
	bool nx, read_only, user;
	unsigned int shift;	/**< 12 (0 means 12), 21 or 30. */
	uint64_t pfn;		/**< First frame when given_pfn. */
	bool given_pfn;
	bool contiguous;	/**< Consecutive frames: cheap for huge ranges. */
	uint64_t root;		/**< Frame of another top table; 0 = kernel's. */
};

/** Map [va, va + bytes), page aligned; pages that are mapped stay as they are.
 *  @p opt NULL: valid, writable, kernel, scattered 4 KiB pages. */
void mk_map(struct mk *m, uint64_t va, uint64_t bytes,
	    const struct mk_map_opt *opt);
/** Change the PTE of the page at @p va (4 KiB) to @p state. */
void mk_set_state(struct mk *m, uint64_t va, enum mk_pte state);
/** Frame behind @p va whatever its PTE says. @return false: never mapped. */
bool mk_frame(const struct mk *m, uint64_t va, uint64_t *pfn);

/** Write into mapped memory; spans pages. */
void mk_write(struct mk *m, uint64_t va, const void *p, size_t n);
void mk_read(const struct mk *m, uint64_t va, void *p, size_t n);
void mk_write_uint(struct mk *m, uint64_t va, uint64_t v, unsigned int bytes);
void mk_write64(struct mk *m, uint64_t va, uint64_t v);
void mk_write32(struct mk *m, uint64_t va, uint32_t v);
uint64_t mk_read64(const struct mk *m, uint64_t va);

/* ---- areas of the address space (area.c) ---- */

enum mk_area {
	MK_NONPAGED,		/**< Nonpaged pool region. */
	MK_PAGED,		/**< Paged pool region. */
	MK_STACKS,		/**< Kernel stacks, system PTEs. */
	MK_IMAGES,		/**< Driver images. */
	MK_SESSION,		/**< Session space. */
	MK_SPECIAL,		/**< Special pool, of its own up to 1809. */
	MK_SPECIAL_PAGED,
	MK_AREAS,
};

struct mk_area_state {
	uint64_t base, bytes, next;
};

/** Reserve and map @p bytes (16-byte aligned; whole pages when larger than a
 *  page) in an area. For fixed kernel objects; not counted as pool. */
uint64_t mk_alloc(struct mk *m, enum mk_area area, uint64_t bytes);
/** Reserve address space only, in whole pages, multiple of @p align. */
uint64_t mk_reserve(struct mk *m, enum mk_area area, uint64_t bytes,
		    uint64_t align);

/* ---- names and layouts of the kernel (layout.c) ---- */

/** Address of a kernel symbol; fails when the kernel has none. */
uint64_t mk_symbol(struct mk *m, const char *name);
bool mk_has_symbol(struct mk *m, const char *name);
/** Does the path exist in this kernel's types? */
bool mk_has(struct mk *m, const char *path);
uint64_t mk_sizeof(struct mk *m, const char *type);
/** Byte offset of a path that must exist. */
uint64_t mk_offset(struct mk *m, const char *path);
/** Write the field @p path ("_TYPE.member.member[3]") of the object at
 *  @p va; bit fields leave their neighbours alone. Fails when absent. */
void mk_field(struct mk *m, uint64_t va, const char *path, uint64_t value);
/** The same when this kernel has the field. @return whether it has. */
bool mk_field_opt(struct mk *m, uint64_t va, const char *path, uint64_t value);
/** Write a global variable of @p bytes. */
void mk_global(struct mk *m, const char *name, uint64_t value,
	       unsigned int bytes);
bool mk_global_opt(struct mk *m, const char *name, uint64_t value,
		   unsigned int bytes);
/** A UNICODE_STRING at @p va whose text goes to @p area. */
void mk_unicode(struct mk *m, uint64_t va, const char *utf8,
		enum mk_area area);
/** Make @p head an empty list / put @p links before @p head. */
void mk_list_init(struct mk *m, uint64_t head);
void mk_list_append(struct mk *m, uint64_t head, uint64_t links);
/** Names that recipes use for objects ("process:4", "module:ndis.sys"). */
void mk_label(struct mk *m, uint64_t va, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool mk_label_find(const struct mk *m, const char *name, uint64_t *va);

/* ---- truth (truth.c) ---- */

/** The object at a dotted path below the truth's root, made when missing. */
struct json_object *mk_truth(struct mk *m, const char *path);
struct json_object *mk_json_hex(uint64_t v);
struct json_object *mk_json_text(const char *s);	/**< NULL: null. */

struct mk_label_entry {
	char *name;
	uint64_t va;
};

/** State of the parts, each described in its own header. */
struct mk_kernel;
struct mk_modules;
struct mk_processes;
struct mk_counters;
struct mk_tags;
struct mk_big;
struct mk_late;
struct mk_pool_state;
struct mk_out;

struct mk {
	const char *recipe;	/**< Path, for messages. */
	unsigned int line;

	const char *version;	/**< --kernel, or NULL. */
	const struct psc_builtin_kernel *builtin;
	struct psc_sym *sym;
	uint32_t build;		/**< 19041: decides what types cannot tell. */
	uint32_t family;	/**< 19041 for 19045 and so on. */
	bool heap_pool;		/**< Segment heap holds the pool's blocks. */
	uint64_t seed;

	uint32_t dump_type;
	unsigned int levels;	/**< Page-table levels, 4 or 5. */
	uint64_t root;		/**< Frame of the top table. */
	uint64_t pte_base, pte_mask;
	unsigned int n_cpus, n_nodes;
	uint32_t bugcheck;
	uint64_t bugcheck_param[4];
	uint64_t crash_time, uptime;	/**< 100 ns units. */
	bool server;
	unsigned int decoys;	/**< Bits of decoys.c. */

	struct mk_phys phys;
	struct psc_map frames;	/**< Virtual page number to frame. */
	struct psc_map ptes;	/**< Virtual page number to PTE address (PA). */
	struct mk_area_state area[MK_AREAS];
	PSC_VEC(struct mk_label_entry) labels;
	struct json_object *truth;

	struct mk_kernel *kern;
	struct mk_modules *modules;
	struct mk_processes *processes;
	struct mk_counters *counters;
	struct mk_tags *tags;
	struct mk_big *big;
	struct mk_late *late;
	struct mk_pool_state *pool;
	struct mk_out *out;
};

#endif
