// SPDX-License-Identifier: MIT
// Writes tests/fuzz/seeds/dump anew: make_seeds FOLDER.
#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "pack.h"

static const uint64_t runs[][2] = { { 1, 1 }, { 5, 1 } };
static const uint64_t overlapping[][2] = { { 5, 2 }, { 6, 1 }, { 1, 1 } };
static const uint64_t frames[] = { 2, 66 };

static void save(const char *folder, const char *name, struct image m)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		exit(99);
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(m.p, 1, m.n, f) != m.n || fclose(f)) {
		perror(path);
		exit(99);
	}
	free(path);
	image_free(&m);
}

static void save_packed(const char *folder)
{
	struct image m = image_bitmap(true, 6, "SDMP", 67, frames, 2), two = { 0 };
	struct zip_file file = { "MEMORY.DMP", m.p, m.n };
	const struct zip_options deflate = { .method = 8, .zip64 = true };
	const struct zip_options stored = { .method = 0, .descriptor = true };

	save(folder, "gzip", gzip_of(&m));
	pack_gzip(&two, m.p, 0x2100, true);
	pack_gzip(&two, m.p + 0x2100, m.n - 0x2100, false);
	save(folder, "gzip-two-members", two);
	save(folder, "zip-deflate", zip_of(&file, 1, &deflate));
	save(folder, "zip-stored", zip_of(&file, 1, &stored));
	image_free(&m);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	save(argv[1], "runs64", image_runs(true, runs, 2));
	save(argv[1], "runs32", image_runs(false, runs, 2));
	save(argv[1], "runs-overlap", image_runs(true, overlapping, 3));
	save(argv[1], "bitmap5", image_bitmap(true, 5, "FDMP", 67, frames, 2));
	save(argv[1], "bitmap6", image_bitmap(true, 6, "SDMP", 67, frames, 2));
	save(argv[1], "bitmap32", image_bitmap(false, 6, "SDMP", 67, frames, 2));
	save(argv[1], "summary64", image_summary(true, 0x28, 67, frames, 2));
	save(argv[1], "summary32", image_summary(false, 0x20, 67, frames, 2));
	save(argv[1], "rdmp8", image_rdmp(8, runs, 2, 0));
	save(argv[1], "rdmpA", image_rdmp(0xa, runs, 2, 0x20));
	save(argv[1], "header-only", image_new(true, 3));
	save(argv[1], "triage64", image_triage(true));
	save(argv[1], "triage32", image_triage(false));
	save_packed(argv[1]);
	return 0;
}
