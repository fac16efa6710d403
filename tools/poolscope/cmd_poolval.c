// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

struct args {
	struct opt opt;
	struct psc_request req;
	bool has_address;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case ARGP_KEY_ARG:
		if (opt_take_dump(&a->opt, arg))
			return 0;
		if (a->has_address)
			return ARGP_ERR_UNKNOWN;
		a->req.address = opt_address(state, "ADDRESS", arg);
		a->has_address = true;
		return 0;
	case ARGP_KEY_END:
		if (!a->has_address)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "DUMP ADDRESS",
	.doc = "Check the headers of one pool page, as the debugger's "
	       "!poolval.\vOn segment-heap kernels the subsegment of the "
	       "address is checked: its pages have no chain of headers.",
	.children = opt_children,
};

int cmd_poolval(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_POOL_AT,
			.required = PSC_SECTION_POOL_AT,
		},
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return opt_run(&a.opt, &a.req, "poolval", false);
}
