// SPDX-License-Identifier: MIT
// The yardstick: a plain loop over a file's bytes, one thread, fresh mapping.
// Prints GiB and seconds of processor time.
#include <stdio.h>
#include <time.h>

#include "base/bytes.h"
#include "base/file.h"

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	struct psc_file *f;
	uint64_t sum = 0;
	double start = cpu();

	if (argc != 2)
		return 2;
	struct psc_error *err = psc_file_open(argv[1], &f);
	if (err) {
		fprintf(stderr, "%s\n", err->message);
		psc_error_free(err);
		return 1;
	}
	for (uint64_t i = 0; i + 8 <= f->size; i += 8)
		sum += psc_le64(f->data + i);
	double seconds = cpu() - start;
	printf("%.6f %.6f %016llx\n", (double)f->size / (1 << 30), seconds,
	       (unsigned long long)sum);
	psc_file_close(f);
	return 0;
}
