// SPDX-License-Identifier: MIT
#include "code/insn.h"

struct psc_error *psc_decoder_open(struct psc_decoder *d,
				   const struct psc_flat *flat)
{
	uint16_t m = flat->pe.machine;
	cs_err bad;

	*d = (struct psc_decoder){ .flat = flat, .machine = m };
	if (m == 0x8664)
		bad = cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle);
	else if (m == 0x14c)
		bad = cs_open(CS_ARCH_X86, CS_MODE_32, &d->handle);
	else if (m == 0xaa64)
		bad = cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &d->handle);
	else
		return psc_error_new(PSC_ERR_UNSUPPORTED,
				     "machine 0x%x is not analysed", m);
	if (bad != CS_ERR_OK)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "capstone: %s",
				     cs_strerror(bad));
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->insn = cs_malloc(d->handle);
	if (d->insn)
		return NULL;
	cs_close(&d->handle);
	return &psc_nomem;
}

void psc_decoder_close(struct psc_decoder *d)
{
	if (!d->insn)
		return;
	cs_free(d->insn, 1);
	cs_close(&d->handle);
	d->insn = NULL;
}

unsigned int psc_decode(struct psc_decoder *d, uint32_t rva,
			struct psc_insn out[PSC_PARTS_MAX])
{
	if (d->machine == 0xaa64)
		return psc_decode_arm64(d, rva, out);
	return psc_decode_x86(d, rva, out);
}
