// SPDX-License-Identifier: MIT
// Replays files through a fuzz target without libFuzzer: each argument is a
// file, or a folder whose files are all taken.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END))
		size = ftell(f);
	if (size < 0 || fseek(f, 0, SEEK_SET)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	// Exact size: a sanitizer sees a one-byte overread.
	uint8_t *data = malloc(size ? (size_t)size : 1);
	size_t n = data ? fread(data, 1, (size_t)size, f) : 0;
	fclose(f);
	if (n != (size_t)size) {
		free(data);
		return -1;
	}
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

// Files replayed, or -1.
static int replay(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), done = 0;

	if (n < 0)
		return replay_file(path);
	for (int i = 0; i < n; i++) {
		char *file;
		if (names[i]->d_name[0] != '.' && done >= 0 &&
		    asprintf(&file, "%s/%s", path, names[i]->d_name) >= 0) {
			done = replay_file(file) < 0 ? -1 : done + 1;
			free(file);
		}
		free(names[i]);
	}
	free(names);
	return done;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);
		if (n < 0)
			return 99;
		total += n;
	}
	printf("%d inputs replayed\n", total);
	return total ? 0 : 1;
}
