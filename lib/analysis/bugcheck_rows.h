// SPDX-License-Identifier: MIT
/** @file
 * Table of the bug checks that pools end in (pool 8), and of those that may
 * be the echo of one: what code, kind and parameters mean.
 */
#ifndef PSC_ANALYSIS_BUGCHECK_ROWS_H
#define PSC_ANALYSIS_BUGCHECK_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Any value of the parameter that tells the kind. */
#define PSC_BUGCHECK_ANY UINT64_MAX

/** One bug check, or one kind of it. Parameters are numbered 1 to 4; 0 = none. */
struct psc_bugcheck_row {
	uint32_t code;
	uint64_t kind;		/**< Value of parameter kind_in, or ANY. */
	uint8_t kind_in;	/**< 0: the bug check has no kinds. */
	const char *meaning;
	const char *p[4];	/**< NULL: says nothing. */
	uint8_t place[3];	/**< Addresses of blocks or headers. */
	/** They lie that far behind what they name. */
	uint16_t back;
	uint8_t found, expected; /**< Two values that should be one. */
	uint8_t tags;		/**< Bit n: parameter n + 1 is a tag. */
	// The fault that it reports, if it reports one.
	uint8_t instruction, context, trap;
	/** About a pool only when the instruction is inside a pool routine. */
	bool echo;
	bool not_pool;		/**< Explained here, but no matter of a pool. */
	const char *look_at;	/**< Which rules say more, or NULL. */
};

/** Rows of one code stand together, that of any kind last. */
extern const struct psc_bugcheck_row psc_bugcheck_rows[];
extern const size_t psc_bugcheck_n_rows;

#endif
