// SPDX-License-Identifier: MIT
#include "analysis/judge.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

/** Bytes of a header that a spill must reach to be told from chance. */
#define SPILL 8u
/** First half of a pool header: sizes, type, tag. */
#define FIRST_HALF 8u

static const char *const causes[] = {
	[PSC_CAUSE_UNKNOWN] = "unknown", [PSC_CAUSE_OVERRUN] = "overrun",
	[PSC_CAUSE_UNDERRUN] = "underrun",
	[PSC_CAUSE_DOUBLE_FREE] = "double-free",
	[PSC_CAUSE_USE_AFTER_FREE] = "use-after-free",
	[PSC_CAUSE_BIT_FLIP] = "bit-flip",
};

const char *psc_cause_name(enum psc_cause c)
{
	return causes[c];
}

const char *psc_confidence_name(enum psc_confidence c)
{
	static const char *const names[] = { "low", "medium", "high" };

	return names[c];
}

// --- shapes of bytes ----------------------------------------------------------

static bool is_text(uint8_t c)
{
	return (c >= 0x20 && c <= 0x7e) || c == '\t' || c == '\r' || c == '\n';
}

static bool repeats(const uint8_t *p, size_t n, size_t period)
{
	return n > period && memcmp(p, p + period, n - period) == 0;
}

static bool all_text(const uint8_t *p, size_t n, size_t step)
{
	for (size_t i = 0; i < n; i += step) {
		if (!is_text(p[i]) || (step == 2 && i + 1 < n && p[i + 1]))
			return false;
	}
	return true;
}

enum psc_shape psc_shape_of(const uint8_t *p, size_t n)
{
	if (n < 4)
		return PSC_SHAPE_NONE;
	if (repeats(p, n, 1))
		return !p[0] ? PSC_SHAPE_ZERO : p[0] == 0xff
			? PSC_SHAPE_ONES : PSC_SHAPE_REPEAT;
	if (all_text(p, n, 1))
		return PSC_SHAPE_TEXT;
	if (all_text(p, n, 2))
		return PSC_SHAPE_UTF16;
	if (n >= 8 && psc_le64(p) >> 47 == 0x1ffff)
		return PSC_SHAPE_POINTER;
	return n >= 8 && (repeats(p, n, 2) || repeats(p, n, 4))
		? PSC_SHAPE_REPEAT : PSC_SHAPE_NONE;
}

const char *psc_shape_name(enum psc_shape s)
{
	static const char *const names[] = {
		"bytes", "zeros", "0xff bytes", "text", "UTF-16 text",
		"a repeated pattern", "a kernel address",
	};

	return names[s];
}

// --- severity -----------------------------------------------------------------

static bool is_one_bit(const struct psc_fault *f)
{
	// Numbers of busy blocks are no stored field.
	if (f->rule == PSC_F3 && f->bits == 32)
		return false;
	return f->bits && __builtin_popcountll(f->expected ^ f->found) == 1;
}

static bool overlap(const struct psc_fault *a, const struct psc_fault *b)
{
	uint64_t x = a->field_va + (a->bits ? (a->bits + 7) / 8 : 1);
	uint64_t y = b->field_va + (b->bits ? (b->bits + 7) / 8 : 1);

	return a->field_va < y && b->field_va < x;
}

/** Two faults that compare different stored bytes (pool 7.0). */
static bool are_independent(const struct psc_scene *s)
{
	for (size_t i = 1; i < s->n; i++) {
		if (s->f[i].rule != s->f[0].rule ||
		    !overlap(&s->f[i], &s->f[0]))
			return true;
	}
	return false;
}

static bool is_proven(const struct psc_scene *s, struct psc_value *evidence)
{
	bool proven = false;

	for (size_t i = 0; i < s->n && !proven; i++) {
		if (psc_rule_info(s->f[i].rule)->strong) {
			psc_add_str(evidence, "the field has two stored "
				    "witnesses that contradict it");
			proven = true;
		} else if (s->f[i].repaired) {
			psc_add_str(evidence, "a repair of this one field makes "
				    "every neighbour agree");
			proven = true;
		}
	}
	if (are_independent(s)) {
		psc_add_strf(evidence, "%zu checks of different stored bytes "
			     "fail at this place", s->n);
		proven = true;
	}
	if (s->bugcheck) {
		psc_add_str(evidence, "a parameter of the bug check names this "
			    "place");
		proven = true;
	}
	if (s->lock && !s->bugcheck && s->n == 1 && !is_one_bit(s->f)) {
		psc_add_strf(evidence, "but %s was held: an update may have "
			     "been in flight", s->lock);
		return false;
	}
	return proven;
}

// --- causes -------------------------------------------------------------------

