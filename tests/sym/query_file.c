// SPDX-License-Identifier: MIT
/** @file
 * Answers questions about a symbol file for check_oracles.py. A line of input
 * per question, a line of output per answer:
 *   S name    RVA in hex, or -
 *   L rva     "function line" of the outermost frame, or -
 *   Z type    size, or -
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sym/sym_open.h"

static void lines(const struct psc_sym *s, uint64_t rva)
{
	struct psc_lines l;
	struct psc_error *err = psc_sym_lines(s, rva, &l);

	if (err)
		puts("-");
	else
		printf("%s %u\n", l.v[l.n - 1].function
		       ? l.v[l.n - 1].function : "?", l.v[l.n - 1].line);
	psc_error_free(err);
}

static void number(struct psc_error *err, uint64_t v)
{
	if (err)
		puts("-");
	else
		printf("%" PRIx64 "\n", v);
	psc_error_free(err);
}

int main(int argc, char **argv)
{
	char line[512];
	struct psc_sym *s;
	uint64_t v = 0;

	if (argc != 2 || psc_sym_open_file(argv[1], NULL, false, &s))
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		const char *what = line + 2;
		if (line[0] == 'L') {
			lines(s, strtoull(what, NULL, 16));
			continue;
		}
		struct psc_error *err = line[0] == 'S'
			? psc_sym_rva(s, what, &v)
			: psc_sym_sizeof(s, what, &v);
		number(err, v);
	}
	psc_sym_free(s);
	return 0;
}
