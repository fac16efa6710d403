// SPDX-License-Identifier: MIT
#include "analysis/bugcheck_text.h"

#include "analysis/bugcheck_rows.h"
#include "base/bytes.h"

/** The bug check was raised with the "system thread" bit. */
#define CODE_MASK 0x0fffffffu
#define HEAP_CORRUPTION 0x13au
#define BAD_POOL_HEADER 0x19u

/** _HEAP_FAILURE_TYPE of 17763 and later, and what to look at (pool 8.3). */
static const struct {
	const char *meaning, *look_at;
} failures[] = {
	{ "an internal failure", NULL },
	{ "an unknown failure", NULL },
	{ "a generic failure", NULL },
	{ "a heap entry is corrupt", "V2 to V4" },
	{ "several heap entries are corrupt", "V2 to V4" },
	{ "a large block is corrupt", NULL },
	{ "a buffer was overrun", "V2 to V7, F5" },
	{ "a buffer was underrun", "V2 to V7, F5" },
	{ "a block being freed is not in use", "V2, F3" },
	{ "an invalid argument was given", "S5 to S8" },
	{ "an invalid kind of allocation", NULL },
	{ "a freed block was used", "V9" },
	{ "a block belongs to another heap", NULL },
	{ "the free lists are corrupt", "V9, S3, S10" },
	{ "a list entry is corrupt", "V9, S3, S10" },
	{ "a bitmap of small blocks is wrong", "F3, F4" },
	{ "a segment's bitmap of small blocks is wrong", "F3, F4" },
	{ "a small block was freed twice", "F3" },
	{ "a subsegment's header is corrupt", "V1" },
	{ "no heap was given", NULL },
	{ "the allocation limit was reached", NULL },
	{ "the commit limit was reached", NULL },
	{ "an address that no heap owns", NULL },
};

/** First build whose numbers these are; older ones lack 0xA (pool 8.3). */
#define NEW_FAILURES 17763u
#define INVALID_ALLOCATION 0xau
/** Where 17763 has the subsegment's header, older ones end with it. */
#define OLD_SUBSEGMENT 0x11u
#define SUBSEGMENT 0x12u

/** Place in @c failures; past its end when unknown. */
static size_t failure_index(uint64_t type, uint32_t family)
{
	if (!family || family >= NEW_FAILURES || type < INVALID_ALLOCATION)
		return type < SIZE_MAX ? (size_t)type : SIZE_MAX;
	if (type == OLD_SUBSEGMENT)
		return SUBSEGMENT;
	// 9600 ends with "freed twice".
	return type < OLD_SUBSEGMENT ? (size_t)type + 1 : SIZE_MAX;
}

const char *psc_heap_failure_text(uint64_t type, uint32_t family)
{
	size_t i = failure_index(type, family);

	return i < PSC_ARRAY_SIZE(failures) ? failures[i].meaning : NULL;
}

static const struct psc_bugcheck_row *find(uint32_t code, const uint64_t p[4])
{
	for (size_t i = 0; i < psc_bugcheck_n_rows; i++) {
		const struct psc_bugcheck_row *r = &psc_bugcheck_rows[i];

		if (r->code == code && (r->kind == PSC_BUGCHECK_ANY ||
					r->kind == p[r->kind_in - 1]))
			return r;
	}
	return NULL;
}

static bool is_kernel(uint64_t va)
{
	return va >> 47 == 0x1ffff;
}

static void add_places(struct psc_bugcheck_text *t,
		       const struct psc_bugcheck_row *r, const uint64_t p[4])
{
	for (unsigned int i = 0; i < PSC_BUGCHECK_PLACES; i++) {
		uint64_t va = r->place[i] ? p[r->place[i] - 1] : 0;

		if (is_kernel(va))
			t->place[t->n_places++] = (struct psc_bugcheck_address){
				va - r->back, r->place[i] };
	}
}

static void add_pairs(struct psc_bugcheck_text *t,
		      const struct psc_bugcheck_row *r, const uint64_t p[4])
{
	if (!r->found)
		return;
	t->pair[t->n_pairs++] = (struct psc_bugcheck_pair){
		.found = p[r->found - 1], .expected = p[r->expected - 1] };
	// Both neighbours of a list entry should point at it.
	if (r->code == BAD_POOL_HEADER && r->kind == 3)
		t->pair[t->n_pairs++] = (struct psc_bugcheck_pair){
			.found = p[3], .expected = p[r->expected - 1] };
}

static uint64_t address(unsigned int parameter, const uint64_t p[4])
{
	return parameter && is_kernel(p[parameter - 1]) ? p[parameter - 1] : 0;
}

bool psc_bugcheck_explain(uint32_t code, const uint64_t p[4], uint32_t family,
			  struct psc_bugcheck_text *ret)
{
	const struct psc_bugcheck_row *r = find(code & CODE_MASK, p);

	if (!r)
		return false;
	struct psc_bugcheck_text t = {
		.meaning = r->meaning, .look_at = r->look_at, .echo = r->echo,
		.not_pool = r->not_pool,
		.instruction = address(r->instruction, p),
		.context = address(r->context, p),
		.trap_frame = address(r->trap, p),
	};
	for (unsigned int i = 0; i < 4; i++) {
		t.parameter[i] = r->p[i];
		t.is_tag[i] = r->tags >> i & 1;
	}
	if (r->kind_in)
		t.parameter[r->kind_in - 1] = "kind of violation";
	size_t failure = failure_index(p[0], family);
	if (r->code == HEAP_CORRUPTION && failure < PSC_ARRAY_SIZE(failures)) {
		t.meaning = failures[failure].meaning;
		t.look_at = failures[failure].look_at;
	}
	add_places(&t, r, p);
	add_pairs(&t, r, p);
	*ret = t;
	return true;
}
