// SPDX-License-Identifier: MIT
#include "test.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "msf_make.h"
#include "sym/store.h"
#include "sym/store_path.h"
#include "sym/sym_open.h"

// --- a folder to play in ---------------------------------------------------

static char top[64];
static struct psc_pdb_id x64;	// identity of x64.pdb

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *where)
{
	return remove(path);
}

static int begin(void **state)
{
	struct psc_sym *s;

	if (!fixture_exists("x64.pdb"))
		return 0;
	strcpy(top, "/tmp/poolscope-XXXXXX");
	assert_non_null(mkdtemp(top));
	CHECK_OK(psc_sym_open_file(fixture_path("x64.pdb"), NULL, false, &s));
	x64 = *psc_sym_id(s);
	psc_sym_free(s);
	return 0;
}

static int end(void **state)
{
	if (*top)
		nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

// "%KEY%" in the path becomes x64.pdb's folder name.
static const char *at(const char *format, ...)
{
	static char path[1024];
	char key[PSC_STORE_KEY_TEXT], given[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(given, sizeof(given), format, ap);
	va_end(ap);
	psc_store_key(&x64, key);
	char *k = strstr(given, "%KEY%");
	if (k)
		snprintf(path, sizeof(path), "%s/%.*s%s%s", top,
			 (int)(k - given), given, key, k + 5);
	else
		snprintf(path, sizeof(path), "%s/%s", top, given);
	return path;
}

static void put_bytes(const char *path, const void *p, size_t n)
{
	CHECK_OK(psc_make_folders(path));
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static void put_fixture(const char *path, const char *name)
{
	size_t n;
	uint8_t *p = fixture_read(name, &n);

	put_bytes(path, p, n);
	free(p);
}

static struct psc_symlog last;

static struct psc_error *find(const char *path, const struct psc_symwant *want,
			      bool force, struct psc_sym **ret)
{
	struct psc_symstore_options opt = { .path = path, .force = force };
	struct psc_symstore *s;

	psc_symlog_free(&last);
	CHECK_OK(psc_symstore_new(&opt, &s));
	struct psc_error *err = psc_symstore_find(s, want, &last, ret);
	psc_symstore_free(s);
	return err;
}

static bool log_says(const char *text)
{
	for (size_t i = 0; i < last.v.n; i++) {
		if (strstr(last.v.v[i].result, text))
			return true;
	}
	return false;
}

static void found(const char *path, bool force)
{
	struct psc_symwant want = { .id = x64, .image = "x64.sys" };
	struct psc_sym *s;

	CHECK_OK(find(path, &want, force, &s));
	rva_of(s, "FxAllocate");
	psc_sym_free(s);
	psc_symlog_free(&last);
}

static void not_found(const char *path)
{
	struct psc_symwant want = { .id = x64 };
	struct psc_sym *s;

	CHECK_ERR(find(path, &want, false, &s), PSC_ERR_ABSENT);
}

static void need_fixtures(void)
{
	if (!*top)
		skip();
}

// --- grammar ---------------------------------------------------------------

static void check_path(const char *text, const char *want)
{
	static const char *const kinds[] = { "dir", "srv", "cache" };
	struct psc_store_path p = { 0 };
	char have[1024] = "";

	CHECK_OK(psc_store_path_add(&p, text, "/default"));
	for (size_t i = 0; i < p.v.n; i++) {
		strcat(strcat(have, i ? ";" : ""), kinds[p.v.v[i].kind]);
		for (unsigned int k = 0; k < p.v.v[i].n; k++)
			strcat(strcat(have, ","), p.v.v[i].token[k]);
	}
	for (size_t i = 0; i < p.notices.n; i++)
		strcat(have, "!");
	assert_string_equal(have, want);
	psc_store_path_free(&p);
}

static void grammar(void **state)
{
	check_path("", "");
	check_path("/a;/b c", "dir,/a;dir,/b c");
	check_path("srv*/a*/b*https://h/x", "srv,/a,/b,https://h/x");
	check_path("SRV*/a", "srv,/a");
	check_path("srv*", "srv,/default");
	check_path("srv**https://h", "srv,/default,https://h");
	check_path("srv*/a*", "srv,/a,/default");
	check_path("symsrv*symsrv.dll*/a*http://h", "srv,/a,http://h");
	check_path("cache*/c;srv*/a", "cache,/c;srv,/a");
	check_path("cache*", "cache,/default");
	check_path("https://h/s", "srv,https://h/s");
	check_path("C:\\sym;/a", "dir,/a!");
	check_path("srv*c:\\sym*\\\\srv\\share*/a", "srv,/a!!");
	check_path("srv*1*2*3*4*5*6*7*8*9*10*11",
		   "srv,1,2,3,4,5,6,7,8,9,10!");
	check_path(";;/a;", "dir,/a");
}

static void hostile_names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a\\b", "../x", "c:x", "a*", "a?", "a\"",
		"a<b", "a>b", "a|b", "a\nb", "\x7f",
	};
	char lengthy[300];

	for (size_t i = 0; i < PSC_ARRAY_SIZE(bad); i++)
		assert_false(psc_symname_is_safe(bad[i]));
	memset(lengthy, 'a', sizeof(lengthy));
	lengthy[256] = 0;
	assert_false(psc_symname_is_safe(lengthy));
	assert_true(psc_symname_is_safe("ntkrnlmp.pdb"));
	assert_true(psc_symname_is_safe("a b..pdb"));
}

static void keys(void **state)
{
	struct psc_pdb_id id = {
		.guid = { 0xd8, 0x1f, 0xf3, 0, 0x48, 0x26, 0xed, 0xc8, 0x1a,
			  0x44, 0x26, 0xdf, 0xfc, 0x56, 0xa4, 0x24 },
		.age = 0x1e,
	};
	char key[PSC_STORE_KEY_TEXT];

	psc_store_key(&id, key);
	assert_string_equal(key, "00F31FD82648C8ED1A4426DFFC56A4241E");
}

// --- layouts ---------------------------------------------------------------

static void layouts(void **state)
{
	need_fixtures();
	put_fixture(at("one/x64.pdb/%%KEY%%/x64.pdb"), "x64.pdb");
	found(at("one"), false);
	put_fixture(at("two/x6/x64.pdb/%%KEY%%/x64.pdb"), "x64.pdb");
	put_bytes(at("two/index2.txt"), "", 0);
	found(at("two"), false);
	put_fixture(at("flat/x64.pdb"), "x64.pdb");
	found(at("flat"), false);
	put_fixture(at("sub/symbols/sys/x64.pdb"), "x64.pdb");
	found(at("sub"), false);
	put_fixture(at("case/X64.PDB/%%KEY%%/x64.Pdb"), "x64.pdb");
	found(at("case"), false);
	found(at("flat/x64.pdb"), false);	// the file itself
	not_found(at("nowhere"));
	assert_true(log_says("does not exist"));
	put_bytes(at("empty/x"), "", 0);
	not_found(at("empty"));
	assert_true(log_says("nothing of that name"));
}

static void pointer_files(void **state)
{
	char text[256];

	need_fixtures();
	put_fixture(at("real/file.bin"), "x64.pdb");
	snprintf(text, sizeof(text), "PATH:%s\r\n", at("real/file.bin"));
	put_bytes(at("ptr/x64.pdb/%%KEY%%/file.ptr"), text, strlen(text));
	found(at("ptr"), false);
	put_bytes(at("unc/x64.pdb/%%KEY%%/file.ptr"), "\\\\srv\\x", 7);
	not_found(at("unc"));
	assert_true(log_says("not a path of this system"));
}

static void order_and_chains(void **state)
{
	char path[1024];

	need_fixtures();
	put_fixture(at("share/x64.pdb/%%KEY%%/x64.pdb"), "x64.pdb");
	snprintf(path, sizeof(path), "srv*%s/c1*%s/c2*%s/share", top, top, top);
	found(path, false);
	// A hit on the right was copied into the stores left of it.
	assert_int_equal(access(at("c1/x64.pdb/%%KEY%%/x64.pdb"), R_OK), 0);
	assert_int_equal(access(at("c2/x64.pdb/%%KEY%%/x64.pdb"), R_OK), 0);
	snprintf(path, sizeof(path), "cache*%s/kept;%s/flat", top, top);
	put_fixture(at("flat/x64.pdb"), "x64.pdb");
	found(path, false);
	assert_int_equal(access(at("kept/x64.pdb/%%KEY%%/x64.pdb"), R_OK), 0);
}

static void another_identity(void **state)
{
	struct psc_symwant want = { .id = x64 };
	struct psc_sym *s;

	need_fixtures();
	want.id.guid[0] ^= 1;
	put_fixture(at("wrong/x64.pdb"), "x64.pdb");
	CHECK_ERR(find(at("wrong"), &want, false, &s), PSC_ERR_ABSENT);
	char a[33], b[33];
	psc_guid_text(x64.guid, a);
	psc_guid_text(want.id.guid, b);
	assert_true(log_says(a));	// both are named
	assert_true(log_says(b));
	CHECK_OK(find(at("wrong"), &want, true, &s));
	assert_true(log_says("in spite of"));
	psc_sym_free(s);
	want.id = x64;
	want.id.age++;
	CHECK_ERR(find(at("wrong"), &want, false, &s), PSC_ERR_ABSENT);
	psc_symlog_free(&last);
}

static void identity_unknown(void **state)
{
	struct psc_symwant want = { 0 };
	struct psc_sym *s;

	need_fixtures();
	strcpy(want.id.name, "x64.pdb");
	put_fixture(at("wrong/x64.pdb"), "x64.pdb");
	CHECK_ERR(find(at("wrong"), &want, false, &s), PSC_ERR_ABSENT);
	CHECK_OK(find(at("wrong"), &want, true, &s));
	psc_sym_free(s);
	psc_symlog_free(&last);
}

static void name_from_the_dump_is_hostile(void **state)
{
	struct psc_symwant want = { .id = x64 };
	struct psc_sym *s;

	need_fixtures();
	strcpy(want.id.name, "../wrong/x64.pdb");
	CHECK_ERR(find(at("one"), &want, false, &s), PSC_ERR_ABSENT);
	assert_true(log_says("not a plain file name"));
	psc_symlog_free(&last);
}

static void isf_beside(void **state)
{
	static const char json[] =
		"{\"metadata\":{\"windows\":{\"pdb\":{\"GUID\":\"%s\","
		"\"age\":1,\"database\":\"x64.pdb\"}}},\"base_types\":{},"
		"\"user_types\":{},\"enums\":{},"
		"\"symbols\":{\"FxAllocate\":{\"address\":4096}}}";
	char text[1024], guid[33];

	need_fixtures();
	psc_guid_text(x64.guid, guid);
	snprintf(text, sizeof(text), json, guid);
	put_bytes(at("isf/x64.pdb/%s-1.json", guid), text, strlen(text));
	found(at("isf"), false);
	put_bytes(at("isf2/%s-1.json", guid), text, strlen(text));
	found(at("isf2"), false);
}

static void dwarf_beside(void **state)
{
	struct psc_symwant want = { .image = "dwarf5-x64.sys" };
	struct psc_sym *s;

	need_fixtures();
	if (!fixture_exists("dwarf5-x64.sys"))
		skip();
	put_fixture(at("dw/dwarf5-x64.sys"), "dwarf5-x64.sys");
	CHECK_OK(find(at("dw"), &want, false, &s));
	assert_string_equal(psc_sym_source(s), "dwarf");
	psc_sym_free(s);
	want.timestamp = 0x12345678;	// of another build
	CHECK_ERR(find(at("dw"), &want, false, &s), PSC_ERR_ABSENT);
	assert_true(log_says("time stamp"));
	psc_symlog_free(&last);
}

static void no_network_by_default(void **state)
{
	need_fixtures();
	not_found("srv*http://127.0.0.1:9/never");
	assert_true(log_says("not asked"));
	psc_symlog_free(&last);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(grammar),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(keys),
		cmocka_unit_test(layouts),
		cmocka_unit_test(pointer_files),
		cmocka_unit_test(order_and_chains),
		cmocka_unit_test(another_identity),
		cmocka_unit_test(identity_unknown),
		cmocka_unit_test(name_from_the_dump_is_hostile),
		cmocka_unit_test(isf_beside),
		cmocka_unit_test(dwarf_beside),
		cmocka_unit_test(no_network_by_default),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
