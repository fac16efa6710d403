// SPDX-License-Identifier: MIT
// A symbol table in JSON, plain or packed: open it, then ask.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sym/isf.h"

static void ask(const struct psc_sym *s)
{
	static const char *const paths[] = {
		"_A.Long", "_A.Bits", "_A.Rows", "_A.u.Part", "_A.Inside",
		"_A.Lost", "_A.Open", "_A.Next",
	};
	struct psc_field f;
	struct psc_symname near;
	uint64_t rva;
	int64_t v;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		psc_error_free(psc_sym_field(s, paths[i], &f));
	psc_error_free(psc_sym_constant(s, "_E", "Minus", &v));
	psc_error_free(psc_sym_rva(s, "_CmAddPanelDevice", &rva));
	psc_error_free(psc_sym_nearest(s, 8200, &near));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct psc_sym *s;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	struct psc_error *err = psc_isf_open(psc_blob_of_heap(copy, size),
					     NULL, &s);
	if (err) {
		psc_error_free(err);
		return 0;
	}
	ask(s);
	psc_sym_free(s);
	return 0;
}