/** Rules whose field is a link or a mark inside a freed block. */
static bool is_free_rule(enum psc_rule r)
{
	return r == PSC_L9 || r == PSC_L10 || r == PSC_L12 || r == PSC_L13 ||
	       r == PSC_V9 || r == PSC_Z1;
}

/** Rules on the heap's own objects: no block lies before those. */
static bool is_bookkeeping(enum psc_rule r)
{
	return (r >= PSC_S1 && r <= PSC_S11 && r != PSC_S2 && r != PSC_S3 &&
		r != PSC_S9) || r == PSC_V11;
}

static bool is_header_owner(const struct psc_fault *f)
{
	if (is_bookkeeping(f->rule))
		return false;
	return f->owner == PSC_OWNER_CHAIN || f->owner == PSC_OWNER_VS ||
	       f->owner == PSC_OWNER_LFH;
}

/** Is only the last half of a pool header wrong? */
static bool only_second_half(const struct psc_scene *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->f[i].rule != PSC_L14 && s->f[i].rule != PSC_Q1)
			return false;
	}
	return true;
}

/**
 * Do the damaged first bytes look like a continuation of what ends the
 * block before?
 * @param[out] shape of the bytes, when they have one.
 */
static bool spills_over(const struct psc_scene *s, enum psc_shape *shape)
{
	*shape = PSC_SHAPE_NONE;
	if (!s->has_behind)
		return false;
	*shape = psc_shape_of(s->behind, SPILL);
	if (*shape == PSC_SHAPE_NONE || !s->has_before)
		return false;
	const uint8_t *tail = s->before + PSC_SCENE_BEFORE - SPILL;
	if (psc_shape_of(tail, SPILL) != *shape)
		return false;
	// Zeros end most blocks: they continue nothing.
	if (*shape == PSC_SHAPE_ZERO)
		return false;
	return true;
}

/** Text that runs from the block before through the whole header: the one
 *  field that the checks see differ in a single bit is chance. */
static bool is_text_spill(const struct psc_scene *s)
{
	enum psc_shape shape;

	return is_header_owner(s->f) && spills_over(s, &shape) &&
	       (shape == PSC_SHAPE_TEXT || shape == PSC_SHAPE_UTF16) &&
	       psc_shape_of(s->behind, 2 * SPILL) == shape;
}

/** A live block whose in-use bit is gone: no list knows it either. */
static bool is_live_again(const struct psc_scene *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->f[i].rule != PSC_L11 && s->f[i].rule != PSC_L9 &&
		    s->f[i].rule != PSC_L10)
			return false;
	}
	return s->f[0].rule == PSC_L11;
}

/** An entry of a table with one bit wrong: what else fails, fails for it. */
static bool is_one_entry(const struct psc_scene *s)
{
	size_t pairs = 0, repaired = 0;

	for (size_t i = 0; i < s->n; i++) {
		pairs += s->f[i].bits != 0;
		repaired += s->f[i].repaired;
	}
	return s->f->owner == PSC_OWNER_BIG && pairs == 1 && repaired == 1;
}

static void blame_previous(const struct psc_scene *s,
			   struct psc_judgement *j)
{
	const struct psc_fault *f = s->f;

	if (f->previous_va && (f->previous_in_use || !f->previous_tag)) {
		j->suspect = f->previous_va;
		j->suspect_tag = f->previous_tag;
	}
}

static void overrun(const struct psc_scene *s, struct psc_judgement *j,
		    enum psc_shape shape, bool continues,
		    struct psc_value *evidence)
{
	char tag[PSC_TAG_TEXT];

	j->cause = PSC_CAUSE_OVERRUN;
	j->confidence = continues ? PSC_HIGH : PSC_MEDIUM;
	blame_previous(s, j);
	psc_add_strf(evidence, "the header was written over with %s",
		     psc_shape_name(shape));
	if (!j->suspect)
		return;
	psc_tag_text(j->suspect_tag, tag);
	psc_add_strf(evidence, "the block before it is %s at 0x%" PRIx64
		     ", 0x%" PRIx64 " bytes%s", tag, j->suspect,
		     s->f->previous_bytes,
		     continues ? ": what ends it goes on in the header" : "");
}

static void underrun(const struct psc_scene *s, struct psc_judgement *j,
		     struct psc_value *evidence)
{
	const uint8_t *own = s->behind + FIRST_HALF;
	enum psc_shape shape = PSC_SHAPE_NONE;

	j->confidence = PSC_LOW;
	if (s->has_behind)
		shape = psc_shape_of(own, SPILL);
	if (shape == PSC_SHAPE_NONE || shape == PSC_SHAPE_POINTER) {
		psc_add_str(evidence, "the first half of the header is intact: "
			    "a write before the block's own data, or a wild "
			    "one");
		return;
	}
	j->cause = PSC_CAUSE_UNDERRUN;
	j->confidence = PSC_MEDIUM;
	j->suspect = s->f->va;
	j->suspect_tag = s->f->tag;
	psc_add_strf(evidence, "the last 8 bytes before the data hold %s, the "
		     "first half of the header is intact",
		     psc_shape_name(shape));
}

