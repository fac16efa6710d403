// SPDX-License-Identifier: MIT
// Downloads from a server on the loopback address (fetch_server.py), which
// misbehaves in the ways that real ones do.
#include "test.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "msf_make.h"
#include "sym/store.h"
#include "sym/sym_open.h"

static char top[64];
static pid_t server = -1;
static int port;
static struct psc_pdb_id id;
static struct psc_symlog log_;

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *where)
{
	return remove(path);
}

// The server prints its port once it listens.
static bool start_server(void)
{
	char line[32] = "";
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	server = fork();
	if (server == 0) {
		dup2(fd[1], 1);
		execlp("python3", "python3", getenv("SYM_FETCH_SERVER"),
		       fixture_path("x64.pdb"), NULL);
		_exit(127);
	}
	close(fd[1]);
	FILE *f = fdopen(fd[0], "r");
	bool ok = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	port = atoi(line);
	return ok && port > 0;
}

static int begin(void **state)
{
	struct psc_sym *s;

	if (!fixture_exists("x64.pdb") || !start_server())
		return 0;
	strcpy(top, "/tmp/poolscope-XXXXXX");
	assert_non_null(mkdtemp(top));
	CHECK_OK(psc_sym_open_file(fixture_path("x64.pdb"), NULL, false, &s));
	id = *psc_sym_id(s);
	psc_sym_free(s);
	return 0;
}

static int end(void **state)
{
	if (server > 0) {
		kill(server, SIGTERM);
		waitpid(server, NULL, 0);
	}
	if (*top)
		nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	psc_symlog_free(&log_);
	return 0;
}

static struct psc_symstore *new_store(const char *cache, const char *way)
{
	char path[256];
	struct psc_symstore_options opt = {
		.path = path, .fetch = true, .stall_seconds = 1,
		.retry_ms = 10,
	};
	struct psc_symstore *s;

	if (!*top)
		skip();		// no PDB or no python3
	snprintf(path, sizeof(path), "srv*%s/%s*http://127.0.0.1:%d/%s/", top,
		 cache, port, way);
	CHECK_OK(psc_symstore_new(&opt, &s));
	psc_symlog_free(&log_);
	return s;
}

static bool log_says(const char *text)
{
	for (size_t i = 0; i < log_.v.n; i++) {
		if (strstr(log_.v.v[i].result, text))
			return true;
	}
	return false;
}

// Nothing half-done stays in the cache.
static bool cached(const char *cache)
{
	char path[1024], key[PSC_STORE_KEY_TEXT];

	psc_store_key(&id, key);
	snprintf(path, sizeof(path), "%s/%s/%s/%s/%s", top, cache, id.name,
		 key, id.name);
	return access(path, R_OK) == 0;
}

static void fetches(const char *way)
{
	struct psc_symwant want = { .id = id };
	struct psc_symstore *s = new_store(way, way);
	struct psc_sym *sym;

	CHECK_OK(psc_symstore_find(s, &want, &log_, &sym));
	rva_of(sym, "FxAllocate");
	psc_sym_free(sym);
	assert_true(cached(way));
	psc_symstore_free(s);
}

static void fails(const char *way, const char *says)
{
	struct psc_symwant want = { .id = id };
	struct psc_symstore *s = new_store(way, way);
	struct psc_sym *sym;

	CHECK_ERR(psc_symstore_find(s, &want, &log_, &sym), PSC_ERR_ABSENT);
	if (!log_says(says)) {
		for (size_t i = 0; i < log_.v.n; i++)
			print_message("%s: %s\n", log_.v.v[i].place,
				      log_.v.v[i].result);
		fail_msg("nothing says \"%s\"", says);
	}
	assert_false(cached(way));
	psc_symstore_free(s);
}

static void plain_file(void **state)
{
	fetches("plain");
}

static void redirect(void **state)
{
	fetches("redirect");
}

static void gzip_content_encoding(void **state)
{
	fetches("gzip");
}

static void compressed_cabinet(void **state)
{
	fetches("cabinet");
}

static void a_server_that_recovers(void **state)
{
	fetches("busy");
}

static void a_transfer_that_is_cut_once(void **state)
{
	fetches("cut-once");
}

static void not_there(void **state)
{
	fails("missing", "404");
}

static void html_with_status_200(void **state)
{
	fails("html", "HTML");
}

static void another_pdb(void **state)
{
	fails("other", "the image asks for");
}

static void cut_short(void **state)
{
	fails("cut", "failed");
}

static void stalls(void **state)
{
	fails("stall", "failed");
}

static void redirect_loop(void **state)
{
	fails("loop", "failed");
}

static void redirect_to_a_file(void **state)
{
	fails("file", "failed");
}

static void denied(void **state)
{
	fails("denied", "403");
}

// A server that failed is not asked for the next driver.
static void a_dead_server_is_left_alone(void **state)
{
	struct psc_symwant want = { .id = id };
	struct psc_symstore *s = new_store("dead", "denied");
	struct psc_sym *sym;

	CHECK_ERR(psc_symstore_find(s, &want, &log_, &sym), PSC_ERR_ABSENT);
	strcpy(want.id.name, "next.pdb");
	CHECK_ERR(psc_symstore_find(s, &want, &log_, &sym), PSC_ERR_ABSENT);
	assert_true(log_says("not asked again"));
	psc_symstore_free(s);
}

static void a_hostile_name_asks_nobody(void **state)
{
	struct psc_symwant want = { .id = id };
	struct psc_symstore *s = new_store("hostile", "plain");
	struct psc_sym *sym;

	strcpy(want.id.name, "../../x64.pdb");
	CHECK_ERR(psc_symstore_find(s, &want, &log_, &sym), PSC_ERR_ABSENT);
	assert_int_equal(log_.v.n, 1);
	psc_symstore_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_file),
		cmocka_unit_test(redirect),
		cmocka_unit_test(gzip_content_encoding),
		cmocka_unit_test(compressed_cabinet),
		cmocka_unit_test(a_server_that_recovers),
		cmocka_unit_test(a_transfer_that_is_cut_once),
		cmocka_unit_test(not_there),
		cmocka_unit_test(html_with_status_200),
		cmocka_unit_test(another_pdb),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(stalls),
		cmocka_unit_test(redirect_loop),
		cmocka_unit_test(redirect_to_a_file),
		cmocka_unit_test(denied),
		cmocka_unit_test(a_dead_server_is_left_alone),
		cmocka_unit_test(a_hostile_name_asks_nobody),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
