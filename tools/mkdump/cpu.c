// SPDX-License-Identifier: MIT
/** @file Processor control blocks. */
#include "machine.h"
#include "processes.h"

#define PCR_PRCB 0x180u		/**< KPCR.Prcb on x64, cut in newest types. */

uint64_t mk_prcb(struct mk *m, unsigned int cpu)
{
	return mk_read64(m, mk_symbol(m, "KiProcessorBlock") + cpu * 8u);
}

static void special_registers(struct mk *m, uint64_t prcb)
{
	mk_field_opt(m, prcb, "_KPRCB.ProcessorState.SpecialRegisters.Cr0",
		     0x80050033);
	mk_field_opt(m, prcb, "_KPRCB.ProcessorState.SpecialRegisters.Cr3",
		     m->root << 12);
	mk_field_opt(m, prcb, "_KPRCB.ProcessorState.SpecialRegisters.Cr4",
		     0x370678 | (m->levels == 5 ? 1u << 12 : 0));
}

void mk_cpu_init(struct mk *m)
{
	uint64_t block = mk_symbol(m, "KiProcessorBlock");

	for (unsigned int i = 0; i < m->n_cpus; i++) {
		uint64_t pcr = mk_alloc(m, MK_STACKS,
					PCR_PRCB + mk_sizeof(m, "_KPRCB"));
		uint64_t prcb = pcr + PCR_PRCB;

		mk_field_opt(m, pcr, "_KPCR.Self", pcr);
		mk_field_opt(m, pcr, "_KPCR.CurrentPrcb", prcb);
		if (mk_has_symbol(m, "KdVersionBlock") && i == 0)
			mk_field_opt(m, pcr, "_KPCR.KdVersionBlock",
				     mk_symbol(m, "KdVersionBlock"));
		mk_field_opt(m, prcb, "_KPRCB.MinorVersion", 1);
		mk_field_opt(m, prcb, "_KPRCB.MajorVersion", 1);
		mk_field_opt(m, prcb, "_KPRCB.MHz", 2400);
		mk_field(m, prcb, "_KPRCB.Number", i);
		special_registers(m, prcb);
		mk_write64(m, block + i * 8u, prcb);
		mk_label(m, prcb, "prcb:%u", i);
	}
}

void mk_cpu_finish(struct mk *m)
{
	uint64_t thread = mk_first_thread(m);

	for (unsigned int i = 0; i < m->n_cpus && thread; i++)
		mk_field(m, mk_prcb(m, i), "_KPRCB.CurrentThread", thread);
}