static void bit_flip(struct psc_judgement *j, struct psc_value *evidence)
{
	uint64_t mask = j->main->expected ^ j->main->found;

	j->cause = PSC_CAUSE_BIT_FLIP;
	j->bit_flip = true;
	j->confidence = j->main->repaired ? PSC_HIGH : PSC_MEDIUM;
	psc_add_strf(evidence, "expected and found differ in one bit: bit %d of "
		     "the field at 0x%" PRIx64, __builtin_ctzll(mask),
		     j->main->field_va);
}

/** The block's own first half, when it is what was damaged. */
static void header_damage(const struct psc_scene *s, struct psc_judgement *j,
			  struct psc_value *evidence)
{
	enum psc_shape shape;
	bool continues = spills_over(s, &shape);

	if (only_second_half(s)) {
		underrun(s, j, evidence);
		return;
	}
	if (continues || shape == PSC_SHAPE_TEXT || shape == PSC_SHAPE_UTF16 ||
	    (shape != PSC_SHAPE_NONE && s->n > 1)) {
		overrun(s, j, shape, continues, evidence);
		return;
	}
	if (s->n > 1 || (s->f->bits == 64 &&
			 __builtin_popcountll(s->f->expected ^ s->f->found) >
			 4)) {
		overrun(s, j, shape, false, evidence);
		j->confidence = PSC_LOW;
	}
}

/**
 * The fill beside a block that has no header behind it (X1, B8): changed
 * before the data or behind them.
 */
static void fill_damage(const struct psc_scene *s, struct psc_judgement *j,
			struct psc_value *evidence)
{
	bool before = j->main->field_va < s->f->previous_va;
	char tag[PSC_TAG_TEXT];

	j->cause = before ? PSC_CAUSE_UNDERRUN : PSC_CAUSE_OVERRUN;
	j->confidence = PSC_HIGH;
	blame_previous(s, j);
	psc_tag_text(s->f->previous_tag, tag);
	psc_add_strf(evidence, "only the owner of %s at 0x%" PRIx64 ", 0x%"
		     PRIx64 " bytes, is near: the fill %s its data was "
		     "written over", tag, s->f->previous_va,
		     s->f->previous_bytes, before ? "before" : "behind");
}

static void use_after_free(const struct psc_scene *s, struct psc_judgement *j,
			   struct psc_value *evidence)
{
	j->cause = PSC_CAUSE_USE_AFTER_FREE;
	j->confidence = PSC_MEDIUM;
	if (s->f->tag) {
		j->suspect = s->f->va;
		j->suspect_tag = s->f->tag;
	}
	psc_add_str(evidence, "the block is free, and what the pool keeps in it "
		    "was changed: its former owner still writes to it");
}

static void double_free(const struct psc_scene *s, struct psc_judgement *j,
			struct psc_value *evidence)
{
	j->cause = PSC_CAUSE_DOUBLE_FREE;
	j->confidence = j->corrupt ? PSC_HIGH : PSC_MEDIUM;
	if (s->f->tag) {
		j->suspect = s->f->va;
		j->suspect_tag = s->f->tag;
	}
	psc_add_str(evidence, "a list of freed blocks holds it although it was "
		    "freed already, or is in use: it was freed twice");
}

/** The fault that names the finding: what can be repaired says most. */
static const struct psc_fault *main_fault(const struct psc_scene *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->f[i].bits && s->f[i].repaired)
			return &s->f[i];
	}
	return s->f;
}

struct psc_judgement psc_judge(const struct psc_scene *s,
			       struct psc_value *evidence)
{
	struct psc_judgement j = { .main = main_fault(s) };
	size_t one_bit = 0;

	for (size_t i = 0; i < s->n; i++)
		one_bit += is_one_bit(&s->f[i]);
	j.corrupt = is_proven(s, evidence);
	if (one_bit == 1 && !is_text_spill(s) &&
	    (s->n == 1 || is_live_again(s) || is_one_entry(s)))
		bit_flip(&j, evidence);
	else if (j.main->twice)
		double_free(s, &j, evidence);
	else if (j.main->rule == PSC_L13 && !j.main->tag)
		;		// the head of a list: nobody owns it
	else if (is_free_rule(j.main->rule))
		use_after_free(s, &j, evidence);
	else if (j.main->rule == PSC_X1 || j.main->rule == PSC_B8)
		fill_damage(s, &j, evidence);
	else if (is_header_owner(j.main))
		header_damage(s, &j, evidence);
	return j;
}
