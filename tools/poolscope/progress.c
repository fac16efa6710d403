// SPDX-License-Identifier: MIT
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 30
#define SHOW_AFTER 1.0		// seconds
#define REDRAW_AFTER 0.1

// One program, one terminal line.
static struct {
	double start, last;
	bool drawn;
} bar;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void update(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	double t = now(), part = total ? (double)done / (double)total : 0;
	char cells[WIDTH + 1];

	(void)ctx;
	if (t - bar.start < SHOW_AFTER || t - bar.last < REDRAW_AFTER)
		return;
	if (part > 1)
		part = 1;
	memset(cells, '.', WIDTH);
	memset(cells, '#', (size_t)(part * WIDTH));
	cells[WIDTH] = '\0';
	fprintf(stderr, "\r\033[K%s [%s] %3.0f %%", what, cells, part * 100);
	fflush(stderr);
	bar.last = t;
	bar.drawn = true;
}

struct psc_progress progress_on_terminal(void)
{
	bar.start = now();
	return (struct psc_progress){
		.update = isatty(STDERR_FILENO) ? update : NULL,
	};
}

void progress_done(struct psc_progress *p)
{
	p->update = NULL;
	if (bar.drawn)
		fputs("\r\033[K", stderr);
	bar.drawn = false;
}
