// SPDX-License-Identifier: MIT
/** @file
 * The commands of poolscope. To add one: a row of cmd_simple.c when it has no
 * options of its own, else cmd_<name>.c, declared here; a row of commands[] in
 * main.c and a section of poolscope.1.
 */
#ifndef POOLSCOPE_COMMAND_H
#define POOLSCOPE_COMMAND_H

/** Exit status (see poolscope.1). */
enum {
	EXIT_ANSWER = 0,
	EXIT_NO_ANSWER = 1,
	EXIT_WRONG_USAGE = 2,
	EXIT_INCOMPLETE = 3,
	EXIT_FOUND = 4,
};

/** @return the exit status. argv[0] names the command in messages. */
int cmd_report(int argc, char **argv);
int cmd_symbols(int argc, char **argv);
int cmd_vm(int argc, char **argv);
/** A command of the table of simple ones. */
int cmd_simple(const char *name, int argc, char **argv);
int cmd_poolused(int argc, char **argv);
int cmd_callers(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_poolfind(int argc, char **argv);

#endif
