// SPDX-License-Identifier: MIT
// A PDB file: open it, then ask for names, types and lines.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sym/pdb.h"

static void ask(const struct psc_sym *s)
{
	static const char *const paths[] = {
		"A.a", "A.b.c", "_POOL_HEADER.BlockSize", "FX_ALL.Matrix",
		"FX_ALL.u.Half.High", "FX_ALL.Bits.Wide", "FX_ALL.Next",
	};
	struct psc_field f;
	struct psc_lines l;
	struct psc_symname near;
	uint64_t rva;
	int64_t v;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		psc_error_free(psc_sym_field(s, paths[i], &f));
	psc_error_free(psc_sym_constant(s, "FX_STATE", "FxDead", &v));
	psc_error_free(psc_sym_rva(s, "FxWork", &rva));
	psc_error_free(psc_sym_rva(s, "FxAllocate", &rva));
	for (rva = 0x1000; rva < 0x1100; rva += 24) {
		struct psc_error *err = psc_sym_nearest(s, rva, &near);
		if (!err && !memchr(near.name, 0, 1 << 20))
			abort();
		psc_error_free(err);
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
	struct psc_error *err = psc_pdb_open(psc_blob_of_heap(copy, size),
					     NULL, &s);
	if (err) {
		psc_error_free(err);
		return 0;
	}
	ask(s);
	psc_sym_free(s);
	return 0;
}
