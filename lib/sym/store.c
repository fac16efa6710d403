// SPDX-License-Identifier: MIT
#include "sym/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sym/fetch.h"
#include "sym/store_path.h"
#include "sym/sym_open.h"

#define PUBLIC_SERVER "https://msdl.microsoft.com/download/symbols"

struct psc_symstore {
	struct psc_symstore_options opt;
	struct psc_store_path path;
	struct psc_fetch *fetch;	// NULL: never
	char *default_store;
};

// "$VARIABLE/tail", or "$HOME/fallback/tail".
static char *user_folder(const char *variable, const char *fallback,
			 const char *tail)
{
	const char *base = getenv(variable), *home = getenv("HOME");
	char *ret;
	int n = base && *base == '/'
		? asprintf(&ret, "%s/%s", base, tail)
		: asprintf(&ret, "%s/%s/%s", home ? home : "/tmp", fallback,
			   tail);

	return n < 0 ? NULL : ret;
}

char *psc_user_table_folder(void)
{
	return user_folder("XDG_DATA_HOME", ".local/share",
			   "poolscope/kernels");
}

static bool has_server(const struct psc_store_path *p)
{
	for (size_t i = 0; i < p->v.n; i++) {
		const struct psc_element *e = &p->v.v[i];
		if (e->n && psc_is_url(e->token[e->n - 1]))
			return true;
	}
	return false;
}

// --fetch-symbols without a server in the path means the public one.
static struct psc_error *add_public_server(struct psc_symstore *s)
{
	if (!s->opt.fetch || has_server(&s->path))
		return NULL;
	return psc_store_path_add(&s->path, "srv**" PUBLIC_SERVER,
				  s->default_store);
}

static struct psc_error *add_paths(struct psc_symstore *s)
{
	static const char *const variables[] = {
		"_NT_ALT_SYMBOL_PATH", "_NT_SYMBOL_PATH",
	};
	struct psc_error *err;

	if (s->opt.path &&
	    (err = psc_store_path_add(&s->path, s->opt.path,
				      s->default_store)))
		return err;
	for (size_t i = 0; s->opt.environment && i < 2; i++) {
		const char *v = getenv(variables[i]);
		if (v && (err = psc_store_path_add(&s->path, v,
						   s->default_store)))
			return err;
	}
	// The user's own tables come last: files of a path are more exact.
	PSC_FREE char *tables = psc_user_table_folder();
	if (!tables)
		return &psc_nomem;
	if (s->opt.environment && access(tables, R_OK) == 0 &&
	    (err = psc_store_path_add(&s->path, tables, s->default_store)))
		return err;
	return add_public_server(s);
}

struct psc_error *psc_symstore_new(const struct psc_symstore_options *opt,
				   struct psc_symstore **ret)
{
	struct psc_symstore *s = calloc(1, sizeof(*s));
	struct psc_error *err;

	if (!s)
		return &psc_nomem;
	s->opt = *opt;
	s->default_store = user_folder("XDG_CACHE_HOME", ".cache",
				       "poolscope/symbols");
	err = s->default_store ? add_paths(s) : &psc_nomem;
	if (!err && opt->fetch)
		err = psc_fetch_new(opt->stall_seconds, opt->retry_ms,
				    &s->fetch);
	if (err) {
		psc_symstore_free(s);
		return err;
	}
	s->opt.path = NULL;	// the caller's text may go
	*ret = s;
	return NULL;
}

void psc_symstore_free(struct psc_symstore *s)
{
	if (!s)
		return;
	psc_fetch_free(s->fetch);
	psc_store_path_free(&s->path);
	free(s->default_store);
	free(s);
}

size_t psc_symstore_n_notices(const struct psc_symstore *s)
{
	return s->path.notices.n;
}

const char *psc_symstore_notice(const struct psc_symstore *s, size_t i)
{
	return i < s->path.notices.n ? s->path.notices.v[i] : NULL;
}

bool psc_symstore_is_empty(const struct psc_symstore *s)
{
	return !s->path.v.n;
}

// --- finding ---------------------------------------------------------------

/** The folders to the left of a hit, which get a copy. */
struct keepers {
	const char *dir[2 * PSC_STORE_MAX_TOKENS];
	unsigned int n;
};

