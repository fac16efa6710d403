// SPDX-License-Identifier: MIT
#include "render/rendered.h"

#include <json-c/json.h>
#include <string.h>

static struct psc_report *sample(void)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *root = psc_report_root(r);
	psc_set_str(root, "schema", "poolscope.report/1");
	psc_set_uint(root, "max", UINT64_MAX);
	psc_set_int(root, "min", INT64_MIN);
	psc_set_int(root, "diff", -3);
	psc_set_hex(root, "address", 0xfffff8047ba00000);
	psc_set_tag(root, "tag", 0xd04b6c5c);	// "\lKP", protected
	psc_set_time(root, "time", 0x1D707F23DBB3399);
	psc_set_real(root, "uptime", 3.7470697);
	psc_set_real(root, "whole", 5);
	psc_set_null(root, "none");
	psc_set_str(root, "name", "a\x1b[31m/\"");
	psc_set_bool(psc_set_object(root, "o"), "b", true);
	psc_add_uint(psc_set_array(root, "list"), 7);
	return r;
}

static void golden(void **state)
{
	struct psc_report *r = sample();

	check_rendered(r, "json",
		       "{\n"
		       "  \"schema\": \"poolscope.report/1\",\n"
		       "  \"max\": 18446744073709551615,\n"
		       "  \"min\": -9223372036854775808,\n"
		       "  \"diff\": -3,\n"
		       "  \"address\": \"0xfffff8047ba00000\",\n"
		       "  \"tag\": \"\\\\x5clKP\",\n"
		       "  \"time\": \"2021-02-21T01:38:22.987765Z\",\n"
		       "  \"uptime\": 3.7470697,\n"
		       "  \"whole\": 5.0,\n"
		       "  \"none\": null,\n"
		       "  \"name\": \"a\\\\x1b[31m/\\\"\",\n"
		       "  \"o\": {\n"
		       "    \"b\": true\n"
		       "  },\n"
		       "  \"list\": [\n"
		       "    7\n"
		       "  ]\n"
		       "}\n");
	psc_report_free(r);
}

// A program that reads the report gets the same 64 bits.
static void exact_both_ways(void **state)
{
	struct psc_report *r = sample();
	char *text = rendered(r, "json");
	struct json_object *o = json_tokener_parse(text), *v;

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "max", &v));
	assert_true(json_object_get_uint64(v) == UINT64_MAX);
	assert_true(json_object_object_get_ex(o, "min", &v));
	assert_true(json_object_get_int64(v) == INT64_MIN);
	json_object_put(o);
	free(text);
	psc_report_free(r);
}

static void write_error_is_reported(void **state)
{
	struct psc_report *r = sample();
	FILE *full = fopen("/dev/full", "w");

	if (!full)
		skip();
	setvbuf(full, NULL, _IONBF, 0);
	CHECK_ERR(psc_render_json(r, full), PSC_ERR_OS);
	fclose(full);
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(exact_both_ways),
		cmocka_unit_test(write_error_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
