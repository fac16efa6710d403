// SPDX-License-Identifier: MIT
// L16: a block that grew by one bit and hides the last blocks of its page. Old
// headers inside a block look the same, so the tags' counters must lack what
// would be hidden; they are the second witness.
#include "analysis/check.h"
#include "base/cleanup.h"
#include "pool/header.h"
#include "pool/tagtable.h"

/** More blocks that could hide something are old headers, not damage. */
#define MAX_HIDDEN 64u

/** Counters that disagree for the hidden block are no finding of their own. */
static void drop_counters(struct psc_faults *f, uint32_t outer,
			  uint32_t inner)
{
	size_t n = 0;

	for (size_t i = 0; i < f->list.n; i++) {
		const struct psc_fault *x = &f->list.v[i];

		if (x->rule == PSC_K4 && (x->tag == outer || x->tag == inner))
			f->total--;
		else
			f->list.v[n++] = *x;
	}
	f->list.n = n;
}

/** Tag of the first block that @p f would hide; 0 = not readable. */
static uint32_t hidden_tag(const struct psc_check *c,
			   const struct psc_fault *f)
{
	uint8_t b[16];

	if (psc_mem_read(psc_kernel_mem(c->a->kernel), f->va +
			 f->expected * 16, b, sizeof(b), NULL) != sizeof(b))
		return 0;
	return psc_header_decode(&psc_header64, b).tag & PSC_TAG_MASK;
}

void psc_check_hidden(struct psc_check *c, const struct psc_faults *hidden)
{
	struct psc_sink s = psc_faults_sink(&c->faults);
	const struct psc_tag_table *t;

	if (!hidden->list.n || hidden->total > MAX_HIDDEN ||
	    !psc_check_is_whole(c))
		return;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_analysis_tag_table(c->a, &t);
	if (err || !t->complete)
		return;
	for (size_t i = 0; i < hidden->list.n; i++) {
		const struct psc_fault *f = &hidden->list.v[i];
		uint32_t tag = hidden_tag(c, f);

		if (!tag || f->pool == PSC_POOL_SESSION ||
		    !psc_tagsum_lacks(c->sum, t, tag))
			continue;
		drop_counters(&c->faults, f->tag, tag);
		s.fault(s.ctx, f);
	}
}
