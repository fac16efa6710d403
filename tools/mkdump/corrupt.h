// SPDX-License-Identifier: MIT
/** @file Damage to a healthy machine, and the findings it must lead to. */
#ifndef MK_CORRUPT_H
#define MK_CORRUPT_H

#include "recipe.h"

/** `flip ADDRESS BIT`: invert one bit. */
void mk_do_flip(struct mk *m, struct mk_args *a);
/** `overwrite ADDRESS TEXT`: write text over what is there. */
void mk_do_overwrite(struct mk *m, struct mk_args *a);
/** `expect RULE ADDRESS [severity=] [cause=] [suspect=TAG]`. */
void mk_do_expect(struct mk *m, struct mk_args *a);
/** `expect-difference TAG POOL REASON…`: a row of the reconciliation. */
void mk_do_expect_difference(struct mk *m, struct mk_args *a);

#endif
