// SPDX-License-Identifier: MIT
// What happened to a header, from its bytes and what they should have been.
#include <string.h>

#include "analysis/check.h"
#include "base/bytes.h"

static void keep(void *ctx, const struct psc_fault *fault)
{
	psc_faults_add(ctx, fault);
}

/** K6 (L8 in classic pools): a live block with a tag that no table knows. */
static void check_tag(void *ctx, const struct psc_block *b)
{
	struct psc_faults *f = ctx;

	if (b->state != PSC_BLOCK_IN_USE || !b->has_header ||
	    b->pool == PSC_POOL_SESSION || b->owner == PSC_OWNER_SPECIAL ||
	    psc_known_tag(f->known, b->tag))
		return;
	uint32_t near = psc_known_tag_near(f->known, b->tag);
	psc_faults_add(f, &(struct psc_fault){
		.rule = b->owner == PSC_OWNER_CHAIN ? PSC_L8 : PSC_K6,
		.va = b->va, .field_va = b->va + 4, .bits = near ? 32 : 0,
		.expected = near, .found = b->tag, .tag = b->tag,
		.pool = b->pool, .owner = b->owner, .repaired = near });
}

struct psc_sink psc_faults_sink(struct psc_faults *f)
{
	return (struct psc_sink){ .ctx = f, .fault = keep,
				  .block = f->known ? check_tag : NULL };
}

void psc_faults_add(struct psc_faults *f, const struct psc_fault *fault)
{
	if (f->v.n >= PSC_MAX_FAULTS)
		f->dropped++;
	else if (!psc_vec_push(&f->v, *fault))
		f->nomem = true;
}

static bool is_text(const uint8_t *p, size_t n)
{
	size_t printable = 0;

	for (size_t i = 0; i < n; i++)
		printable += p[i] >= 0x20 && p[i] <= 0x7e;
	return printable == n;
}

static bool is_fill(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (p[i] != p[0])
			return false;
	}
	return n > 1;
}

/** UTF-16 text of Latin letters. */
static bool is_wide_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		if (p[i] < 0x20 || p[i] > 0x7e || p[i + 1])
			return false;
	}
	return n >= 4;
}

static bool is_pointer(const uint8_t *p)
{
	return psc_le64(p) >> 47 == 0x1ffff;
}

/** The header's first bytes look like data: which kind, or NULL. */
static const char *foreign_bytes(const uint8_t *p)
{
	if (is_fill(p, 8))
		return "one repeated byte";
	if (is_text(p, 8))
		return "text";
	if (is_wide_text(p, 8))
		return "wide text";
	return is_pointer(p) ? "a kernel pointer" : NULL;
}

/** Do the bytes before the header and the header share a pattern? */
static bool continues(const struct psc_damage *d)
{
	const uint8_t *tail = d->before + d->n_before;

	if (d->n_before < 8 || d->n_here < 8)
		return false;
	tail -= 8;
	return !memcmp(tail, d->here, 4) ||
	       (is_text(tail, 8) && is_text(d->here, 4)) ||
	       (is_fill(tail, 8) && tail[0] == d->here[0]) ||
	       (is_wide_text(tail, 8) && is_wide_text(d->here, 8));
}

static unsigned int distance(const struct psc_fault *f)
{
	return f->bits ? (unsigned int)__builtin_popcountll(f->expected ^
							    f->found) : 0;
}

/** One bit, and nothing else of the header is wrong. */
static bool one_bit(const struct psc_damage *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (distance(&d->f[i]) != 1)
			return false;
	}
	return d->n == 1;
}

static size_t independent_rules(const struct psc_damage *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		bool seen = false;

		// Rules that compare the same byte are one witness.
		for (size_t j = 0; j < i; j++)
			seen |= d->f[j].field_va == d->f[i].field_va;
		n += !seen;
	}
	return n;
}

/** Does the rule judge a header that lies behind a block? */
static bool is_header_rule(enum psc_rule rule)
{
	return rule <= PSC_L18 || (rule >= PSC_V1 && rule <= PSC_V12) ||
	       rule == PSC_F5 || rule == PSC_Q1;
}

static void find_cause(struct psc_damage *d)
{
	enum psc_rule rule = d->f->rule;
	bool header = d->n_here >= 8;

	d->cause = "unknown";
	d->hardware = -1;
	d->confidence = "low";
	if (d->bit_flip) {
		d->cause = "bit-flip";
		d->hardware = 1;
		d->confidence = "medium";
	} else if (rule == PSC_F3 && d->f->found < d->f->expected) {
		d->cause = "double-free";
		d->hardware = 0;
		d->confidence = d->f->repaired ? "medium" : "low";
	} else if (rule == PSC_X1) {
		d->cause = d->f->field_va < d->f->va ? "underrun" : "overrun";
		d->hardware = 0;
		d->confidence = "high";
	} else if (header && is_header_rule(rule) && (continues(d) || foreign_bytes(d->here))) {
		d->cause = "overrun";
		d->blames_previous = true;
		d->hardware = 0;
		d->confidence = continues(d) ? "high" : "medium";
	} else if (rule == PSC_L14 || rule == PSC_Q1) {
		// The first half is intact: from the block's own side.
		d->cause = "underrun";
		d->hardware = 0;
	}
}

void psc_damage_judge(struct psc_damage *d, bool bugcheck)
{
	bool strong = false;

	for (size_t i = 0; i < d->n; i++)
		strong |= d->f[i].repaired || psc_rule_info(d->f[i].rule)->strong;
	d->corrupt = strong || bugcheck || independent_rules(d) > 1;
	d->bit_flip = one_bit(d);
	find_cause(d);
}
