// SPDX-License-Identifier: MIT
/** @file
 * Damage, and what a reader must say of it. Both come last, when the healthy
 * machine is complete.
 */
#include "corrupt.h"

#include <string.h>

#include "late.h"
#include "tags.h"

static void flip(struct mk *m, struct mk_args *a)
{
	uint64_t va = mk_expr(m, mk_word(a, 0)), bit = mk_word_num(a, 1);
	uint8_t b;

	va += bit / 8;
	mk_read(m, va, &b, 1);
	mk_write_uint(m, va, b ^ 1u << bit % 8, 1);
}

void mk_do_flip(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, flip);
}

static void overwrite(struct mk *m, struct mk_args *a)
{
	uint64_t va = mk_expr(m, mk_word(a, 0));
	const char *text = mk_word(a, 1);

	mk_write(m, va, text, strlen(text));
}

void mk_do_overwrite(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, overwrite);
}

static void copy_text(struct mk_args *a, struct json_object *o, const char *key)
{
	const char *v = mk_key(a, key);

	if (v)
		json_object_object_add(o, key, mk_json_text(v));
}

static void expect(struct mk *m, struct mk_args *a)
{
	struct json_object *list, *o = json_object_new_object();

	if (!json_object_object_get_ex(m->truth, "corruption", &list)) {
		list = json_object_new_array();
		json_object_object_add(m->truth, "corruption", list);
	}
	json_object_object_add(o, "rule", mk_json_text(mk_word(a, 0)));
	json_object_object_add(o, "address",
			       mk_json_hex(mk_expr(m, mk_word(a, 1))));
	copy_text(a, o, "severity");
	copy_text(a, o, "cause");
	copy_text(a, o, "suspect");
	copy_text(a, o, "evidence");
	json_object_array_add(list, o);
}

void mk_do_expect(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, expect);
}

// What a reader must say about a tag whose counters and blocks differ.
static void expect_difference(struct mk *m, struct mk_args *a)
{
	struct json_object *list, *o = json_object_new_object();
	struct json_object *why = json_object_new_array();
	const char *reason;
	char tag[17];

	if (!json_object_object_get_ex(m->truth, "reconciliation", &list)) {
		list = json_object_new_array();
		json_object_object_add(m->truth, "reconciliation", list);
	}
	mk_tag_text(mk_tag_number(m, mk_word(a, 0)), tag);
	json_object_object_add(o, "tag", mk_json_text(tag));
	json_object_object_add(o, "pool", mk_json_text(mk_word(a, 1)));
	for (size_t i = 2; (reason = mk_word_opt(a, i)); i++)
		json_object_array_add(why, mk_json_text(reason));
	json_object_object_add(o, "explained_by", why);
	json_object_array_add(list, o);
}

void mk_do_expect_difference(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, expect_difference);
}
