// SPDX-License-Identifier: MIT
/** @file
 * Recipes: one directive a line, `name word … key=value …`; '#' begins a
 * comment, quotes hold blanks together. README.md lists the directives.
 */
#ifndef MK_RECIPE_H
#define MK_RECIPE_H

#include "mk.h"

struct mk_arg {
	char *key;		/**< NULL for a plain word. */
	char *value;
	bool used;
};

/** The words behind a directive's name. */
struct mk_args {
	struct mk *m;
	PSC_VEC(struct mk_arg) v;
};

/** The @p i-th plain word; fails when there is none. */
const char *mk_word(struct mk_args *a, size_t i);
/** The same, or NULL. */
const char *mk_word_opt(struct mk_args *a, size_t i);
/** Value of key=value, or NULL. */
const char *mk_key(struct mk_args *a, const char *key);
uint64_t mk_key_num(struct mk_args *a, const char *key, uint64_t otherwise);
uint64_t mk_word_num(struct mk_args *a, size_t i);
/** Both bounds inclusive. */
struct mk_range {
	uint64_t low, high;
};
/** "0x40" or "0x40..0x200", above 0; fails when missing. */
struct mk_range mk_key_range(struct mk_args *a, const char *key);
uint64_t mk_random_in(uint64_t *state, struct mk_range r);
/** Is the plain word @p flag there? */
bool mk_flag(struct mk_args *a, const char *flag);
/** Decimal or 0x number, with suffix K, M, G or T (times 1024). */
uint64_t mk_number(const struct mk *m, const char *text);
/** Number, label or kernel symbol, with +number behind it. */
uint64_t mk_expr(struct mk *m, const char *text);

struct mk_directive {
	const char *name;
	void (*run)(struct mk *m, struct mk_args *a);
};

/** All directives (directives.c), ended by a NULL name. */
extern const struct mk_directive mk_directives[];

/** Run the recipe in the file @p path. */
void mk_recipe_run(struct mk *m, const char *path);
/** Run a recipe that is text already; @p name is for messages. */
void mk_recipe_run_text(struct mk *m, const char *name, const char *text);

#endif
