// SPDX-License-Identifier: MIT
/** @file From the read recipe to the finished machine. */
#ifndef MK_BUILD_H
#define MK_BUILD_H

#include "recipe.h"

struct mk *mk_new(void);
void mk_free(struct mk *m);
/** `kernel …`, and what stands as soon as there is a kernel. */
void mk_do_start(struct mk *m, struct mk_args *a);
/** Write everything that depends on the whole recipe. */
void mk_finish(struct mk *m);

#endif
