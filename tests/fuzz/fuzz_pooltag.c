// SPDX-License-Identifier: MIT
// Tag lists: any text parses, and every look-up ends.
#include "fuzz.h"

#include <stdlib.h>

#include "analysis/pooltag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct psc_pooltags *t;
	struct psc_pooltag meaning;
	struct psc_error *err = psc_pooltags_parse((const char *)data, size,
						   &t);

	if (err) {
		psc_error_free(err);
		return 0;
	}
	for (size_t i = 0; i + 4 <= size && i < 64; i += 4) {
		uint32_t tag = data[i] | (uint32_t)data[i + 1] << 8 |
			       (uint32_t)data[i + 2] << 16 |
			       (uint32_t)data[i + 3] << 24;

		if (psc_pooltag_find(t, tag, &meaning) && !meaning.description)
			abort();
	}
	psc_pooltags_free(t);
	return 0;
}
