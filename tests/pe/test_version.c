// SPDX-License-Identifier: MIT
#include "test.h"

#include "pe/image.h"

struct writer {
	uint8_t *p;
	size_t at;
};

static void put_utf16(struct writer *w, const char *text)
{
	do {
		psc_put16(w->p + w->at, (unsigned char)*text);
		w->at += 2;
	} while (*text++);
}

// Start of a node; its length is written by node_end().
static size_t node(struct writer *w, const char *key, size_t value_length)
{
	w->at = (w->at + 3) & ~(size_t)3;
	size_t start = w->at;

	psc_put16(w->p + start + 2, (uint16_t)value_length);
	w->at += 6;
	put_utf16(w, key);
	w->at = (w->at + 3) & ~(size_t)3;
	return start;
}

static void node_end(struct writer *w, size_t start)
{
	psc_put16(w->p + start, (uint16_t)(w->at - start));
}

static void string(struct writer *w, const char *key, const char *value)
{
	size_t s = node(w, key, strlen(value) + 1);

	put_utf16(w, value);
	node_end(w, s);
}

static size_t write_info(uint8_t *p)
{
	struct writer w = { .p = p };
	size_t info = node(&w, "VS_VERSION_INFO", 52), strings, table;

	psc_put32(p + w.at, 0xfeef04bd);
	psc_put32(p + w.at + 8, 10 << 16 | 1);
	psc_put32(p + w.at + 12, 19041 << 16 | 804);
	w.at += 52;
	strings = node(&w, "StringFileInfo", 0);
	table = node(&w, "040904b0", 0);
	string(&w, "CompanyName", "Fabrikam");
	string(&w, "FileDescription", "");
	string(&w, "FileVersion", "10.1 (x)");
	node_end(&w, table);
	node_end(&w, strings);
	node_end(&w, info);
	return w.at;
}

static size_t build(struct image *im)
{
	size_t n;

	img_init(im, 0x8664, true);
	img_dir(im, 2, 0x1100, 0x1000);
	psc_put16(img_at(im, 0x1100 + 14), 2);		// two types
	img_put32(im, 0x1110, 3);
	img_put32(im, 0x1114, 0x80000000);		// icon: the root again
	img_put32(im, 0x1118, 16);
	img_put32(im, 0x111c, 0x80000040);
	psc_put16(img_at(im, 0x1140 + 14), 1);
	img_put32(im, 0x1150, 1);
	img_put32(im, 0x1154, 0x80000060);
	psc_put16(img_at(im, 0x1160 + 14), 1);
	img_put32(im, 0x1170, 0x409);
	img_put32(im, 0x1174, 0x80);
	img_put32(im, 0x1180, 0x1300);
	n = write_info(img_at(im, 0x1300));
	img_put32(im, 0x1184, (uint32_t)n);
	return n;
}

static void golden(void **state)
{
	struct psc_pe_version v;
	struct psc_pe_file f;
	struct image im;

	build(&im);
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_OK(psc_pe_version(&f.pe, &v));
	assert_int_equal(v.file[0], 10);
	assert_int_equal(v.file[1], 1);
	assert_int_equal(v.file[2], 19041);
	assert_int_equal(v.file[3], 804);
	assert_string_equal(v.company, "Fabrikam");
	assert_string_equal(v.file_text, "10.1 (x)");
	assert_null(v.description);
	assert_null(v.product_name);
	psc_pe_version_free(&v);
}

// Any announced size: never more than the bytes, strings stay whole.
static void every_size(void **state)
{
	struct psc_pe_version v;
	struct psc_pe_file f;
	struct image im;
	size_t n = build(&im);

	for (size_t i = 0; i < n; i++) {
		img_put32(&im, 0x1184, (uint32_t)i);
		CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
		struct psc_error *err = psc_pe_version(&f.pe, &v);
		if (err) {
			assert_true(i < 40);
			psc_error_free(err);
			continue;
		}
		psc_pe_version_free(&v);
	}
}

static void cycles_and_counts(void **state)
{
	struct psc_pe_version v;
	struct psc_pe_file f;
	struct image im;

	build(&im);
	img_put32(&im, 0x1154, 0x80000000);		// back to the root
	CHECK_OK(psc_pe_open_file(im.file, IMG_FILE, "a", &f));
	CHECK_ERR(psc_pe_version(&f.pe, &v), PSC_ERR_ABSENT);
	build(&im);
	img_put32(&im, 0x1118, 17);			// no version type
	img_put32(&im, 0x110c, 0xffffffff);
	CHECK_ERR(psc_pe_version(&f.pe, &v), PSC_ERR_ABSENT);
	build(&im);
	img_put32(&im, 0x1180, 0xfffffff0);
	CHECK_ERR(psc_pe_version(&f.pe, &v), PSC_ERR_NOT_IN_DUMP);
	build(&im);
	psc_put16(img_at(&im, 0x1306), 'X');
	CHECK_ERR(psc_pe_version(&f.pe, &v), PSC_ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),
		cmocka_unit_test(every_size),
		cmocka_unit_test(cycles_and_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
