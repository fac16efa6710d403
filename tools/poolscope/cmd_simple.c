// SPDX-License-Identifier: MIT
// Commands without options of their own: DUMP, then at most a few hexadecimal
// numbers. Each is a row.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "command.h"
#include "opt.h"

static const struct simple {
	const char *name;	/**< Of the command, and of its view. */
	const char *args, *doc;	/**< As argp wants them. */
	uint32_t section;
	unsigned int min, max;	/**< Numbers behind DUMP. */
} rows[] = {
	{ "info", "DUMP", "Show which file this is, which machine it came from "
	  "and what stopped it.", PSC_SECTION_INFO, 0, 0 },
	{ "lm", "DUMP", "List loaded and unloaded drivers.",
	  PSC_SECTION_MODULES, 0, 0 },
	{ "bigpool", "DUMP", "List allocations of whole pages, from the "
	  "big-page table.\vThe table holds what has no pool header: "
	  "allocations of a page and more.", PSC_SECTION_BIGPOOL, 0, 0 },
	{ "walk", "DUMP", "Walk every page of the pool and compare with the "
	  "counters.\vFor each pool: pages, blocks, bytes in use, free, and "
	  "kept in caches. Then each tag whose counters say something else "
	  "than its blocks, with the reason. --json has all tags.",
	  PSC_SECTION_WALK, 0, 0 },
	{ "pool", "DUMP ADDRESS", "What lies at an address of the pool, as the "
	  "debugger's !pool.\vADDRESS is hexadecimal, with or without 0x and "
	  "`. The block that holds it is marked with a star among those of its "
	  "page.", PSC_SECTION_POOL_AT, 1, 1 },
	{ "poolval", "DUMP ADDRESS", "Check the headers of one pool page, as "
	  "the debugger's !poolval.\vOn segment-heap kernels the subsegment of "
	  "the address is checked: its pages have no chain of headers.",
	  PSC_SECTION_POOL_AT, 1, 1 },
	{ "poolmap", "DUMP [ADDRESS [BYTES]]", "Draw how full each stretch of "
	  "the pool is.\vA row is 2 MB, a cell 32 KB. ADDRESS and BYTES "
	  "(hexadecimal) select a part.", PSC_SECTION_POOLMAP, 0, 2 },
};

struct args {
	struct opt opt;
	struct psc_request req;
	const struct simple *row;
	unsigned int n;		/**< Numbers so far. */
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
		if (a->n == a->row->max)
			return ARGP_ERR_UNKNOWN;
		*(a->n++ ? &a->req.bytes : &a->req.address) =
			opt_address(state, "ADDRESS", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->opt.dump || a->n < a->row->min)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct simple *find(const char *name)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	abort();		// a row of main.c without its row here
}

int cmd_simple(const char *name, int argc, char **argv)
{
	struct args a = { .row = find(name) };
	const struct argp argp = {
		.parser = parse,
		.args_doc = a.row->args,
		.doc = a.row->doc,
		.children = opt_children,
	};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	a.req.sections = PSC_SECTION_INFO | a.row->section;
	// Info is what can be read; it is never refused.
	a.req.required = a.row->section & ~(uint32_t)PSC_SECTION_INFO;
	return opt_run(&a.opt, &a.req, name, false);
}
