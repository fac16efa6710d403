// SPDX-License-Identifier: MIT
#include "analysis/image_files.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "analysis/callers.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/str.h"
#include "base/vec.h"
#include "code/signer.h"
#include "sym/sym_open.h"

enum { IMAGES_MAX = 20000 };

struct image_file {
	struct psc_file *file;
	struct psc_pe_file pe;
	struct psc_pe_version version;
	bool has_version;
	char *signer;
	struct psc_sym *sym;
};

struct folder {
	PSC_VEC(struct image_file *) v;
	bool oom;
};

static void free_image(struct image_file *f)
{
	if (!f)
		return;
	psc_sym_free(f->sym);
	psc_pe_version_free(&f->version);
	free(f->signer);
	psc_file_close(f->file);
	free(f);
}

static bool image_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (!strcasecmp(dot, ".sys") || !strcasecmp(dot, ".exe") ||
		       !strcasecmp(dot, ".dll"));
}

static void read_details(struct image_file *f)
{
	struct psc_error *err = psc_pe_version(&f->pe.pe, &f->version);

	f->has_version = !err;
	psc_error_free(err);
	psc_error_free(psc_signer_text(&f->pe, &f->signer));
}

// @return the error of a file that was named itself.
static struct psc_error *add_file(struct folder *all, const char *path)
{
	struct image_file *f = calloc(1, sizeof(*f));
	struct psc_error *err;

	if (!f)
		return &psc_nomem;
	err = psc_file_open(path, &f->file);
	if (!err)
		err = psc_pe_open_file(f->file->data, f->file->size, path,
				       &f->pe);
	if (!err && !psc_vec_push(&all->v, f))
		err = &psc_nomem;
	if (err) {
		free_image(f);
		return err;
	}
	read_details(f);
	return NULL;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

// Links are not followed: a folder cannot contain itself.
static struct psc_error *add_folder(struct folder *all, const char *path)
{
	char *copy = strdup(path), *roots[] = { copy, NULL };
	FTS *fts = copy ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name)
			: NULL;
	struct psc_error *err = NULL;
	FTSENT *e;

	if (!fts) {
		free(copy);
		return psc_error_os(errno, "%s", path);
	}
	while ((e = fts_read(fts)) && all->v.n < IMAGES_MAX) {
		if (e->fts_info != FTS_F || !image_name(e->fts_name))
			continue;
		err = add_file(all, e->fts_path);
		if (err && err->code == PSC_ERR_NOMEM)
			break;
		psc_error_free(err);	// no image: not our business
		err = NULL;
	}
	fts_close(fts);
	free(copy);
	return err;
}

static struct psc_error *add_path(struct folder *all, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return psc_error_os(errno, "%s", path);
	return S_ISDIR(st.st_mode) ? add_folder(all, path)
				   : add_file(all, path);
}

// DWARF in the image itself, a PDB beside it or in the user's folder.
static struct psc_sym *find_symbols(const struct image_file *f,
				    const char *folder)
{
	const char *path = f->file->path, *base = psc_path_base(path);
	struct psc_pdb_id id = { .known = false };
	struct psc_pe_pdb pdb;
	struct psc_sym *sym = NULL;
	struct psc_str s = { 0 };
	struct psc_error *err = psc_pe_pdb(&f->pe.pe, &pdb);

	if (!err) {
		id.known = true;
		memcpy(id.guid, pdb.guid, sizeof(id.guid));
		id.age = pdb.age;
		memcpy(id.name, pdb.name, sizeof(id.name));
		if (folder)
			psc_str_addf(&s, "%s/%s", folder, pdb.name);
		else
			psc_str_addf(&s, "%.*s%s", (int)(base - path), path,
				     pdb.name);
		char *text = psc_str_take(&s);
		err = text ? psc_sym_open_file(text, &id, false, &sym)
			   : &psc_nomem;
		free(text);
	}
	psc_error_free(err);
	if (!sym)
		psc_error_free(psc_sym_open_file(path, NULL, false, &sym));
	return sym;
}

static struct psc_error *fill(struct folder *all, const char *tag_pattern,
			      const char *symbols,
			      struct psc_code_options *opt,
			      struct psc_value *root)
{
	size_t n = all->v.n;
	struct psc_code_image *code = calloc(n + 1, sizeof(*code));
	struct psc_caller_image *named = calloc(n + 1, sizeof(*named));
	struct psc_callsites *c = NULL;
	struct psc_error *err = code && named ? NULL : &psc_nomem;

	for (size_t i = 0; !err && i < n; i++) {
		struct image_file *f = all->v.v[i];
		code[i].name = named[i].name = psc_path_base(f->file->path);
		code[i].src = f->pe.pe.src;
		named[i].pe = &f->pe.pe;
		named[i].version = f->has_version ? &f->version : NULL;
		named[i].signer = f->signer;
	}
	if (!err)
		err = psc_callsites_find(code, n, opt, &c);
	for (size_t i = 0; !err && i < n; i++) {
		if (c->v[i].n || c->v[i].n_hits)
			named[i].sym = all->v.v[i]->sym =
				find_symbols(all->v.v[i], symbols);
	}
	if (!err) {
		struct psc_caller_list list = { .sites = c, .image = named,
						.tag_pattern = tag_pattern };
		psc_callers_fill(root, &list);
	}
	psc_callsites_free(c);
	free(code);
	free(named);
	return err;
}

struct psc_error *psc_analyse_image_files(const char *const *paths, size_t n,
					  const char *tag_pattern,
					  const char *symbols,
					  const struct psc_progress *progress,
					  struct psc_value *root)
{
	struct folder all = { 0 };
	struct psc_error *err = NULL;
	uint32_t tag;
	char *cache = psc_callers_cache_dir();
	struct psc_code_options opt = { .cache_dir = cache };

	if (progress)
		opt.progress = *progress;
	if (tag_pattern && !strpbrk(tag_pattern, "*?") &&
	    psc_tag_parse(tag_pattern, &tag)) {
		opt.index_tags = &tag;
		opt.n_index_tags = 1;
	}
	for (size_t i = 0; !err && i < n; i++)
		err = add_path(&all, paths[i]);
	if (!err && !all.v.n)
		err = psc_error_new(PSC_ERR_ABSENT, "%s: no driver image",
				    paths[0]);
	if (!err)
		err = fill(&all, tag_pattern, symbols, &opt, root);
	for (size_t i = 0; i < all.v.n; i++)
		free_image(all.v.v[i]);
	psc_vec_free(&all.v);
	free(cache);
	return err;
}
