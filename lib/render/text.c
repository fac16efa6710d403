// SPDX-License-Identifier: MIT
#include "render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/bytes.h"
#include "psc/psc.h"

/** To add a view: write text_view_<name>() in its own file and add a row. */
static const struct view {
	const char *name;
	void (*draw)(const struct text *t);
} views[] = {
	{ "report", text_view_report },
	{ "info", text_view_info },
	{ "lm", text_view_lm },
	{ "symbols", text_view_symbols },
	{ "vm", text_view_vm },
	{ "poolused", text_view_poolused },
	{ "bigpool", text_view_bigpool },
	{ "walk", text_view_walk },
	{ "callers", text_view_callers },
	{ "callers-csv", text_view_callers_csv },
	{ "callers-pooltag", text_view_callers_pooltag },
	{ "check", text_view_check },
	{ "pool", text_view_pool },
	{ "poolval", text_view_poolval },
	{ "poolmap", text_view_poolmap },
};

struct psc_error *psc_render_text(struct psc_report *r, const char *view,
				  const struct psc_text_options *opt, FILE *out)
{
	struct psc_error *err = psc_report_check(r);
	struct text t = {
		.out = out,
		.colour = opt && opt->colour,
		.root = psc_report_root(r),
	};

	if (err)
		return err;
	for (size_t i = 0; i < PSC_ARRAY_SIZE(views); i++) {
		if (strcmp(views[i].name, view) != 0)
			continue;
		views[i].draw(&t);
		return fflush(out) == EOF || ferror(out)
			? psc_error_os(errno, "cannot write the report") : NULL;
	}
	return &psc_absent;
}

void text_styled(const struct text *t, enum text_style style, const char *fmt,
		 ...)
{
	static const char *const codes[] = {
		[TEXT_HEADING] = "\033[1m",
		[TEXT_WARNING] = "\033[33m",
		[TEXT_CRITICAL] = "\033[1;31m",
		[TEXT_DIM] = "\033[2m",
	};
	va_list ap;

	if (t->colour)
		fputs(codes[style], t->out);
	va_start(ap, fmt);
	vfprintf(t->out, fmt, ap);
	va_end(ap);
	if (t->colour)
		fputs("\033[0m", t->out);
}

void text_fact(const struct text *t, const char *label, const char *fmt, ...)
{
	va_list ap;

	fprintf(t->out, "  %-15s ", label);
	va_start(ap, fmt);
	vfprintf(t->out, fmt, ap);
	va_end(ap);
	fputc('\n', t->out);
}

unsigned int text_percent(uint64_t part, uint64_t whole)
{
	if (!whole)
		return 0;
	double p = 100.0 * (double)part / (double)whole;
	if (p > 9999)
		return 9999;
	return part < whole && p >= 99.5 ? 99 : (unsigned int)(p + 0.5);
}

void text_bar(uint64_t part, uint64_t whole, unsigned int width, char *out)
{
	unsigned int full = 0;

	if (whole && part) {
		double cells = (double)part / (double)whole * width;
		// Something is never drawn as nothing.
		full = cells >= width ? width : cells < 1 ? 1
							  : (unsigned int)cells;
	}
	memset(out, '#', full);
	memset(out + full, '.', width - full);
	out[width] = '\0';
}

const char *text_str(const struct psc_value *obj, const char *path)
{
	const char *s = psc_get_str(obj, path);

	return s ? s : "-";
}

void text_duration(double seconds, char *out, size_t n)
{
	uint64_t s = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;
	uint64_t days = s / 86400, h = s / 3600 % 24, m = s / 60 % 60;

	if (days)
		snprintf(out, n, "%" PRIu64 " day%s %02" PRIu64 ":%02" PRIu64
			 ":%02" PRIu64, days, days == 1 ? "" : "s", h, m, s % 60);
	else if (s >= 60)
		snprintf(out, n, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, h, m,
			 s % 60);
	else
		snprintf(out, n, "%.1f seconds", seconds);
}
