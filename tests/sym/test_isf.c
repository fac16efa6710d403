// SPDX-License-Identifier: MIT
#include "test.h"

#include <json.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "sym/builtin.h"
#include "sym/isf.h"
#include "sym/sym_open.h"
#include "sym/unpack.h"

static const char table[] =
"{\"metadata\":{\"format\":\"6.1.0\",\"windows\":{\"pdb\":{"
" \"GUID\":\"00F31FD82648C8ED1A4426DFFC56A424\",\"age\":18,"
" \"database\":\"ntkrnlmp.pdb\",\"machine_type\":34404}}},"
"\"base_types\":{"
" \"pointer\":{\"size\":8,\"signed\":false,\"kind\":\"int\",\"endian\":\"little\"},"
" \"void\":{\"size\":0,\"signed\":false,\"kind\":\"void\",\"endian\":\"little\"},"
" \"float\":{\"size\":4,\"signed\":true,\"kind\":\"float\",\"endian\":\"little\"},"
" \"long\":{\"size\":4,\"signed\":true,\"kind\":\"int\",\"endian\":\"little\"},"
" \"unsigned short\":{\"size\":2,\"signed\":false,\"kind\":\"int\",\"endian\":\"little\"}},"
"\"user_types\":{"
" \"_A\":{\"kind\":\"struct\",\"size\":64,\"fields\":{"
"  \"Long\":{\"offset\":4,\"type\":{\"kind\":\"base\",\"name\":\"long\"}},"
"  \"Bits\":{\"offset\":2,\"type\":{\"kind\":\"bitfield\",\"bit_position\":9,\"bit_length\":7,"
"   \"type\":{\"kind\":\"base\",\"name\":\"unsigned short\"}}},"
"  \"Next\":{\"offset\":8,\"type\":{\"kind\":\"pointer\",\"subtype\":{\"kind\":\"struct\",\"name\":\"_A\"}}},"
"  \"Rows\":{\"offset\":16,\"type\":{\"kind\":\"array\",\"count\":2,\"subtype\":"
"   {\"kind\":\"array\",\"count\":3,\"subtype\":{\"kind\":\"enum\",\"name\":\"_E\"}}}},"
"  \"u\":{\"offset\":40,\"type\":{\"kind\":\"union\",\"name\":\"__unnamed_1a2b\"}},"
"  \"hidden\":{\"offset\":48,\"anonymous\":true,\"type\":{\"kind\":\"struct\",\"name\":\"_B\"}},"
"  \"Real\":{\"offset\":56,\"type\":{\"kind\":\"base\",\"name\":\"float\"}},"
"  \"Lost\":{\"offset\":60,\"type\":{\"kind\":\"struct\",\"name\":\"_NOWHERE\"}},"
"  \"Open\":{\"offset\":64,\"type\":{\"kind\":\"array\",\"count\":0,\"subtype\":{\"kind\":\"base\",\"name\":\"long\"}}}}},"
" \"__unnamed_1a2b\":{\"kind\":\"union\",\"size\":8,\"fields\":{"
"  \"Part\":{\"offset\":4,\"type\":{\"kind\":\"base\",\"name\":\"unsigned short\"}}}},"
" \"_B\":{\"kind\":\"struct\",\"size\":8,\"fields\":{"
"  \"Inside\":{\"offset\":4,\"type\":{\"kind\":\"base\",\"name\":\"long\"}},"
"  \"again\":{\"offset\":0,\"anonymous\":true,\"type\":{\"kind\":\"struct\",\"name\":\"_B\"}}}}},"
"\"enums\":{\"_E\":{\"base\":\"long\",\"size\":4,\"constants\":{\"Minus\":-2,\"Plus\":7}}},"
"\"symbols\":{"
" \"PoolVector\":{\"address\":4096},"
" \"CmAddPanelDevice\":{\"address\":8192,\"linkage_name\":\"_CmAddPanelDevice\"},"
" \"Fast\":{\"address\":8448,\"linkage_name\":\"@Fast@8\"},"
" \"??_C@_0BA@text\":{\"address\":8200},"
" \"Huge\":{\"address\":18446744073709551615},"
" \"NoAddress\":{}}}";

