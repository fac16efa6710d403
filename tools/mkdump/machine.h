// SPDX-License-Identifier: MIT
/** @file The machine: RAM, processors, the crash, what every kernel keeps. */
#ifndef MK_MACHINE_H
#define MK_MACHINE_H

#include "recipe.h"

void mk_do_seed(struct mk *m, struct mk_args *a);
void mk_do_ram(struct mk *m, struct mk_args *a);
void mk_do_ram_run(struct mk *m, struct mk_args *a);
void mk_do_processors(struct mk *m, struct mk_args *a);
void mk_do_bugcheck(struct mk *m, struct mk_args *a);
void mk_do_bugcheck_late(struct mk *m, struct mk_args *a);
void mk_do_crash(struct mk *m, struct mk_args *a);
/** `status N`: exit status of a reader, for tests of damaged dumps. */
void mk_do_status(struct mk *m, struct mk_args *a);
void mk_machine_finish(struct mk *m);

/** KPCR and KPRCB of each processor (cpu.c). */
void mk_cpu_init(struct mk *m);
void mk_cpu_finish(struct mk *m);
/** Address of a processor's KPRCB. */
uint64_t mk_prcb(struct mk *m, unsigned int cpu);

#endif
