// SPDX-License-Identifier: MIT
/** @file
 * The real triage dumps, where they are at hand: their data blocks as sparse
 * memory. Tests skip without them.
 */
#ifndef PSC_TESTS_POOL_TRIAGE_H
#define PSC_TESTS_POOL_TRIAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "dump/dump.h"
#include "mem/mem.h"

struct triage {
	struct psc_dump *dump;
	struct psc_mem *mem;
};

/** @return false (after a word why) when the file is not there. */
static inline bool triage_open(const char *name, struct triage *t)
{
	const char *shared = getenv("POOLSCOPE_SHARED");
	const char *root = getenv("PSC_SOURCE_ROOT");
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s/data/%s",
		 shared ? shared : root ? root : ".",
		 shared ? "" : "/../shared", name);
	f = fopen(path, "rb");
	if (!f) {
		print_message("# %s: not there, skipped\n", name);
		return false;
	}
	fclose(f);
	CHECK_OK(psc_dump_open(path, NULL, &t->dump));
	const struct psc_triage *tr = psc_dump_triage(t->dump);
	assert_non_null(tr);
	struct psc_va_block *b = calloc(tr->n_blocks, sizeof(*b));
	for (size_t i = 0; i < tr->n_blocks; i++)
		b[i] = (struct psc_va_block){ tr->blocks[i].va,
					      tr->blocks[i].size,
					      tr->blocks[i].data };
	CHECK_OK(psc_mem_new_sparse(b, tr->n_blocks, &t->mem));
	free(b);
	return true;
}

static inline void triage_close(struct triage *t)
{
	psc_mem_free(t->mem);
	psc_dump_close(t->dump);
}

#endif
