// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

enum {
	KEY_SUSPECT = 256,
	KEY_SARIF,
	KEY_JUNIT,
};

struct args {
	struct opt opt;
	struct psc_request req;
};

static const struct argp_option options[] = {
	{ "suspect", KEY_SUSPECT, NULL, 0,
	  "judge also by places where one check alone fails", 0 },
	{ "sarif", KEY_SARIF, "FILE", 0, "also write the findings as SARIF "
	  "2.1.0", 0 },
	{ "junit", KEY_JUNIT, "FILE", 0, "also write the findings as JUnit XML",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case KEY_SUSPECT:
		a->req.suspect = true;
		return 0;
	case KEY_SARIF:
		a->opt.sarif = arg;
		return 0;
	case KEY_JUNIT:
		a->opt.junit = arg;
		return 0;
	case ARGP_KEY_ARG:
		return opt_take_dump(&a->opt, arg) ? 0 : ARGP_ERR_UNKNOWN;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DUMP",
	.doc = "Find corrupted pool headers: which rule each breaks, what was "
	       "written over it, who owns the block before it, and whether it "
	       "looks like a driver or like failing memory.\v"
	       "Prints nothing and returns 0 when the pool is sound; returns 4 "
	       "when something is corrupt.",
	.children = opt_children,
};

int cmd_check(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_CORRUPTION,
			.required = PSC_SECTION_CORRUPTION,
		},
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return opt_run(&a.opt, &a.req, "check", true);
}
