// SPDX-License-Identifier: MIT
/** @file
 * A sink that keeps what it is given.
 */
#ifndef PSC_TESTS_POOL_COLLECT_H
#define PSC_TESTS_POOL_COLLECT_H

#include "pool/sink.h"

struct collect {
	struct psc_block b[4096];
	struct psc_fault f[256];
	unsigned int n_blocks, n_faults;
};

static inline void collect_block(void *ctx, const struct psc_block *b)
{
	struct collect *c = ctx;

	if (c->n_blocks < 4096)
		c->b[c->n_blocks++] = *b;
}

static inline void collect_fault(void *ctx, const struct psc_fault *f)
{
	struct collect *c = ctx;

	if (c->n_faults < 256)
		c->f[c->n_faults++] = *f;
}

static inline struct psc_sink collect_sink(struct collect *c)
{
	c->n_blocks = c->n_faults = 0;
	return (struct psc_sink){ .ctx = c, .block = collect_block,
				  .fault = collect_fault };
}

#endif
