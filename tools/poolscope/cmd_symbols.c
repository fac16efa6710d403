// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opt *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		return 0;
	case ARGP_KEY_ARG:
		return opt_take_dump(o, arg) ? 0 : ARGP_ERR_UNKNOWN;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "DUMP",
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
	struct opt o = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	return opt_run(&o, &req, "symbols", false);
}
