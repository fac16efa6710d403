// SPDX-License-Identifier: MIT
#include "random.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const uint32_t families[] = {
	7601, 9600, 14393, 17763, 18362, 19041, 20348, 22000,
};

struct draw {
	uint64_t rng;
	struct psc_str s;
	uint32_t family;
	unsigned int n_processes;
};

static uint64_t below(struct draw *d, uint64_t n)
{
	return mk_random_below(&d->rng, n);
}

static uint64_t between(struct draw *d, uint64_t low, uint64_t high)
{
	return low + below(d, high - low + 1);
}

static bool in_family(uint32_t build, uint32_t family)
{
	return build == family || (family == 18362 && build == 18363) ||
	       (family == 19041 && build > 19041 && build <= 19045);
}

// A kernel of the family whose addresses are known.
static const char *draw_kernel(struct draw *d)
{
	size_t n = 0, at = 0;

	for (size_t i = 0; i < psc_builtin_count(); i++) {
		const struct psc_builtin_kernel *k = psc_builtin_at(i);
		if (!k->has_symbols || !in_family(k->build, d->family))
			continue;
		// Each of the n seen so far stays with probability 1/n.
		if (below(d, ++n) == 0)
			at = i;
	}
	return n ? psc_builtin_at(at)->version : NULL;
}

static void draw_tag(struct draw *d, char tag[5])
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (int i = 0; i < 4; i++)
		tag[i] = letters[below(d, sizeof(letters) - 1)];
	tag[4] = '\0';
}

// Mostly small blocks, some of a page's size, few of many pages.
static void draw_size(struct draw *d, uint64_t *low, uint64_t *high)
{
	switch (below(d, 8)) {
	case 0:
		*low = between(d, 0x1000, 0x4000);
		*high = *low + below(d, 0x8000);
		break;
	case 1:
		*low = between(d, 0x400, 0xc00);
		*high = between(d, *low, 0xf80);
		break;
	case 2:
	case 3:
		*low = *high = between(d, 1, 0x1f0);
		break;
	default:
		*low = between(d, 1, 0x100);
		*high = *low + below(d, 0x300);
	}
}

static void draw_alloc(struct draw *d)
{
	static const char *const pools[] = {
		"nonpaged", "nonpaged-nx", "nonpaged-nx", "paged", "paged",
		"mmst",
	};
	char tag[5];
	uint64_t low, high, count, freed = 0, cached = 0;

	draw_tag(d, tag);
	draw_size(d, &low, &high);
	count = high > 0xf00 ? between(d, 1, 6) : between(d, 1, 300);
	if (high <= 0xfe0 && below(d, 2)) {
		freed = below(d, count / 2 + 1);
		cached = below(d, (count - freed) / 4 + 1);
	} else if (low > 0xfe0 && below(d, 2)) {
		freed = below(d, count);
	}
	psc_str_addf(&d->s, "alloc %s %s size=%" PRIu64 "..%" PRIu64
		     " count=%" PRIu64, tag, pools[below(d, 6)], low, high,
		     count);
	if (freed)
		psc_str_addf(&d->s, " free=%" PRIu64, freed);
	if (cached)
		psc_str_addf(&d->s, " cached=%" PRIu64, cached);
	if (high <= 0xf00 && below(d, 8) == 0)
		psc_str_add(&d->s, " aligned");
	if (below(d, 6) == 0)
		psc_str_addf(&d->s, " quota=%" PRIu64,
			     4 + 400 * below(d, d->n_processes));
	psc_str_add(&d->s, "\n");
}

static void draw_machine(struct draw *d, uint64_t seed, const char *kernel)
{
	static const unsigned int types[] = { 1, 5, 6, 6, 8 };

	psc_str_addf(&d->s, "seed %" PRIu64 "\nram %" PRIu64 "G\n", seed,
		     between(d, 1, 16));
	psc_str_addf(&d->s, "processors %" PRIu64 "\n", between(d, 1, 8));
	psc_str_addf(&d->s, "kernel %s\n", kernel);
	if (d->family == 17763)
		psc_str_addf(&d->s, "heap-state %d\n", below(d, 2) ? 3 : 1);
	psc_str_addf(&d->s, "dump type=%u\n", types[below(d, 5)]);
	psc_str_add(&d->s, "crash 2026-01-02T03:04:05Z uptime=98765\n"
			   "bugcheck 0xe2 0 0 0 0\n");
	d->n_processes = (unsigned int)between(d, 1, 6);
	for (unsigned int i = 0; i < d->n_processes; i++)
		psc_str_addf(&d->s, "process %s pid=%u commit=%" PRIu64
			     " handles=%" PRIu64 "\n",
			     i ? "worker.exe" : "System", 4 + 400 * i,
			     between(d, 1, 9000), between(d, 1, 4000));
}

// Session pool, on the families whose types have it.
static void draw_session(struct draw *d)
{
	if (d->family > 22000 || below(d, 2))
		return;
	psc_str_add(&d->s, "session 1\nprocess csrss.exe pid=3 session=1\n");
	for (uint64_t n = between(d, 1, 6); n; n--) {
		char tag[5];
		uint64_t count = between(d, 1, 200), low, high;

		draw_tag(d, tag);
		draw_size(d, &low, &high);
		psc_str_addf(&d->s, "alloc %s session size=%" PRIu64
			     "..%" PRIu64 " count=%" PRIu64 "\n", tag, low,
			     high, high > 0xf00 ? count % 6 + 1 : count);
	}
}

char *mk_random_recipe(uint64_t seed, uint32_t family)
{
	struct draw d = { .rng = seed ^ 0x72616e64u };
	uint64_t n;

	d.family = family ? family
			  : families[below(&d, PSC_ARRAY_SIZE(families))];
	const char *kernel = draw_kernel(&d);
	if (!kernel)
		return NULL;
	draw_machine(&d, seed, kernel);
	n = between(&d, 5, 40);
	for (uint64_t i = 0; i < n; i++)
		draw_alloc(&d);
	draw_session(&d);
	return psc_str_take(&d.s);
}
