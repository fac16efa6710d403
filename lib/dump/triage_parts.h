// SPDX-License-Identifier: MIT
/** @file
 * What the files that read a triage dump share.
 */
#ifndef PSC_DUMP_TRIAGE_PARTS_H
#define PSC_DUMP_TRIAGE_PARTS_H

#include "base/vec.h"
#include "dump/triage.h"

/** MiniDumpFields of the header (dump-format 6.1). */
enum psc_triage_field {
	PSC_TRIAGE_PRCB = 0x4,
	PSC_TRIAGE_PROCESS = 0x8,
	PSC_TRIAGE_THREAD = 0x10,
	PSC_TRIAGE_STACK = 0x20,
	PSC_TRIAGE_DRIVERS = 0x40,
	PSC_TRIAGE_UNLOADED = 0x80,
	PSC_TRIAGE_MM = 0x100,
	PSC_TRIAGE_DATA_PAGE = 0x200,
	PSC_TRIAGE_DEBUGGER_DATA = 0x400,
	PSC_TRIAGE_DATA_BLOCKS = 0x800,
};

/** TRIAGE_DUMP32/64. Offsets are file offsets, sizes are bytes. */
struct psc_triage_header {
	uint32_t size_of_dump, valid_offset;
	uint32_t mm, unloaded, prcb, process, thread;
	uint32_t stack, stack_size, drivers, n_drivers;
	uint32_t debugger_data, debugger_data_size, blocks, n_blocks;
	uint32_t data_page, data_page_size;
	uint64_t stack_va, data_page_va;
};

struct psc_triage_data {
	struct psc_triage contents;
	struct psc_bytes file;		/**< The whole dump. */
	bool truncated;
	// while opening
	const struct psc_dump_header *header;
	struct psc_warnings *warnings;
	struct psc_triage_header h;
	PSC_VEC(struct psc_triage_block) blocks;
};

/** Does the header say that the part is valid? */
bool psc_triage_has(const struct psc_triage_data *t,
		    enum psc_triage_field field);
/** Bytes of a part, or NULL with a warning that names it. */
const uint8_t *psc_triage_part(const struct psc_triage_data *t, uint64_t off,
			       uint64_t n, const char *what);

/** Loaded and unloaded drivers. @return false when out of memory. */
bool psc_triage_drivers(struct psc_triage_data *t);
bool psc_triage_unloaded_drivers(struct psc_triage_data *t);

/** Data blocks, stack, KDBG and objects. @return false when out of memory. */
bool psc_triage_blocks(struct psc_triage_data *t);

#endif
