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

#endif
