// SPDX-License-Identifier: MIT
/** @file
 * Options that every command shares, and running a command with them.
 */
#ifndef POOLSCOPE_OPT_H
#define POOLSCOPE_OPT_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "psc/psc.h"

struct opt {
	struct psc_options open;
	const char *dump;	/**< The first argument. */
	bool json;
	const char *sarif, *junit; /**< Files to write besides, or NULL. */
};

/** Children of a command's argp; its parser sets child_inputs[0] to the
 *  struct opt at ARGP_KEY_INIT. */
extern const struct argp_child opt_children[];

/** A hexadecimal number, "0x" or not; argp_error() when it is none. */
uint32_t opt_hex(const struct argp_state *state, const char *what,
		 const char *text);

/** A 64-bit hexadecimal address: "0x", and a ` in the middle, are allowed. */
uint64_t opt_address(const struct argp_state *state, const char *what,
		     const char *text);

/** Print @p err on stderr and free it. @return the exit status. */
int opt_complain(struct psc_error *err);

/** Take DUMP as the first argument. @return false when it is taken already. */
bool opt_take_dump(struct opt *o, char *arg);

/**
 * Open the dump, run @p req, print the view or JSON.
 * @param judging the command judges (exit status 4).
 * @return the exit status.
 */
int opt_run(const struct opt *o, const struct psc_request *req,
	    const char *view, bool judging);

/** The same without a dump, on image files and folders. */
int opt_run_images(const struct opt *o, const char *const *paths, size_t n,
		   const struct psc_request *req, const char *view);

#endif
