// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "opt.h"

enum { KEY_ADD = 0x300 };

/** Options of this command, behind the shared ones. */
struct symbols_opt {
	struct opt shared;
	bool add;		// arguments are symbol files
	bool added;
	int failed;
};

// Every file gets its line; one that fails does not stop the others.
static void add_file(struct symbols_opt *o, const char *path)
{
	char *said;
	struct psc_error *err = psc_symbols_add(path, &said);

	if (err) {
		fprintf(stderr, "poolscope symbols: %s\n", err->message);
		psc_error_free(err);
		o->failed = EXIT_NO_ANSWER;
	} else {
		puts(said);
		free(said);
	}
	o->added = true;
}

static const struct argp_option options[] = {
	{ "add", KEY_ADD, NULL, 0, "take FILEs (PDB, ISF, DWARF) of kernels "
	  "into your own table, which every later run uses", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct symbols_opt *o = state->input;

	switch (key) {
	case KEY_ADD:
		o->add = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->shared;
		return 0;
	case ARGP_KEY_ARG:
		if (o->add) {
			add_file(o, arg);
			return 0;
		}
		return opt_take_dump(&o->shared, arg) ? 0 : ARGP_ERR_UNKNOWN;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DUMP\n--add FILE...",
	.doc = "Say for the kernel and every driver which symbols its image "
	       "asks for, where they were looked for and what was found.",
	.children = opt_children,
};

int cmd_symbols(int argc, char **argv)
{
	static const struct psc_request req = {
		.sections = PSC_SECTION_INFO | PSC_SECTION_SYMBOLS,
		.required = PSC_SECTION_SYMBOLS,
	};
	struct symbols_opt o = { 0 };

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	return o.added ? o.failed
		       : opt_run(&o.shared, &req, "symbols", false);
}
