// SPDX-License-Identifier: MIT
/** @file
 * The pool allocators: which argument is the tag, the type, the size
 * (callsites 1), and other imports whose meaning the flow analysis knows.
 */
#ifndef PSC_CODE_ALLOCATORS_H
#define PSC_CODE_ALLOCATORS_H

#include <stdbool.h>
#include <stdint.h>

/** Where a value is at a call: a register, a stack slot, or nowhere. */
enum {
	PSC_LOC_STACK = 64,	/**< 64 + n: nth pointer-sized slot. */
	PSC_LOC_NONE = 255,
};

enum psc_flavour {
	PSC_FLAVOUR_POOL,	/**< type is a POOL_TYPE. */
	PSC_FLAVOUR_FLAGS,	/**< type is POOL_FLAG_*. */
	PSC_FLAVOUR_NONPAGED,	/**< type by name. */
	PSC_FLAVOUR_PAGED,
	PSC_FLAVOUR_UNSTATED,	/**< no type at all. */
};

/** An allocator as one architecture calls it. */
struct psc_api {
	const char *name;
	uint8_t tag, type, size; /**< PSC_LOC_*. */
	uint8_t flavour;
	bool lookaside;		/**< Sets up a list: tag of later blocks. */
	uint8_t code;		/**< Location of a function code that must
				     be 0, else PSC_LOC_NONE. */
	uint8_t slots;		/**< x86: stack slots the callee removes. */
	// A wrapper exported by another module:
	const char *through;	/**< Its name; @c name is the allocator. */
	const char *module;	/**< File that exports it. */
	bool fixed_type, fixed_size;
	uint64_t type_value, size_value;
};

#define PSC_ALLOCATORS_MAX 32
/**
 * The table as @p machine passes arguments. @return rows that are named
 * imports; the KMDF functions come after them.
 */
unsigned int psc_allocators_fill(uint16_t machine,
				 struct psc_api out[PSC_ALLOCATORS_MAX]);
/** Row of a KMDF function-table index, or -1. */
int psc_kmdf_row(unsigned int index);

/** Imports with a meaning for the flow. */
enum psc_helper {
	PSC_HELPER_NONE,
	PSC_HELPER_NORETURN,
	PSC_HELPER_GET_ROUTINE,	/**< MmGetSystemRoutineAddress. */
	PSC_HELPER_INIT_STRING,	/**< RtlInitUnicodeString. */
};
enum psc_helper psc_helper_of(const char *name);

#endif
