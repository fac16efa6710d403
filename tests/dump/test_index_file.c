// SPDX-License-Identifier: MIT
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/cachefile.h"
#include "dump/index_file.h"
#include "pack.h"

static const uint64_t frames[] = { 1, 2, 5, 0x10, 0x11, 0x12 };

struct place {
	char folder[64], dump[96], cache[96];
};

static void write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static struct image read_file(const char *path)
{
	struct image m = { 0 };
	struct stat st;
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	image_resize(&m, (size_t)st.st_size);
	assert_int_equal(fread(m.p, 1, m.n, f), m.n);
	fclose(f);
	return m;
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct image m = image_bitmap(true, 6, "SDMP", 64, frames, 6);

	// Several checkpoints: 3 MiB that do not compress to nothing.
	size_t end = m.n;
	image_resize(&m, end + 3000000);
	for (size_t i = end; i < m.n; i++)
		m.p[i] = (uint8_t)(i * i >> 7 ^ i);
	struct image z = gzip_of(&m);
	strcpy(p->folder, "/tmp/psc-index-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	snprintf(p->dump, sizeof(p->dump), "%s/a.dmp.gz", p->folder);
	snprintf(p->cache, sizeof(p->cache), "%s/cache", p->folder);
	setenv("XDG_CACHE_HOME", p->cache, 1);
	write_file(p->dump, z.p, z.n);
	image_free(&m);
	image_free(&z);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	char *command;

	if (asprintf(&command, "rm -rf '%s'", p->folder) < 0 ||
	    system(command))
		return -1;
	free(command);
	free(p);
	return 0;
}

// The one file in the cache folder; caller frees. NULL: none.
static char *index_path(const struct place *p)
{
	char *folder, *path = NULL;
	struct dirent *e;

	assert_true(asprintf(&folder, "%s/poolscope", p->cache) > 0);
	DIR *dir = opendir(folder);
	while (dir && (e = readdir(dir))) {
		if (!strncmp(e->d_name, "index-", 6)) {
			assert_null(path);	// one file, no leftovers
			assert_true(asprintf(&path, "%s/%s", folder,
					     e->d_name) > 0);
		}
	}
	if (dir)
		closedir(dir);
	free(folder);
	return path;
}

static void count_passes(void *ctx, const char *what, uint64_t done,
			 uint64_t total)
{
	if (!strcmp(what, "indexing the compressed dump"))
		++*(int *)ctx;
}

// Open with the cache. @return whether the pass over the file was made.
static bool open_passes(const struct place *p, bool cache)
{
	int passes = 0;
	struct psc_progress progress = { &passes, count_passes };
	struct psc_dump_options opt = { &progress, cache };
	struct psc_dump *d;

	CHECK_OK(psc_dump_open(p->dump, &opt, &d));
	assert_int_equal(psc_dump_n_warnings(d), 0);
	for (size_t i = 0; i < 6; i++)
		assert_true(page_is_right(d, frames[i]));
	psc_dump_close(d);
	return passes != 0;
}

static void on_request_only(void **state)
{
	const struct place *p = *state;

	assert_true(open_passes(p, false));
	assert_null(index_path(p));
	assert_true(open_passes(p, true));
	char *path = index_path(p);
	assert_non_null(path);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(path);
	assert_false(open_passes(p, true));
	assert_true(open_passes(p, false));
}

// Another time of change or size: another file.
static void stale(void **state)
{
	const struct place *p = *state;
	struct image z = read_file(p->dump);

	assert_true(open_passes(p, true));
	assert_false(open_passes(p, true));
	struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	assert_int_equal(utimensat(AT_FDCWD, p->dump, times, 0), 0);
	assert_true(open_passes(p, true));
	assert_false(open_passes(p, true));
	image_resize(&z, z.n + 1);
	write_file(p->dump, z.p, z.n);
	assert_int_equal(utimensat(AT_FDCWD, p->dump, times, 0), 0);
	assert_true(open_passes(p, true));
	image_free(&z);
}

static void fix_crc(struct image *m)
{
	image_put32(m, m->n - 4, (uint32_t)crc32_z(0, m->p, m->n - 4));
}

// A hostile index never leads out of bounds; the worst is missing pages.
static void hostile(void **state)
{
	const struct place *p = *state;

	assert_true(open_passes(p, true));
	char *path = index_path(p);
	struct image good = read_file(path);
	struct psc_dump_options opt = { .cache_index = true };
	size_t step = 0;

	for (size_t at = 0; at < good.n - 4; at += 1 + step / 300, step++) {
		struct image bad = { 0 };
		struct psc_dump *d;
		image_bytes(&bad, 0, good.p, good.n);
		bad.p[at] ^= (uint8_t)(step % 3 ? 0xff : 1);
		fix_crc(&bad);
		write_file(path, bad.p, bad.n);
		struct psc_error *err = psc_dump_open(p->dump, &opt, &d);
		if (!err) {
			for (size_t i = 0; i < 6; i++)
				page_is_right(d, frames[i]);
			uint8_t b[64];
			psc_dump_read_file(d, psc_dump_size(d) - 64, b, 64);
			psc_dump_close(d);
		}
		psc_error_free(err);
		image_free(&bad);
	}
	for (size_t n = 0; n < good.n; n += 1 + n / 64) {
		write_file(path, good.p, n);
		assert_true(open_passes(p, true));
	}
	image_free(&good);
	free(path);
}

static void check_sum(void **state)
{
	const struct place *p = *state;

	assert_true(open_passes(p, true));
	char *path = index_path(p);
	struct image m = read_file(path);
	m.p[m.n - 20] ^= 1;
	write_file(path, m.p, m.n);
	assert_true(open_passes(p, true));
	image_free(&m);
	free(path);
}

// A cache that cannot be written is a warning, not a failure.
static void no_cache_folder(void **state)
{
	const struct place *p = *state;
	struct psc_dump_options opt = { .cache_index = true };
	struct psc_dump *d;

	write_file(p->cache, "a file", 6);
	CHECK_OK(psc_dump_open(p->dump, &opt, &d));
	assert_true(has_warning(d, "could not be kept"));
	assert_true(page_is_right(d, 5));
	psc_dump_close(d);
}

static void cache_paths(void **state)
{
	const struct place *p = *state;
	char *path;

	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("HOME", p->folder, 1);
	CHECK_OK(psc_cachefile_path("x", &path));
	assert_string_equal(path + strlen(p->folder), "/.cache/poolscope/x");
	free(path);
	unsetenv("HOME");
	CHECK_ERR(psc_cachefile_path("x", &path), PSC_ERR_OS);
}

#define WITH_PLACE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PLACE(on_request_only),
		WITH_PLACE(stale),
		WITH_PLACE(hostile),
		WITH_PLACE(check_sum),
		WITH_PLACE(no_cache_folder),
		WITH_PLACE(cache_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
