// SPDX-License-Identifier: MIT
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "modules.h"
#include "out.h"
#include "random.h"

const char *argp_program_version = "poolscope-mkdump " PSC_VERSION;

enum { OPT_KERNEL = 1, OPT_TRUTH, OPT_DRIVERS, OPT_TYPE, OPT_RANDOM, OPT_FAMILY,
       OPT_PRINT };

struct options {
	const char *recipe, *out, *truth, *kernel, *drivers, *type;
	const char *random, *family;
	bool print;
};

static const struct argp_option option_table[] = {
	{"output", 'o', "FILE", 0, "the dump to write", 0},
	{"truth", OPT_TRUTH, "FILE", 0,
	 "write what a reader must find, as JSON", 0},
	{"kernel", OPT_KERNEL, "VERSION", 0,
	 "another built-in kernel than the recipe's", 0},
	{"type", OPT_TYPE, "N", 0, "another dump type than the recipe's", 0},
	{"random", OPT_RANDOM, "SEED", 0,
	 "a healthy random machine instead of a recipe", 0},
	{"family", OPT_FAMILY, "BUILD", 0,
	 "with --random: 7601, 9600, 14393, 17763, 18362, 19041, 20348 or "
	 "22000", 0},
	{"print", OPT_PRINT, NULL, 0,
	 "with --random: print the recipe, make no dump", 0},
	{"drivers", OPT_DRIVERS, "DIR", 0,
	 "where 'module file=' looks for drivers", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o': o->out = arg; break;
	case OPT_TRUTH: o->truth = arg; break;
	case OPT_KERNEL: o->kernel = arg; break;
	case OPT_DRIVERS: o->drivers = arg; break;
	case OPT_TYPE: o->type = arg; break;
	case OPT_RANDOM: o->random = arg; break;
	case OPT_FAMILY: o->family = arg; break;
	case OPT_PRINT: o->print = true; break;
	case ARGP_KEY_ARG:
		if (o->recipe)
			argp_usage(state);
		o->recipe = arg;
		break;
	case ARGP_KEY_END:
		if (!o->recipe == !o->random || (!o->out && !o->print))
			argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = option_table, .parser = parse, .args_doc = "RECIPE",
	.doc = "Turn a readable recipe into a Windows kernel crash dump.",
};

/** @return false when the recipe was only to be printed. */
static bool run_random(struct mk *m, const struct options *o)
{
	uint64_t family = o->family ? mk_number(m, o->family) : 0;
	char *text = mk_random_recipe(mk_number(m, o->random),
				      (uint32_t)family);

	if (!text)
		mk_fail(m, "no built-in kernel of family %s", o->family);
	if (o->print)
		fputs(text, stdout);
	else
		mk_recipe_run_text(m, "random", text);
	free(text);
	return !o->print;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct mk *m = mk_new();

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	m->version = o.kernel;
	m->modules->driver_dir = o.drivers;
	if (o.recipe)
		mk_recipe_run(m, o.recipe);
	else if (!run_random(m, &o))
		return 0;
	if (o.type)
		m->dump_type = (uint32_t)mk_number(m, o.type);
	mk_finish(m);
	mk_out_write(m, o.out);
	if (o.truth && json_object_to_file_ext(o.truth, m->truth,
					       JSON_C_TO_STRING_PRETTY |
					       JSON_C_TO_STRING_NOSLASHESCAPE))
		mk_fail(m, "%s: cannot write", o.truth);
	mk_free(m);
	return 0;
}