static void keep_in(struct keepers *k, const char *dir)
{
	if (k->n < sizeof(k->dir) / sizeof(k->dir[0]))
		k->dir[k->n++] = dir;
}

static bool is_pdb(const struct psc_sym *sym)
{
	return strcmp(psc_sym_source(sym), "pdb") == 0;
}

// A hit further right is copied into the stores left of it, as an
// uncompressed PDB; that a store cannot be written is only worth a line.
static void copy_left(const struct keepers *k, const struct psc_symwant *want,
		      const struct psc_sym *sym, struct psc_symlog *log)
{
	struct psc_file *f;

	if (!k->n || !want->id.known || !is_pdb(sym) ||
	    psc_sym_other_id(psc_sym_id(sym), &want->id))
		return;
	struct psc_error *err = psc_file_open(psc_sym_file(sym), &f);
	if (err) {
		psc_error_free(err);
		return;
	}
	// A compressed one stays where it is.
	bool plain = f->size > 4 && memcmp(f->data, "MSCF", 4) != 0;
	for (unsigned int i = 0; plain && i < k->n; i++) {
		err = psc_store_dir_install(k->dir[i], &want->id, f->data,
					    f->size);
		psc_symlog_add(log, k->dir[i], "%s",
			       err ? err->message : "copied here");
		psc_error_free(err);
	}
	psc_file_close(f);
}

// A server's file lands in the nearest store, else in the default one.
static struct psc_error *ask_server(struct psc_symstore *s, const char *url,
				    struct keepers *k,
				    const struct psc_symwant *want,
				    struct psc_symlog *log,
				    struct psc_sym **ret)
{
	struct psc_error *err;

	if (!s->fetch) {
		psc_symlog_add(log, url, "not asked: no --fetch-symbols");
		return &psc_absent;
	}
	if (!k->n)
		keep_in(k, s->default_store);
	err = psc_fetch_pdb(s->fetch, url, &want->id, k->dir[k->n - 1], log);
	if (err)
		return err;
	k->n--;
	return psc_store_dir_find(k->dir[k->n], want, false, log, ret);
}

static struct psc_error *find_in_chain(struct psc_symstore *s,
				       const struct psc_element *e,
				       const struct keepers *outer,
				       const struct psc_symwant *want,
				       bool force, struct psc_symlog *log,
				       struct psc_sym **ret)
{
	struct keepers k = *outer;

	for (unsigned int i = 0; i < e->n; i++) {
		const char *t = e->token[i];
		struct psc_error *err = psc_is_url(t)
			? ask_server(s, t, &k, want, log, ret)
			: psc_store_dir_find(t, want, force, log, ret);
		if (!err)
			copy_left(&k, want, *ret, log);
		if (!psc_error_catch(&err, PSC_ERR_ABSENT))
			return err;
		if (!psc_is_url(t))
			keep_in(&k, t);
	}
	return &psc_absent;
}

static struct psc_error *walk_path(struct psc_symstore *s,
				   const struct psc_symwant *want, bool force,
				   struct psc_symlog *log,
				   struct psc_sym **ret)
{
	struct keepers k = { .n = 0 };

	for (size_t i = 0; i < s->path.v.n; i++) {
		const struct psc_element *e = &s->path.v.v[i];
		// A chain's own stores are not kept for the next element.
		struct psc_error *err = find_in_chain(s, e, &k, want, force,
						      log, ret);
		if (!psc_error_catch(&err, PSC_ERR_ABSENT))
			return err;
		if (e->kind == PSC_ELEMENT_CACHE)
			keep_in(&k, e->token[0]);
	}
	return &psc_absent;
}

struct psc_error *psc_symstore_find(struct psc_symstore *s,
				    const struct psc_symwant *want,
				    struct psc_symlog *log,
				    struct psc_sym **ret)
{
	if (*want->id.name && !psc_symname_is_safe(want->id.name)) {
		psc_symlog_add(log, "PDB name in the dump",
			       "refused: not a plain file name");
		return &psc_absent;
	}
	// Only when nothing fits may something else be forced.
	struct psc_error *err = walk_path(s, want, false, log, ret);
	if (s->opt.force && psc_error_catch(&err, PSC_ERR_ABSENT))
		err = walk_path(s, want, true, log, ret);
	return err;
}
