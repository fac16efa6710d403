// SPDX-License-Identifier: MIT
#include "opt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "command.h"
#include "progress.h"

enum {
	KEY_DEEP = 0x100,
	KEY_POOLTAG,
	KEY_SYMBOLS,
	KEY_FORCE_SYMBOLS,
	KEY_FETCH_SYMBOLS,
	KEY_CACHE_INDEX,
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "print the report as JSON", 0 },
	{ "pooltag", KEY_POOLTAG, "FILE", 0,
	  "read the meaning of tags from FILE (default: pooltag.txt beside the "
	  "dump, else a built-in list)", 0 },
	{ "symbols", KEY_SYMBOLS, "PATH", 0,
	  "file or folder with the kernel's PDB, ISF or DWARF", 0 },
	{ "force-symbols", KEY_FORCE_SYMBOLS, NULL, 0,
	  "use the symbols though their identity differs", 0 },
	{ "fetch-symbols", KEY_FETCH_SYMBOLS, NULL, 0,
	  "ask the public symbol server", 0 },
	{ "deep", KEY_DEEP, NULL, 0,
	  "search the whole file for the kernel's debugger block", 0 },
	{ "cache-index", KEY_CACHE_INDEX, NULL, 0,
	  "keep the index of a compressed dump in the user's cache", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opt *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case KEY_POOLTAG:
		o->open.pooltag = arg;
		return 0;
	case KEY_SYMBOLS:
		o->open.symbols = arg;
		return 0;
	case KEY_FORCE_SYMBOLS:
		o->open.force_symbols = true;
		return 0;
	case KEY_FETCH_SYMBOLS:
		o->open.fetch_symbols = true;
		return 0;
	case KEY_DEEP:
		o->open.deep = true;
		return 0;
	case KEY_CACHE_INDEX:
		o->open.cache_index = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp shared = { .options = options, .parser = parse };

const struct argp_child opt_children[] = {
	{ &shared, 0, "Shared by all commands:", 1 },
	{ 0 },
};

uint32_t opt_hex(const struct argp_state *state, const char *what,
		 const char *text)
{
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 16);
	if (errno || end == text || *end || v > UINT32_MAX || text[0] == '-')
		argp_error(state, "%s must be a hexadecimal number: '%s'", what,
			   text);
	return (uint32_t)v;
}

uint64_t opt_address(const struct argp_state *state, const char *what,
		     const char *text)
{
	char digits[32], *end;
	size_t n = 0;

	for (const char *p = text; *p && n < sizeof(digits) - 1; p++) {
		if (*p != '`')	// ffff9a80`13402040
			digits[n++] = *p;
	}
	digits[n] = '\0';
	errno = 0;
	unsigned long long v = strtoull(digits, &end, 16);
	if (errno || end == digits || *end || digits[0] == '-')
		argp_error(state, "%s must be a hexadecimal number: '%s'", what,
			   text);
	return v;
}

bool opt_take_dump(struct opt *o, char *arg)
{
	if (o->dump)
		return false;
	o->dump = arg;
	return true;
}

// https://no-color.org: any value but the empty one.
static bool want_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term &&
	       strcmp(term, "dumb") != 0;
}

int opt_complain(struct psc_error *err)
{
	int status = err->code == PSC_ERR_USAGE ? EXIT_WRONG_USAGE
						: EXIT_NO_ANSWER;

	fprintf(stderr, "poolscope: %s\n", err->message);
	psc_error_free(err);
	return status;
}

static struct psc_error *write_file(const char *path, struct psc_report *r,
				    struct psc_error *(*render)(
					    struct psc_report *, FILE *))
{
	struct psc_error *err;
	FILE *f;

	if (!path)
		return NULL;
	f = fopen(path, "w");
	if (!f)
		return psc_error_os(errno, "%s", path);
	err = render(r, f);
	if (fclose(f) == EOF && !err)
		err = psc_error_os(errno, "%s", path);
	return err;
}

static struct psc_error *print(const struct opt *o, struct psc_report *r,
			       const char *view)
{
	struct psc_text_options text = { .colour = want_colour() };
	struct psc_error *err = o->json
		? psc_render_json(r, stdout)
		: psc_render_text(r, view, &text, stdout);

	if (!err && fflush(stdout) == EOF)
		err = psc_error_os(errno, "cannot write the report");
	return err;
}

int opt_run(const struct opt *o, const struct psc_request *req,
	    const char *view, bool judging)
{
	struct psc_progress progress = progress_on_terminal();
	struct psc_options open = o->open;
	struct psc_session *s = NULL;
	struct psc_report *r = NULL;
	int status;

	open.progress = &progress;
	struct psc_error *err = psc_open(o->dump, &open, &s);
	if (!err)
		err = psc_run(s, req, &r);
	progress_done(&progress);
	if (!err)
		err = print(o, r, view);
	if (!err)
		err = write_file(o->sarif, r, psc_render_sarif);
	if (!err)
		err = write_file(o->junit, r, psc_render_junit);
	if (err)
		status = opt_complain(err);
	else
		status = psc_report_status(r, judging);
	psc_report_free(r);
	psc_close(s);
	return status;
}

int opt_run_images(const struct opt *o, const char *const *paths, size_t n,
		   const struct psc_request *req, const char *view)
{
	struct psc_progress progress = progress_on_terminal();
	struct psc_options open = o->open;
	struct psc_report *r = NULL;
	int status;

	open.progress = &progress;
	struct psc_error *err = psc_run_images(paths, n, &open, req, &r);
	progress_done(&progress);
	if (!err)
		err = print(o, r, view);
	status = err ? opt_complain(err) : psc_report_status(r, false);
	psc_report_free(r);
	return status;
}
