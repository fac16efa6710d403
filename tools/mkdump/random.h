// SPDX-License-Identifier: MIT
/** @file Healthy random machines (--random): for tests by the hundred. */
#ifndef MK_RANDOM_H
#define MK_RANDOM_H

#include "mk.h"

/**
 * The text of a recipe drawn from @p seed; caller frees.
 * @param family  7601, 9600 … or 0 to draw one.
 */
char *mk_random_recipe(uint64_t seed, uint32_t family);

#endif
