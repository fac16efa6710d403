// SPDX-License-Identifier: MIT
#include "analysis/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void psc_finding_add(struct psc_analysis *a, const char *code,
		     enum psc_severity severity, const char *evidence,
		     const char *fmt, ...)
{
	static const char *const names[] = {
		[PSC_INFO] = "info",
		[PSC_WARNING] = "warning",
		[PSC_CRITICAL] = "critical",
	};
	struct psc_value *f =
		psc_add_object(psc_set_array(a->root, "findings"));
	char *text;
	va_list ap;

	psc_set_str(f, "code", code);
	psc_set_str(f, "severity", names[severity]);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	psc_set_str(f, "text", text);
	free(text);
	struct psc_value *e = psc_set_array(f, "evidence");
	if (evidence)
		psc_add_str(e, evidence);
}