static struct psc_sym *open_text(const void *text, size_t n)
{
	struct psc_sym *s = NULL;
	void *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	CHECK_OK(psc_isf_open(psc_blob_of_heap(copy, n), "x.json", &s));
	return s;
}

static void check_err(const void *text, size_t n, enum psc_error_code code)
{
	struct psc_sym *s;
	void *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	CHECK_ERR(psc_isf_open(psc_blob_of_heap(copy, n), NULL, &s), code);
}

static void check_table(const struct psc_sym *s)
{
	struct psc_symname near;
	struct psc_field f;
	uint64_t rva, size;
	int64_t v;
	char guid[33];

	psc_guid_text(psc_sym_id(s)->guid, guid);
	assert_string_equal(guid, "00F31FD82648C8ED1A4426DFFC56A424");
	// The age is decimal here, hexadecimal in stores.
	assert_int_equal(psc_sym_id(s)->age, 18);
	check_field(s, "_A.Long", 4, 4, 1);
	assert_true(field_of(s, "_A.Long").is_signed);
	check_bits(s, "_A.Bits", 2 * 8 + 9, 7);
	check_field(s, "_A.Next", 8, 8, 1);
	check_field(s, "_A.Rows", 16, 4, 6);
	assert_true(field_of(s, "_A.Rows").is_signed);
	check_field(s, "_A.u.Part", 44, 2, 1);
	check_field(s, "_A.Inside", 52, 4, 1);
	check_field(s, "_A.Open", 64, 4, 0);
	assert_int_equal(field_of(s, "_A.Real").cls, PSC_TYPE_OTHER);
	CHECK_ERR(psc_sym_field(s, "_A.None", &f), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_field(s, "_A.Lost", &f), PSC_ERR_DAMAGED);
	CHECK_OK(psc_sym_sizeof(s, "_A", &size));
	assert_int_equal(size, 64);
	CHECK_OK(psc_sym_constant(s, "_E", "Minus", &v));
	assert_int_equal(v, -2);
	// Both the stripped name and the original are known.
	assert_int_equal(rva_of(s, "CmAddPanelDevice"), 8192);
	assert_int_equal(rva_of(s, "_CmAddPanelDevice"), 8192);
	assert_int_equal(rva_of(s, "@Fast@8"), 8448);
	CHECK_ERR(psc_sym_rva(s, "_PoolVector", &rva), PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_rva(s, "NoAddress", &rva), PSC_ERR_ABSENT);
	CHECK_OK(psc_sym_nearest(s, 8210, &near));
	assert_string_equal(near.name, "_CmAddPanelDevice");
	CHECK_ERR(psc_sym_nearest(s, 10, &near), PSC_ERR_ABSENT);
}

static void plain(void **state)
{
	struct psc_sym *s = open_text(table, strlen(table));

	check_table(s);
	psc_sym_free(s);
}

static void xz(void **state)
{
	uint8_t packed[16384];
	size_t n = 0;

	assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL,
		(const uint8_t *)table, strlen(table), packed, &n,
		sizeof(packed)), LZMA_OK);
	struct psc_sym *s = open_text(packed, n);
	check_table(s);
	psc_sym_free(s);
	for (size_t cut = 6; cut < n; cut += 5)
		check_err(packed, cut, PSC_ERR_TRUNCATED);
	packed[40] ^= 0xff;
	check_err(packed, n, PSC_ERR_DAMAGED);
}

