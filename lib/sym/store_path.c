// SPDX-License-Identifier: MIT
#include "sym/store_path.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

bool psc_is_url(const char *token)
{
	return strncasecmp(token, "http://", 7) == 0 ||
	       strncasecmp(token, "https://", 8) == 0;
}

// "C:\sym" or "\\server\share": cannot be opened on this system.
static bool is_windows_path(const char *t)
{
	return (isalpha((unsigned char)t[0]) && t[1] == ':') ||
	       (t[0] == '\\' && t[1] == '\\');
}

static bool notice(struct psc_store_path *p, const char *token,
		   const char *why)
{
	char *text;

	if (asprintf(&text, "%s: %s", token, why) < 0)
		return false;
	if (psc_vec_push(&p->notices, text))
		return true;
	free(text);
	return false;
}

static void element_free(struct psc_element *e)
{
	for (unsigned int i = 0; i < e->n; i++)
		free(e->token[i]);
}

// One token of an element; an empty one is the default store.
static bool add_token(struct psc_store_path *p, struct psc_element *e,
		      const char *token, const char *default_store)
{
	if (!*token)
		token = default_store;
	if (is_windows_path(token))
		return notice(p, token, "a Windows path, left out");
	if (e->n == PSC_STORE_MAX_TOKENS)
		return notice(p, token, "more than ten stores in one chain");
	e->token[e->n] = strdup(token);
	return e->token[e->n] && ++e->n;
}

// What follows "srv*", "symsrv*dll*" or "cache*": tokens between stars.
static bool add_tokens(struct psc_store_path *p, struct psc_element *e,
		       char *rest, const char *default_store)
{
	char *token;

	while ((token = strsep(&rest, "*"))) {
		if (!add_token(p, e, token, default_store))
			return false;
	}
	return true;
}

// Skip "keyword*"; NULL when the element begins otherwise.
static char *after(char *text, const char *keyword)
{
	size_t n = strlen(keyword);

	return strncasecmp(text, keyword, n) == 0 && text[n] == '*'
		? text + n + 1 : NULL;
}

static bool parse_element(struct psc_store_path *p, char *text,
			  const char *default_store, struct psc_element *e)
{
	char *rest;

	if ((rest = after(text, "cache"))) {
		e->kind = PSC_ELEMENT_CACHE;
		return add_tokens(p, e, rest, default_store);
	}
	e->kind = PSC_ELEMENT_CHAIN;
	if ((rest = after(text, "symsrv"))) {
		strsep(&rest, "*");		// the server's DLL
		return !rest || add_tokens(p, e, rest, default_store);
	}
	if ((rest = after(text, "srv")))
		return add_tokens(p, e, rest, default_store);
	if (psc_is_url(text))
		return add_token(p, e, text, default_store);
	e->kind = PSC_ELEMENT_DIR;
	return add_token(p, e, text, default_store);
}

struct psc_error *psc_store_path_add(struct psc_store_path *p,
				     const char *text,
				     const char *default_store)
{
	PSC_FREE char *copy = strdup(text);
	char *rest = copy, *one;

	if (!copy)
		return &psc_nomem;
	while ((one = strsep(&rest, ";"))) {
		struct psc_element e = { 0 };
		if (!*one)
			continue;
		if (!parse_element(p, one, default_store, &e)) {
			element_free(&e);
			return &psc_nomem;
		}
		if (e.n && !psc_vec_push(&p->v, e)) {
			element_free(&e);
			return &psc_nomem;
		}
	}
	return NULL;
}

void psc_store_path_free(struct psc_store_path *p)
{
	for (size_t i = 0; i < p->v.n; i++)
		element_free(&p->v.v[i]);
	psc_vec_free(&p->v);
	for (size_t i = 0; i < p->notices.n; i++)
		free(p->notices.v[i]);
	psc_vec_free(&p->notices);
}
