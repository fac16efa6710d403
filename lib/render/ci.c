// SPDX-License-Identifier: MIT
// Findings of `check` for build systems: SARIF 2.1.0 and JUnit XML.
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "psc/psc.h"
#include "render/text.h"

static const char *text_of(const struct psc_value *o, const char *key)
{
	const char *s = psc_get_str(o, key);

	return s ? s : "";
}

/** First line of evidence: the rule, the place, expected and found. */
static const char *headline(const struct psc_value *d)
{
	const struct psc_value *list = psc_get(d, "evidence");

	return psc_count(list) ? psc_value_str(psc_at(list, 0, NULL))
			       : "pool header corrupted";
}

static bool is_corrupt(const struct psc_value *d)
{
	return strcmp(text_of(d, "severity"), "corrupt") == 0;
}

// --- SARIF -------------------------------------------------------------------

static struct json_object *string(const char *s)
{
	return json_object_new_string(s);
}

/** A file path as a relative or absolute URI reference. */
static char *uri_of(const char *path)
{
	struct psc_str s = { 0 };

	for (const char *p = path; *p; p++) {
		if (strchr("-._~/", *p) || (*p >= '0' && *p <= '9') ||
		    (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'))
			psc_str_addn(&s, p, 1);
		else
			psc_str_addf(&s, "%%%02X", (unsigned char)*p);
	}
	return psc_str_take(&s);
}

/** {"text": …}: what SARIF wants around every message. */
static struct json_object *message(const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "text", string(text));
	return o;
}

static struct json_object *location(const char *uri, uint64_t va)
{
	struct json_object *list = json_object_new_array();
	struct json_object *l = json_object_new_object();
	struct json_object *place = json_object_new_object();
	struct json_object *file = json_object_new_object();
	struct json_object *address = json_object_new_object();
	char hex[20];

	snprintf(hex, sizeof(hex), "0x%" PRIx64, va);
	json_object_object_add(file, "uri", string(uri));
	json_object_object_add(address, "absoluteAddress",
			       json_object_new_uint64(va));
	json_object_object_add(address, "fullyQualifiedName", string(hex));
	json_object_object_add(place, "artifactLocation", file);
	json_object_object_add(place, "address", address);
	json_object_object_add(l, "physicalLocation", place);
	json_object_array_add(list, l);
	return list;
}

static struct json_object *result(const struct psc_value *d, const char *uri)
{
	struct json_object *o = json_object_new_object();
	struct json_object *more = json_object_new_object();
	uint64_t va = 0;

	psc_get_hex(d, "address", &va);
	json_object_object_add(o, "ruleId", string(text_of(d, "rule")));
	json_object_object_add(o, "level",
			       string(is_corrupt(d) ? "error" : "warning"));
	json_object_object_add(o, "message", message(headline(d)));
	json_object_object_add(o, "locations", location(uri, va));
	json_object_object_add(more, "cause", string(text_of(d, "cause")));
	json_object_object_add(more, "confidence",
			       string(text_of(d, "confidence")));
	if (*text_of(d, "suspect.module"))
		json_object_object_add(more, "suspect",
				       string(text_of(d, "suspect.module")));
	json_object_object_add(o, "properties", more);
	return o;
}

/** Each rule of the results once. */
static void add_rule(struct json_object *rules, const struct psc_value *d)
{
	const char *name = text_of(d, "rule");
	size_t n = json_object_array_length(rules);
	struct json_object *o, *id;

	for (size_t i = 0; i < n; i++) {
		o = json_object_array_get_idx(rules, i);
		if (json_object_object_get_ex(o, "id", &id) &&
		    strcmp(json_object_get_string(id), name) == 0)
			return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "id", string(name));
	if (*text_of(d, "meaning"))
		json_object_object_add(o, "shortDescription",
				       message(text_of(d, "meaning")));
	json_object_array_add(rules, o);
}

static struct json_object *sarif(const struct psc_value *root,
				 const char *uri)
{
	const struct psc_value *list = psc_get(root, "corruption");
	struct json_object *o = json_object_new_object();
	struct json_object *run = json_object_new_object();
	struct json_object *runs = json_object_new_array();
	struct json_object *tool = json_object_new_object();
	struct json_object *driver = json_object_new_object();
	struct json_object *rules = json_object_new_array();
	struct json_object *results = json_object_new_array();

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *d = psc_at(list, i, NULL);

		add_rule(rules, d);
		json_object_array_add(results, result(d, uri));
	}
	json_object_object_add(driver, "name", string("poolscope"));
	json_object_object_add(driver, "version",
			       string(text_of(root, "tool.version")));
	json_object_object_add(driver, "rules", rules);
	json_object_object_add(tool, "driver", driver);
	json_object_object_add(run, "tool", tool);
	json_object_object_add(run, "results", results);
	json_object_array_add(runs, run);
	json_object_object_add(o, "$schema", string(
		"https://json.schemastore.org/sarif-2.1.0.json"));
	json_object_object_add(o, "version", string("2.1.0"));
	json_object_object_add(o, "runs", runs);
	return o;
}

struct psc_error *psc_render_sarif(struct psc_report *r, FILE *out)
{
	const struct psc_value *root = psc_report_root(r);
	struct psc_error *err = psc_report_check(r);

	if (err)
		return err;
	char *uri = uri_of(text_of(root, "dump.file"));
	if (!uri)
		return &psc_nomem;
	struct json_object *o = sarif(root, uri);
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		   JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		err = &psc_nomem;
	else if (fprintf(out, "%s\n", text) < 0)
		err = psc_error_os(errno, "cannot write SARIF");
	json_object_put(o);
	free(uri);
	return err;
}

// --- JUnit -------------------------------------------------------------------

static void xml(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			// XML has no place for control characters.
			fputc((unsigned char)*p < 0x20 && *p != '\n' ? '?' : *p,
			      out);
		}
	}
}

static void failure(FILE *out, const struct psc_value *d)
{
	const struct psc_value *list = psc_get(d, "evidence");
	uint64_t va = 0;

	psc_get_hex(d, "address", &va);
	fprintf(out, "  <testcase classname=\"poolscope.check\" name=\"%s at "
		"0x%" PRIx64 "\">\n    <failure type=\"", text_of(d, "rule"),
		va);
	xml(out, text_of(d, "cause"));
	fputs("\" message=\"", out);
	xml(out, headline(d));
	fputs("\">", out);
	for (size_t i = 0; i < psc_count(list); i++) {
		xml(out, psc_value_str(psc_at(list, i, NULL)));
		fputc('\n', out);
	}
	fputs("</failure>\n  </testcase>\n", out);
}

struct psc_error *psc_render_junit(struct psc_report *r, FILE *out)
{
	const struct psc_value *root = psc_report_root(r);
	const struct psc_value *list = psc_get(root, "corruption");
	struct psc_error *err = psc_report_check(r);
	size_t n = psc_count(list);

	if (err)
		return err;
	fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"poolscope check\" tests=\"%zu\" "
		"failures=\"%zu\">\n", n ? n : 1, n);
	for (size_t i = 0; i < n; i++)
		failure(out, psc_at(list, i, NULL));
	if (!n) {
		fputs("  <testcase classname=\"poolscope.check\" name=\"", out);
		xml(out, text_of(root, "dump.file"));
		fputs("\"/>\n", out);
	}
	fputs("</testsuite>\n", out);
	return ferror(out) ? psc_error_os(errno, "cannot write JUnit XML")
			   : NULL;
}
