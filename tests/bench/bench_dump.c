// SPDX-License-Identifier: MIT
// Opening of large dumps: time, memory, page lookups. Makes sparse files in
// $TMPDIR (else /var/tmp), some hundred MB on disk, and removes them.
//   meson setup build-release --buildtype=release
//   meson test -C build-release --benchmark --verbose
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "dump/dump.h"

#define GIB (UINT64_C(1) << 30)
#define PAGE UINT64_C(0x1000)
#define HEADER 0x2000u

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(99);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// --- making files --------------------------------------------------------------

static void make_header(uint8_t *p, uint32_t type)
{
	for (size_t i = 0; i < HEADER; i++)
		p[i] = (uint8_t)"PAGE"[i % 4];
	memcpy(p, "PAGEDU64", 8);
	psc_put32(p + 0xc, 19041);
	psc_put32(p + 0x30, 0x8664);
	psc_put32(p + 0x34, 8);
	psc_put32(p + 0xf98, type);
}

// Two of three frames are stored, as many as fill `bytes`.
static void make_bitmap(int fd, uint64_t bytes)
{
	static const uint8_t three[] = { 0xb6, 0x6d, 0xdb };
	uint64_t pages = bytes / PAGE, bits = pages * 3 / 2;
	uint64_t first = (HEADER + 0x38 + (bits + 7) / 8 + PAGE - 1) & ~(PAGE - 1);
	uint8_t h[HEADER + 0x38], chunk[3 * 4096];
	uint64_t set = 0;

	make_header(h, 6);
	memset(h + HEADER, 0, 0x38);
	memcpy(h + HEADER, "SDMPDUMP", 8);
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = three[i % 3];
	for (uint64_t at = 0; at < bits / 8; at += sizeof(chunk)) {
		size_t n = (size_t)PSC_MIN(sizeof(chunk), bits / 8 - at);
		check(pwrite(fd, chunk, n, (off_t)(sizeof(h) + at)) ==
		      (ssize_t)n, "bitmap");
		for (size_t i = 0; i < n; i++)
			set += (uint64_t)__builtin_popcount(chunk[i]);
	}
	psc_put64(h + HEADER + 0x20, first);
	psc_put64(h + HEADER + 0x28, set);
	psc_put64(h + HEADER + 0x30, bits);
	check(pwrite(fd, h, sizeof(h), 0) == sizeof(h), "header");
	check(!ftruncate(fd, (off_t)(first + set * PAGE)), "ftruncate");
}

// 43 runs with a hole behind each.
static void make_runs(int fd, uint64_t bytes)
{
	uint64_t per_run = bytes / PAGE / 43, base = 1;
	uint8_t h[HEADER];

	make_header(h, 1);
	psc_put32(h + 0x88, 43);
	psc_put64(h + 0x90, per_run * 43);
	for (size_t i = 0; i < 43; i++, base += per_run + 0x100) {
		psc_put64(h + 0x98 + 16 * i, base);
		psc_put64(h + 0xa0 + 16 * i, per_run);
	}
	check(pwrite(fd, h, sizeof(h), 0) == sizeof(h), "header");
	check(!ftruncate(fd, (off_t)(HEADER + per_run * 43 * PAGE)),
	      "ftruncate");
}

// Pages that pack about as well as memory does.
static void fill_page(uint8_t *p, uint64_t pfn)
{
	uint64_t v = pfn * UINT64_C(0x9e3779b97f4a7c15) + 1;

	memset(p, 0, PAGE);
	for (size_t i = 0; i < PAGE / 2 && pfn % 4; i += 8) {
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
		psc_put64(p + i, v & UINT64_C(0xffff80000fffffff));
	}
}

static void make_gzip(int fd, uint64_t bytes)
{
	uint8_t h[HEADER], page[PAGE];
	gzFile z = gzdopen(dup(fd), "wb6");

	check(z != NULL, "gzip");
	make_header(h, 1);
	psc_put32(h + 0x88, 1);
	psc_put64(h + 0x90, bytes / PAGE);
	psc_put64(h + 0x98, 0);
	psc_put64(h + 0xa0, bytes / PAGE);
	check(gzwrite(z, h, sizeof(h)) == sizeof(h), "gzip");
	for (uint64_t pfn = 0; pfn < bytes / PAGE; pfn++) {
		fill_page(page, pfn);
		check(gzwrite(z, page, sizeof(page)) == sizeof(page), "gzip");
	}
	check(gzclose(z) == Z_OK, "gzip");
}

// --- measuring -----------------------------------------------------------------

// VmHWM in KiB: every page of the process that was ever resident.
static uint64_t high_water(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	uint64_t kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

// Random page lookups per second; the bytes are not touched.
static double lookup_rate(const struct psc_dump *d, uint64_t n)
{
	uint64_t limit = psc_dump_pfn_limit(d), seed = 88172645463325252u;
	uint8_t scratch[PAGE];
	uint64_t found = 0;
	double start = now();

	for (uint64_t i = 0; i < n; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		found += psc_dump_page(d, seed % limit, scratch) != NULL;
	}
	double t = now() - start;
	check(found > n / 2, "lookups");
	return (double)n / t;
}

static double walk_rate(const struct psc_dump *d, uint64_t n)
{
	uint64_t pfn = 0, i = 0;
	double start = now();

	while (i < n && psc_dump_next_page(d, pfn, &pfn)) {
		pfn++;
		i++;
	}
	return (double)i / (now() - start);
}

static int measure(const char *path)
{
	struct psc_dump *d;
	uint64_t before = high_water();
	double start = now();
	struct psc_error *err = psc_dump_open(path, NULL, &d);
	double open_time = now() - start;
	uint64_t after = high_water();

	if (err) {
		fprintf(stderr, "%s\n", err->message);
		return 1;
	}
	bool packed = psc_dump_compression(d) != NULL;
	printf("%8.2f ms %8.1f MB (%.1f before) %12" PRIu64 " pages "
	       "%10.0f lookups/s %12.0f next/s\n", open_time * 1e3,
	       (double)after / 1024, (double)before / 1024,
	       psc_dump_pages_stored(d), lookup_rate(d, packed ? 2000 : 5000000),
	       walk_rate(d, 5000000));
	psc_dump_close(d);
	return 0;
}

// A process of its own, so that memory is that of one open.
static void run(const char *self, const char *path, const char *name)
{
	printf("%-24s ", name);
	fflush(stdout);
	pid_t pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		execl(self, self, path, (char *)NULL);
		_exit(99);
	}
	int status = 0;
	check(waitpid(pid, &status, 0) == pid && status == 0, "measure");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(int fd, uint64_t bytes);
		uint64_t bytes;
	} cases[] = {
		{ "bitmap (6), 32 GiB", make_bitmap, 32 * GIB },
		{ "bitmap (6), 1 TiB", make_bitmap, 1024 * GIB },
		{ "runs (1), 32 GiB", make_runs, 32 * GIB },
		{ "runs (1), 1 TiB", make_runs, 1024 * GIB },
		{ "gzip of runs, 256 MiB", make_gzip, GIB / 4 },
	};
	const char *tmp = getenv("TMPDIR");
	char path[4096];

	if (argc == 2)
		return measure(argv[1]);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(cases); i++) {
		snprintf(path, sizeof(path), "%s/psc-bench-XXXXXX",
			 tmp ? tmp : "/var/tmp");
		int fd = mkstemp(path);
		check(fd >= 0, path);
		cases[i].make(fd, cases[i].bytes);
		close(fd);
		run("/proc/self/exe", path, cases[i].name);
		unlink(path);
	}
	return 0;
}
