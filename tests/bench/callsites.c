// SPDX-License-Identifier: MIT
// Benchmark and figures of the call-site engine: `bench_callsites FILE...`
// prints time, sites and how tags are known; -v lists every row.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/str.h"
#include "code/callsites.h"

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_row(const struct psc_callsite *s)
{
	char tag[PSC_TAG_TEXT] = "-", type[PSC_POOL_TYPE_TEXT] = "?";

	if (s->has_tag)
		psc_tag_text(s->tag, tag);
	if (s->has_type)
		psc_pool_type_text(s->type, s->type_is_flags, type);
	printf("  %08x fn %08x via %08x/%u %-24s %-8s mask %08x %s size ",
	       s->rva, s->function, s->via, s->levels, s->api, tag,
	       s->tag_mask, type);
	if (s->has_size)
		printf("%llu", (unsigned long long)s->size);
	else
		printf("?");
	printf(" %s", psc_resolved_by_name(s->by));
	if (s->why)
		printf(" (%s)", psc_reason_text(s->why));
	if (s->global)
		printf(" global %x", s->global);
	if (s->rewritten_by)
		printf(" rewritten by %x", s->rewritten_by);
	if (s->through)
		printf(" through %s", s->through);
	printf("\n");
}

static void print_module(const struct psc_code_module *m, bool verbose)
{
	size_t by[8] = { 0 }, sites = 0;

	if (m->error) {
		printf("%s: %s\n", m->name, m->error->message);
		return;
	}
	for (size_t i = 0; i < m->n; i++) {
		sites += !i || m->v[i].rva != m->v[i - 1].rva;
		by[m->v[i].by]++;
	}
	printf("%s machine %x: %zu sites, %zu rows:", m->name, m->machine,
	       sites, m->n);
	for (unsigned int k = 0; k < 7; k++) {
		if (by[k])
			printf(" %s %zu", psc_resolved_by_name((enum psc_resolved_by)k),
			       by[k]);
	}
	printf("%s%s\n", m->limited ? " LIMITED" : "",
	       m->cached ? " cached" : "");
	for (size_t i = 0; verbose && i < m->n; i++)
		print_row(&m->v[i]);
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	int first = 1 + verbose, n = 0;
	struct psc_code_image *im = calloc((size_t)argc, sizeof(*im));
	struct psc_pe_file *pe = calloc((size_t)argc, sizeof(*pe));
	struct psc_file **files = calloc((size_t)argc, sizeof(*files));
	struct psc_callsites *c = NULL;
	const char *threads = getenv("THREADS");
	struct psc_code_options opt = {
		.threads = threads ? (unsigned int)atoi(threads) : 0,
		.cache_dir = getenv("CACHE_DIR"),
	};
	double start = now(CLOCK_MONOTONIC);
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	for (int i = first; i < argc; i++) {
		struct psc_file *f = NULL;
		struct psc_error *err = psc_file_open(argv[i], &f);
		if (!err)
			err = psc_pe_open_file(f->data, f->size, argv[i],
					       &pe[n]);
		if (err) {
			fprintf(stderr, "%s\n", err->message);
			psc_error_free(err);
			if (f)
				psc_file_close(f);
			continue;
		}
		files[n] = f;
		im[n].name = psc_path_base(argv[i]);
		im[n].src = pe[n].pe.src;
		n++;
	}
	struct psc_error *err = psc_callsites_find(im, (size_t)n, &opt, &c);
	if (err) {
		fprintf(stderr, "%s\n", err->message);
		return 1;
	}
	double end = now(CLOCK_MONOTONIC);
	double cpu_end = now(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < c->n; i++)
		print_module(&c->v[i], verbose);
	printf("%d images, %.3f s, %.3f s of processor time\n", n,
	       end - start, cpu_end - cpu);
	psc_callsites_free(c);
	for (int i = 0; i < n; i++)
		psc_file_close(files[i]);
	free(files);
	free(im);
	free(pe);
	return 0;
}
