// SPDX-License-Identifier: MIT
/** @file
 * Who calls the pool allocators, with which tag: every call site of a set of
 * images, from files or from the memory of a dump (callsites 1 to 5).
 */
#ifndef PSC_CODE_CALLSITES_H
#define PSC_CODE_CALLSITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/progress.h"
#include "pe/pe.h"

/** How a tag is known. */
enum psc_resolved_by {
	PSC_BY_UNRESOLVED,
	PSC_BY_IMMEDIATE,	/**< A constant set up beside the call. */
	PSC_BY_PROPAGATED,	/**< A constant that travelled: copies, joins. */
	PSC_BY_WRAPPER,		/**< Passed in by a caller of the function. */
	PSC_BY_LOOKASIDE,	/**< Given to a lookaside list's set-up. */
	PSC_BY_TABLE,		/**< Read from a table of constants. */
	PSC_BY_GLOBAL,		/**< Read from a variable. */
};
const char *psc_resolved_by_name(enum psc_resolved_by by);

/** Why a value is not known. */
enum psc_reason {
	PSC_WHY_NONE,
	PSC_WHY_MEMORY,		/**< Read from memory that nothing here fixes. */
	PSC_WHY_COMPUTED,	/**< Result of arithmetic on unknown values. */
	PSC_WHY_CALL,		/**< Result of a call. */
	PSC_WHY_LOOP,		/**< Changes in a loop. */
	PSC_WHY_MANY,		/**< More alternatives than are kept. */
	PSC_WHY_ARGUMENT,	/**< Argument; no direct caller was found. */
	PSC_WHY_EXPORT,		/**< Argument of an exported function. */
	PSC_WHY_LEVELS,		/**< More than five callers up. */
	PSC_WHY_UNREACHED,	/**< No path from the function's start found. */
	PSC_WHY_LIMIT,		/**< Function or image too large. */
	PSC_WHY_REWRITTEN,	/**< A variable that code fills at run time. */
	PSC_WHY_MISSING,	/**< Its page is not in the dump. */
};
const char *psc_reason_text(enum psc_reason why);

/** One call site and one alternative tag. */
struct psc_callsite {
	uint32_t rva;		/**< Of the call instruction. */
	uint32_t function;	/**< Start of the function around it. */
	uint32_t via;		/**< Call that passed the tag in; 0: none. */
	uint32_t via_function;
	uint32_t levels;	/**< Callers between via and rva. */
	const char *api;	/**< Allocator; lives as long as the result. */
	const char *through;	/**< Exported wrapper called, or NULL. */
	enum psc_resolved_by by;
	enum psc_reason why;	/**< When unresolved, or the type's. */
	bool has_tag, no_tag;	/**< no_tag: this allocator takes none. */
	uint32_t tag, tag_mask;	/**< Mask: known bits, all ones when whole. */
	bool has_type;
	bool type_is_flags;	/**< POOL_FLAG_*, not a POOL_TYPE. */
	uint64_t type;
	bool has_type_or;	/**< The code chooses between two types. */
	uint64_t type_or;
	uint32_t type_global;	/**< Variable that holds the type, or 0. */
	bool has_size;
	uint64_t size;
	uint32_t global;	/**< Variable that holds the tag, or 0. */
	uint32_t rewritten_by;	/**< Code that stores to it, or 0. */
};

/** A wanted tag met in code or data without a call site: weaker evidence. */
struct psc_tag_hit {
	uint32_t tag, rva;
	uint32_t function;	/**< 0 when it lies in data. */
	bool in_code;
};

/** One image to look at. */
struct psc_code_image {
	const char *name;	/**< Base name: "ntfs.sys". */
	struct psc_image_source src;
	uint64_t base;		/**< Load address; 0: that of the header. */
	bool memory;		/**< Mapped image, not a file. */
};

/** What was found in one image. */
struct psc_code_module {
	char *name;
	uint16_t machine;
	uint32_t timestamp, image_size, checksum;
	uint32_t code_pages, code_pages_missing;
	struct psc_callsite *v;	/**< Sorted by rva, via, tag. */
	size_t n;
	struct psc_tag_hit *hits; /**< For the tags of the options. */
	size_t n_hits;
	bool limited;		/**< A limit was hit: sites may be missing. */
	bool cached;		/**< Came from the cache. */
	struct psc_error *error; /**< Image not usable; NULL otherwise. */
};

struct psc_callsites {
	struct psc_code_module *v; /**< In the order of the images. */
	size_t n;
	void *names;		/**< Owner of wrapper names. */
};

struct psc_code_options {
	unsigned int threads;	/**< 0: one per processor. */
	const char *cache_dir;	/**< NULL: no cache. */
	/** Tags to look up in code and data when no call explains one. */
	const uint32_t *index_tags;
	size_t n_index_tags;
	struct psc_progress progress;
};

/**
 * Analyse all images. A bad image has its own error and does not stop the
 * others. A memory image's source is read from the calling thread only, a
 * file's from any.
 */
PSC_NODISCARD struct psc_error *
psc_callsites_find(const struct psc_code_image *images, size_t n,
		   const struct psc_code_options *options,
		   struct psc_callsites **ret);
void psc_callsites_free(struct psc_callsites *c);

/** POOL_TYPE or POOL_FLAG_* in words: "NonPagedPoolNx", "PAGED". Never empty. */
#define PSC_POOL_TYPE_TEXT 96
void psc_pool_type_text(uint64_t type, bool is_flags,
			char out[PSC_POOL_TYPE_TEXT]);

#endif
