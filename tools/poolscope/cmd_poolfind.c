// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "command.h"
#include "opt.h"
#include "progress.h"

enum {
	KEY_POOL = 0x200,
	KEY_MIN_BYTES,
	KEY_LIMIT,
	KEY_FREED,
};

struct args {
	struct opt opt;
	struct psc_find find;
	struct psc_find_result result;
	uint64_t rows;		/**< Printed so far. */
	bool begun;		/**< The heading is printed. */
	bool small;		/**< The big allocations are through. */
};

static const struct argp_option options[] = {
	{ "pool", KEY_POOL, "NAME", 0, "only nonpaged, nonpaged-nx, paged, "
	  "session or special pool", 0 },
	{ "min-bytes", KEY_MIN_BYTES, "N", 0, "only blocks of N bytes and more",
	  0 },
	{ "limit", KEY_LIMIT, "N", 0, "stop after N blocks", 0 },
	{ "freed", KEY_FREED, NULL, 0, "also freed blocks that still show "
	  "their tag", 0 },
	{ 0 },
};

static const char *region(const char *pool)
{
	return strcmp(pool, "paged") == 0 ? "Paged pool"
	     : strcmp(pool, "session") == 0 ? "Paged session pool"
	     : strcmp(pool, "special") == 0 ? "Special pool"
	     : strcmp(pool, "nonpaged") == 0 ||
	       strcmp(pool, "nonpaged-nx") == 0 ? "Nonpaged pool" : "Unknown";
}

static uint64_t count(const struct argp_state *state, const char *what,
		      const char *text)
{
	char *end;

	errno = 0;
	uint64_t v = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-')
		argp_error(state, "%s wants a number: '%s'", what, text);
	return v;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case KEY_POOL:
		if (strcmp(region(arg), "Unknown") == 0)
			argp_error(state, "no such pool: '%s'", arg);
		a->find.pool = arg;
		return 0;
	case KEY_MIN_BYTES:
		a->find.min_bytes = count(state, "--min-bytes", arg);
		return 0;
	case KEY_LIMIT:
		a->find.limit = count(state, "--limit", arg);
		return 0;
	case KEY_FREED:
		a->find.freed = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opt_take_dump(&a->opt, arg))
			return 0;
		if (a->find.pattern)
			return ARGP_ERR_UNKNOWN;
		a->find.pattern = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->find.pattern)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DUMP TAG",
	.doc = "List every block of a tag, as the debugger's !poolfind.\v"
	       "TAG may hold * and ?. The address is that of the data, behind "
	       "the header, and the size leaves the header out.",
	.children = opt_children,
};

/** What the debugger's line has no place for. */
static const char *state(const char *name)
{
	return strcmp(name, "in-use") == 0 ? ""
	     : strcmp(name, "unattributed") == 0 ? "not confirmed by its heap"
						 : name;
}

/** The heading waits for the first row: before that all can still fail. */
static void begin(struct args *a)
{
	if (a->begun)
		return;
	a->begun = true;
	if (a->opt.json)
		fputs("{\n  \"schema\": \"poolscope.report/1\",\n"
		      "  \"poolfind\": [", stdout);
	else
		printf("\nScanning large pool allocation table for tag %s "
		       "(%016" PRIx64 " : %016" PRIx64 ")\n\n",
		       a->find.pattern, a->result.table_start,
		       a->result.table_end);
}

static bool text_row(void *ctx, const struct psc_found *f)
{
	struct args *a = ctx;
	uint64_t header = f->header ? 0x10 : 0;
	char tag[5];

	begin(a);
	psc_tag_debugger(f->tag, tag);
	if (!a->small && strcmp(f->kind, "big") != 0 &&
	    strcmp(f->kind, "large") != 0) {
		printf("\nSearching the pool's pages for tag %s\n\n",
		       a->find.pattern);
		a->small = true;
	}
	a->rows++;
	printf("%016" PRIx64 " : tag %s, size %#9" PRIx64 ", %s%s%s\n",
	       f->address + header, tag, f->bytes - header, region(f->pool),
	       strcmp(f->state, "in-use") == 0 ? "" : ", ", state(f->state));
	return !ferror(stdout);
}

/** A JSON string of @p text: quotes and backslashes escaped. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static bool json_row(void *ctx, const struct psc_found *f)
{
	struct args *a = ctx;
	char tag[PSC_TAG_TEXT];

	begin(a);
	psc_tag_text(f->tag, tag);
	printf("%s\n    {\"address\": \"0x%" PRIx64 "\", \"bytes\": %" PRIu64
	       ", \"tag\": ", a->rows++ ? "," : "", f->address, f->bytes);
	json_string(tag);
	printf(", \"pool\": \"%s\", \"kind\": \"%s\", \"state\": \"%s\"",
	       f->pool, f->kind, f->state);
	if (f->process)
		printf(", \"process\": \"0x%" PRIx64 "\"", f->process);
	putchar('}');
	return !ferror(stdout);
}

static struct psc_error *find(struct args *a, struct psc_session *s)
{
	struct psc_find_result *r = &a->result;
	struct psc_error *err = psc_find(s, &a->find,
					 a->opt.json ? json_row : text_row, a,
					 r);

	if (err)
		return err;
	begin(a);
	if (a->opt.json)
		printf("%s],\n  \"complete\": %s\n}\n", a->rows ? "\n  " : "",
		       r->complete ? "true" : "false");
	else
		printf("\n%" PRIu64 " block%s, %" PRIu64 " bytes%s\n",
		       r->blocks, r->blocks == 1 ? "" : "s", r->bytes,
		       r->stopped ? " (stopped at the limit)"
				  : r->complete ? "" : " (a lower bound)");
	if (fflush(stdout) == EOF || ferror(stdout))
		err = psc_error_os(errno, "cannot write the list");
	return err;
}

int cmd_poolfind(int argc, char **argv)
{
	struct args a = { 0 };
	struct psc_session *s = NULL;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	struct psc_progress progress = progress_on_terminal();
	a.opt.open.progress = &progress;
	struct psc_error *err = psc_open(a.opt.dump, &a.opt.open, &s);
	if (!err)
		err = find(&a, s);
	progress_done(&progress);
	psc_close(s);
	if (err)
		return opt_complain(err);
	return a.result.missing ? EXIT_INCOMPLETE : EXIT_ANSWER;
}
