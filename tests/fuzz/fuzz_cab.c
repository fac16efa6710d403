// SPDX-License-Identifier: MIT
// A one-file cabinet.
#include <stdlib.h>

#include "fuzz.h"
#include "sym/cabinet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct psc_unpacked u;
	struct psc_error *err = psc_cabinet_unpack(data, size, 1 << 20, &u);

	if (!err)
		free(u.data);
	psc_error_free(err);
	return 0;
}