static void gzip(void **state)
{
	uint8_t packed[16384];
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8,
				      Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)table;
	z.avail_in = (uInt)strlen(table);
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = sizeof(packed) - z.avail_out;
	deflateEnd(&z);
	struct psc_sym *s = open_text(packed, n);
	check_table(s);
	psc_sym_free(s);
	check_err(packed, n - 9, PSC_ERR_TRUNCATED);
	packed[30] ^= 0xff;
	packed[31] ^= 0xff;
	check_err(packed, n, PSC_ERR_DAMAGED);
}

static void every_truncation(void **state)
{
	for (size_t n = 1; n < strlen(table); n += 7)
		check_err(table, n, PSC_ERR_TRUNCATED);
}

static void other_json(void **state)
{
	check_err("{}", 2, PSC_ERR_UNSUPPORTED);
	check_err("{\"a\":}", 6, PSC_ERR_DAMAGED);
	static const char list[] =
		"{\"metadata\":{\"windows\":{}},\"user_types\":{},"
		"\"symbols\":[]}";
	check_err(list, strlen(list), PSC_ERR_UNSUPPORTED);
	static const char linux_table[] =
		"{\"metadata\":{\"linux\":{}},\"user_types\":{},"
		"\"symbols\":{}}";
	check_err(linux_table, strlen(linux_table), PSC_ERR_UNSUPPORTED);
}

static void deep_nesting(void **state)
{
	char text[20000];

	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	check_err(text, sizeof(text), PSC_ERR_DAMAGED);
}

// A few megabytes could ask the JSON library for gigabytes.
static void too_many_values(void **state)
{
	size_t n = 10000000;
	char *text = malloc(n);

	for (size_t i = 0; i < n; i += 2)
		memcpy(text + i, "0,", 2);
	memcpy(text, "{\"a\":[", 6);
	check_err(text, n, PSC_ERR_LIMIT);
	free(text);
}

static void a_gigabyte_of_json(void **state)
{
	char path[] = "/tmp/poolscope-XXXXXX";
	int fd = mkstemp(path);
	struct psc_sym *s;

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "{", 1, 0), 1);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	CHECK_ERR(psc_sym_open_file(path, NULL, false, &s), PSC_ERR_LIMIT);
	close(fd);
	unlink(path);
}

static void bombs(void **state)
{
	size_t n = 4 << 20, packed_n = 0;
	uint8_t *zeros = calloc(1, n), *packed = malloc(n);
	struct psc_unpacked u;
	lzma_options_lzma opt;

	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL,
		zeros, n, packed, &packed_n, n), LZMA_OK);
	CHECK_ERR(psc_unpack_xz(packed, packed_n, n - 1, &u), PSC_ERR_LIMIT);
	CHECK_OK(psc_unpack_xz(packed, packed_n, n, &u));
	assert_int_equal(u.n, n);
	free(u.data);

	// A dictionary of 1 GiB is not allocated.
	assert_false(lzma_lzma_preset(&opt, 0));
	opt.dict_size = 1u << 30;
	lzma_filter filters[] = {
		{ .id = LZMA_FILTER_LZMA2, .options = &opt },
		{ .id = LZMA_VLI_UNKNOWN },
	};
	packed_n = 0;
	if (lzma_stream_buffer_encode(filters, LZMA_CHECK_NONE, NULL, zeros,
				      4096, packed, &packed_n, n) == LZMA_OK)
		CHECK_ERR(psc_unpack_xz(packed, packed_n, n, &u),
			  PSC_ERR_LIMIT);
	free(zeros);
	free(packed);
}

// --- real tables -----------------------------------------------------------

static json_object *read_json(const char *path)
{
	struct psc_file *f;
	struct psc_unpacked u;

	CHECK_OK(psc_file_open(path, &f));
	CHECK_OK(psc_unpack_xz(f->data, f->size, 64 << 20, &u));
	char *text = calloc(1, u.n + 1);
	memcpy(text, u.data, u.n);
	json_object *root = json_tokener_parse(text);
	free(text);
	free(u.data);
	psc_file_close(f);
	assert_non_null(root);
	return root;
}

