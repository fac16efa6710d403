// SPDX-License-Identifier: MIT
/** @file
 * The commands of poolscope. To add one: write cmd_<name>.c, declare it here,
 * add a row to commands[] in main.c and a section to poolscope.1.
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
int cmd_info(int argc, char **argv);
int cmd_lm(int argc, char **argv);
int cmd_symbols(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_poolused(int argc, char **argv);
int cmd_bigpool(int argc, char **argv);
int cmd_walk(int argc, char **argv);
int cmd_callers(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_pool(int argc, char **argv);
int cmd_poolfind(int argc, char **argv);
int cmd_poolmap(int argc, char **argv);
int cmd_poolval(int argc, char **argv);

#endif
