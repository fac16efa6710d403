// SPDX-License-Identifier: MIT
/** @file
 * The one function of a fuzz target, called by libFuzzer (-Dfuzz=true) or by
 * standalone_main.c, which replays the seeds.
 */
#ifndef PSC_TESTS_FUZZ_H
#define PSC_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** @return 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Keep the compiler from dropping reads whose result nobody wants. */
static inline void fuzz_use(unsigned int v)
{
	__asm__ volatile("" : : "r"(v));
}

#endif
