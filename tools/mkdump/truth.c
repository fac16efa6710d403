// SPDX-License-Identifier: MIT
/** @file
 * The truth of a recipe, as JSON in the names of the report's contract, for
 * tests that compare a reader's answer with it.
 */
#include <stdio.h>
#include <string.h>

#include "mk.h"

struct json_object *mk_truth(struct mk *m, const char *path)
{
	char copy[128], *save = NULL;
	struct json_object *at = m->truth;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *part = strtok_r(copy, ".", &save); part;
	     part = strtok_r(NULL, ".", &save)) {
		struct json_object *next;

		if (!json_object_object_get_ex(at, part, &next)) {
			next = json_object_new_object();
			json_object_object_add(at, part, next);
		}
		at = next;
	}
	return at;
}

struct json_object *mk_json_hex(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)v);
	return json_object_new_string(text);
}

struct json_object *mk_json_text(const char *s)
{
	return s ? json_object_new_string(s) : NULL;
}
