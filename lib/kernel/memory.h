// SPDX-License-Identifier: MIT
/** @file
 * Which virtual memory a dump holds: the one place that decides between page
 * tables, how many levels of them, and the blocks of a triage dump.
 */
#ifndef PSC_KERNEL_MEMORY_H
#define PSC_KERNEL_MEMORY_H

#include "dump/dump.h"
#include "mem/mem.h"

/**
 * Virtual memory of @p dump. Succeeds for every dump that opened; one without
 * pages gives memory in which nothing can be read.
 * @param dump borrowed, must outlive @p ret.
 */
PSC_NODISCARD struct psc_error *
psc_kernel_memory(const struct psc_dump *dump, struct psc_mem **ret);

#endif
