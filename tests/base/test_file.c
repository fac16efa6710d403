// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void maps_and_bounds(void **state)
{
	char path[] = "/tmp/psc-test-XXXXXX";
	int fd = mkstemp(path);
	struct psc_file *f;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	CHECK_OK(psc_file_open(path, &f));
	assert_int_equal(f->size, 5);
	assert_memory_equal(psc_file_at(f, 1, 4), "ello", 4);
	assert_non_null(psc_file_at(f, 5, 0));
	assert_null(psc_file_at(f, 1, 5));
	assert_null(psc_file_at(f, 6, 0));
	assert_null(psc_file_at(f, UINT64_MAX, UINT64_MAX));
	psc_file_close(f);
	assert_int_equal(truncate(path, 0), 0);
	CHECK_OK(psc_file_open(path, &f));
	assert_null(psc_file_at(f, 0, 1));
	psc_file_close(f);
	unlink(path);
}

static void refusals(void **state)
{
	struct psc_file *f;

	CHECK_ERR(psc_file_open("/nonexistent/x", &f), PSC_ERR_OS);
	CHECK_ERR(psc_file_open("/tmp", &f), PSC_ERR_OS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_and_bounds),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
