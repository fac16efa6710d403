// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "opt.h"

struct args {
	struct opt opt;
	struct psc_request req;
	bool has_flags;
};

// "/t10": rows to print. Only behind DUMP, so that a path may begin so too.
static bool take_top(struct args *a, const struct argp_state *state,
		     const char *arg)
{
	char *end;

	if (strncmp(arg, "/t", 2) != 0)
		return false;
	errno = 0;
	a->req.top = strtoull(arg + 2, &end, 10);
	if (errno || end == arg + 2 || *end || !a->req.top || arg[2] == '-')
		argp_error(state, "/tN wants a number of rows: '%s'", arg);
	return true;
}

static error_t take_argument(struct args *a, const struct argp_state *state,
			     char *arg)
{
	if (opt_take_dump(&a->opt, arg) || take_top(a, state, arg))
		return 0;
	if (!a->has_flags) {
		a->req.poolused_flags = opt_hex(state, "FLAGS", arg);
		a->has_flags = true;
		return 0;
	}
	if (a->req.tag_pattern)
		return ARGP_ERR_UNKNOWN;
	a->req.tag_pattern = arg;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(a, state, arg);
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "DUMP [FLAGS [TAG]] [/tN]",
	.doc = "Show pool usage by tag as the debugger's !poolused does.\v"
	       "FLAGS is a hexadecimal sum (default 2): 0 sorts by tag, 1 adds "
	       "allocations and frees, 2 sorts by nonpaged, 4 by paged usage, "
	       "8 takes the session pool. 2 and 4 exclude each other.\n\n"
	       "TAG selects tags: * stands for any run of characters, ? for "
	       "one. /tN prints the first N rows; the total stays that of all "
	       "selected tags.",
	.children = opt_children,
};

int cmd_poolused(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_POOLUSED |
				    PSC_SECTION_CALLSITES,
			.required = PSC_SECTION_POOLUSED,
			.poolused_flags = PSC_POOLUSED_BY_NONPAGED,
		},
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.req.poolused_flags & ~0xfu) {
		fprintf(stderr, "poolscope: poolused flags are 0 to f: %x\n",
			a.req.poolused_flags);
		return EXIT_WRONG_USAGE;
	}
	return opt_run(&a.opt, &a.req, "poolused", false);
}
