// SPDX-License-Identifier: MIT
#include "command.h"
#include "opt.h"

struct args {
	struct opt opt;
	struct psc_request req;
	bool has_flags;
};

static const struct argp_option options[] = {
	{ "quota", 'q', NULL, 0,
	  "also list pool quota and handles of each process", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->opt;
		return 0;
	case 'q':
		a->req.quota = true;
		return 0;
	case ARGP_KEY_ARG:
		if (opt_take_dump(&a->opt, arg))
			return 0;
		if (a->has_flags)
			return ARGP_ERR_UNKNOWN;
		a->req.vm_flags = opt_hex(state, "FLAGS", arg);
		a->has_flags = true;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DUMP [FLAGS]",
	.doc = "Show virtual memory usage as the debugger's !vm does.\v"
	       "FLAGS is a hexadecimal sum (default 1): 1 leaves the processes "
	       "out, 4 adds sessions, 20 adds regions of address space.",
	.children = opt_children,
};

int cmd_vm(int argc, char **argv)
{
	struct args a = {
		.req = {
			.sections = PSC_SECTION_INFO | PSC_SECTION_VM |
				    PSC_SECTION_FINDINGS,
			.required = PSC_SECTION_VM,
			.vm_flags = PSC_VM_NO_PROCESSES,
		},
	};
	const uint32_t known = PSC_VM_NO_PROCESSES | PSC_VM_SESSIONS |
			       PSC_VM_REGIONS;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.req.vm_flags & ~known) {
		fprintf(stderr, "poolscope: vm flags %x are not supported; "
			"known are 1, 4 and 20\n", a.req.vm_flags & ~known);
		return EXIT_WRONG_USAGE;
	}
	return opt_run(&a.opt, &a.req, "vm", false);
}
