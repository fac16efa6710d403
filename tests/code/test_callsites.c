// SPDX-License-Identifier: MIT
// Several images at once: wrappers across modules, bad images among good
// ones, the tag index. test_code_callsites WRAPPER USER MAP TRUTH
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "code/callsites.h"
#include "truth.h"

static const char *wrapper_path, *user_path, *user_map, *user_truth;

struct opened {
	struct psc_file *file;
	struct psc_pe_file pe;
};

static struct psc_code_image open_image(struct opened *o, const char *path)
{
	CHECK_OK(psc_file_open(path, &o->file));
	CHECK_OK(psc_pe_open_file(o->file->data, o->file->size, path, &o->pe));
	return (struct psc_code_image){ .name = psc_path_base(path),
					.src = o->pe.pe.src };
}

static size_t nothing(void *ctx, uint64_t rva, void *buf, size_t n)
{
	return 0;
}

static void across_modules(void **state)
{
	static struct truths t;
	struct opened w, u;
	struct psc_callsites *c;
	struct psc_code_image im[3] = {
		open_image(&u, user_path), { .name = "gone.sys",
					     .src = { NULL, nothing } },
		open_image(&w, wrapper_path),
	};
	struct psc_code_options opt = { .threads = 2 };

	truth_read(&t, user_map, user_truth, u.pe.pe.image_base);
	CHECK_OK(psc_callsites_find(im, 3, &opt, &c));
	CHECK_OK(c->v[0].error);
	assert_int_equal(c->v[0].n, 1);
	const struct psc_callsite *s = &c->v[0].v[0];
	assert_int_equal(s->rva, truth_rva(&t, t.v[0].site));
	assert_string_equal(s->through, "SharedAlloc");
	assert_string_equal(s->api, "ExAllocatePoolWithTag");
	assert_int_equal(s->tag, 0x31726853);
	assert_true(s->has_type && s->type == t.v[0].type);
	assert_true(s->has_size && s->size == t.v[0].size);
	// One bad image has its own error.
	assert_non_null(c->v[1].error);
	assert_int_equal(c->v[1].error->code, PSC_ERR_NOT_IN_DUMP);
	assert_true(c->v[2].n > 50);
	psc_callsites_free(c);
	psc_file_close(w.file);
	psc_file_close(u.file);
}

static void tag_index(void **state)
{
	static const uint32_t tags[] = { 0x31626154, 0x31616c50 };
	struct opened w;
	struct psc_callsites *c;
	struct psc_code_image im = open_image(&w, wrapper_path);
	struct psc_code_options opt = { .index_tags = tags,
					.n_index_tags = 2 };
	unsigned int code = 0, data = 0;

	CHECK_OK(psc_callsites_find(&im, 1, &opt, &c));
	for (size_t i = 0; i < c->v[0].n_hits; i++) {
		const struct psc_tag_hit *h = &c->v[0].hits[i];
		if (h->in_code && h->tag == tags[1] && h->function)
			code++;
		else if (!h->in_code && h->tag == tags[0])
			data++;
		else
			fail_msg("hit at 0x%x", h->rva);
	}
	assert_int_equal(code, 1);
	assert_int_equal(data, 1);
	psc_callsites_free(c);
	psc_file_close(w.file);
}

static void pool_types(void **state)
{
	static const struct {
		uint64_t type;
		bool flags;
		const char *text;
	} rows[] = {
		{ 0, false, "NonPagedPool" }, { 1, false, "PagedPool" },
		{ 0x200, false, "NonPagedPoolNx" },
		{ 0x600, false, "NonPagedPoolNx zeroed" },
		{ 0x21, false, "PagedPoolSession" },
		{ 9, false, "PagedPool quota" },
		{ 0x207, false, "0x207" },
		{ 0x40, true, "NON_PAGED" },
		{ 0x102, true, "PAGED UNINITIALIZED" },
		{ 0x100000100, true, "PAGED 0x100000000" }, { 0, true, "0" },
	};
	char text[PSC_POOL_TYPE_TEXT];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		psc_pool_type_text(rows[i].type, rows[i].flags, text);
		assert_string_equal(text, rows[i].text);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(across_modules),
		cmocka_unit_test(tag_index),
		cmocka_unit_test(pool_types),
	};

	if (argc != 5)
		return 99;
	wrapper_path = argv[1];
	user_path = argv[2];
	user_map = argv[3];
	user_truth = argv[4];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
