// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "opt.h"

enum {
	KEY_IMAGES = 0x200,
	KEY_TAG,
	KEY_CSV,
	KEY_POOLTAG_TXT,
};

struct callers {
	struct opt o;
	const char *tag;
	const char *view;
	const char **images;
	size_t n_images;
};

static const struct argp_option options[] = {
	{ "images", KEY_IMAGES, "PATH", 0,
	  "look at image files or folders of them instead of a dump "
	  "(repeatable)", 0 },
	{ "tag", KEY_TAG, "TAG", 0, "only this tag ('*' and '?' match)", 0 },
	{ "csv", KEY_CSV, NULL, 0, "print comma-separated values", 0 },
	{ "pooltag-txt", KEY_POOLTAG_TXT, NULL, 0,
	  "print lines for the debugger's pooltag.txt", 0 },
	{ 0 },
};

static void add_image(struct callers *c, const char *path,
		      struct argp_state *state)
{
	const char **more = realloc(c->images, (c->n_images + 1) *
				    sizeof(*more));

	if (!more)
		argp_failure(state, EXIT_NO_ANSWER, 0, "out of memory");
	c->images = more;
	c->images[c->n_images++] = path;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct callers *c = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &c->o;
		return 0;
	case KEY_IMAGES:
		add_image(c, arg, state);
		return 0;
	case KEY_TAG:
		c->tag = arg;
		return 0;
	case KEY_CSV:
		c->view = "callers-csv";
		return 0;
	case KEY_POOLTAG_TXT:
		c->view = "callers-pooltag";
		return 0;
	case ARGP_KEY_ARG:
		if (!c->n_images && opt_take_dump(&c->o, arg))
			return 0;
		if (c->tag)
			return ARGP_ERR_UNKNOWN;
		c->tag = arg;
		return 0;
	case ARGP_KEY_END:
		if (!c->o.dump && !c->n_images)
			argp_usage(state);
		if (c->o.dump && c->n_images)
			argp_error(state, "a dump or --images, not both");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DUMP [TAG]\n--images PATH... [TAG]",
	.doc = "Who allocates: the call sites of pool allocators in the "
	       "drivers' code, with tag, pool and size.",
	.children = opt_children,
};

int cmd_callers(int argc, char **argv)
{
	struct callers c = { .view = "callers" };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &c);
	struct psc_request req = {
		.sections = PSC_SECTION_INFO | PSC_SECTION_CALLSITES,
		.required = PSC_SECTION_CALLSITES,
		.tag_pattern = c.tag,
	};
	if (c.n_images)
		status = opt_run_images(&c.o, c.images, c.n_images, &req,
					c.view);
	else
		status = opt_run(&c.o, &req, c.view, false);
	free(c.images);
	return status;
}
