// SPDX-License-Identifier: MIT
// poolscope: what a Windows crash dump tells about the kernel's memory pools.
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "command.h"

const char *argp_program_version = "poolscope " PSC_VERSION;
error_t argp_err_exit_status = EXIT_WRONG_USAGE;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv); /**< NULL: a row of cmd_simple.c. */
	const char *args, *help;
	char title[32];		/**< argv[0] of its messages. */
} commands[] = {
	{ "report", cmd_report, "DUMP", "a short report (also without a "
	  "command name)", "poolscope report" },
	{ "info", NULL, "DUMP", "which file, which machine, what stopped "
	  "it", "poolscope info" },
	{ "lm", NULL, "DUMP", "loaded and unloaded drivers",
	  "poolscope lm" },
	{ "symbols", cmd_symbols, "DUMP", "which symbols are used, which are "
	  "missing", "poolscope symbols" },
	{ "vm", cmd_vm, "DUMP [FLAGS]", "virtual memory, as !vm",
	  "poolscope vm" },
	{ "poolused", cmd_poolused, "DUMP [FLAGS [TAG]] [/tN]",
	  "pool by tag, as !poolused", "poolscope poolused" },
	{ "bigpool", NULL, "DUMP", "allocations of whole pages",
	  "poolscope bigpool" },
	{ "walk", NULL, "DUMP", "every block, against the counters",
	  "poolscope walk" },
	{ "check", cmd_check, "DUMP", "corrupted pool headers: which, how, "
	  "whose fault", "poolscope check" },
	{ "pool", NULL, "DUMP ADDRESS", "what is this address, as !pool",
	  "poolscope pool" },
	{ "poolval", NULL, "DUMP ADDRESS", "check the headers of a "
	  "page, as !poolval", "poolscope poolval" },
	{ "poolfind", cmd_poolfind, "DUMP TAG", "every block of a tag, as "
	  "!poolfind", "poolscope poolfind" },
	{ "poolmap", NULL, "DUMP [ADDRESS [BYTES]]", "how full the "
	  "pool is, as a picture", "poolscope poolmap" },
	{ "callers", cmd_callers, "DUMP|--images PATH [TAG]", "who allocates, "
	  "from the drivers' code", "poolscope callers" },
};

static void usage(FILE *out)
{
	fputs("Usage: poolscope [COMMAND] [OPTION...] DUMP ...\n"
	      "What a Windows crash dump tells about the kernel's memory "
	      "pools.\n\n", out);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s %-25s %s\n", commands[i].name,
			commands[i].args, commands[i].help);
	fputs("\n`poolscope COMMAND --help' explains a command; the manual is "
	      "poolscope(1).\n", out);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/** A first word that is no command is a dump, if there is such a file. */
static bool is_file(const char *word)
{
	return word[0] == '-' || access(word, F_OK) == 0 ||
	       (errno != ENOENT && errno != ENOTDIR);
}

int main(int argc, char **argv)
{
	static char title[] = "poolscope";

	if (argc < 2) {
		usage(stderr);
		return EXIT_WRONG_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return EXIT_ANSWER;
	}
	const struct command *c = find(argv[1]);
	if (!c && !is_file(argv[1])) {
		fprintf(stderr, "poolscope: '%s' is neither a command nor a "
			"file; `poolscope --help' lists the commands\n",
			argv[1]);
		return EXIT_WRONG_USAGE;
	}
	if (!c) {
		argv[0] = title;
		return cmd_report(argc, argv);
	}
	argv[1] = (char *)(uintptr_t)c->title;
	return c->run ? c->run(argc - 1, argv + 1)
		      : cmd_simple(c->name, argc - 1, argv + 1);
}
