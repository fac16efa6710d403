// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

struct args {
	struct opt opt;
	struct psc_request req;
	unsigned int n;		/**< Arguments behind DUMP. */
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
		if (a->n > 1)
			return ARGP_ERR_UNKNOWN;
		*(a->n++ ? &a->req.bytes : &a->req.address) =
			opt_address(state, "ADDRESS", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "DUMP [ADDRESS [BYTES]]",
	.doc = "Draw how full each stretch of the pool is.\v"
	       "A row is 2 MB, a cell 32 KB. ADDRESS and BYTES (hexadecimal) "
	       "select a part.",
	.children = opt_children,
};

int cmd_poolmap(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_POOLMAP,
			.required = PSC_SECTION_POOLMAP,
		},
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return opt_run(&a.opt, &a.req, "poolmap", false);
}
