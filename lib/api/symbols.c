// SPDX-License-Identifier: MIT
// The user's own table of kernels.
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "psc/psc.h"
#include "sym/store.h"
#include "sym/table_write.h"

struct psc_error *psc_symbols_add(const char *path, char **said)
{
	struct psc_table_counts counts;
	PSC_FREE char *folder = psc_user_table_folder();
	PSC_FREE char *written = NULL;

	if (!folder)
		return &psc_nomem;
	struct psc_error *err = psc_table_add(path, folder, &counts, &written);
	if (err)
		return err;
	return asprintf(said, "%s: %zu symbols, %zu types", written,
			counts.symbols, counts.types) < 0 ? &psc_nomem : NULL;
}
