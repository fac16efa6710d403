// SPDX-License-Identifier: MIT
/** @file
 * From the faults of one place to what happened there (pool 7.0). Pure: faults
 * and the bytes around them in, a verdict out.
 */
#ifndef PSC_ANALYSIS_JUDGE_H
#define PSC_ANALYSIS_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/sink.h"
#include "psc/report.h"

enum psc_cause {
	PSC_CAUSE_UNKNOWN,
	PSC_CAUSE_OVERRUN,	/**< The block before wrote past its end. */
	PSC_CAUSE_UNDERRUN,	/**< The block wrote before its start. */
	PSC_CAUSE_DOUBLE_FREE,
	PSC_CAUSE_USE_AFTER_FREE,
	PSC_CAUSE_BIT_FLIP,
};
const char *psc_cause_name(enum psc_cause c);

enum psc_confidence {
	PSC_LOW,
	PSC_MEDIUM,
	PSC_HIGH,
};
const char *psc_confidence_name(enum psc_confidence c);

#define PSC_SCENE_BEFORE 0x40u
#define PSC_SCENE_BEHIND 0x40u

/** One place: its faults, and memory around its first. */
struct psc_scene {
	const struct psc_fault *f; /**< Sorted by field. */
	size_t n;
	uint8_t before[PSC_SCENE_BEFORE]; /**< Bytes that end at f->va. */
	uint8_t behind[PSC_SCENE_BEHIND]; /**< Bytes from f->va on. */
	bool has_before, has_behind;
	bool bugcheck;		/**< A bug-check parameter names the place. */
	/** Lock that guards the place, when it was held: an update may have
	 *  been in flight. Else NULL. */
	const char *lock;
};

struct psc_judgement {
	const struct psc_fault *main; /**< Names the finding. */
	bool corrupt;		/**< Else one fact alone: suspect. */
	bool bit_flip;
	enum psc_cause cause;
	enum psc_confidence confidence;
	/** Header of the block to blame, 0 = none; its tag. */
	uint64_t suspect;
	uint32_t suspect_tag;
};

/** @param evidence array of texts to append to; may be NULL. */
struct psc_judgement psc_judge(const struct psc_scene *s,
			       struct psc_value *evidence);

/** What a run of bytes looks like (pool 7.0: byte-shaped damage). */
enum psc_shape {
	PSC_SHAPE_NONE,
	PSC_SHAPE_ZERO, PSC_SHAPE_ONES, PSC_SHAPE_TEXT, PSC_SHAPE_UTF16,
	PSC_SHAPE_REPEAT,	/**< One byte, or a short pattern. */
	PSC_SHAPE_POINTER,	/**< A kernel address, 8 bytes. */
};
enum psc_shape psc_shape_of(const uint8_t *p, size_t n);
const char *psc_shape_name(enum psc_shape s);

#endif
