// SPDX-License-Identifier: MIT
/** @file
 * What happens to the finished machine: wrong bytes, missing pages. These
 * directives wait until everything else is built.
 */
#ifndef MK_LATE_H
#define MK_LATE_H

#include "recipe.h"

struct mk_late_step {
	void (*run)(struct mk *m, struct mk_args *a);
	struct mk_args args;
	unsigned int line;
};

struct mk_late {
	PSC_VEC(struct mk_late_step) v;
};

/** Keep @p a until the machine is complete, then @p run it. */
void mk_late_keep(struct mk *m, struct mk_args *a,
		  void (*run)(struct mk *, struct mk_args *));
/** Run a directive when everything is built. */
void mk_late_keep(struct mk *m, struct mk_args *a,
		  void (*run)(struct mk *, struct mk_args *));
/** `poke WHERE …`: overwrite bytes. */
void mk_do_poke(struct mk *m, struct mk_args *a);
/** `drop WHERE bytes=N` or `drop percent=N`: leave pages out of the dump. */
void mk_do_drop(struct mk *m, struct mk_args *a);
/** `page WHERE state=…`: another kind of PTE. */
void mk_do_page(struct mk *m, struct mk_args *a);
void mk_late_run(struct mk *m);
void mk_late_free(struct mk_late *l);

#endif
