// SPDX-License-Identifier: MIT
// The report as JSON (report-json). json-c writes -2^63 .. 2^64-1 exactly.
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/str.h"
#include "psc/psc.h"

// What json-c wants to hear about our keys: unique, and literals that live.
#define KEY_FLAGS (JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY)

static struct json_object *hex_json(uint64_t v)
{
	char text[19];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_object_new_string(text);
}

static struct json_object *tag_json(uint64_t tag)
{
	char text[PSC_TAG_TEXT];

	psc_tag_text((uint32_t)tag, text);
	return json_object_new_string(text);
}

static struct json_object *time_json(uint64_t filetime)
{
	char text[PSC_TIME_TEXT];

	return psc_time_text(filetime, text) ? json_object_new_string(text)
					     : NULL;
}

// Seconds in FILETIME units: seven decimals are exact, zeros are cut.
static struct json_object *real_json(double d)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%.7f", d);

	if (n < 0 || (size_t)n >= sizeof(text))
		return json_object_new_double(d);
	while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	return json_object_new_double_s(d, text);
}

static bool value_json(const struct psc_value *v, struct json_object **ret);

// Depth is that of the report, which analyses lay out: a handful.
static struct json_object *kids_json(const struct psc_value *v, bool is_object)
{
	size_t n = psc_count(v);
	struct json_object *o = is_object ? json_object_new_object()
					  : json_object_new_array();

	for (size_t i = 0; o && i < n; i++) {
		const char *key;
		struct json_object *kid;
		const struct psc_value *value = psc_at(v, i, &key);

		if (!value_json(value, &kid))
			goto fail;
		if (is_object ? json_object_object_add_ex(o, key, kid, KEY_FLAGS)
			      : json_object_array_add(o, kid)) {
			json_object_put(kid);
			goto fail;
		}
	}
	return o;
fail:
	json_object_put(o);
	return NULL;
}

// NULL is json-c's null, so success is told apart from it.
static bool value_json(const struct psc_value *v, struct json_object **ret)
{
	*ret = NULL;
	switch (psc_kind(v)) {
	case PSC_NULL:
		return true;
	case PSC_BOOL:
		*ret = json_object_new_boolean(psc_value_bool(v));
		break;
	case PSC_UINT:
		*ret = json_object_new_uint64(psc_value_uint(v));
		break;
	case PSC_INT:
		*ret = json_object_new_int64(psc_value_int(v));
		break;
	case PSC_REAL:
		*ret = real_json(psc_value_real(v));
		break;
	case PSC_STR:
		*ret = json_object_new_string(psc_value_str(v));
		break;
	case PSC_HEX:
		*ret = hex_json(psc_value_uint(v));
		break;
	case PSC_TAG:
		*ret = tag_json(psc_value_uint(v));
		break;
	case PSC_TIME:
		*ret = time_json(psc_value_uint(v));
		break;
	case PSC_ARRAY:
		*ret = kids_json(v, false);
		break;
	case PSC_OBJECT:
		*ret = kids_json(v, true);
		break;
	}
	return *ret;
}

struct psc_error *psc_render_json(struct psc_report *r, FILE *out)
{
	struct psc_error *err = psc_report_check(r);
	struct json_object *o;

	if (err)
		return err;
	if (!value_json(psc_report_root(r), &o))
		return &psc_nomem;
	size_t n;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		   JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	if (!text)
		err = &psc_nomem;
	else if (fwrite(text, 1, n, out) != n || fputc('\n', out) == EOF)
		err = psc_error_os(errno, "cannot write the report");
	json_object_put(o);
	return err;
}
