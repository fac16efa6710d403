// SPDX-License-Identifier: MIT
/** @file
 * The report of a dump as JSON, with built-in kernels hidden, so that recovery
 * must find what the table would have told:
 *
 *	hide_report DUMP VERSION REVISIONS
 *
 * hides VERSION and all revisions of its build that near. Also prints on
 * stderr the processor time of opening. `hide_report --list` prints the versions
 * that have addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "psc/psc.h"
#include "sym/builtin.h"

/** Of this process: other work on the machine does not count. */
static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int list(void)
{
	for (size_t i = 0; i < psc_builtin_count(); i++)
		if (psc_builtin_at(i)->has_symbols)
			puts(psc_builtin_at(i)->version);
	return 0;
}

int main(int argc, char **argv)
{
	struct psc_session *s = NULL;
	struct psc_report *r = NULL;
	struct psc_request req = {
		.sections = PSC_SECTION_INFO | PSC_SECTION_VM |
			    PSC_SECTION_POOLUSED | PSC_SECTION_BIGPOOL |
			    PSC_SECTION_FINDINGS,
		.vm_flags = PSC_VM_SESSIONS | PSC_VM_REGIONS,
		.all = true,
	};
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	if (argc != 4) {
		fprintf(stderr, "usage: hide_report DUMP VERSION REVISIONS\n");
		return 2;
	}
	if (argv[2][0])
		psc_builtin_hide(argv[2], (uint32_t)atoi(argv[3]));
	double start = cpu_ms();
	struct psc_error *err = psc_open(argv[1], NULL, &s);
	fprintf(stderr, "open %.1f ms\n", cpu_ms() - start);
	if (!err)
		err = psc_run(s, &req, &r);
	if (!err)
		err = psc_render_json(r, stdout);
	if (err)
		fprintf(stderr, "%s\n", err->message);
	psc_report_free(r);
	psc_close(s);
	psc_error_free(err);
	return err ? 1 : 0;
}
