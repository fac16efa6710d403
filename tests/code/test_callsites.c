// SPDX-License-Identifier: MIT
// Several images at once: wrappers across modules, bad images among good
// ones, the tag index. test_code_callsites WRAPPER USER MAP TRUTH
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
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
	// As it is called in the imports of others.
	const char *name = strrchr(path, '-');

	return (struct psc_code_image){ .name = name ? name + 1 : path,
					.src = o->pe.pe.src };
}

// A function of the same name in another module is another function.
static void name_of_another_module(void **state)
{
	struct opened w, u;
	struct psc_callsites *c;
	struct psc_code_image im[2] = { open_image(&u, user_path),
					open_image(&w, wrapper_path) };

	im[1].name = "other.sys";
	CHECK_OK(psc_callsites_find(im, 2, NULL, &c));
	assert_int_equal(c->v[0].n, 0);
	psc_callsites_free(c);
	psc_file_close(w.file);
	psc_file_close(u.file);
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
	// "tor2" is passed to a function that does not allocate, "Tab1" is
	// also a word of a table: one unexplained tag starts the search.
	static const uint32_t tags[] = { 0x31626154, 0x32726f74 };
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

static void find_kept(const struct psc_code_image *im, const char *dir,
		      bool cached, struct psc_callsites **c)
{
	struct psc_code_options opt = { .threads = 1, .cache_dir = dir };

	CHECK_OK(psc_callsites_find(im, 2, &opt, c));
	assert_int_equal((*c)->v[0].cached, cached);
	assert_int_equal((*c)->v[1].cached, cached);
}

static void same_row(const struct psc_callsite *x,
		     const struct psc_callsite *y)
{
	assert_string_equal(x->api, y->api);
	assert_string_equal(x->through ? x->through : "",
			    y->through ? y->through : "");
	assert_int_equal(x->rva, y->rva);
	assert_int_equal(x->function, y->function);
	assert_int_equal(x->via, y->via);
	assert_int_equal(x->via_function, y->via_function);
	assert_int_equal(x->levels, y->levels);
	assert_int_equal(x->by, y->by);
	assert_int_equal(x->why, y->why);
	assert_int_equal(x->has_tag, y->has_tag);
	assert_int_equal(x->no_tag, y->no_tag);
	assert_int_equal(x->tag, y->tag);
	assert_int_equal(x->tag_mask, y->tag_mask);
	assert_int_equal(x->has_type, y->has_type);
	assert_int_equal(x->type_is_flags, y->type_is_flags);
	assert_true(x->type == y->type && x->size == y->size);
	assert_true(x->type_or == y->type_or);
	assert_int_equal(x->has_type_or, y->has_type_or);
	assert_int_equal(x->has_size, y->has_size);
	assert_int_equal(x->type_global, y->type_global);
	assert_int_equal(x->global, y->global);
	assert_int_equal(x->rewritten_by, y->rewritten_by);
}

static void same_rows(const struct psc_callsites *a,
		      const struct psc_callsites *b)
{
	for (size_t m = 0; m < 2; m++) {
		assert_int_equal(a->v[m].n, b->v[m].n);
		for (size_t i = 0; i < a->v[m].n; i++) {
			same_row(&a->v[m].v[i], &b->v[m].v[i]);
		}
	}
}

// Flip a byte of every kept file.
static void damage(const char *dir, long at)
{
	char cmd[512];
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d))) {
		snprintf(cmd, sizeof(cmd), "%s/%s", dir, e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(cmd, "r+b");
		if (!f)
			continue;
		fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
		int c = fgetc(f);
		fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
		fputc(c ^ 0x40, f);
		fclose(f);
	}
	closedir(d);
}

static void cache(void **state)
{
	static const long places[] = { 0, 8, 12, 16, 24, 60, 100, 500, -1 };
	char dir[] = "/tmp/psc-cache-XXXXXX", sub[64], cmd[128];
	struct opened w, u;
	struct psc_callsites *first, *again;
	struct psc_code_image im[2] = { open_image(&w, wrapper_path),
					open_image(&u, user_path) };

	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/a/b", dir);
	find_kept(im, sub, false, &first);
	find_kept(im, sub, true, &again);
	same_rows(first, again);
	psc_callsites_free(again);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		damage(sub, places[i]);
		find_kept(im, sub, false, &again);
		same_rows(first, again);
		psc_callsites_free(again);
	}
	psc_callsites_free(first);
	psc_file_close(w.file);
	psc_file_close(u.file);
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	assert_int_equal(system(cmd), 0);
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
		cmocka_unit_test(name_of_another_module),
		cmocka_unit_test(tag_index),
		cmocka_unit_test(cache),
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
