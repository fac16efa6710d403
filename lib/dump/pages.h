// SPDX-License-Identifier: MIT
/** @file
 * Page index: which physical pages a dump stores and where. One maker per
 * body layout; dump.c chooses by the formats table.
 */
#ifndef PSC_DUMP_PAGES_H
#define PSC_DUMP_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "dump/dump.h"
#include "dump/source.h"
#include "dump/warnings.h"

#define PSC_DUMP_PAGE 0x1000u
/** Frame numbers end at 52-bit physical addresses (dump-format 2.7). */
#define PSC_DUMP_MAX_PFN (UINT64_C(1) << 40)

struct psc_pages;

struct psc_pages_ops {
	/** Offset of the page in the dump. @return false when not stored. */
	bool (*offset)(const struct psc_pages *p, uint64_t pfn, uint64_t *off);
	/** Next page >= @p pfn that the file really holds. */
	bool (*next)(const struct psc_pages *p, uint64_t pfn, uint64_t *ret);
	void (*free)(struct psc_pages *p);
};

/** First member of each layout's own index. */
struct psc_pages {
	const struct psc_pages_ops *ops;
	uint64_t stored, readable;	/**< Pages. */
	uint64_t pfn_limit;
};

/** What a maker of an index works on. */
struct psc_body {
	const struct psc_source *src;
	const struct psc_dump_header *header;
	const uint8_t *header_bytes;
	uint64_t offset;		/**< Of the body: the header's size. */
	const struct psc_progress *progress;
	struct psc_warnings *warnings;
};

// --- runs.c: type 1, and what rdmp.c makes from its range list ---------------

struct psc_run {
	uint64_t base, count;		/**< Pages. */
	uint64_t offset;		/**< Of the first page, in the dump. */
};

/**
 * Index over @p runs, whose order is the order of the file. Overlaps keep
 * the first mapping and warn; pages past the end are counted as missing.
 * @param runs heap; taken over, also on error.
 */
PSC_NODISCARD struct psc_error *
psc_pages_from_runs(const struct psc_body *b, struct psc_run *runs, size_t n,
		    struct psc_pages **ret);

/**
 * Append the run to @p runs at @p *off and move @p *off behind its pages.
 * A run without pages is skipped with a warning.
 * @return PSC_ERR_DAMAGED for frame numbers or offsets out of range.
 */
PSC_NODISCARD struct psc_error *
psc_run_append(const struct psc_body *b, struct psc_run *runs, size_t *n,
	       uint64_t index, struct psc_run run, uint64_t *off);

/** Physical memory descriptor of the header (dump-format 1.4, 2.1). */
PSC_NODISCARD struct psc_error *
psc_pages_runs(const struct psc_body *b, struct psc_pages **ret);
/** Bitmap header of types 5 and 6 (dump-format 2.3). */
PSC_NODISCARD struct psc_error *
psc_pages_bitmap(const struct psc_body *b, struct psc_pages **ret);
/** Summary header of type 2, or a bitmap header there (dump-format 2.2). */
PSC_NODISCARD struct psc_error *
psc_pages_summary(const struct psc_body *b, struct psc_pages **ret);
/** Range list of types 8, 9 and 0xA (dump-format 2.4). */
PSC_NODISCARD struct psc_error *
psc_pages_rdmp(const struct psc_body *b, struct psc_pages **ret);

#endif
