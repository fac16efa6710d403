// SPDX-License-Identifier: MIT
// Every pattern driver against its truth, on disk and as loaded:
// test_code_patterns KERNEL IMAGE MAP TRUTH
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/str.h"
#include "code/callsites.h"
#include "loaded.h"
#include "truth.h"

static const char *kernel_path, *image_path, *map_path, *truth_path;

struct opened {
	struct psc_file *file;
	struct psc_pe_file pe;
};

static void open_image(struct opened *o, const char *path)
{
	CHECK_OK(psc_file_open(path, &o->file));
	CHECK_OK(psc_pe_open_file(o->file->data, o->file->size, path, &o->pe));
}

static void tag_text(const struct psc_callsite *s, char out[40])
{
	char text[PSC_TAG_TEXT];

	strcpy(out, "-");
	if (!s->has_tag)
		return;
	psc_tag_text(s->tag, text);
	if (s->tag_mask == UINT32_MAX) {
		strcpy(out, text);
		return;
	}
	for (int i = 0; i < 4; i++)
		out[i] = (char)(s->tag_mask >> 8 * i & 0xff
				? s->tag >> 8 * i & 0xff : '?');
	out[4] = '\0';
}

static void fail_row(const struct psc_callsite *s, const char *what)
{
	char tag[40];

	tag_text(s, tag);
	fail_msg("%s: %s at 0x%x (function 0x%x, via 0x%x) tag %s type %d:%llx "
		 "size %d:%llx by %s (%s)", image_path, what, s->rva,
		 s->function, s->via, tag, s->has_type,
		 (unsigned long long)s->type, s->has_size,
		 (unsigned long long)s->size, psc_resolved_by_name(s->by),
		 psc_reason_text(s->why));
}

// Where the truth's label is now: rewriting moves the call.
static uint32_t place(const struct truths *t, const struct loaded *l,
		      const char *label)
{
	uint32_t rva = truth_rva(t, label);

	for (unsigned int i = 0; l && i < l->n_rewritten; i++) {
		if (l->rewritten[i] == rva)
			return rva + 7;
	}
	return rva;
}

static bool at_place(const struct truths *t, const struct loaded *l,
		     const struct truth *w, const struct psc_callsite *s)
{
	uint32_t via = 0;

	if (w->by_function)
		return truth_rva(t, w->site) ==
		       (s->via ? s->via_function : s->function);
	if (w->via[0] != '-')
		via = place(t, l, w->via);
	// An unresolved end of a climb may lie at any caller.
	return place(t, l, w->site) == s->rva &&
	       (via == s->via || (w->tag[0] == '-' && w->via[0] == '-'));
}

static bool answers(const struct truths *t, const struct loaded *l,
		    const struct truth *w, const struct psc_callsite *s)
{
	char tag[40];

	tag_text(s, tag);
	return at_place(t, l, w, s) && !strcmp(tag, w->tag) &&
	       (w->by[0] == '*' ||
		!strcmp(w->by, psc_resolved_by_name(s->by))) &&
	       w->has_type == s->has_type && w->has_size == s->has_size &&
	       (!w->has_type || w->type == s->type) &&
	       w->type_or == s->type_or &&
	       (!w->has_size || w->size == s->size);
}

static bool applies(const struct truth *w, bool memory)
{
	return !w->none && !(memory ? w->disk_only : w->memory_only);
}

static void compare(struct truths *t, const struct loaded *l,
		    const struct psc_code_module *m)
{
	for (unsigned int k = 0; k < t->n; k++)
		t->v[k].met = false;
	for (size_t i = 0; i < m->n; i++) {
		bool known = false;
		for (unsigned int k = 0; k < t->n; k++) {
			if (applies(&t->v[k], l != NULL) &&
			    answers(t, l, &t->v[k], &m->v[i]))
				known = t->v[k].met = true;
		}
		if (!known)
			fail_row(&m->v[i], l ? "not true in memory"
					     : "not true on disk");
	}
	for (unsigned int k = 0; k < t->n; k++) {
		if (applies(&t->v[k], l != NULL) && !t->v[k].met)
			fail_msg("%s: %s %s is missing %s", image_path,
				 t->v[k].site, t->v[k].tag,
				 l ? "in memory" : "on disk");
	}
}

static void on_disk(void **state)
{
	static struct truths t;
	struct opened o;
	struct psc_callsites *c;

	open_image(&o, image_path);
	truth_read(&t, map_path, truth_path, o.pe.pe.image_base);
	struct psc_code_image im = { .name = psc_path_base(image_path),
				     .src = o.pe.pe.src };
	CHECK_OK(psc_callsites_find(&im, 1, NULL, &c));
	CHECK_OK(c->v[0].error);
	assert_false(c->v[0].limited);
	compare(&t, NULL, &c->v[0]);
	psc_callsites_free(c);
	psc_file_close(o.file);
}

struct kernel {
	struct psc_pe_exports exports;
	uint64_t base;
};

static uint64_t resolve(void *ctx, const char *name)
{
	const struct kernel *k = ctx;
	const struct psc_pe_export *e = psc_pe_export_find(&k->exports, name);

	return e ? k->base + e->rva : 0;
}

// Values that code has written by now.
static void run_time_values(const struct truths *t, struct loaded *l)
{
	for (unsigned int i = 0; i < t->n_labels; i++) {
		const struct label *n = &t->label[i];
		if (!strcmp(n->name, "random_tag"))
			memcpy(l->bytes + n->rva, "Rnd9", 4);
		if (!strcmp(n->name, "global_type"))
			psc_put32(l->bytes + n->rva, 0x200);
	}
}

static void check_loaded(bool names)
{
	static struct truths t;
	struct opened o, ko;
	struct kernel k;
	struct loaded l, kl;
	struct psc_callsites *c;

	open_image(&o, image_path);
	open_image(&ko, kernel_path);
	truth_read(&t, map_path, truth_path, o.pe.pe.image_base);
	bool wide = o.pe.pe.is64;
	k.base = wide ? 0xfffff80000000000 : 0x82000000;
	CHECK_OK(psc_pe_exports(&ko.pe.pe, &k.exports));
	loaded_init(&kl, "ntoskrnl.exe", &ko.pe, k.base, NULL, NULL);
	loaded_init(&l, psc_path_base(image_path), &o.pe,
		    wide ? 0xfffff80010000000 : 0x90000000, resolve, &k);
	run_time_values(&t, &l);
	if (!names)
		loaded_lose_names(&l);
	struct psc_code_image im[2] = {
		{ .name = l.name, .base = l.base, .memory = true,
		  .src = { &l, loaded_read } },
		{ .name = kl.name, .base = kl.base, .memory = true,
		  .src = { &kl, loaded_read } },
	};
	CHECK_OK(psc_callsites_find(im, 2, NULL, &c));
	CHECK_OK(c->v[0].error);
	compare(&t, &l, &c->v[0]);
	psc_callsites_free(c);
	psc_pe_exports_free(&k.exports);
	loaded_free(&l);
	loaded_free(&kl);
	psc_file_close(o.file);
	psc_file_close(ko.file);
}

static void in_memory(void **state)
{
	check_loaded(true);
}

static void in_memory_without_names(void **state)
{
	check_loaded(false);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_disk),
		cmocka_unit_test(in_memory),
		cmocka_unit_test(in_memory_without_names),
	};

	if (argc != 5)
		return 99;
	kernel_path = argv[1];
	image_path = argv[2];
	map_path = argv[3];
	truth_path = argv[4];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
