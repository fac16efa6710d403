// SPDX-License-Identifier: MIT
// SARIF and JUnit of hostile texts: what a dump, a path or a tag list brings
// in must not end an attribute, an element or a string.
#include "render/rendered.h"

#include <json-c/json.h>
#include <string.h>

static struct psc_report *report_on(const char *file)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *root = psc_report_root(r);
	psc_set_str(psc_set_object(root, "dump"), "file", file);
	psc_set_str(psc_set_object(root, "tool"), "version", "1.2.3");
	psc_set_array(root, "corruption");
	return r;
}

static struct psc_value *add(struct psc_report *r, const char *rule,
			     const char *severity, uint64_t va,
			     const char *evidence)
{
	struct psc_value *d = psc_add_object(
		psc_set_array(psc_report_root(r), "corruption"));

	psc_set_str(d, "rule", rule);
	psc_set_str(d, "severity", severity);
	psc_set_hex(d, "address", va);
	psc_set_str(d, "cause", "overrun");
	psc_set_str(d, "confidence", "high");
	struct psc_value *list = psc_set_array(d, "evidence");
	if (evidence)
		psc_add_str(list, evidence);
	return d;
}

typedef struct psc_error *(*render_fn)(struct psc_report *r, FILE *out);

static char *text_of(struct psc_report *r, render_fn render)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	CHECK_OK(render(r, f));
	fclose(f);
	psc_report_free(r);
	return text;
}

static void check_has(const char *text, const char *want)
{
	assert_non_null(text);
	if (!strstr(text, want))
		fail_msg("not found:\n%s\nin:\n%s", want, text);
}

// --- SARIF -------------------------------------------------------------------

/** The document of @p r, parsed back; @p run is its only run. */
static struct json_object *sarif(struct psc_report *r,
				 struct json_object **run)
{
	char *text = text_of(r, psc_render_sarif);
	struct json_object *o = json_tokener_parse(text), *runs;

	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "runs", &runs));
	assert_int_equal(json_object_array_length(runs), 1);
	*run = json_object_array_get_idx(runs, 0);
	free(text);
	return o;
}

/** Member by a path of keys and numbers: "results/0/message/text". */
static const char *at(struct json_object *o, const char *path)
{
	struct json_object *v = NULL;
	char p[160];

	snprintf(p, sizeof(p), "/%s", path);
	if (json_pointer_get(o, p, &v))
		fail_msg("no %s", path);
	return json_object_get_string(v);
}

static size_t length(struct json_object *o, const char *key)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, key, &v));
	return json_object_array_length(v);
}

static void sarif_of_findings(void **state)
{
	struct psc_report *r = report_on("/tmp/MEMORY.DMP");
	struct json_object *o, *run;

	add(r, "L4", "corrupt", UINT64_C(0xffffe001deadb000), "PreviousSize");
	add(r, "L8", "suspect", UINT64_MAX, NULL);
	add(r, "L4", "suspect", 0x1000, "again");
	o = sarif(r, &run);
	assert_string_equal(at(o, "version"), "2.1.0");
	assert_string_equal(at(run, "tool/driver/version"), "1.2.3");
	assert_int_equal(length(run, "results"), 3);
	assert_string_equal(at(run, "results/0/level"), "error");
	assert_string_equal(at(run, "results/0/message/text"), "PreviousSize");
	assert_string_equal(at(run, "results/1/level"), "warning");
	// A result must have a message even when nothing is known.
	assert_string_equal(at(run, "results/1/message/text"),
			    "pool header corrupted");
	assert_string_equal(at(run, "results/0/locations/0/physicalLocation/"
			       "address/absoluteAddress"),
			    "18446708897368354816");
	assert_string_equal(at(run, "results/1/locations/0/physicalLocation/"
			       "address/fullyQualifiedName"),
			    "0xffffffffffffffff");
	// Two results of one rule: the rule is declared once.
	struct json_object *rules;
	assert_int_equal(json_pointer_get(run, "/tool/driver/rules", &rules),
			 0);
	assert_int_equal(json_object_array_length(rules), 2);
	assert_string_equal(at(run, "tool/driver/rules/1/id"), "L8");
	json_object_put(o);
}

