// SPDX-License-Identifier: MIT
#include "kernel/processor.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "kernel/kernel_impl.h"

#define KDBG_KI_PROCESSOR_BLOCK 0x218

struct psc_error *psc_processors_read(const struct psc_kernel *k,
				      struct psc_processors *ret)
{
	struct psc_processors p = { .complete = true };
	struct psc_error *err = NULL;
	uint64_t array;

	if (!psc_kernel_kdbg(k, KDBG_KI_PROCESSOR_BLOCK, &array))
		err = psc_kernel_symbol(k, "KiProcessorBlock", &array);
	if (err)
		return err;
	// Some writers leave the number out: then the first empty slot ends.
	bool counting = !k->h->processors;
	p.n = counting ? PSC_MAX_PROCESSORS
		       : PSC_MIN(k->h->processors, PSC_MAX_PROCESSORS);
	p.prcb = calloc(p.n ? p.n : 1, sizeof(*p.prcb));
	if (!p.prcb)
		return &psc_nomem;
	for (size_t i = 0; i < p.n; i++) {
		err = psc_kernel_pointer(k, array + i * k->ptr,
					 "KiProcessorBlock", &p.prcb[i]);
		if (err || !psc_mem_is_kernel_va(k->mem, p.prcb[i])) {
			p.prcb[i] = 0;
			if (counting)
				p.n = i;
			else
				p.complete = false;
		}
		psc_error_free(err);
	}
	*ret = p;
	return NULL;
}

void psc_processors_free(struct psc_processors *p)
{
	free(p->prcb);
	*p = (struct psc_processors){ 0 };
}
