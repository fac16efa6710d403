// SPDX-License-Identifier: MIT
/** @file
 * Things in the kernel's data that look like what a search looks for.
 */
#ifndef MK_DECOYS_H
#define MK_DECOYS_H

#include "recipe.h"

/** `decoys [tag-table] [tag-array] [big-table] [heap] [partition]
 *  [visible-state]`; without words all but the last. */
void mk_do_decoys(struct mk *m, struct mk_args *a);
/** Make room in the data sections, before their borders are drawn. */
void mk_decoys_finish(struct mk *m);

#endif
