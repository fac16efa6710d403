// SPDX-License-Identifier: MIT
#include "sym/fetch.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/map.h"
#include "sym/blob.h"
#include "sym/cabinet.h"
#include "sym/pdb.h"
#include "sym/names.h"
#include "sym/sym_open.h"

#define MAX_BYTES (1u << 30)
#define MAX_TRIES 3
#define CONNECT_SECONDS 15
#define STALL_SECONDS 30
#define RETRY_MS 500

struct psc_fetch {
	CURL *curl;
	unsigned int stall_seconds, retry_ms;
	struct psc_names missed;	// addresses that were asked for in vain
	struct psc_names dead;		// servers that failed otherwise
};

struct psc_error *psc_fetch_new(unsigned int stall_seconds,
				unsigned int retry_ms, struct psc_fetch **ret)
{
	struct psc_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return &psc_nomem;
	f->stall_seconds = stall_seconds ? stall_seconds : STALL_SECONDS;
	f->retry_ms = retry_ms ? retry_ms : RETRY_MS;
	f->curl = curl_easy_init();
	if (!f->curl) {
		free(f);
		return psc_error_new(PSC_ERR_OS, "libcurl does not start");
	}
	*ret = f;
	return NULL;
}

void psc_fetch_free(struct psc_fetch *f)
{
	if (!f)
		return;
	curl_easy_cleanup(f->curl);
	psc_names_free(&f->missed);
	psc_names_free(&f->dead);
	free(f);
}

static bool knows(const struct psc_names *n, const char *text)
{
	return psc_strmap_get(&n->map, text, strlen(text)) != NULL;
}

// --- one transfer ----------------------------------------------------------

static size_t receive(char *p, size_t one, size_t n, void *ctx)
{
	struct psc_unpacked *u = ctx;
	size_t done = 0;

	while (done < n) {
		size_t room = psc_unpacked_room(u, MAX_BYTES);
		if (!room)
			return 0;	// too large: curl stops
		room = PSC_MIN(room, n - done);
		memcpy(u->data + u->n, p + done, room);
		u->n += room;
		done += room;
	}
	return n;
}

static void set_options(struct psc_fetch *f, const char *url,
			struct psc_unpacked *u)
{
	CURL *c = f->curl;

	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 256L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)f->stall_seconds);
	curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "poolscope/" PSC_VERSION);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, u);
}

static bool worth_a_retry(CURLcode code, long status)
{
	return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR ||
	       status == 408 || status == 500 || status == 502 ||
	       status == 503 || status == 504;
}

static void pause_ms(unsigned int ms)
{
	struct timespec t = {
		.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000,
	};

	nanosleep(&t, NULL);
}

// @return the status, 0 when no answer came; *why is set unless it is 200.
static long get(struct psc_fetch *f, const char *url, struct psc_unpacked *u,
		const char **why)
{
	long status = 0;

	for (unsigned int i = 0; i < MAX_TRIES; i++) {
		u->n = 0;
		set_options(f, url, u);
		CURLcode code = curl_easy_perform(f->curl);
		status = 0;
		curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
		*why = code ? curl_easy_strerror(code) : NULL;
		if (code == CURLE_OK && status == 200)
			return 200;
		if (!worth_a_retry(code, status))
			break;
		if (i + 1 < MAX_TRIES)
			pause_ms(f->retry_ms << i);
	}
	// A transfer that broke after its header has no status to believe.
	return *why ? 0 : status;
}

// --- one file --------------------------------------------------------------

static struct psc_error *check(struct psc_blob *b, const struct psc_pdb_id *id)
{
	struct psc_pdb_id have;
	struct psc_unpacked u;
	struct psc_error *err;

	if (psc_is_cabinet(b->data, b->size)) {
		if ((err = psc_cabinet_unpack(b->data, b->size, MAX_BYTES,
					      &u)))
			return err;
		psc_blob_free(b);
		*b = psc_blob_of_heap(u.data, u.n);
	}
	if ((err = psc_pdb_identify(b, &have)))
		return err;
	return psc_sym_check_id(&have, id);
}

// Verify what came and let it into the store.
static struct psc_error *accept_file(const char *url, struct psc_unpacked *u,
				     const struct psc_pdb_id *id,
				     const char *dir, struct psc_symlog *log)
{
	struct psc_blob b = psc_blob_of_heap(u->data, u->n);
	struct psc_error *err = check(&b, id);

	*u = (struct psc_unpacked){ 0 };
	if (err) {
		psc_symlog_add(log, url, "refused: %s", err->message);
		psc_error_free(err);
		psc_blob_free(&b);
		return &psc_absent;
	}
	err = psc_store_dir_install(dir, id, b.data, b.size);
	psc_blob_free(&b);
	if (!err)
		psc_symlog_add(log, url, "fetched into %s", dir);
	return err;
}

// One address. &psc_absent: not there, or this server is of no use.
static struct psc_error *try_url(struct psc_fetch *f, const char *base,
				 const char *url, const struct psc_pdb_id *id,
				 const char *dir, struct psc_symlog *log)
{
	struct psc_unpacked u = { 0 };
	struct psc_error *err = &psc_absent;
	const char *why;

	if (knows(&f->missed, url) || knows(&f->dead, base))
		return &psc_absent;
	long status = get(f, url, &u, &why);
	if (status == 200) {
		err = accept_file(url, &u, id, dir, log);
	} else if (why) {
		psc_symlog_add(log, url, "failed: %s", why);
	} else {
		psc_symlog_add(log, url, "the server says %ld", status);
	}
	free(u.data);
	if (!err)
		return NULL;
	// Not found is remembered by address; what else went wrong, by server.
	bool absent = status == 200 || status == 404 || status == 410;
	(void)psc_names_keep(absent ? &f->missed : &f->dead,
			     absent ? url : base,
			     strlen(absent ? url : base));
	return err;
}

// base/name/KEY/file with every part percent-encoded.
static bool make_url(struct psc_fetch *f, const char *base,
		     const struct psc_pdb_id *id, const char *file,
		     char out[PATH_MAX])
{
	char key[PSC_STORE_KEY_TEXT];
	char *name = curl_easy_escape(f->curl, id->name, 0);
	char *last = curl_easy_escape(f->curl, file, 0);
	size_t n = strlen(base);

	psc_store_key(id, key);
	while (n && base[n - 1] == '/')
		n--;
	bool ok = name && last &&
		  (size_t)snprintf(out, PATH_MAX, "%.*s/%s/%s/%s", (int)n,
				   base, name, key, last) < PATH_MAX;
	curl_free(name);
	curl_free(last);
	return ok;
}

struct psc_error *psc_fetch_pdb(struct psc_fetch *f, const char *base,
				const struct psc_pdb_id *id, const char *dir,
				struct psc_symlog *log)
{
	char url[PATH_MAX], packed[256];

	if (!id->known || !psc_symname_is_safe(id->name)) {
		psc_symlog_add(log, base, "not asked: the dump does not show "
			       "which PDB it wants");
		return &psc_absent;
	}
	if (knows(&f->dead, base)) {
		psc_symlog_add(log, base, "not asked again: it failed before");
		return &psc_absent;
	}
	snprintf(packed, sizeof(packed), "%s", id->name);
	packed[strlen(packed) - 1] = '_';
	const char *files[] = { id->name, packed };
	for (size_t i = 0; i < 2; i++) {
		if (!make_url(f, base, id, files[i], url))
			return &psc_nomem;
		struct psc_error *err = try_url(f, base, url, id, dir, log);
		if (!psc_error_catch(&err, PSC_ERR_ABSENT))
			return err;
	}
	return &psc_absent;
}