static void sarif_without_findings(void **state)
{
	struct json_object *o, *run;

	o = sarif(report_on("a.dmp"), &run);
	assert_int_equal(length(run, "results"), 0);
	json_object_put(o);
	// A report that has no file name at all.
	struct psc_report *r;
	CHECK_OK(psc_report_new(&r));
	o = sarif(r, &run);
	assert_string_equal(at(run, "tool/driver/version"), "");
	json_object_put(o);
}

/** A URI reference knows few characters; the rest is escaped by byte. */
static void sarif_escapes_paths(void **state)
{
	struct psc_report *r = report_on(
		"C:/d\xc3\xa4/a b%20?#[x]\"<>\\^`{|}~_");
	struct json_object *o, *run;

	add(r, "V2", "corrupt", 0, "\"}]}\n\x01</script>");
	o = sarif(r, &run);
	assert_string_equal(
		at(run, "results/0/locations/0/physicalLocation/"
		   "artifactLocation/uri"),
		"C%3A/d%C3%A4/a%20b%2520%3F%23%5Bx%5D%22%3C%3E%5C%5E%60%7B"
		"%7C%7D~_");
	assert_string_equal(at(run, "results/0/message/text"),
			    "\"}]}\\x0a\\x01</script>");
	json_object_put(o);
}

// --- JUnit -------------------------------------------------------------------

static void junit_of_findings(void **state)
{
	struct psc_report *r = report_on("a.dmp");
	struct psc_value *d = add(r, "L4", "corrupt", 0xabc0, "first");

	psc_add_str(psc_set_array(d, "evidence"), "second");
	add(r, "L8", "suspect", 0xdef0, NULL);
	char *text = text_of(r, psc_render_junit);
	assert_string_equal(text,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"poolscope check\" tests=\"2\" "
		"failures=\"2\">\n"
		"  <testcase classname=\"poolscope.check\" name=\"L4 at 0xabc0"
		"\">\n"
		"    <failure type=\"overrun\" message=\"first\">first\n"
		"second\n"
		"</failure>\n  </testcase>\n"
		"  <testcase classname=\"poolscope.check\" name=\"L8 at 0xdef0"
		"\">\n"
		"    <failure type=\"overrun\" message=\"pool header corrupted"
		"\"></failure>\n  </testcase>\n"
		"</testsuite>\n");
	free(text);
}

/** A sound dump is one test that passes: an empty suite reads as "not run". */
static void junit_without_findings(void **state)
{
	char *text = text_of(report_on("/d/<a>&\"b\".dmp"), psc_render_junit);

	check_has(text, "tests=\"1\" failures=\"0\"");
	check_has(text, "name=\"/d/&lt;a&gt;&amp;&quot;b&quot;.dmp\"/>");
	free(text);
}

static void junit_escapes_evidence(void **state)
{
	struct psc_report *r = report_on("a.dmp");

	add(r, "L8", "corrupt", 0, "tag '\x01\x1b<&]]>\"' \xc3\xa4");
	char *text = text_of(r, psc_render_junit);
	check_has(text, "message=\"tag '\\x01\\x1b&lt;&amp;]]&gt;&quot;' "
		  "\xc3\xa4\">");
	for (const char *p = text; *p; p++)
		assert_true((unsigned char)*p >= 0x20 || *p == '\n');
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	struct psc_report *r = report_on("a.dmp");
	FILE *f = fopen("/dev/full", "w");

	if (!f)
		skip();
	setvbuf(f, NULL, _IONBF, 0);
	CHECK_ERR(psc_render_junit(r, f), PSC_ERR_OS);
	clearerr(f);
	CHECK_ERR(psc_render_sarif(r, f), PSC_ERR_OS);
	fclose(f);
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sarif_of_findings),
		cmocka_unit_test(sarif_without_findings),
		cmocka_unit_test(sarif_escapes_paths),
		cmocka_unit_test(junit_of_findings),
		cmocka_unit_test(junit_without_findings),
		cmocka_unit_test(junit_escapes_evidence),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
