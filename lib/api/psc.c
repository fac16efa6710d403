// SPDX-License-Identifier: MIT
// Joins the layers behind psc.h: dump, memory, kernel, analyses.
#include "psc/psc.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/find.h"
#include "analysis/image_files.h"
#include "analysis/pooltag.h"
#include "dump/dump.h"
#include "kernel/kernel.h"
#include "kernel/memory.h"
#include "mem/mem.h"

struct psc_session {
	struct psc_dump *dump;
	struct psc_mem *mem;
	struct psc_kernel *kernel;
	struct psc_pooltags *tags;
	const struct psc_progress *progress;
};

static struct psc_error *open_layers(struct psc_session *s, const char *path,
				     const struct psc_options *opt)
{
	struct psc_dump_options dump = {
		.progress = opt->progress,
		.cache_index = opt->cache_index,
	};
	struct psc_kernel_options kernel = {
		.deep = opt->deep,
		.symbol_path = opt->symbols,
		.force_symbols = opt->force_symbols,
		.fetch_symbols = opt->fetch_symbols,
		.progress = opt->progress,
	};
	struct psc_error *err;

	if ((err = psc_dump_open(path, &dump, &s->dump)) ||
	    (err = psc_kernel_memory(s->dump, &s->mem)) ||
	    (err = psc_kernel_open(s->dump, s->mem, &kernel, &s->kernel)))
		return err;
	return psc_pooltags_for(path, opt->pooltag, &s->tags);
}

struct psc_error *psc_open(const char *path, const struct psc_options *opt,
			   struct psc_session **ret)
{
	static const struct psc_options defaults;
	struct psc_session *s = calloc(1, sizeof(*s));

	if (!s)
		return &psc_nomem;
	if (!opt)
		opt = &defaults;
	s->progress = opt->progress;
	struct psc_error *err = open_layers(s, path, opt);
	if (err) {
		psc_close(s);
		return err;
	}
	*ret = s;
	return NULL;
}

void psc_close(struct psc_session *s)
{
	if (!s)
		return;
	psc_pooltags_free(s->tags);
	psc_kernel_free(s->kernel);
	psc_mem_free(s->mem);
	psc_dump_close(s->dump);
	free(s);
}

struct psc_error *psc_run(struct psc_session *s, const struct psc_request *req,
			  struct psc_report **ret)
{
	struct psc_report *r;
	struct psc_error *err = psc_report_new(&r);

	if (err)
		return err;
	struct psc_analysis a = {
		.kernel = s->kernel,
		.dump = s->dump,
		.mem = s->mem,
		.req = req,
		.tags = s->tags,
		.progress = s->progress,
		.root = psc_report_root(r),
	};
	err = psc_analyse(&a);
	psc_analysis_deinit(&a);
	if (!err)
		err = psc_report_check(r);
	if (err) {
		psc_report_free(r);
		return err;
	}
	*ret = r;
	return NULL;
}

struct psc_error *psc_find(struct psc_session *s, const struct psc_find *q,
			   psc_found_fn fn, void *ctx,
			   struct psc_find_result *ret)
{
	static const struct psc_request none;
	struct psc_analysis a = {
		.kernel = s->kernel,
		.dump = s->dump,
		.mem = s->mem,
		.req = &none,
		.tags = s->tags,
		.progress = s->progress,
	};
	struct psc_error *err;

	*ret = (struct psc_find_result){ 0 };
	err = psc_analysis_find(&a, q, fn, ctx, ret);
	ret->missing = psc_mem_coverage(s->mem).pages_not_in_file ||
		       psc_dump_why_no_pages(s->dump);
	psc_analysis_deinit(&a);
	return err;
}

struct psc_error *psc_run_images(const char *const *paths, size_t n,
				 const struct psc_options *opt,
				 const struct psc_request *req,
				 struct psc_report **ret)
{
	struct psc_report *r;
	struct psc_error *err = psc_report_new(&r);

	if (err)
		return err;
	struct psc_value *root = psc_report_root(r);
	psc_set_str(root, "schema", "poolscope.report/1");
	psc_set_str(psc_set_object(root, "tool"), "version", PSC_VERSION);
	psc_set_bool(root, "complete", true);
	struct psc_value *m = psc_set_object(root, "missing");
	psc_set_uint(m, "pages_not_in_file", 0);
	psc_set_uint(m, "pages_paged_out", 0);
	psc_set_uint(m, "structures_unreadable", 0);
	err = psc_analyse_image_files(paths, n, req->tag_pattern,
				      opt ? opt->symbols : NULL,
				      opt ? opt->progress : NULL, root);
	if (!err)
		err = psc_report_check(r);
	if (err) {
		psc_report_free(r);
		return err;
	}
	*ret = r;
	return NULL;
}

// Why an answer is not the whole one, beyond what Windows had paged out.
static bool lacks(const struct psc_value *root)
{
	static const char *const keys[] = {
		"missing.pages_not_in_file", "missing.structures_unreadable",
	};
	uint64_t n;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (psc_get_uint(root, keys[i], &n) && n)
			return true;
	}
	if (psc_get_str(root, "dump.why_no_pages"))
		return true;
	for (size_t i = 0; i < psc_count(root); i++) {
		if (psc_get_str(psc_at(root, i, NULL), "error"))
			return true;
	}
	return false;
}

// Something corrupt; with the request's wish also something suspect.
static bool found(const struct psc_value *root)
{
	const struct psc_value *list = psc_get(root, "corruption");
	bool suspect = false;

	psc_get_bool(root, "check.suspect_counts", &suspect);
	for (size_t i = 0; i < psc_count(list); i++) {
		const char *s = psc_get_str(psc_at(list, i, NULL), "severity");

		if (s && (suspect || strcmp(s, "corrupt") == 0))
			return true;
	}
	return false;
}

int psc_report_status(struct psc_report *r, bool judging)
{
	const struct psc_value *root = psc_report_root(r);

	if (judging && found(root))
		return 4;
	return lacks(root) ? 3 : 0;
}
