// SPDX-License-Identifier: MIT
// An image or object with DWARF.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sym/dwarf.h"

static void ask(const struct psc_sym *s)
{
	struct psc_field f;
	struct psc_lines l;
	struct psc_symname near;
	uint64_t rva;
	int64_t v;

	psc_error_free(psc_sym_field(s, "FX_ALL.Bits.Wide", &f));
	psc_error_free(psc_sym_field(s, "FX_ALL.u.Half.High", &f));
	psc_error_free(psc_sym_constant(s, "FX_STATE", "FxDead", &v));
	psc_error_free(psc_sym_rva(s, "FxWork", &rva));
	for (rva = 0x1000; rva < 0x1100; rva += 24) {
		psc_error_free(psc_sym_nearest(s, rva, &near));
		psc_error_free(psc_sym_lines(s, rva, &l));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct psc_sym *s;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	struct psc_error *err = psc_dwarf_open(psc_blob_of_heap(copy, size),
					       NULL, &s);
	if (err) {
		psc_error_free(err);
		return 0;
	}
	ask(s);
	psc_sym_free(s);
	return 0;
}