static void same_field(const struct psc_sym *isf, const struct psc_sym *own,
		       const char *type, const char *name, size_t *same)
{
	struct psc_field a, b;
	char path[256];

	if (snprintf(path, sizeof(path), "%s.%s", type, name) >= 256)
		return;
	struct psc_error *err = psc_sym_field(own, path, &b);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return;
	CHECK_OK(err);
	CHECK_OK(psc_sym_field(isf, path, &a));
	if (a.offset != b.offset || a.size != b.size || a.bit != b.bit ||
	    a.bits != b.bits || a.count != b.count || a.cls != b.cls)
		fail_msg("%s: %lu/%u/%u/%u/%u/%d %lu/%u/%u/%u/%u/%d", path,
			 (unsigned long)a.offset, a.size, a.bit, a.bits,
			 a.count, a.cls, (unsigned long)b.offset, b.size,
			 b.bit, b.bits, b.count, b.cls);
	++*same;
}

static void compare_types(json_object *root, const struct psc_sym *isf,
			  const struct psc_sym *own)
{
	size_t types = 0, fields = 0;

	json_object_object_foreach(json_object_object_get(root, "user_types"),
				   type, value) {
		uint64_t a, b;
		struct psc_error *err = psc_sym_sizeof(own, type, &b);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		CHECK_OK(psc_sym_sizeof(isf, type, &a));
		assert_int_equal(a, b);
		types++;
		json_object_object_foreach(json_object_object_get(value,
					   "fields"), name, ignored) {
			(void)ignored;
			same_field(isf, own, type, name, &fields);
		}
	}
	print_message("%zu types, %zu fields equal\n", types, fields);
	assert_in_range(types, 50, 100000);
	assert_in_range(fields, 500, 1000000);
}

static void compare_symbols(json_object *root, const struct psc_sym *isf,
			    const struct psc_sym *own)
{
	size_t symbols = 0;

	json_object_object_foreach(json_object_object_get(root, "symbols"),
				   name, ignored) {
		uint64_t a, b;
		(void)ignored;
		struct psc_error *err = psc_sym_rva(own, name, &b);
		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		CHECK_OK(psc_sym_rva(isf, name, &a));
		assert_int_equal(a, b);
		symbols++;
	}
	print_message("%zu symbols equal\n", symbols);
	assert_in_range(symbols, 100, 100000);
}

static void equals_the_builtin_table(void **state)
{
	static const char *const names[] = {
		"0CE4A95C0CD782A7596B034D8648E585-1",
		"339E74133576439CBCDF7E0229DA3773-1",
		"5278AFF86C341677D7D7835C85B7B844-1",
	};
	const char *shared = getenv("POOLSCOPE_SHARED");
	size_t compared = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(names); i++) {
		char path[4096];
		struct psc_sym *isf, *own;
		size_t k;
		snprintf(path, sizeof(path), "%s/isf/%s.json.xz",
			 shared ? shared : "../shared", names[i]);
		if (access(path, R_OK) != 0)
			continue;
		CHECK_OK(psc_sym_open_file(path, NULL, false, &isf));
		assert_true(psc_builtin_find_pdb(psc_sym_id(isf), &k));
		CHECK_OK(psc_builtin_open(k, &own));
		json_object *root = read_json(path);
		compare_types(root, isf, own);
		compare_symbols(root, isf, own);
		json_object_put(root);
		psc_sym_free(isf);
		psc_sym_free(own);
		compared++;
	}
	if (!compared)
		skip();		// no symbol tables beside the project
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(xz),
		cmocka_unit_test(gzip),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(other_json),
		cmocka_unit_test(deep_nesting),
		cmocka_unit_test(too_many_values),
		cmocka_unit_test(a_gigabyte_of_json),
		cmocka_unit_test(bombs),
		cmocka_unit_test(equals_the_builtin_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
