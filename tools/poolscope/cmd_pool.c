// SPDX-License-Identifier: MIT
#include <stdio.h>

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
	.doc = "What lies at an address of the pool, as the debugger's !pool."
	       "\vADDRESS is hexadecimal, with or without 0x and `. The block "
	       "that holds it is marked with a star among those of its page.",
	.children = opt_children,
};

int cmd_pool(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_POOL_AT,
			.required = PSC_SECTION_POOL_AT,
		},
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return opt_run(&a.opt, &a.req, "pool", false);
}
