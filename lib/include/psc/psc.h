// SPDX-License-Identifier: MIT
/** @file
 * The library: open a dump, fill a report, render it.
 *
 *	struct psc_session *s;
 *	struct psc_report *r;
 *	if ((err = psc_open("MEMORY.DMP", &opt, &s)) ||
 *	    (err = psc_run(s, &req, &r)))
 *		…
 *	err = psc_render_text(r, "vm", &text, stdout);
 */
#ifndef PSC_PSC_H
#define PSC_PSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "psc/error.h"
#include "psc/report.h"

struct psc_progress;		// base/progress.h
struct psc_session;

/** How to open a dump. Zero is a good default; strings are borrowed until
 *  psc_close(). */
struct psc_options {
	bool deep;		/**< Search the whole file for the kernel. */
	const char *symbols;	/**< File or folder of symbols, or NULL. */
	bool force_symbols;	/**< Use them though they do not match. */
	bool fetch_symbols;	/**< Ask the symbol server. */
	/** Tag list; NULL: pooltag.txt beside the dump, else the built-in. */
	const char *pooltag;
	bool cache_index;	/**< Keep the index of a compressed dump. */
	const struct psc_progress *progress;
};

/** Sections of the report; a request names a set of them. */
enum psc_section {
	PSC_SECTION_INFO = 1 << 0,	/**< dump, system, symbols. */
	PSC_SECTION_MODULES = 1 << 1,
	PSC_SECTION_VM = 1 << 2,
	PSC_SECTION_POOLUSED = 1 << 3,
	PSC_SECTION_BIGPOOL = 1 << 4,
	PSC_SECTION_FINDINGS = 1 << 5,
	PSC_SECTION_WALK = 1 << 6,
	PSC_SECTION_CORRUPTION = 1 << 7,
	PSC_SECTION_CALLSITES = 1 << 8,
	PSC_SECTION_POOL_AT = 1 << 9,	/**< What is an address. */
	PSC_SECTION_POOLMAP = 1 << 10,
	PSC_SECTION_SYMBOLS = 1 << 11,	/**< Where symbols come from. */
};

/** Flags of `vm`, as in the debugger. */
enum psc_vm_flag {
	PSC_VM_NO_PROCESSES = 0x1,
	PSC_VM_SESSIONS = 0x4,
	PSC_VM_REGIONS = 0x20,
};

/** Flags of `poolused`, as in the debugger. */
enum psc_poolused_flag {
	PSC_POOLUSED_VERBOSE = 0x1,
	PSC_POOLUSED_BY_NONPAGED = 0x2,
	PSC_POOLUSED_BY_PAGED = 0x4,
	PSC_POOLUSED_SESSION = 0x8,
};

/** What to compute. */
struct psc_request {
	uint32_t sections;	/**< Set of enum psc_section. */
	/** Sections without which there is no answer: psc_run() fails when one
	 *  of them cannot be filled. Others carry an "error" then. */
	uint32_t required;
	uint32_t vm_flags;
	bool quota;		/**< Text of `vm` shows quota and handles. */
	uint32_t poolused_flags;
	const char *tag_pattern; /**< '*' and '?'; NULL: all tags. */
	uint64_t top;		/**< Rows after sorting; 0: all. */
	uint64_t top_each;	/**< Keep the largest of each pool; 0: all. */
	uint64_t address;	/**< Of `pool` and `poolmap`. */
	uint64_t bytes;		/**< Length for `poolmap`; 0: to the end. */
	bool suspect;		/**< Corruption: also what one rule says. */
	bool all;		/**< Arrays entire, all that can be computed. */
};

/**
 * Open a dump and find its kernel.
 * @param[out] ret caller frees with psc_close().
 * @return the reason in one line: what is wrong, where.
 */
PSC_NODISCARD struct psc_error *
psc_open(const char *path, const struct psc_options *opt,
	 struct psc_session **ret);
void psc_close(struct psc_session *s);

/**
 * Fill a report.
 * @param[out] ret caller frees with psc_report_free(); independent of @p s.
 * @return PSC_ERR_USAGE for flags that contradict each other; the reason when
 *         a required section cannot be filled.
 */
PSC_NODISCARD struct psc_error *
psc_run(struct psc_session *s, const struct psc_request *req,
	struct psc_report **ret);

/**
 * Call sites of image files, without a dump: the section "callsites" alone.
 * @param paths  files and folders; folders are searched to the bottom.
 * @param opt    symbols and progress of it count; may be NULL.
 */
PSC_NODISCARD struct psc_error *
psc_run_images(const char *const *paths, size_t n,
	       const struct psc_options *opt, const struct psc_request *req,
	       struct psc_report **ret);

/** Which blocks to list. */
struct psc_find {
	const char *pattern;	/**< Of the tag: '*' and '?'; NULL: all. */
	const char *pool;	/**< "paged" …, NULL: all. */
	uint64_t min_bytes, limit; /**< limit 0: none. */
	bool freed;		/**< Also freed blocks that show a tag. */
};

/** A block. Strings are static. */
struct psc_found {
	uint64_t address;	/**< Of the header, of the data without one. */
	uint64_t bytes;		/**< Header included. */
	uint32_t tag;
	bool header;
	uint64_t process;	/**< Payer's EPROCESS, 0: none. */
	const char *pool, *state, *kind;
};

/** @return false to stop. */
typedef bool (*psc_found_fn)(void *ctx, const struct psc_found *f);

struct psc_find_result {
	uint64_t blocks, bytes;
	uint64_t table_start, table_end; /**< Big-page table; set first. */
	bool stopped;		/**< By the limit or the callback. */
	bool complete;		/**< Every page and list was readable. */
	bool missing;		/**< Something was not in the file. */
};

/**
 * Stream every block that @p q wants to @p fn: big allocations first, then
 * the rest by address.
 */
PSC_NODISCARD struct psc_error *
psc_find(struct psc_session *s, const struct psc_find *q, psc_found_fn fn,
	 void *ctx, struct psc_find_result *ret);

/**
 * Distil a kernel's symbol file (PDB, ISF, DWARF) into the user's own table,
 * $XDG_DATA_HOME/poolscope/kernels, where every psc_open() looks.
 * @param[out] said one line about what was written; caller frees.
 */
PSC_NODISCARD struct psc_error *
psc_symbols_add(const char *path, char **said);

/**
 * Exit status of a program that shows @p r: 0 as complete as a dump of this
 * kind can be, 3 something was not in the file or unreadable.
 * @param judging the command judges: 4 when what it looks for was found.
 */
int psc_report_status(struct psc_report *r, bool judging);

/** The whole report as one JSON object, keys in the order of filling. */
PSC_NODISCARD struct psc_error *
psc_render_json(struct psc_report *r, FILE *out);

/** The corruption section for build systems: SARIF 2.1.0, JUnit XML. */
PSC_NODISCARD struct psc_error *
psc_render_sarif(struct psc_report *r, FILE *out);
PSC_NODISCARD struct psc_error *
psc_render_junit(struct psc_report *r, FILE *out);

struct psc_text_options {
	bool colour;		/**< ANSI colours. */
};

/**
 * A report as text.
 * @param view "report", "info", "lm", "vm", "poolused", "bigpool", "walk",
 *        "symbols", "pool", "poolmap", "check".
 * @return &psc_absent for an unknown view; PSC_ERR_OS when writing fails.
 */
PSC_NODISCARD struct psc_error *
psc_render_text(struct psc_report *r, const char *view,
		const struct psc_text_options *opt, FILE *out);

#endif
