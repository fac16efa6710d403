// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

// Rows of each pool in the short form.
#define TOP_TAGS 10

struct args {
	struct opt opt;
	bool all;
};

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0,
	  "with --json: every section that can be computed, entire", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case 'a':
		a->all = true;
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
	.doc = "Say in short what a crash dump tells about the kernel's memory "
	       "pools.\vThe other commands print the parts; "
	       "`poolscope --help' lists them.",
	.children = opt_children,
};

int cmd_report(int argc, char **argv)
{
	struct psc_request req = {
		.sections = PSC_SECTION_INFO | PSC_SECTION_VM |
			    PSC_SECTION_POOLUSED | PSC_SECTION_WALK |
			    PSC_SECTION_CALLSITES | PSC_SECTION_CORRUPTION |
			    PSC_SECTION_FINDINGS,
		.vm_flags = PSC_VM_NO_PROCESSES,
		.poolused_flags = PSC_POOLUSED_BY_NONPAGED,
		.top_each = TOP_TAGS,
	};
	struct args a = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.all) {
		req.all = true;
		req.top_each = 0;
		req.sections |= PSC_SECTION_MODULES | PSC_SECTION_BIGPOOL;
	}
	return opt_run(&a.opt, &req, "report", false);
}
