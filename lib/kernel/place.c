// SPDX-License-Identifier: MIT
// Addresses as people name them.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/kernel_impl.h"

static bool place_in_kernel(const struct psc_kernel *k, uint64_t va,
			    char out[PSC_PLACE_TEXT])
{
	struct psc_symname s;

	if (!k->base || va < k->base || va - k->base >= k->size)
		return false;
	uint64_t rva = va - k->base;
	struct psc_error *err = k->sym ? psc_sym_nearest(k->sym, rva, &s)
				       : &psc_absent;
	psc_error_free(err);
	if (err)
		snprintf(out, PSC_PLACE_TEXT, "nt+0x%" PRIx64, rva);
	else if (s.rva == rva)
		snprintf(out, PSC_PLACE_TEXT, "nt!%s", s.name);
	else
		snprintf(out, PSC_PLACE_TEXT, "nt!%s+0x%" PRIx64, s.name,
			 rva - s.rva);
	return true;
}

// The list is read when the first place outside the kernel is asked for.
static const struct psc_modules *modules(const struct psc_kernel *k)
{
	struct psc_kernel *w = (struct psc_kernel *)k;

	if (!w->modules_tried) {
		w->modules_tried = true;
		psc_error_free(psc_modules_read(k, false, &w->modules));
	}
	return w->modules;
}

void psc_kernel_place(const struct psc_kernel *k, uint64_t va,
		      char out[PSC_PLACE_TEXT])
{
	if (place_in_kernel(k, va, out))
		return;
	const struct psc_modules *m = modules(k);
	const struct psc_module *mod = m ? psc_module_at(m, va) : NULL;
	if (!mod) {
		snprintf(out, PSC_PLACE_TEXT, "0x%" PRIx64, va);
		return;
	}
	const char *dot = strrchr(mod->name, '.');
	size_t n = dot && dot != mod->name ? (size_t)(dot - mod->name)
					   : strlen(mod->name);
	snprintf(out, PSC_PLACE_TEXT, "%.*s+0x%" PRIx64, (int)(n & 0xffff),
		 mod->name, va - mod->base);
}
