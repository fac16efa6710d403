// SPDX-License-Identifier: MIT
/** @file
 * Answers questions about built-in kernels for check_tables.py. A line of
 * input per question, a line of output per answer:
 *   K version arch   open that kernel          -> ok
 *   S name           RVA                       -> hex or -
 *   Z type           size                      -> hex or -
 *   F path           member -> "bit bits count size" (bit hex, from the type's
 *                    start) or -
 */
#include "sym/builtin.h"

#include <stdio.h>
#include <string.h>

static struct psc_sym *sym;

static void open_kernel(char *version)
{
	char *arch = strchr(version, ' ');
	size_t i;
	*arch++ = '\0';
	psc_sym_free(sym);
	sym = NULL;
	struct psc_error *err = NULL;
	if (!psc_builtin_find_version(version, arch, &i) ||
	    (err = psc_builtin_open(i, &sym)))
		puts("-");
	else
		puts("ok");
	psc_error_free(err);
}

static void answer(char kind, const char *what)
{
	uint64_t v = 0;
	struct psc_field f = { 0 };
	struct psc_error *err;
	if (kind == 'F')
		err = psc_sym_field(sym, what, &f);
	else
		err = kind == 'S' ? psc_sym_rva(sym, what, &v)
				  : psc_sym_sizeof(sym, what, &v);
	if (err)
		puts("-");
	else if (kind == 'F')
		printf("%llx %u %u %u\n",
		       (unsigned long long)f.offset * 8 + f.bit, f.bits,
		       f.count, f.size);
	else
		printf("%llx\n", (unsigned long long)v);
	psc_error_free(err);
}

int main(void)
{
	char line[512];
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'K')
			open_kernel(line + 2);
		else
			answer(line[0], line + 2);
	}
	psc_sym_free(sym);
	return 0;
}
